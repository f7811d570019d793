"""KServe's `InferenceRESTClient`, for V1 and V2."""

import unittest

import httpx
import numpy as np
from kserve import InferenceRESTClient, InferInput, InferOutput, InferRequest, RESTConfig
from kserve.protocol.infer_type import RequestedOutput

from service import ADDRESS, CARRIED

URL = f"http://{ADDRESS}"


class KServe(unittest.IsolatedAsyncioTestCase):
    def client(self, protocol):
        return InferenceRESTClient(RESTConfig(protocol=protocol, retries=0, timeout=60))

    async def test_health(self):
        client = self.client("v2")
        self.assertTrue(await client.is_server_live(URL))
        self.assertTrue(await client.is_server_ready(URL))
        self.assertTrue(await client.is_model_ready(URL, "digits"))
        self.assertTrue(await self.client("v1").is_model_ready(URL, "digits"))
        self.assertFalse(await client.is_model_ready(URL, "nobody"))
        with self.assertRaises(httpx.HTTPStatusError) as raised:
            await self.client("v1").is_model_ready(URL, "nobody")
        self.assertEqual(raised.exception.response.status_code, 404)

    async def test_v1(self):
        client = self.client("v1")
        rows = await client.infer(URL, {"instances": [1, 2, 3]}, model_name="identity-int32")
        self.assertEqual(rows, {"predictions": [1, 2, 3]})
        rows = await client.infer(
            URL, {"instances": [{"a": [1, 2], "b": [3, 4]}]}, model_name="add"
        )
        self.assertEqual(rows, {"predictions": [[4, 6]]})
        columns = await client.infer(
            URL, {"inputs": {"a": [[1, 2]], "b": [[3, 4]]}}, model_name="add"
        )
        self.assertEqual(columns, {"outputs": [[4, 6]]})
        with self.assertRaises(httpx.HTTPStatusError) as raised:
            await client.infer(URL, {"instances": [1.5]}, model_name="identity-int32")
        self.assertEqual(raised.exception.response.status_code, 400)
        self.assertIn("expected a whole number", raised.exception.response.json()["error"])

    async def test_v2_every_datatype(self):
        client = self.client("v2")
        for datatype, values in CARRIED.items():
            for binary in (True, False):
                if datatype == "FP16" and not binary:
                    continue
                with self.subTest(datatype, binary=binary):
                    tensor = InferInput("x", list(values.shape), datatype)
                    tensor.set_data_from_numpy(values, binary_data=binary)
                    model = f"identity-{datatype.lower()}"
                    request = InferRequest(
                        model,
                        [tensor],
                        request_id="7",
                        request_outputs=[RequestedOutput("y", {"binary_data": binary})],
                    )
                    answer = await client.infer(URL, request, model_name=model)
                    # This client drops `model_version`.
                    self.assertEqual((answer.id, answer.model_name), ("7", model))
                    (output,) = answer.outputs
                    self.assertIsInstance(output, InferOutput)
                    came = output.as_numpy()
                    self.assertEqual(came.tobytes(), values.tobytes())

    async def test_v2_plain_json(self):
        client = self.client("v2")
        body = {"inputs": [{"name": "x", "shape": [2], "datatype": "FP32", "data": [0.5, 1]}]}
        answer = await client.infer(URL, body, model_name="identity-fp32")
        np.testing.assert_array_equal(answer.outputs[0].as_numpy(), np.array([0.5, 1], np.float32))
        with self.assertRaises(httpx.HTTPStatusError) as raised:
            await client.infer(URL, {"inputs": []}, model_name="identity-fp32")
        self.assertIn("input `x` is missing", raised.exception.response.json()["error"])


if __name__ == "__main__":
    unittest.main()
