"""Write small text models as they are on the Hugging Face Hub, and the outputs of Python packages for texts.

usage: python3 generate.py        (after: pip install -r requirements.txt)

Each folder has a tokenizer of another kind, trained on texts.json, and a network of the matching architecture with
random weights (seeded), exported by torch:

sentiment/  BERT: WordPiece, lower case; a classifier that takes text pairs
sentences/  RoBERTa: byte-level BPE; embeddings, mean of all tokens; sentence-transformers' files, graph in onnx/
passages/   XLM-RoBERTa: Unigram; embeddings, the first token; sentence-transformers' files

Training a tokenizer is not reproducible to the byte, so all files are written together.
expected.json has, for each folder and each text of texts.json, the tokens that `transformers` returns, truncated as
the folder's files say, and the scores or the vector that `transformers` or `sentence-transformers` computes.
"""

import json
import logging
from pathlib import Path

import torch
from sentence_transformers import SentenceTransformer
from sentence_transformers.sentence_transformer.modules import Normalize, Pooling, Transformer
from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers
from transformers import (AutoModel, AutoTokenizer, BertConfig, BertForSequenceClassification,
                          PreTrainedTokenizerFast, RobertaConfig, RobertaModel, XLMRobertaConfig,
                          XLMRobertaModel)

FOLDER = Path(__file__).resolve().parent
TEXTS = json.loads((FOLDER / "texts.json").read_text(encoding="utf-8"))
SMALL = dict(hidden_size=32, num_hidden_layers=2, num_attention_heads=4, intermediate_size=64,
             attn_implementation="eager", initializer_range=0.3)


def wordpiece():
    tokenizer = Tokenizer(models.WordPiece(unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.BertNormalizer(lowercase=True)
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    # A small vocabulary, so that many words are split into pieces and some are unknown.
    trainer = trainers.WordPieceTrainer(vocab_size=900, limit_alphabet=600, special_tokens=special,
                                        show_progress=False)
    tokenizer.train_from_iterator(TEXTS, trainer)
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", pair="[CLS] $A [SEP] $B:1 [SEP]:1",
        special_tokens=[(name, tokenizer.token_to_id(name)) for name in ("[CLS]", "[SEP]")])
    tokenizer.decoder = decoders.WordPiece()
    # A fixed padding and truncation to another length than the model's, as many files on the Hub have.
    tokenizer.enable_padding(length=16, pad_id=0, pad_token="[PAD]")
    tokenizer.enable_truncation(16)
    return tokenizer, dict(pad_token="[PAD]", unk_token="[UNK]", cls_token="[CLS]", sep_token="[SEP]",
                           mask_token="[MASK]", model_max_length=48,
                           model_input_names=["input_ids", "token_type_ids", "attention_mask"])


def byte_level():
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    special = ["<s>", "<pad>", "</s>", "<unk>", "<mask>"]
    trainer = trainers.BpeTrainer(vocab_size=900, special_tokens=special, show_progress=False,
                                  initial_alphabet=pre_tokenizers.ByteLevel.alphabet())
    tokenizer.train_from_iterator(TEXTS, trainer)
    tokenizer.post_processor = processors.RobertaProcessing(("</s>", 2), ("<s>", 0), add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    return tokenizer, dict(pad_token="<pad>", unk_token="<unk>", cls_token="<s>", sep_token="</s>",
                           bos_token="<s>", eos_token="</s>", mask_token="<mask>", model_max_length=512)


def unigram():
    tokenizer = Tokenizer(models.Unigram())
    tokenizer.normalizer = normalizers.Sequence([normalizers.NFKC(), normalizers.Replace(" {2,}", " ")])
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace()
    special = ["<s>", "<pad>", "</s>", "<unk>", "<mask>"]
    trainer = trainers.UnigramTrainer(vocab_size=900, special_tokens=special, unk_token="<unk>",
                                      show_progress=False)
    tokenizer.train_from_iterator(TEXTS, trainer)
    tokenizer.post_processor = processors.TemplateProcessing(
        single="<s> $A </s>", pair="<s> $A </s> </s> $B </s>", special_tokens=[("<s>", 0), ("</s>", 2)])
    tokenizer.decoder = decoders.Metaspace()
    return tokenizer, dict(pad_token="<pad>", unk_token="<unk>", cls_token="<s>", sep_token="</s>",
                           mask_token="<mask>", model_max_length=64)


def write_json(path, value):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(value, indent=2) + "\n")


class Named(torch.nn.Module):
    """A network that takes its inputs by position and returns a tensor."""

    def __init__(self, model, names, output):
        super().__init__()
        self.model, self.names, self.output = model, names, output

    def forward(self, *tensors):
        return self.model(**dict(zip(self.names, tensors)))[self.output]


def export(model, names, output, path):
    path.parent.mkdir(parents=True, exist_ok=True)
    example = tuple(torch.ones((2, 7), dtype=torch.int64) for _ in names)
    axes = {name: {0: "batch_size", 1: "sequence_length"} for name in names}
    axes[output] = {0: "batch_size"} if output == "logits" else {0: "batch_size", 1: "sequence_length"}
    torch.onnx.export(Named(model, names, output).eval(), example, str(path), input_names=names,
                      output_names=[output], dynamic_axes=axes, opset_version=17, dynamo=False)


def save(name, tokenizer_and_config, model, names, output, onnx="model.onnx"):
    folder = FOLDER / name
    raw, config = tokenizer_and_config
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=raw, **config)
    tokenizer.save_pretrained(folder)
    # `transformers` writes the file without the truncation and padding.
    raw.save(str(folder / "tokenizer.json"))
    model.config.save_pretrained(folder)
    export(model, names, output, folder / onnx)
    return AutoTokenizer.from_pretrained(folder)


