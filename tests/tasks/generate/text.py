"""Text tasks: token classification, question answering, zero-shot, ranking, fill-mask, sparse embeddings.

Expected: the pipelines of `transformers`, with the ONNX model in place of theirs.
"""

import logging
import warnings

import numpy as np
from common import Graph, Set, session, write_json
from words import LONG, TEXTS, byte_level, wordpiece

warnings.filterwarnings("ignore")
logging.getLogger("transformers").setLevel(logging.ERROR)
logging.getLogger("transformers.tokenization_utils_base").setLevel(logging.CRITICAL)

WIDTH = 8


def encoder(seed, vocabulary, types):
    """Hidden values that depend on the token, its place, its type, and a little on all the others."""
    random = np.random.default_rng(seed)
    g = Graph()
    ids = g.input("input_ids", "i64", ["batch", "sequence"])
    mask = g.input("attention_mask", "i64", ["batch", "sequence"])
    hidden = g("Gather", g.const(random.normal(0, 1, (vocabulary, WIDTH))), ids)
    if types:
        kind = g.input("token_type_ids", "i64", ["batch", "sequence"])
        hidden = g("Add", hidden, g("Gather", g.const(random.normal(0, 0.7, (2, WIDTH))), kind))
    place = g("CumSum", mask, g.const(1, np.int64))
    wave = np.sin(np.arange(64)[:, None] * (0.3 + np.arange(WIDTH)[None] * 0.17)) * 0.8
    place = g("Mod", place, g.const(64, np.int64))
    hidden = g("Add", hidden, g("Gather", g.const(wave), place))
    weight = g("Unsqueeze", g("Cast", mask, to=1), g.ints(2))
    total = g("ReduceSum", g("Mul", hidden, weight), g.ints(1), keepdims=1)
    mean = g("Div", total, g("ReduceSum", weight, g.ints(1), keepdims=1))
    hidden = g("Tanh", g("Add", hidden, mean))
    return g, random, hidden, weight


def linear(g, random, value, width, scale, bias=0.3):
    weights = g.const(random.normal(0, scale, (WIDTH, width)))
    return g("Add", g("MatMul", value, weights), g.const(random.normal(0, bias, width)))


def config(model, architecture, roberta, vocabulary, labels=None, limit=32, **more):
    value = {
        "architectures": [("Roberta" if roberta else "Bert") + architecture],
        "model_type": "roberta" if roberta else "bert",
        "hidden_size": WIDTH,
        "max_position_embeddings": limit + 2 if roberta else limit,
        "num_attention_heads": 1,
        "num_hidden_layers": 1,
        "pad_token_id": 1 if roberta else 0,
        "vocab_size": vocabulary,
        **more,
    }
    if labels:
        value["id2label"] = {str(i): label for i, label in enumerate(labels)}
        value["label2id"] = {label: i for i, label in enumerate(labels)}
    write_json(model / "config.json", value)


def start(model, seed, roberta, limit=32):
    vocabulary = byte_level(model, limit) if roberta else wordpiece(model, limit)
    return vocabulary, *encoder(seed, vocabulary, not roberta)


def tokenizer_of(model):
    from transformers import PreTrainedTokenizerFast

    tokenizer = PreTrainedTokenizerFast.from_pretrained(model)
    if "roberta" in (model / "config.json").read_text():
        tokenizer.model_input_names = ["input_ids", "attention_mask"]
    else:
        tokenizer.model_input_names = ["input_ids", "token_type_ids", "attention_mask"]
    return tokenizer


def network(model):
    """A model for `transformers` that runs the ONNX file."""
    import torch
    from transformers import AutoConfig, PreTrainedModel
    from transformers.utils import ModelOutput

    class Network(PreTrainedModel):
        def __init__(self, config):
            super().__init__(config)
            self.run = session(model / "model.onnx")
            self.unused = torch.nn.Parameter(torch.zeros(1))

        def forward(self, input_ids=None, attention_mask=None, token_type_ids=None):
            values = {"input_ids": input_ids, "attention_mask": attention_mask, "token_type_ids": token_type_ids}
            names = [value.name for value in self.run.get_inputs()]
            outputs = self.run.run(None, {name: values[name].numpy() for name in names})
            keys = [value.name for value in self.run.get_outputs()]
            return ModelOutput(**{key: torch.from_numpy(value) for key, value in zip(keys, outputs)})

    return Network(AutoConfig.from_pretrained(model)).eval()


