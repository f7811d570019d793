"""Zero-shot image classification: CLIP and SigLIP in one graph, CLIP in two.

Expected: the processors of `transformers`, and the arithmetic of its pipeline. For two graphs: softmax of 100 times the
cosine.
"""

import json

import numpy as np
from common import Graph, Set, image_cases, load, session, write_json
from text import tokenizer_of
from tokenizers import Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers
from vision import HALF, outputs, processor, processor_of
from words import CORPUS

WIDTH = 8
CLIP_MEAN, CLIP_STD = [0.48145466, 0.4578275, 0.40821073], [0.26862954, 0.26130258, 0.27577711]
LABELS = ["cat", "dog", "city at night", "landscape", "portrait of a person", "checkerboard"]
MORE = [
    "a photo of {}.",
    "This is a photo of {}.",
    "photo photo photograph picture night city portrait landscape dog cat",
]


def kept(model):
    """The vocabulary's size of the committed tokenizer. It is kept, since each training gives another one."""
    path = model / "tokenizer.json"
    return Tokenizer.from_file(str(path)).get_vocab_size() if path.exists() else None


def clip_tokenizer(model):
    if size := kept(model):
        return size
    tokenizer = Tokenizer(models.BPE(unk_token="<|endoftext|>", end_of_word_suffix="</w>"))
    tokenizer.normalizer = normalizers.Sequence(
        [normalizers.NFC(), normalizers.Replace(Regex(r"\s+"), " "), normalizers.Lowercase()]
    )
    pattern = r"'s|'t|'re|'ve|'m|'ll|'d|[\p{L}]+|[\p{N}]|[^\s\p{L}\p{N}]+"
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(pattern), behavior="removed", invert=True),
            pre_tokenizers.ByteLevel(add_prefix_space=False),
        ]
    )
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=420,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        end_of_word_suffix="</w>",
        show_progress=False,
    )
    tokenizer.train_from_iterator(CORPUS + MORE, trainer)
    # The two special tokens are the last, as in CLIP's vocabulary: the text's place is the greatest id.
    tokenizer.add_special_tokens(["<|startoftext|>", "<|endoftext|>"])
    size = tokenizer.get_vocab_size()
    start, end = tokenizer.token_to_id("<|startoftext|>"), tokenizer.token_to_id("<|endoftext|>")
    tokenizer.post_processor = processors.RobertaProcessing(
        sep=("<|endoftext|>", end), cls=("<|startoftext|>", start), trim_offsets=False, add_prefix_space=False
    )
    tokenizer.save(str(model / "tokenizer.json"), pretty=False)
    write_json(
        model / "tokenizer_config.json",
        {
            "tokenizer_class": "CLIPTokenizer",
            "model_max_length": 77,
            "do_lower_case": True,
            "bos_token": "<|startoftext|>",
            "eos_token": "<|endoftext|>",
            "pad_token": "<|endoftext|>",
            "unk_token": "<|endoftext|>",
        },
    )
    return size


def siglip_tokenizer(model, limit=64):
    if size := kept(model):
        return size
    tokenizer = Tokenizer(models.Unigram())
    tokenizer.normalizer = normalizers.Sequence(
        [
            normalizers.Lowercase(),
            normalizers.Replace(Regex(r"[!\"#$%&'()*+,\-./:;<=>?@\[\\\]^_`{|}~]"), ""),
            normalizers.Replace(Regex(r"\s+"), " "),
            normalizers.Strip(),
        ]
    )
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace()
    tokenizer.decoder = decoders.Metaspace()
    trainer = trainers.UnigramTrainer(
        vocab_size=300, special_tokens=["<unk>", "</s>"], unk_token="<unk>", show_progress=False
    )
    tokenizer.train_from_iterator([t for t in CORPUS + MORE if t.isascii()], trainer)
    tokenizer.post_processor = processors.TemplateProcessing(single="$A </s>", special_tokens=[("</s>", 1)])
    tokenizer.save(str(model / "tokenizer.json"), pretty=False)
    write_json(
        model / "tokenizer_config.json",
        {
            "tokenizer_class": "SiglipTokenizer",
            "model_max_length": limit,
            "do_lower_case": True,
            "eos_token": "</s>",
            "pad_token": "</s>",
            "unk_token": "<unk>",
        },
    )
    return tokenizer.get_vocab_size()


def text_part(g, random, vocabulary, masked):
    ids = g.input("input_ids", "i64", ["text_batch", "sequence"])
    table = random.normal(0, 1, (vocabulary, WIDTH))
    if not masked:
        table[1] *= 0.1  # the padding, which SigLIP's text tower reads
    values = g("Gather", g.const(table), ids)
    if masked:
        mask = g.input("attention_mask", "i64", ["text_batch", "sequence"])
        weight = g("Unsqueeze", g("Cast", mask, to=1), g.ints(2))
        total = g("ReduceSum", g("Mul", values, weight), g.ints(1), keepdims=0)
        return g("Div", total, g("ReduceSum", weight, g.ints(1), keepdims=0))
    return g("ReduceMean", values, axes=[1], keepdims=0)


