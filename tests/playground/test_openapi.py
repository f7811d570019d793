"""/openapi.json: it is valid, and the service accepts every example."""

import base64
import json
import os
import unittest
import urllib.error
import urllib.request

from openapi_spec_validator import OpenAPIV31SpecValidator

ORIGIN = f"http://{os.environ['INFER_ADDRESS']}"


def send(method, path, body=None, media_type=None, accept="*/*"):
    headers = {"Accept": accept} | ({"Content-Type": media_type} if media_type else {})
    request = urllib.request.Request(ORIGIN + path, body, headers, method=method)
    try:
        with urllib.request.urlopen(request) as response:
            return response.status, response.read()
    except urllib.error.HTTPError as error:
        return error.code, error.read()


class OpenApi(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        status, body = send("GET", "/openapi.json")
        assert status == 200, body
        cls.document = json.loads(body)

    def test_document_is_valid(self):
        self.assertEqual(self.document["openapi"], "3.1.0")
        self.assertEqual([error.message for error in OpenAPIV31SpecValidator(self.document).iter_errors()], [])

    def test_every_example_gets_a_response(self):
        tried = 0
        for path, item in self.document["paths"].items():
            content = item.get("post", {}).get("requestBody", {}).get("content", {})
            accept = next(iter(item.get("post", item.get("get"))["responses"]["200"]["content"]))
            for media_type, body in content.items():
                for name, example in body.get("examples", {}).items():
                    with self.subTest(path, media_type=media_type, example=name):
                        status, answer = send("POST", path, encoded(example, media_type), media_type, accept)
                        self.assertEqual(status, 200, answer)
                        tried += 1
        self.assertGreater(tried, 10)

    def test_every_readable_resource_exists(self):
        tried = 0
        for path, item in self.document["paths"].items():
            for parameter in item.get("parameters", []):
                path = path.replace(f"{{{parameter['name']}}}", parameter["schema"]["enum"][0])
            for method in ["GET", "HEAD"] if "get" in item else []:
                with self.subTest(path, method=method):
                    status, body = send(method, path)
                    if path == "/info" and status == 400:
                        # Several models have facts, and the query names none.
                        continue
                    self.assertEqual(status, 200, body)
                    self.assertEqual(body == b"", method == "HEAD")
                    tried += 1
        self.assertGreater(tried, 20)

    def test_document_lists_the_served_models(self):
        _, body = send("GET", "/v1/models")
        names = json.loads(body)["models"]
        self.assertEqual([model["name"] for model in self.document["x-models"]], names)
        for model in self.document["x-models"]:
            self.assertIn(f"/infer/{model['name']}", self.document["paths"])
            _, body = send("GET", f"/v2/models/{model['name']}")
            metadata = json.loads(body)
            for key in ["inputs", "outputs", "versions"]:
                self.assertEqual(model[key], metadata[key])


def encoded(example, media_type):
    if "externalValue" in example:
        head, data = example["externalValue"].split(",", 1)
        assert head == f"data:{media_type};base64", head
        return base64.b64decode(data)
    value = example["value"]
    return value.encode() if media_type.startswith("text/") else json.dumps(value).encode()


if __name__ == "__main__":
    unittest.main()
