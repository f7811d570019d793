"""Hugging Face's Python client, by the tasks of the text models."""

import json
import unittest

import numpy as np
from huggingface_hub import InferenceClient
from huggingface_hub.errors import BadRequestError

from service import ADDRESS, ROOT

TEXTS = json.loads((ROOT / "tests/texts/texts.json").read_text(encoding="utf-8"))
EXPECTED = json.loads((ROOT / "tests/texts/expected.json").read_text(encoding="utf-8"))


def client(model):
    return InferenceClient(f"http://{ADDRESS}/models/{model}", token="none")


class Texts(unittest.TestCase):
    def test_feature_extraction(self):
        for model in ("sentences", "passages"):
            vectors = np.concatenate([client(model).feature_extraction(text) for text in TEXTS])
            expected = np.array(EXPECTED[model]["vectors"])
            expected /= np.linalg.norm(expected, axis=1, keepdims=True)
            np.testing.assert_allclose(vectors, expected, atol=1e-4)
        short = client("passages").feature_extraction(TEXTS[0], normalize=True, dimensions=8)
        self.assertEqual(short.shape, (1, 8))

    def test_sentence_similarity(self):
        similar = client("passages").sentence_similarity(TEXTS[0], TEXTS[:2])
        self.assertEqual(len(similar), 2)
        self.assertAlmostEqual(similar[0], 1, places=5)

    def test_text_classification(self):
        classes = client("sentiment").text_classification(TEXTS[0], top_k=2)
        self.assertEqual(len(classes), 2)
        self.assertGreaterEqual(classes[0].score, classes[1].score)

    def test_errors(self):
        with self.assertRaises(BadRequestError) as raised:
            client("sentiment").text_classification("one", function_to_apply="none")
        self.assertIn("which the card of model `sentiment` says", str(raised.exception))


if __name__ == "__main__":
    unittest.main()
