"""Sound: CTC speech recognition, classification (wav2vec2 and AST), and voice activity with state (Silero).

Expected: the pipelines and feature extractors of `transformers`, and `get_speech_timestamps` of `silero-vad`.
"""

import logging
import warnings
import wave

import numpy as np
from common import AUDIO, Graph, Set, write_json
from text import network
from tokenizers import Tokenizer, decoders, models, pre_tokenizers

warnings.filterwarnings("ignore")
logging.getLogger("transformers").setLevel(logging.ERROR)
RATE = 16000


def save(name, samples, wide=False):
    AUDIO.mkdir(exist_ok=True)
    samples = np.clip(samples, -1, 1)
    data = (samples * 32767).round().astype("<i2") if wide else (samples * 127 + 128).round().astype(np.uint8)
    with wave.open(str(AUDIO / f"{name}.wav"), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2 if wide else 1)
        file.setframerate(RATE)
        file.writeframes(data.tobytes())


def read(name):
    with wave.open(str(AUDIO / name)) as file:
        data, width = file.readframes(file.getnframes()), file.getsampwidth()
    if width == 1:
        return ((np.frombuffer(data, np.uint8).astype(np.float32) - 128) / 128).astype(np.float32)
    return (np.frombuffer(data, "<i2").astype(np.float32) / 32768).astype(np.float32)


def time(seconds):
    return np.arange(int(seconds * RATE)) / RATE


def sounds():
    random = np.random.default_rng(111)
    t = time(0.08)
    for i, tone in enumerate([110, 220, 440, 880, 1760, 3520]):
        save(f"tone-{tone}", 0.4 * np.sin(2 * np.pi * tone * t + i), wide=i == 2)
    save("chirp-up", 0.6 * np.sin(2 * np.pi * (200 * t + 12000 * t**2)), wide=True)
    save("chirp-down", 0.6 * np.sin(2 * np.pi * (3500 * t - 12000 * t**2)))
    save("chord", 0.2 * sum(np.sin(2 * np.pi * f * t) for f in (262, 330, 392, 523)))
    save("noise", 0.2 * random.normal(0, 1, len(t)))
    save("quiet-noise", 0.002 * random.normal(0, 1, len(t)), wide=True)
    save("loud-noise", 0.9 * random.uniform(-1, 1, len(t)))
    save("silence", 0 * t)
    save("offset", 0 * t + 0.25, wide=True)
    save("square", 0.5 * np.sign(np.sin(2 * np.pi * 150 * t)))
    save("click", np.eye(1, len(t), 900)[0], wide=True)
    save("decay", 0.8 * np.exp(-t * 40) * np.sin(2 * np.pi * 600 * t))
    for i in range(3):
        pitch = np.cumsum(np.interp(t, np.linspace(0, 0.08, 6), random.uniform(100, 2000, 6))) / RATE
        save(f"glide-{i}", 0.5 * np.sin(2 * np.pi * pitch) + 0.02 * random.normal(0, 1, len(t)))
    save("short", 0.5 * np.sin(2 * np.pi * 440 * time(0.026)))
    save("low-hum", 0.5 * np.sin(2 * np.pi * 55 * t), wide=True)
    t = time(1.5)
    gate = (np.sin(2 * np.pi * 1.3 * t) > 0.2) * 1.0
    save("long-bursts", gate * 0.5 * np.sin(2 * np.pi * 300 * t))
    gate = np.interp(t, np.arange(0, 2.3, 0.1), random.uniform(0, 1, 23) ** 2)
    save("long-murmur", gate * 0.4 * np.sin(2 * np.pi * 200 * t))


def audio_cases(long=True, **parameters):
    names = sorted(path.name for path in AUDIO.iterdir())
    return [
        {"name": name[:-4], "input": {"audio": name}, "parameters": parameters}
        for name in names
        if long or not name.startswith("long")
    ]


# Speech recognition.

