"""OpenAI's Python client, for embeddings."""

import base64
import json
import unittest

import numpy as np
from openai import BadRequestError, NotFoundError, OpenAI

from service import ADDRESS, ROOT

TEXTS = json.loads((ROOT / "tests/texts/texts.json").read_text(encoding="utf-8"))
EXPECTED = json.loads((ROOT / "tests/texts/expected.json").read_text(encoding="utf-8"))


class Embeddings(unittest.TestCase):
    def setUp(self):
        self.client = OpenAI(base_url=f"http://{ADDRESS}/v1", api_key="none", max_retries=0)
        self.addCleanup(self.client.close)

    def check(self, model, data):
        self.assertEqual([item.index for item in data], list(range(len(TEXTS))))
        vectors = np.array([item.embedding for item in data])
        np.testing.assert_allclose(vectors, EXPECTED[model]["vectors"], atol=1e-4)

    def test_default_encoding(self):
        # The client requests base64 and decodes it.
        for model in ("sentences", "passages"):
            answer = self.client.embeddings.create(model=model, input=TEXTS)
            self.assertEqual((answer.object, answer.model), ("list", model))
            self.check(model, answer.data)
            tokens = sum(len(tokens) for tokens in EXPECTED[model]["tokens"])
            self.assertEqual(answer.usage.prompt_tokens, tokens)
            self.assertEqual(answer.usage.total_tokens, tokens)

    def test_as_numbers(self):
        answer = self.client.embeddings.create(model="passages", input=TEXTS, encoding_format="float")
        self.check("passages", answer.data)

    def test_as_base64(self):
        raw = self.client.embeddings.with_raw_response.create(
            model="passages", input="one", encoding_format="base64", user="somebody")
        vector = np.frombuffer(base64.b64decode(raw.http_response.json()["data"][0]["embedding"]), "<f4")
        self.assertEqual(vector.shape, (32,))
        self.assertAlmostEqual(float(np.linalg.norm(vector)), 1, places=5)

    def test_fewer_dimensions(self):
        whole = self.client.embeddings.create(model="passages", input="one").data[0].embedding
        short = self.client.embeddings.create(model="passages", input="one", dimensions=8).data[0].embedding
        expected = np.array(whole[:8]) / np.linalg.norm(whole[:8])
        np.testing.assert_allclose(short, expected, atol=1e-6)

    def test_errors(self):
        for error, part, arguments in [
            (NotFoundError, "there is no model `none`", dict(model="none", input="one")),
            (BadRequestError, "computes no embeddings", dict(model="sentiment", input="one")),
            (BadRequestError, "the list of texts is empty", dict(model="passages", input=[])),
            (BadRequestError, "token ids", dict(model="passages", input=[1, 2, 3])),
            (BadRequestError, "expected at most 32", dict(model="passages", input="one", dimensions=64)),
        ]:
            with self.subTest(part), self.assertRaises(error) as raised:
                self.client.embeddings.create(**arguments)
            # The client shows the message, and keeps the error's members.
            self.assertIn(part, str(raised.exception))
            self.assertEqual(set(raised.exception.body), {"message", "type", "param", "code"})

    def test_models(self):
        names = {model.id for model in self.client.models.list()}
        self.assertEqual(names, {"passages", "sentences", "sentiment"})
        self.assertEqual(self.client.models.retrieve("passages").id, "passages")
        with self.assertRaises(NotFoundError) as raised:
            self.client.models.retrieve("none")
        self.assertEqual(raised.exception.code, "model_not_found")


if __name__ == "__main__":
    unittest.main()
