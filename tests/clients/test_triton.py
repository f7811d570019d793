"""NVIDIA's `tritonclient.http`, with the calls that its users make."""

import unittest

import numpy as np
import tritonclient.http as triton
from tritonclient.utils import InferenceServerException

from service import ADDRESS, CARRIED, FOREIGN, png

NOT_IN_JSON = {"FP16", "BF16"}


def model_of(datatype):
    return f"identity-{datatype.lower()}"


class Triton(unittest.TestCase):
    def setUp(self):
        self.client = triton.InferenceServerClient(ADDRESS, concurrency=4)
        self.addCleanup(self.client.close)

    def input(self, values, datatype, name="x", binary=True):
        tensor = triton.InferInput(name, list(values.shape), datatype)
        return tensor.set_data_from_numpy(values, binary_data=binary)

    def images(self, *digits):
        values = np.array([png(digit) for digit in digits], dtype=object)
        return self.input(values, "BYTES", name="image")

    def test_health_and_metadata(self):
        self.assertTrue(self.client.is_server_live())
        self.assertTrue(self.client.is_server_ready())
        self.assertTrue(self.client.is_model_ready("digits"))
        self.assertTrue(self.client.is_model_ready("digits", "1"))
        self.assertFalse(self.client.is_model_ready("digits", "2"))
        self.assertFalse(self.client.is_model_ready("nobody"))
        server = self.client.get_server_metadata()
        self.assertEqual(server["name"], "infer")
        self.assertIn("binary_tensor_data", server["extensions"])
        metadata = self.client.get_model_metadata("digits", "1")
        self.assertEqual(metadata["versions"], ["1"])
        self.assertEqual(metadata["inputs"][0]["shape"], [-1, 1, 8, 8])

    def test_config_and_index(self):
        config = self.client.get_model_config("digits")
        self.assertEqual(config["input"][0]["format"], "FORMAT_NCHW")
        self.assertEqual(config["input"][0]["dims"], [1, 8, 8])
        self.assertEqual(config["output"][0]["data_type"], "TYPE_FP32")
        self.assertGreater(config["max_batch_size"], 0)
        index = {entry["name"]: entry for entry in self.client.get_model_repository_index()}
        expected = {"name": "digits", "version": "1", "state": "READY", "reason": ""}
        self.assertEqual(index["digits"], expected)
        self.assertIn("add", index)

    def test_every_datatype_in_the_default_mode(self):
        for datatype, values in CARRIED.items():
            with self.subTest(datatype):
                result = self.client.infer(model_of(datatype), [self.input(values, datatype)])
                came = result.as_numpy("y")
                self.assertEqual(result.get_output("y")["datatype"], datatype)
                self.assertIn("binary_data_size", result.get_output("y")["parameters"])
                self.assertEqual(came.dtype, values.dtype)
                self.assertEqual(came.tobytes(), values.tobytes())

    def test_every_datatype_in_json(self):
        for datatype, values in CARRIED.items():
            if datatype in NOT_IN_JSON:
                continue
            with self.subTest(datatype):
                result = self.client.infer(
                    model_of(datatype),
                    [self.input(values, datatype, binary=False)],
                    outputs=[triton.InferRequestedOutput("y", binary_data=False)],
                )
                self.assertEqual(len(result.get_output("y")["data"]), 3)
                self.assertEqual(result.as_numpy("y").tobytes(), values.tobytes())

    def test_datatypes_without_a_graph_are_converted_by_value(self):
        for datatype, (model, values) in FOREIGN.items():
            for binary in (True, False):
                with self.subTest(datatype, binary=binary):
                    result = self.client.infer(model, [self.input(values, datatype, binary=binary)])
                    np.testing.assert_array_equal(result.as_numpy("y"), values)

    def test_several_inputs_id_version_and_parameters(self):
        a = np.arange(6, dtype=np.float32).reshape(3, 2)
        result = self.client.infer(
            "add",
            [self.input(a, "FP32", "a"), self.input(10 * a, "FP32", "b", binary=False)],
            model_version="1",
            request_id="request 42",
            priority=3,
            timeout=1000,
            sequence_id=0,
            parameters={"unknown": "yes"},
        )
        np.testing.assert_array_equal(result.as_numpy("sum"), 11 * a)
        response = result.get_response()
        self.assertEqual(response["id"], "request 42")
        self.assertEqual(response["model_version"], "1")

    def test_compression_both_ways(self):
        values = np.zeros(100_000, np.float32)
        for request in (None, "gzip", "deflate"):
            for response in (None, "gzip", "deflate"):
                for binary in (True, False):
                    with self.subTest(request=request, response=response, binary=binary):
                        result = self.client.infer(
                            "identity-fp32",
                            [self.input(values, "FP32", binary=binary)],
                            outputs=[triton.InferRequestedOutput("y", binary_data=binary)],
                            request_compression_algorithm=request,
                            response_compression_algorithm=response,
                        )
                        np.testing.assert_array_equal(result.as_numpy("y"), values)

    def test_five_megabytes_in_and_out(self):
        values = np.arange(1_250_000, dtype=np.float32)
        for binary in (True, False):
            with self.subTest(binary=binary):
                result = self.client.infer(
                    "identity-fp32",
                    [self.input(values, "FP32", binary=binary)],
                    outputs=[triton.InferRequestedOutput("y", binary_data=binary)],
                )
                np.testing.assert_array_equal(result.as_numpy("y"), values)

    def test_asynchronous(self):
        tensors = [np.full(3, value, np.float32) for value in range(16)]
        pending = [
            self.client.async_infer("identity-fp32", [self.input(values, "FP32")]) for values in tensors
        ]
        for values, request in zip(tensors, pending):
            np.testing.assert_array_equal(request.get_result().as_numpy("y"), values)

    def test_images_and_classes(self):
        for binary in (True, False):
            with self.subTest(binary=binary):
                output = triton.InferRequestedOutput("probabilities", binary_data=binary, class_count=2)
                result = self.client.infer("digits", [self.images(3, 7)], outputs=[output])
                classes = result.as_numpy("probabilities")
                self.assertEqual(classes.shape, (2, 2))
                for digit, row in zip((3, 7), classes):
                    best = row[0].decode() if isinstance(row[0], bytes) else row[0]
                    value, index, label = best.split(":")
                    self.assertGreater(float(value), 0.5)
                    self.assertEqual((index, label), (str(digit), str(digit)))

    def test_more_classes_than_there_are(self):
        output = triton.InferRequestedOutput("probabilities", class_count=10**9)
        result = self.client.infer("digits", [self.images(7)], outputs=[output])
        self.assertEqual(result.as_numpy("probabilities").shape, (1, 10))

    def test_errors_are_exceptions_with_the_sentence(self):
        good = np.zeros((1, 1, 8, 8), np.float32)
        cases = {
            "there is no model `nobody`": lambda: self.client.infer("nobody", [self.input(good, "FP32")]),
            "there is no input `x`; the model has `image`": lambda: self.client.infer(
                "digits", [self.input(good, "FP32")]
            ),
            "shape [1, 8] does not fit [-1, 1, 8, 8]": lambda: self.client.infer(
                "digits", [self.input(good[0, 0, :1], "FP32", "image")]
            ),
            "datatype FP64, expected FP32": lambda: self.client.infer(
                "digits", [self.input(good.astype(np.float64), "FP64", "image")]
            ),
            "there is no output `z`": lambda: self.client.infer(
                "digits",
                [self.input(good, "FP32", "image")],
                outputs=[triton.InferRequestedOutput("z")],
            ),
            "has no version `9`": lambda: self.client.get_model_metadata("digits", "9"),
            "models are neither loaded nor unloaded": lambda: self.client.load_model("digits"),
            "there is no route": lambda: self.client.get_system_shared_memory_status(),
        }
        for sentence, call in cases.items():
            with self.subTest(sentence):
                with self.assertRaises(InferenceServerException) as raised:
                    call()
                self.assertIn(sentence, raised.exception.message())

    def test_raw_requests_by_the_clients_own_helpers(self):
        values = np.array([1, 2, 3], np.float32)
        body, header_length = triton.InferenceServerClient.generate_request_body([self.input(values, "FP32")])
        self.assertGreater(header_length, 0)
        response = self.client._post("v2/models/identity-fp32/infer", body, {
            "Inference-Header-Content-Length": str(header_length),
        }, None)
        self.assertEqual(response.status_code, 200)
        result = triton.InferenceServerClient.parse_response_body(
            response.read(), header_length=int(response["Inference-Header-Content-Length"])
        )
        np.testing.assert_array_equal(result.as_numpy("y"), values)


if __name__ == "__main__":
    unittest.main()