LETTERS = ["<pad>", "<s>", "</s>", "<unk>", "|", *"ETAONIHS", "'"]


def wav2vec2(model, kernel=80, stride=40):
    random = np.random.default_rng(112)
    g = Graph()
    values = g.input("input_values", "f32", ["batch", "samples"])
    value = g("Unsqueeze", values, g.ints(1))
    waves = np.stack([np.sin(np.arange(kernel) * f + p) for f, p in zip(np.linspace(0.05, 1.5, 10), range(10))])
    value = g("Conv", value, g.const(waves[:, None] * 0.06), strides=[stride])
    value = g("Tanh", g("Add", value, g.const(random.normal(0, 0.3, (1, 10, 1)))))
    value = g("Conv", value, g.const(random.normal(0, 0.9, (len(LETTERS), 10, 3))), pads=[1, 1])
    bias = random.normal(0, 0.5, (1, len(LETTERS), 1))
    bias[0, 1:4] = -9
    bias[0, 0] += 1.0
    value = g("Transpose", g("Add", value, g.const(bias)), perm=[0, 2, 1])
    g.output(value, "logits", "f32", ["batch", "frames", len(LETTERS)])
    g.save(model / "model.onnx")
    vocabulary = {letter: i for i, letter in enumerate(LETTERS)}
    write_json(model / "vocab.json", vocabulary)
    tokenizer = Tokenizer(models.WordLevel(vocab=vocabulary, unk_token="<unk>"))
    tokenizer.decoder = decoders.CTC(pad_token="<pad>", word_delimiter_token="|", cleanup=True)
    tokenizer.pre_tokenizer = pre_tokenizers.Split("", "isolated")
    tokenizer.add_special_tokens(["<pad>", "<s>", "</s>", "<unk>"])
    tokenizer.save(str(model / "tokenizer.json"), pretty=False)
    write_json(
        model / "tokenizer_config.json",
        {
            "tokenizer_class": "Wav2Vec2CTCTokenizer",
            "bos_token": "<s>",
            "eos_token": "</s>",
            "pad_token": "<pad>",
            "unk_token": "<unk>",
            "word_delimiter_token": "|",
            "do_lower_case": False,
        },
    )
    write_json(
        model / "preprocessor_config.json",
        {
            "feature_extractor_type": "Wav2Vec2FeatureExtractor",
            "feature_size": 1,
            "sampling_rate": RATE,
            "do_normalize": True,
            "return_attention_mask": False,
            "padding_side": "right",
            "padding_value": 0.0,
        },
    )
    write_json(
        model / "config.json",
        {
            "architectures": ["Wav2Vec2ForCTC"],
            "model_type": "wav2vec2",
            "conv_dim": [10],
            "conv_kernel": [kernel],
            "conv_stride": [stride],
            "num_feat_extract_layers": 1,
            "pad_token_id": 0,
            "vocab_size": len(LETTERS),
        },
    )


def sound_network(model):
    """As `network`, for inputs of sound."""
    import torch

    net = network(model)
    name = net.run.get_inputs()[0].name
    outputs = [value.name for value in net.run.get_outputs()]

    def forward(self, input_values=None, attention_mask=None):
        from transformers.utils import ModelOutput

        found = self.run.run(None, {name: input_values.numpy()})
        return ModelOutput(**{key: torch.from_numpy(value) for key, value in zip(outputs, found)})

    type(net).forward = forward
    type(net).main_input_name = "input_values"
    return net


def speech_reference(model):
    from transformers import AutomaticSpeechRecognitionPipeline, Wav2Vec2CTCTokenizer, Wav2Vec2FeatureExtractor

    pipe = AutomaticSpeechRecognitionPipeline(
        model=sound_network(model),
        tokenizer=Wav2Vec2CTCTokenizer.from_pretrained(model),
        feature_extractor=Wav2Vec2FeatureExtractor.from_pretrained(model),
        device="cpu",
    )

    def answer(case):
        found = pipe(read(case["input"]["audio"]), **case["parameters"])
        row = {"text": found["text"]}
        if "chunks" in found:
            row["chunks"] = [
                {"text": chunk["text"], "start": chunk["timestamp"][0], "end": chunk["timestamp"][1]}
                for chunk in found["chunks"]
            ]
        return [row]

    return answer