def pipeline(model, kind):
    import transformers

    return getattr(transformers, kind)(model=network(model), tokenizer=tokenizer_of(model), device="cpu")


# Token classification.

TAGS = ["O", "B-PER", "I-PER", "B-LOC", "I-LOC", "B-MISC", "I-MISC"]


def tagger(roberta, labels):
    def build(model):
        vocabulary, g, random, hidden, _ = start(model, 33 + roberta, roberta)
        outside = g.const([6.0] + [0.0] * (len(labels) - 1))
        value = g("Add", linear(g, random, hidden, len(labels), 1.4), outside)
        g.output(value, "logits", "f32", ["batch", "sequence", len(labels)])
        g.save(model / "model.onnx")
        config(model, "ForTokenClassification", roberta, vocabulary, labels)

    return build


def tagger_reference(model):
    pipe = pipeline(model, "TokenClassificationPipeline")

    def answer(case):
        text = case["input"]["text"]
        rows = pipe(text, **case["parameters"])
        return [
            {
                "label": row.get("entity_group", row.get("entity")),
                "score": float(row["score"]),
                "start": row["start"],
                "end": row["end"],
                "text": text[row["start"] : row["end"]],
                "word": row["word"],
            }
            for row in rows
        ]

    return answer


def tagger_cases():
    cases = []
    for strategy in ["none", "simple", "first", "average", "max"]:
        for i, text in enumerate(TEXTS):
            if strategy == "none" and i % 4:
                continue
            if strategy in ("average", "max") and i % 5 != 1 + (strategy == "max"):
                continue
            cases.append((f"{strategy} {i}", text, {"aggregation_strategy": strategy}))
    for stride, strategies in [(0, ["simple"]), (4, ["first"]), (8, ["simple"]), (15, ["max"])]:
        for strategy in strategies:
            parameters = {"aggregation_strategy": strategy, "stride": stride}
            cases.append((f"long, stride {stride}, {strategy}", LONG, parameters))
    cases.append(("long, truncated", LONG, {"aggregation_strategy": "simple"}))
    cases.append(("short with stride", TEXTS[0], {"aggregation_strategy": "simple", "stride": 8}))
    cases.append(("all labels", TEXTS[0], {"aggregation_strategy": "simple", "ignore_labels": []}))
    cases.append(("ignore two", TEXTS[19], {"aggregation_strategy": "simple", "ignore_labels": ["O", "PER"]}))
    cases.append(("ignore B-PER", TEXTS[19], {"aggregation_strategy": "none", "ignore_labels": ["O", "B-PER"]}))
    return [{"name": name, "input": {"text": text}, "parameters": p} for name, text, p in cases]


# Question answering.


def reader(roberta, limit=64):
    def build(model):
        vocabulary, g, random, hidden, _ = start(model, 41 + roberta, roberta, limit)
        for name in ["start_logits", "end_logits"]:
            value = g("Squeeze", linear(g, random, hidden, 1, 1.6), g.ints(2))
            g.output(value, name, "f32", ["batch", "sequence"])
        g.save(model / "model.onnx")
        config(model, "ForQuestionAnswering", roberta, vocabulary, limit=limit)

    return build


def reader_reference(model):
    pipe = pipeline(model, "QuestionAnsweringPipeline")

    def answer(case):
        rows = pipe(**case["input"], **case["parameters"])
        rows = rows if isinstance(rows, list) else [rows]
        return [{"text": r["answer"], "score": float(r["score"]), "start": r["start"], "end": r["end"]} for r in rows]

    return answer


def reader_cases():
    questions = ["Who wrote the letter?", "Where did Ada live?", "Кто жил в Москве?", "谁在北京？", "When?"]
    cases = []
    for i, text in enumerate(TEXTS):
        cases.append((f"text {i}", questions[i % 5], text, {}))
    for label, parameters in [
        ("default", {}),
        ("top 5", {"top_k": 5}),
        ("top 20", {"top_k": 20}),
        ("short answers", {"max_answer_len": 2, "top_k": 3}),
        ("one token", {"max_answer_len": 1, "top_k": 3}),
        ("long answers", {"max_answer_len": 40, "top_k": 3}),
        ("stride 10", {"doc_stride": 10, "top_k": 3}),
        ("stride 0", {"doc_stride": 0, "top_k": 3}),
        ("sequence 24", {"max_seq_len": 24, "doc_stride": 6, "top_k": 3}),
        ("impossible", {"handle_impossible_answer": True, "top_k": 5}),
        ("impossible, best", {"handle_impossible_answer": True}),
        ("not aligned", {"align_to_words": False, "top_k": 5}),
    ]:
        cases.append((f"long, {label}", questions[0], LONG, parameters))
        cases.append((f"mixed, {label}", questions[2], TEXTS[19], parameters))
    cases.append(("impossible, short", questions[1], TEXTS[0], {"handle_impossible_answer": True, "top_k": 4}))
    cases.append(("same words twice", questions[1], TEXTS[20], {"top_k": 6}))
    return [
        {"name": name, "input": {"question": question, "context": context}, "parameters": p}
        for name, question, context, p in cases
    ]


