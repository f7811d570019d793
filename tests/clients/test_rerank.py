"""Cohere's Python client, both versions, and DeepStack's."""

import unittest

import cohere
from deepstack.core import DeepstackException, DeepstackObject

from service import ADDRESS, png

DOCUMENTS = ["Ada Lovelace met Charles Babbage.", "A cat."]


class Errors(unittest.TestCase):
    """The models of this service neither rank nor detect: the clients show what the service says."""

    def test_cohere(self):
        for client in (cohere.Client, cohere.ClientV2):
            service = client(api_key="none", base_url=f"http://{ADDRESS}")
            with self.assertRaises(cohere.errors.BadRequestError) as raised:
                service.rerank(model="sentiment", query="Who?", documents=DOCUMENTS, top_n=1)
            self.assertIn("ranks no texts", raised.exception.body["message"])

    def test_deepstack(self):
        host, port = ADDRESS.rsplit(":", 1)
        detector = DeepstackObject(ip=host, port=port, custom_model="sentiment")
        with self.assertRaises(DeepstackException) as raised:
            detector.detect(png(7))
        self.assertIn("status code: 400", str(raised.exception))


if __name__ == "__main__":
    unittest.main()