def speech_cases():
    cases = audio_cases(False)
    for kind in ["word", "char"]:
        for case in audio_cases(False)[:: 3 if kind == "word" else 6]:
            cases.append({**case, "name": f"{case['name']} {kind}", "parameters": {"return_timestamps": kind}})
    return cases


# Classification.

NOISES = ["speech", "music", "dog", "silence", "rain", "engine", "siren"]


def classes(model, kind, architecture, **more):
    labels = {
        "id2label": {str(i): name for i, name in enumerate(NOISES)},
        "label2id": {n: i for i, n in enumerate(NOISES)},
    }
    write_json(model / "config.json", {"architectures": [architecture], "model_type": kind, **labels, **more})


def wav2vec2_classes(model):
    random = np.random.default_rng(113)
    g = Graph()
    values = g.input("input_values", "f32", ["batch", "samples"])
    value = g("Unsqueeze", values, g.ints(1))
    waves = np.stack([np.sin(np.arange(64) * f) for f in np.linspace(0.03, 1.6, 10)])
    value = g("Conv", value, g.const(waves[:, None] * 0.1), strides=[32])
    value = g("ReduceMean", g("Abs", value), axes=[2], keepdims=0)
    value = g("MatMul", value, g.const(random.normal(0, 1.0, (10, len(NOISES)))))
    g.output(value, "logits", "f32", ["batch", len(NOISES)])
    g.save(model / "model.onnx")
    write_json(
        model / "preprocessor_config.json",
        {
            "feature_extractor_type": "Wav2Vec2FeatureExtractor",
            "feature_size": 1,
            "sampling_rate": RATE,
            "do_normalize": True,
            "return_attention_mask": False,
            "padding_side": "right",
            "padding_value": 0.0,
        },
    )
    classes(model, "wav2vec2", "Wav2Vec2ForSequenceClassification")


def ast(model, frames=48, bins=32):
    random = np.random.default_rng(114)
    g = Graph()
    values = g.input("input_values", "f32", ["batch", frames, bins])
    value = g("Reshape", values, g.ints(-1, 1, frames, bins))
    value = g("AveragePool", value, kernel_shape=[8, 4], strides=[8, 4])
    value = g("Tanh", g("Reshape", value, g.ints(-1, 48)))
    value = g("MatMul", value, g.const(random.normal(0, 0.7, (48, len(NOISES)))))
    g.output(value, "logits", "f32", ["batch", len(NOISES)])
    g.save(model / "model.onnx")
    write_json(
        model / "preprocessor_config.json",
        {
            "feature_extractor_type": "ASTFeatureExtractor",
            "feature_size": 1,
            "sampling_rate": RATE,
            "num_mel_bins": bins,
            "max_length": frames,
            "do_normalize": True,
            "mean": -4.2677393,
            "std": 4.5689974,
            "return_attention_mask": False,
            "padding_side": "right",
            "padding_value": 0.0,
        },
    )
    classes(
        model,
        "audio-spectrogram-transformer",
        "ASTForAudioClassification",
        max_length=frames,
        num_mel_bins=bins,
    )


def classes_reference(model):
    from transformers import AudioClassificationPipeline, AutoFeatureExtractor

    pipe = AudioClassificationPipeline(
        model=sound_network(model), feature_extractor=AutoFeatureExtractor.from_pretrained(model), device="cpu"
    )

    def answer(case):
        rows = pipe(read(case["input"]["audio"]), **case["parameters"])
        return [{"label": r["label"], "index": NOISES.index(r["label"]), "score": r["score"]} for r in rows]

    return answer


