#!/usr/bin/env python3
"""Write the seeds of the fuzz targets into corpus/, from the files of the tests.

usage: python3 corpus.py        (Python's own library is enough)

Each seed is small and of a kind of its own; running it again writes the same bytes.
"""

import base64
import gzip
import json
import shutil
import struct
import zlib
from pathlib import Path

FUZZ = Path(__file__).resolve().parent
ROOT = FUZZ.parent
CORPUS = FUZZ / "corpus"
GRAPHS = ROOT / "crates/engine/tests/graphs"
IMAGES = ROOT / "tests/preprocessing/images"
MODELS = [  # as in src/lib.rs: a seed's first byte picks one
    "digits", "sum", "add", "sentiment", "passages", "identity-bool", "identity-fp16", "identity-fp32",
    "identity-int32", "identity-int64", "identity-uint8",
]


def pick(model):
    return bytes([MODELS.index(model)])


def save(target, name, data):
    folder = CORPUS / target
    folder.mkdir(parents=True, exist_ok=True)
    (folder / name).write_bytes(data)


def tensor(name, datatype, shape, **more):
    return {"name": name, "datatype": datatype, "shape": shape, **more}


def dump(value):
    return json.dumps(value, separators=(",", ":")).encode()


def npy(descr, shape, data, fortran=False, version=1):
    header = f"{{'descr': '{descr}', 'fortran_order': {fortran}, 'shape': {shape}, }}\n".encode()
    length = struct.pack("<H" if version == 1 else "<I", len(header))
    return b"\x93NUMPY" + bytes([version, 0]) + length + header + data


def form(parts, boundary=b"x"):
    lines = b"".join(
        b"--%b\r\nContent-Disposition: form-data; name=\"a\"\r\n\r\n%b\r\n" % (boundary, part) for part in parts
    )
    return lines + b"--%b--\r\n" % boundary


def requests(picture, jsons, bodies):
    texts = dump({"text": ["What a day!", "x"]})
    add = bodies["add"]
    rows = [
        ("image", "POST /infer?top_k=3&outputs=true", [], picture),
        ("image-as-npy", "POST /infer/digits/input", ["accept: application/x-npy"], picture),
        ("form", "POST /infer/digits", ["content-type: multipart/form-data; boundary=x"], form([picture, picture])),
        ("npy", "POST /infer/identity-fp32", ["content-type: application/x-npy"], npy("<f4", (2,), bytes(8))),
        ("raw", "POST /infer/sum", ["content-type: application/octet-stream"], struct.pack("<3f", 1, 2, 3)),
        ("raw-as-bytes", "POST /infer/identity-int64", ["accept: application/octet-stream"], bytes(16)),
        ("gzip", "POST /infer/identity-uint8", ["content-encoding: gzip", "accept-encoding: gzip"],
         gzip.compress(bytes(100), mtime=0)),
        ("deflate", "POST /infer/identity-uint8", ["content-encoding: deflate"], zlib.compress(b"tensor" * 9)),
        ("text", "POST /infer/sentiment", ["content-type: text/plain; charset=utf-8"], b"What a day!"),
        ("texts", "POST /infer/sentiment/input", ["content-type: application/json"], texts),
        ("embeddings", "POST /v1/embeddings", [],
         dump({"input": ["One text.", "Two"], "model": "passages", "encoding_format": "base64", "dimensions": 8})),
        ("v2", "POST /v2/models/add/infer", [], jsons["add-two"]),
        ("v2-classes", "POST /v2/models/digits/infer", [], jsons["digits-image"]),
        ("v2-binary", "POST /v2/models/add/infer", [f"inference-header-content-length: {add[0]}"], add[1]),
        ("v2-one", "POST /v2/models/identity-fp32/versions/1/infer", ["inference-header-content-length: 0"], bytes(8)),
        ("v1", "POST /v1/models/add:predict", [], jsons["add-rows"]),
        ("v1-columns", "POST /v1/models/identity-int32:predict", [], b'{"inputs":[1,-2,3]}'),
        ("v1-image", "POST /v1/models/digits:predict", [], jsons["digits-b64"]),
        ("index", "POST /v2/repository/index", [], b'{"ready":true}'),
        ("metadata", "GET /v2/models/digits/versions/1", ["accept: application/json;q=0.5, */*"], b""),
        ("openapi", "GET /openapi.json", ["accept-encoding: deflate;q=1, gzip;q=0.5"], b""),
        ("page", "HEAD /", ["if-none-match: \"x\""], b""),
        ("percent", "GET /v2/models/%64igits/ready?a=%ff", [], b""),
    ]
    for name, line, headers, body in rows:
        save("request", name, "\n".join([line, *headers]).encode() + b"\n\n" + body)