def image_part(g, random, size):
    image = g.input("pixel_values", "f32", ["image_batch", 3, size, size])
    value = g("AveragePool", image, kernel_shape=[size // 4] * 2, strides=[size // 4] * 2)
    flat = g("Reshape", value, g.ints(0, 48))
    return g("Tanh", g("MatMul", flat, g.const(random.normal(0, 0.3, (48, WIDTH)))))


def unit(g, value):
    return g("Div", value, g("ReduceL2", value, axes=[1], keepdims=1))


def clip(model):
    random = np.random.default_rng(101)
    g = Graph()
    texts = unit(g, text_part(g, random, clip_tokenizer(model), True))
    images = unit(g, image_part(g, random, 48))
    logits = g("Mul", g("MatMul", images, g("Transpose", texts, perm=[1, 0])), g.const(14.2857))
    g.output(logits, "logits_per_image", "f32", ["image_batch", "text_batch"])
    g.output(g("Transpose", logits, perm=[1, 0]), "logits_per_text", "f32", ["text_batch", "image_batch"])
    g.output(texts, "text_embeds", "f32", ["text_batch", WIDTH])
    g.output(images, "image_embeds", "f32", ["image_batch", WIDTH])
    g.save(model / "model.onnx")
    clip_files(model)


def clip_files(model):
    processor(
        model,
        "CLIPImageProcessor",
        CLIP_MEAN,
        CLIP_STD,
        size={"shortest_edge": 48},
        do_center_crop=True,
        crop_size={"height": 48, "width": 48},
        do_convert_rgb=True,
        resample=3,
    )
    write_json(
        model / "config.json",
        {
            "architectures": ["CLIPModel"],
            "model_type": "clip",
            "projection_dim": WIDTH,
            "logit_scale_init_value": 2.6592,
        },
    )


def clip_in_two(model):
    random = np.random.default_rng(102)
    g = Graph()
    g.output(text_part(g, random, clip_tokenizer(model), True), "text_embeds", "f32", ["text_batch", WIDTH])
    g.save(model / "text_model.onnx")
    g = Graph()
    g.output(image_part(g, random, 48), "image_embeds", "f32", ["image_batch", WIDTH])
    g.save(model / "vision_model.onnx")
    clip_files(model)
    value = json.loads((model / "config.json").read_text())
    write_json(model / "config.json", value)


def siglip(model):
    random = np.random.default_rng(103)
    g = Graph()
    texts = unit(g, text_part(g, random, siglip_tokenizer(model), False))
    images = unit(g, image_part(g, random, 64))
    product = g("MatMul", images, g("Transpose", texts, perm=[1, 0]))
    logits = g("Sub", g("Mul", product, g.const(7.0)), g.const(1.5))
    g.output(logits, "logits_per_image", "f32", ["image_batch", "text_batch"])
    g.output(g("Transpose", logits, perm=[1, 0]), "logits_per_text", "f32", ["text_batch", "image_batch"])
    g.save(model / "model.onnx")
    size = {"height": 64, "width": 64}
    processor(model, "SiglipImageProcessor", HALF, HALF, size=size, resample=3)
    config = {"architectures": ["SiglipModel"], "model_type": "siglip"}
    write_json(model / "config.json", {**config, "text_config": {"max_position_embeddings": 64}})


def scores(model, logits_of, sigmoid=False, padding=True):
    """The arithmetic of the pipeline: each label in the template, one row of logits, softmax or sigmoid."""
    import torch

    processor, tokenizer = processor_of(model), tokenizer_of(model)
    tokenizer.model_input_names = ["input_ids", "attention_mask"]

    def answer(case):
        labels = case["parameters"]["labels"]
        template = case["parameters"].get("hypothesis_template", "This is a photo of {}.")
        image = load(case["input"]["image"])
        pixels = processor(images=image, return_tensors="np", input_data_format="channels_last")["pixel_values"]
        texts = [template.format(label) for label in labels]
        limit = {"max_length": 64, "truncation": True} if padding == "max_length" else {}
        tokens = tokenizer(texts, return_tensors="np", padding=padding, **limit)
        logits = torch.as_tensor(logits_of({**tokens, "pixel_values": pixels}))[0]
        values = (torch.sigmoid(logits) if sigmoid else logits.softmax(-1)).tolist()
        rows = [{"label": label, "score": value} for value, label in zip(values, labels)]
        return sorted(rows, key=lambda row: -row["score"])

    return answer


def clip_reference(model):
    run = session(model / "model.onnx")
    return scores(model, lambda values: outputs(run, values)["logits_per_image"])


def siglip_reference(model):
    run = session(model / "model.onnx")
    return scores(model, lambda values: outputs(run, values)["logits_per_image"], True, "max_length")


def clip_in_two_reference(model):
    text, vision = session(model / "text_model.onnx"), session(model / "vision_model.onnx")

    def logits(values):
        a = outputs(vision, values)["image_embeds"]
        b = outputs(text, values)["text_embeds"]
        return 100 * (a / a.norm(dim=-1, keepdim=True)) @ (b / b.norm(dim=-1, keepdim=True)).T

    return scores(model, logits)


def cases():
    rows = []
    for i, case in enumerate(image_cases()):
        rows.append({**case, "parameters": {"labels": LABELS[: 2 + i % 5]}})
    for label, parameters in [
        ("template", {"labels": LABELS, "hypothesis_template": "a photo of a {}"}),
        ("one label", {"labels": ["cat"]}),
        ("same label twice", {"labels": ["cat", "dog", "cat"]}),
        ("long label", {"labels": ["cat", "a very long description of a city at night in London, with many lights"]}),
        ("upper case", {"labels": ["CAT", "cat", "Dog!"]}),
        ("scripts", {"labels": ["кошка", "собака", "猫", "🐈"], "hypothesis_template": "{}"}),
    ]:
        rows.append({"name": f"large {label}", "input": {"image": "large.png"}, "parameters": parameters})
    return rows


SETS = [
    Set("zero-shot-image-classification/clip", clip, cases, clip_reference),
    Set("zero-shot-image-classification/siglip", siglip, cases, siglip_reference),
    Set("zero-shot-image-classification/clip-two-graphs", clip_in_two, cases, clip_in_two_reference),
]
