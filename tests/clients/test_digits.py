"""Hugging Face's Python client, for images."""

import unittest

from huggingface_hub import InferenceClient

from service import ADDRESS, png


class Images(unittest.TestCase):
    def test_image_classification(self):
        for address in (f"http://{ADDRESS}/models/digits", f"http://{ADDRESS}/models/digits/pipeline/image-classification"):
            classes = InferenceClient(address, token="none").image_classification(png(7))
            self.assertEqual(classes[0].label, "7")
        # With a parameter the client sends base64 in JSON.
        classes = InferenceClient(f"http://{ADDRESS}/models/digits", token="none").image_classification(png(7), top_k=2)
        self.assertEqual((len(classes), classes[0].label), (2, "7"))


if __name__ == "__main__":
    unittest.main()