def tokens(tokenizer, texts, max_tokens):
    return [tokenizer(text, truncation=True, max_length=max_tokens)["input_ids"] for text in texts]


def sentiment():
    torch.manual_seed(1)
    config = BertConfig(vocab_size=900, max_position_embeddings=64, num_labels=3, **SMALL,
                        id2label={0: "negative", 1: "neutral", 2: "positive"},
                        label2id={"negative": 0, "neutral": 1, "positive": 2})
    config.architectures = ["BertForSequenceClassification"]
    model = BertForSequenceClassification(config).eval()
    names = ["input_ids", "attention_mask", "token_type_ids"]
    tokenizer = save("sentiment", wordpiece(), model, names, "logits")

    def scores(*texts):
        with torch.no_grad():
            inputs = tokenizer(*texts, truncation=True, max_length=48, return_tensors="pt")
            return torch.softmax(model(**inputs).logits[0], 0).tolist()

    return {
        "tokens": tokens(tokenizer, TEXTS, 48),
        "scores": [scores(text) for text in TEXTS],
        # The text paired with the previous one.
        "pair_scores": [scores(text, TEXTS[place - 1]) for place, text in enumerate(TEXTS)],
    }


def embedding(name, tokenizer_and_config, model, pooling, max_tokens, onnx):
    names = ["input_ids", "attention_mask"]
    model = model.eval()
    tokenizer = save(name, tokenizer_and_config, model, names, "last_hidden_state", onnx)
    folder = FOLDER / name
    weights = folder / "model.safetensors"
    model.save_pretrained(folder)
    write_json(folder / "1_Pooling/config.json", {
        "word_embedding_dimension": 32,
        **{f"pooling_mode_{mode}": mode == pooling
           for mode in ("cls_token", "mean_tokens", "max_tokens", "mean_sqrt_len_tokens")},
    })
    write_json(folder / "sentence_bert_config.json", {"max_seq_length": max_tokens, "do_lower_case": False})
    write_json(folder / "modules.json", [
        {"idx": place, "name": str(place), "path": path, "type": f"sentence_transformers.models.{kind}"}
        for place, (path, kind) in enumerate(
            [("", "Transformer"), ("1_Pooling", "Pooling"), ("2_Normalize", "Normalize")])
    ])
    sentences = SentenceTransformer(str(folder), device="cpu")
    vectors = sentences.encode(TEXTS, batch_size=5).tolist()
    weights.unlink()
    return {"tokens": tokens(tokenizer, TEXTS, max_tokens), "vectors": vectors}


def sentences():
    torch.manual_seed(2)
    config = RobertaConfig(vocab_size=900, max_position_embeddings=130, type_vocab_size=1, pad_token_id=1, **SMALL)
    return embedding("sentences", byte_level(), RobertaModel(config, add_pooling_layer=False), "mean_tokens",
                     128, "onnx/model.onnx")


def passages():
    torch.manual_seed(3)
    config = XLMRobertaConfig(vocab_size=900, max_position_embeddings=66, type_vocab_size=1, pad_token_id=1, **SMALL)
    return embedding("passages", unigram(), XLMRobertaModel(config, add_pooling_layer=False), "cls_token",
                     40, "model.onnx")


def main():
    logging.getLogger().setLevel(logging.ERROR)
    expected = {function.__name__: function() for function in (sentiment, sentences, passages)}
    (FOLDER / "expected.json").write_text(json.dumps(expected) + "\n")


if __name__ == "__main__":
    main()