# One row of logits a text: zero-shot classification and ranking.


def classifier(seed, labels, roberta=False, limit=64, scale=7.0):
    def build(model):
        vocabulary, g, random, hidden, weight = start(model, seed, roberta, limit)
        total = g("ReduceSum", g("Mul", hidden, weight), g.ints(1), keepdims=0)
        mean = g("Div", total, g("ReduceSum", weight, g.ints(1), keepdims=0))
        g.output(linear(g, random, mean, len(labels), scale), "logits", "f32", ["batch", len(labels)])
        g.save(model / "model.onnx")
        config(model, "ForSequenceClassification", roberta, vocabulary, labels, limit=limit)

    return build


def zero_shot_reference(model):
    pipe = pipeline(model, "ZeroShotClassificationPipeline")

    def answer(case):
        p = dict(case["parameters"])
        found = pipe(case["input"]["text"], p.pop("labels"), **p)
        return [{"label": label, "score": score} for label, score in zip(found["labels"], found["scores"])]

    return answer


def zero_shot_cases():
    labels = ["sports", "politics", "science", "cooking", "travel", "music"]
    cases = [(f"text {i}", text, {"labels": labels[: 2 + i % 5]}) for i, text in enumerate(TEXTS)]
    for i in [0, 3, 8, 19]:
        cases.append((f"multi-label {i}", TEXTS[i], {"labels": labels, "multi_label": True}))
    template = "This text is about {}."
    cases += [
        ("template", TEXTS[0], {"labels": labels, "hypothesis_template": template}),
        ("template, multi-label", TEXTS[0], {"labels": labels, "hypothesis_template": template, "multi_label": True}),
        ("template, other script", TEXTS[3], {"labels": ["Москва", "наука"], "hypothesis_template": "Текст: {}."}),
        ("one label", TEXTS[0], {"labels": ["travel"]}),
        ("one label twice", TEXTS[0], {"labels": ["travel", "music", "travel"]}),
        ("long text is cut, the label is not", LONG, {"labels": labels}),
        ("labels of many words", TEXTS[1], {"labels": ["a trip to the capital of France", "food"]}),
    ]
    return [{"name": name, "input": {"text": text}, "parameters": p} for name, text, p in cases]


def ranking_reference(model):
    tokenizer, net = tokenizer_of(model), network(model)

    def answer(case):
        import torch

        query, documents = case["input"]["query"], case["input"]["documents"]
        rows = []
        for index, document in enumerate(documents):
            inputs = tokenizer(query, document, truncation=True, return_tensors="pt")
            logit = net(**inputs).logits[0, 0]
            score = logit if case["parameters"].get("raw_scores") else torch.sigmoid(logit)
            rows.append({"index": index, "score": score.item()})
        return sorted(rows, key=lambda row: row["score"], reverse=True)[: case["parameters"].get("top_k")]

    return answer


def ranking_cases():
    cases = []
    for i in range(20):
        documents = [TEXTS[(i * 5 + j * 7) % len(TEXTS)] for j in range(1 + i % 4)]
        cases.append((f"query {i}", TEXTS[i], documents, {}))
    few = TEXTS[:4]
    cases += [
        ("raw", "Who met Ada?", few, {"raw_scores": True}),
        ("top 2", "Who met Ada?", few, {"top_k": 2}),
        ("the same document twice", "Who met Ada?", [TEXTS[0], TEXTS[1], TEXTS[0]], {}),
        ("long document", "Who met Ada?", [LONG, TEXTS[0]], {}),
        ("long query", LONG, [TEXTS[0], LONG], {}),
        ("empty document", "Who met Ada?", ["", TEXTS[0]], {}),
    ]
    return [{"name": n, "input": {"query": q, "documents": d}, "parameters": p} for n, q, d, p in cases]