def classes_cases():
    cases = audio_cases(top_k=7)
    for parameters in [{"top_k": 1}, {"top_k": 3}, {"function_to_apply": "sigmoid"}, {"function_to_apply": "none"}]:
        label = " ".join(str(value) for pair in parameters.items() for value in pair)
        cases.append({"name": f"chord {label}", "input": {"audio": "chord.wav"}, "parameters": parameters})
    return cases


# Voice activity.


def silero(model):
    g = Graph(16)
    samples = g.input("input", "f32", ["batch", "samples"])
    state = g.input("state", "f32", [2, "batch", 128])
    rate = g.input("sr", "i64", [])
    power = g("ReduceMean", g("Mul", samples, samples), axes=[1], keepdims=1)
    # The first sample is of the previous window: without the context of 64 samples, the answer differs.
    early = g("Abs", g("Slice", samples, g.ints(0), g.ints(64), g.ints(1)))
    early = g("ReduceMean", early, axes=[1], keepdims=1)
    low = g("Cast", g("Equal", rate, g.const(8000, np.int64)), to=1)
    now = g("Tanh", g("Mul", g("Add", g("Sqrt", power), early), g.const(3.0)))
    before = g("Slice", g("Gather", state, g.const(0, np.int64), axis=0), g.ints(0), g.ints(1), g.ints(1))
    level = g("Add", g("Mul", before, g.const(0.6)), g("Mul", now, g.const(0.4)))
    score = g("Sigmoid", g("Sub", g("Mul", level, g.const(14.0)), g("Add", low, g.const(6.0))))
    g.output(score, "output", "f32", ["batch", 1])
    g.output(g("Add", g("Mul", state, g.const(0.0)), level), "stateN", "f32", [2, "batch", 128])
    g.save(model / "model.onnx")


def silero_reference(model):
    import torch
    from silero_vad import get_speech_timestamps
    from silero_vad.utils_vad import OnnxWrapper

    net = OnnxWrapper(str(model / "model.onnx"), force_onnx_cpu=True)

    def answer(case):
        samples = torch.from_numpy(read(case["input"]["audio"]).copy())
        p = dict(case["parameters"])
        if p.pop("probabilities", False):
            return [{"probabilities": net.audio_forward(samples, RATE)[0].numpy()}]
        net.reset_states()
        spans = get_speech_timestamps(samples, net, **p)
        return [{"start": span["start"] / RATE, "end": span["end"] / RATE} for span in spans]

    return answer


def silero_cases():
    both = ["long-bursts.wav", "long-murmur.wav"]
    rows = []
    for parameters in [
        {"probabilities": True},
        {},
        {"threshold": 0.3},
        {"threshold": 0.8},
        {"min_speech_duration_ms": 0, "min_silence_duration_ms": 0, "speech_pad_ms": 0},
        {"min_speech_duration_ms": 0, "min_silence_duration_ms": 0, "speech_pad_ms": 200},
        {"min_silence_duration_ms": 600},
        {"min_speech_duration_ms": 500},
        {"speech_pad_ms": 0},
        {"max_speech_duration_s": 0.4},
        {"threshold": 0.6, "neg_threshold": 0.2},
    ]:
        for name in both:
            label = " ".join(str(value) for pair in parameters.items() for value in pair)
            rows.append({"name": f"{name[:-4]} {label}".strip(), "input": {"audio": name}, "parameters": parameters})
    for case in audio_cases(False)[::5]:
        rows.append({**case, "parameters": {"min_speech_duration_ms": 30}})
        rows.append({**case, "name": f"{case['name']} probabilities", "parameters": {"probabilities": True}})
    return rows


SETS = [
    Set("automatic-speech-recognition/wav2vec2", wav2vec2, speech_cases, speech_reference),
    Set("audio-classification/wav2vec2", wav2vec2_classes, classes_cases, classes_reference),
    Set("audio-classification/ast", ast, classes_cases, classes_reference),
    Set("voice-activity-detection/silero", silero, silero_cases, silero_reference),
]