def main():
    shutil.rmtree(CORPUS, ignore_errors=True)
    picture = (ROOT / "models/digits/samples/7.png").read_bytes()
    encoded = base64.b64encode(picture).decode()
    for path in sorted(IMAGES.iterdir()):
        if path.stat().st_size < 6000:
            save("image", path.name, path.read_bytes() + b"\x05\x0a\x77")

    pair = [[1, 2.5], [-3e2, 0]]
    jsons = {
        "sum-array": b"[1,2.5,-3e-2]",
        "sum-nested-too-deep": b"[" * 50 + b"]" * 50,
        "sum-ragged": b"[[1,2],[3]]",
        "identity-fp32-numbers": b"[0.1,-0.0,16777217,3.4028235e38,1e-45,0.333333343267440796]",
        "identity-int64-range": b"[9223372036854775807,-9223372036854775808,1e3,2.0]",
        "identity-bool-words": b'{"instances":[true,false]}',
        "add-two": dump({"id": "1", "inputs": [
            tensor("a", "FP32", [2, 2], data=pair), tensor("b", "UINT16", [2, 2], data=[1, 2, 3, 4]),
        ], "outputs": [{"name": "sum", "parameters": {"binary_data": True}}]}),
        "add-rows": dump({"instances": [{"a": [1, 2], "b": [3, 4]}, {"b": [5, 6], "a": [7, 8]}]}),
        "add-columns": dump({"signature_name": "x", "inputs": {"a": pair, "b": pair}}),
        "digits-b64": dump({"instances": [{"b64": encoded}]}),
        "digits-image": dump({"inputs": [tensor("image", "BYTES", [1], data=[encoded])],
                              "outputs": [{"name": "probabilities", "parameters": {"classification": 3}}]}),
        "sentiment-texts": dump({"text": ["one", "tw\u00f6 \U0001f98a"], "text_pair": ["a", ""]}),
        "sentiment-bytes": dump({"inputs": [tensor("text", "BYTES", [2], data=["a", "b"])]}),
        "passages-instances": dump({"instances": ["one", "another"]}),
        "identity-uint8-escapes": b'{"\\u0069nputs":[{"name":"x","datatype":"UINT8","shape":[1],"data":[255]}]}',
    }
    for name, body in jsons.items():
        model = max((model for model in MODELS if name.startswith(model)), key=len)
        save("json", name, pick(model) + body)

    bodies = {}
    rows = [
        ("add", "add", [tensor("a", "FP32", [1, 2], parameters={"binary_data_size": 8}),
                        tensor("b", "FP32", [1, 2], parameters={"binary_data_size": 8})], bytes(16)),
        ("rest", "identity-int32", [tensor("x", "INT32", [3])], bytes(12)),
        ("carried", "identity-fp32", [tensor("x", "INT16", [2], parameters={"binary_data_size": 4})], b"\xff\xff\1\0"),
        ("images", "digits", [tensor("image", "BYTES", [1])], struct.pack("<I", len(picture)) + picture),
        ("texts", "sentiment", [tensor("text", "BYTES", [2])], b"\1\0\0\0a\2\0\0\0\xc3\xa4"),
    ]
    for name, model, inputs, data in rows:
        head = dump({"inputs": inputs, "parameters": {"binary_data_output": True}})
        bodies[name] = (len(head), head + data)
        save("binary", name, pick(model) + struct.pack("<H", len(head)) + head + data)

    arrays = [
        ("c", "identity-fp32", npy("<f4", "(2,)", struct.pack("<2f", 1, -0.0))),
        ("fortran", "add", npy("<f4", "(2, 2)", bytes(16), fortran=True)),
        ("batch", "digits", npy("<f4", "(1, 8, 8)", bytes(256))),
        ("fortran-4", "digits", npy(">f4", "(1, 1, 8, 8)", bytes(256), fortran=True, version=2)),
        ("big-endian", "identity-int64", npy(">i8", "(1,)", bytes(8))),
        ("boolean", "identity-bool", npy("|b1", "(3,)", b"\0\1\2")),
        ("carried", "identity-int32", npy("<u2", "(2,)", b"\xff\xff\0\0")),
        ("huge", "identity-uint8", npy("|u1", "(18446744073709551615, 2)", b"")),
        ("strings", "identity-uint8", npy("<U8", "(1,)", bytes(32))),
    ]
    for name, model, body in arrays:
        save("npy", name, pick(model) + body)

    for model in MODELS:
        save("raw", model, pick(model) + bytes(256))
    save("raw", "bmp", pick("digits") + b"BM" + bytes(12) + struct.pack("<I", 40) + bytes(60))
    save("raw", "jpeg", pick("identity-uint8") + b"\xff\xd8\xff\xe0")
    save("raw", "json", pick("identity-uint8") + b' {"a": [1]} ')

    for name, header, body in [
        ("one", b"multipart/form-data; boundary=x", form([b"a"])),
        ("three", b'multipart/form-data; charset=utf-8; boundary="a b"', form([b"a", b"", b"\r\n--"], b"a b")),
        ("cut", b"multipart/form-data; boundary=x", form([b"a"])[:-6]),
        ("files", b"multipart/form-data; boundary=x",
         b'--x\r\nContent-Disposition: form-data; name="a"; filename="b.png"\r\nContent-Type: image/png\r\n\r\n1\r\n--x--'),
        ("none", b"multipart/form-data", b"--x--"),
    ]:
        save("multipart", name, header + b"\n" + body)

    bare = zlib.compressobj(wbits=-15)
    for name, how, body in [
        ("gzip", 0, gzip.compress(b"tensor" * 50, mtime=0)),
        ("gzip-members", 0, gzip.compress(b"a", mtime=0) + gzip.compress(b"b", mtime=0)),
        ("zlib", 1, zlib.compress(b"tensor" * 50)),
        ("bare", 1, bare.compress(b"bare") + bare.flush()),
        ("twice", 2, gzip.compress(zlib.compress(b"x" * 99), mtime=0)),
        ("bomb", 0, gzip.compress(bytes(1 << 21), mtime=0)),
    ]:
        save("inflate", name, bytes([how]) + body)

    save("card", "digits.toml", (ROOT / "models/digits/model.toml").read_bytes())
    save("card", "labels.txt", (ROOT / "models/digits/labels.txt").read_bytes())
    save("card", "text.toml", b"""precision = "FP16"
[batching]
max_size = 8
max_delay_us = 2000
[[input]]
name = "input_ids"
datatype = "INT64"
shape = [-1, -1]
[[output]]
name = "last_hidden_state"
datatype = "FP32"
shape = [-1, -1, 32]
[text]
max_tokens = 40
pad_id = 1
padding_side = "left"
[embedding]
output = "last_hidden_state"
pooling = "cls"
""")

    for name, model, text in [
        ("one", "sentiment", "What a day!"),
        ("pair", "sentiment", "one\0another"),
        ("three", "passages", "one\0two\0three"),
        ("long", "passages", "the lazy dog " * 40),
        ("signs", "sentiment", "e\u0301\u200d\U0001f98a\ufeff \u0130\u00df \u4e2d\u6587 [CLS] [MASK] ##a"),
        ("added", "passages", "<s></s><mask> \u2581 \t\r\n"),
    ]:
        save("text", name, pick(model) + text.encode())

    words = {"[UNK]": 0, "the": 1, "lazy": 2, "dog": 3, "##y": 4}
    base = {"version": "1.0", "truncation": None, "padding": None, "added_tokens": [], "normalizer": None,
            "pre_tokenizer": {"type": "Whitespace"}, "post_processor": None, "decoder": None}
    models = {
        "word-level": {"type": "WordLevel", "vocab": words, "unk_token": "[UNK]"},
        "word-piece": {"type": "WordPiece", "vocab": words, "unk_token": "[UNK]",
                       "continuing_subword_prefix": "##", "max_input_chars_per_word": 100},
        "unigram": {"type": "Unigram", "unk_id": 0, "vocab": [["<unk>", 0.0], ["a", -1.5], ["the", -2.0]]},
        "bpe": {"type": "BPE", "vocab": {"a": 0, "b": 1, "ab": 2}, "merges": [["a", "b"]], "unk_token": "a"},
    }
    for name, model in models.items():
        save("tokenizer", name, dump({**base, "model": model}))
    save("tokenizer", "bert", dump({
        **base, "model": models["word-piece"],
        "normalizer": {"type": "BertNormalizer", "clean_text": True, "handle_chinese_chars": True,
                       "strip_accents": None, "lowercase": True},
        "pre_tokenizer": {"type": "BertPreTokenizer"},
        "post_processor": {"type": "BertProcessing", "sep": ["dog", 3], "cls": ["the", 1]},
    }))

    for path in sorted(GRAPHS.glob("*.onnx")):
        save("onnx", path.name, path.read_bytes())
    models = ["models/one", "parity/models/steps", "texts/sentiment"]
    for path in [ROOT / "tests" / model / "model.onnx" for model in models]:
        if path.stat().st_size < 20000:
            save("onnx", path.parent.name + ".onnx", path.read_bytes())

    requests(picture, jsons, bodies)


if __name__ == "__main__":
    main()
