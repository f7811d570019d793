"""The embedding classes of LangChain and LlamaIndex, over OpenAI's and TEI's protocols. LangChain's class of Hugging Face takes
no addresses, only names of the hub."""

import asyncio
import json
import os
import unittest
from pathlib import Path

import numpy as np
from langchain_openai import OpenAIEmbeddings
from llama_index.embeddings.openai import OpenAIEmbedding
from llama_index.embeddings.openai_like import OpenAILikeEmbedding
from llama_index.embeddings.text_embeddings_inference import TextEmbeddingsInference

ADDRESS = f"http://{os.environ['INFER_ADDRESS']}"
DATA = Path(os.environ["INFER_ROOT"]) / "tests/texts"
TEXTS = json.loads((DATA / "texts.json").read_text(encoding="utf-8"))
# The classes of LlamaIndex refuse or change empty and blank texts before they send anything.
PLACES = [place for place, text in enumerate(TEXTS) if text.strip() and "\n" not in text]
EXPECTED = json.loads((DATA / "expected.json").read_text(encoding="utf-8"))


class Embeddings(unittest.TestCase):
    MODEL = "passages"  # the service's INFER_DEFAULT_MODEL

    def check(self, vectors):
        expected = np.array(EXPECTED[self.MODEL]["vectors"])[PLACES]
        np.testing.assert_allclose(np.array(vectors), expected, atol=1e-4)

    def texts(self):
        return [TEXTS[place] for place in PLACES]

    def check_langchain(self, embeddings):
        self.check(embeddings.embed_documents(self.texts()))
        self.check(asyncio.run(embeddings.aembed_documents(self.texts())))
        query = embeddings.embed_query(self.texts()[0])
        np.testing.assert_allclose(query, EXPECTED[self.MODEL]["vectors"][PLACES[0]], atol=1e-4)

    def check_llamaindex(self, embeddings):
        self.check(embeddings.get_text_embedding_batch(self.texts()))
        self.check(asyncio.run(embeddings.aget_text_embedding_batch(self.texts())))
        query = embeddings.get_query_embedding(self.texts()[0])
        np.testing.assert_allclose(query, EXPECTED[self.MODEL]["vectors"][PLACES[0]], atol=1e-4)

    def test_langchain_openai(self):
        # Without `check_embedding_ctx_length` the class sends texts; with it, the tokens of OpenAI's own models.
        self.check_langchain(OpenAIEmbeddings(
            model=self.MODEL, base_url=f"{ADDRESS}/v1", api_key="none", check_embedding_ctx_length=False))

    def test_llamaindex_openai(self):
        arguments = dict(model_name=self.MODEL, api_base=f"{ADDRESS}/v1", api_key="none", max_retries=0)
        self.check_llamaindex(OpenAILikeEmbedding(**arguments))
        # OpenAI's own class knows OpenAI's names only, but sends another.
        self.check_llamaindex(OpenAIEmbedding(**arguments))

    def test_llamaindex_tei(self):
        # Trailing slashes are the user's to avoid: the class appends `/embed`.
        self.check_llamaindex(TextEmbeddingsInference(model_name=self.MODEL, base_url=ADDRESS))


if __name__ == "__main__":
    unittest.main()