# A row of the vocabulary a token: fill-mask and sparse embeddings.


def language(seed, roberta, shift=0.0, scale=1.2):
    def build(model):
        vocabulary, g, random, hidden, _ = start(model, seed, roberta, 64)
        value = g("Add", linear(g, random, hidden, vocabulary, scale), g.const(shift))
        g.output(value, "logits", "f32", ["batch", "sequence", vocabulary])
        g.save(model / "model.onnx")
        config(model, "ForMaskedLM", roberta, vocabulary, limit=64)

    return build


def fill_reference(model):
    pipe = pipeline(model, "FillMaskPipeline")

    def answer(case):
        p = dict(case["parameters"])
        rows = pipe(case["input"]["text"], **p)

        def one(row):
            return {
                "label": row["token_str"],
                "index": row["token"],
                "score": row["score"],
                "text": row["sequence"],
            }

        return [[one(r) for r in row] if isinstance(row, list) else one(row) for row in rows]

    return answer


def fill_cases(mask):
    def cases():
        rows = []
        for i, text in enumerate(TEXTS[:6] + TEXTS[10:18]):
            words = text.split(" ")
            words[len(words) // 2] = mask
            rows.append((f"text {i}", " ".join(words), {}))
        base = f"The capital of France is {mask}."
        rows += [
            ("capital", base, {}),
            ("top 1", base, {"top_k": 1}),
            ("top 12", base, {"top_k": 12}),
            ("targets", base, {"targets": ["Paris", "Berlin"]}),
            ("targets, top 1", base, {"targets": ["Paris", "Berlin"], "top_k": 1}),
            ("one target", base, {"targets": ["Paris"]}),
            ("a target of several tokens", base, {"targets": ["Paris", "unbelievable"]}),
            ("the same target twice", base, {"targets": ["Paris", "Paris", "in"]}),
            ("mask first", f"{mask} is the capital of France.", {}),
            ("mask alone", mask, {}),
            ("two masks", f"The {mask} of France is {mask}.", {"top_k": 3}),
            ("no space before the mask", f"Paris{mask} London", {}),
        ]
        return [{"name": name, "input": {"text": text}, "parameters": p} for name, text, p in rows]

    return cases


def sparse_reference(model):
    import torch

    tokenizer, net = tokenizer_of(model), network(model)

    def answer(case):
        inputs = tokenizer(case["input"]["text"], truncation=True, return_tensors="pt")
        logits = net(**inputs).logits
        mask = inputs["attention_mask"].unsqueeze(-1)
        row = torch.amax(torch.log1p(torch.relu(logits)) * mask, dim=1)[0]
        return [{"index": i, "value": row[i].item()} for i in row.nonzero().flatten().tolist()]

    return answer


def sparse_cases():
    texts = [*TEXTS, LONG, ""]
    return [{"name": f"text {i}", "input": {"text": text}, "parameters": {}} for i, text in enumerate(texts)]


NLI = ["contradiction", "neutral", "entailment"]
SETS = [
    Set("token-classification/bert", tagger(False, TAGS), tagger_cases, tagger_reference),
    Set("token-classification/roberta", tagger(True, TAGS), tagger_cases, tagger_reference),
    Set(
        "token-classification/bert-plain-labels",
        tagger(False, ["O", "NOUN", "VERB"]),
        lambda: tagger_cases()[8:28],
        tagger_reference,
    ),
    Set("question-answering/bert", reader(False), reader_cases, reader_reference),
    Set("question-answering/roberta", reader(True), reader_cases, reader_reference),
    Set("zero-shot-classification/bert", classifier(51, NLI), zero_shot_cases, zero_shot_reference),
    Set(
        "zero-shot-classification/roberta-two-labels",
        classifier(52, ["entailment", "not_entailment"], True),
        zero_shot_cases,
        zero_shot_reference,
    ),
    Set("text-ranking/bert", classifier(55, ["LABEL_0"], scale=3.0), ranking_cases, ranking_reference),
    Set("fill-mask/bert", language(61, False), fill_cases("[MASK]"), fill_reference),
    Set("fill-mask/roberta", language(62, True), fill_cases("<mask>"), fill_reference),
    Set("feature-extraction/splade", language(63, False, -11.5, 1.8), sparse_cases, sparse_reference),
]
