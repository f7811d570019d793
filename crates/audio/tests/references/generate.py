"""Writes the references of this folder: what transformers and soxr compute, for ../features.rs, ../ctc.rs, ../resample.rs.

    pip install numpy soxr transformers==5.24.0 && python3 generate.py

torch must not be installed, since transformers then computes the features of Whisper with it. Tensors are f32, row by row.
"""

import importlib
import json
import pathlib
import tempfile
import types

import numpy
import soxr
from transformers import (
    Speech2TextFeatureExtractor,
    Wav2Vec2CTCTokenizer,
    Wav2Vec2FeatureExtractor,
    WhisperFeatureExtractor,
)
from transformers.models.speech_to_text import feature_extraction_speech_to_text as speech_to_text
from transformers.utils import is_torch_available

# The package itself offers this module only together with torch.
ast = importlib.import_module(
    "transformers.models.audio_spectrogram_transformer.feature_extraction_audio_spectrogram_transformer"
)

HERE = pathlib.Path(__file__).parent
RATE = 16000
assert not is_torch_available()


class Array:
    """The few methods of a tensor that ASTFeatureExtractor calls even on its NumPy path."""

    def __init__(self, array):
        self.array, self.shape = array, array.shape

    def __getitem__(self, key):
        return Array(self.array[key])

    def numpy(self):
        return self.array


def zero_pad(padding):
    left, right, top, bottom = padding
    return lambda tensor: Array(numpy.pad(tensor.array, ((top, bottom), (left, right))))


ast.torch = types.SimpleNamespace(from_numpy=Array, nn=types.SimpleNamespace(ZeroPad2d=zero_pad))


def save(name, array):
    assert array.dtype == numpy.float32, (name, array.dtype)
    array.astype("<f4").tofile(HERE / f"{name}.f32")
    print(name, array.shape)


# Half a second like speech: harmonics that glide under an envelope, a hiss, an offset, and silence.
random = numpy.random.default_rng(1)
time = numpy.arange(9000) / RATE
phase = numpy.cumsum(120 + 60 * numpy.sin(7 * time)) / RATE
voice = sum(numpy.sin(2 * numpy.pi * harmonic * phase) / harmonic for harmonic in range(1, 30))
envelope = numpy.clip(numpy.sin(2 * numpy.pi * 3 * time), 0, None)
speech = 0.2 * voice * envelope + 0.01 * random.standard_normal(len(time)) * (time < 0.4) + 0.003
speech = numpy.round(speech * 32768).astype("<i2")
speech.tofile(HERE / "speech.i16")
speech = speech.astype("f4") / 32768

# Waveforms.
for length in [5, 1003, 9000]:
    values = Wav2Vec2FeatureExtractor(do_normalize=True)(speech[:length], sampling_rate=RATE, return_tensors="np")
    save(f"waveform-{length}", values["input_values"][0][-2500:])

# Whisper.
for name, length, frames, settings in [
    ("default", 9000, 60, {}),
    ("mels128", 3000, 20, {"feature_size": 128, "chunk_length": 1}),
    ("cut", 9000, None, {"feature_size": 20, "chunk_length": 1, "sampling_rate": 8000, "n_fft": 256, "hop_length": 100}),
    ("odd", 7000, None, {"feature_size": 12, "chunk_length": 1, "n_fft": 275, "hop_length": 300}),
]:
    extractor = WhisperFeatureExtractor(**settings)
    features = extractor(speech[:length], sampling_rate=extractor.sampling_rate, return_tensors="np")
    features = features["input_features"][0]
    if frames:
        # All frames further on have the same value.
        assert (features[:, frames:] == features[0, -1]).all(), name
    save(f"log-mel-{name}", features[:, :frames])
save("log-mel-silence", WhisperFeatureExtractor(feature_size=4, chunk_length=1)(
    numpy.zeros(10, "f4"), sampling_rate=RATE, return_tensors="np"
)["input_features"][0])

# Audio Spectrogram Transformer.
for name, length, settings in [
    ("padded", 6000, {"max_length": 40}),
    ("cut", 9000, {"max_length": 9, "num_mel_bins": 40}),
    ("raw", 3000, {"max_length": 20, "num_mel_bins": 24, "do_normalize": False}),
    ("rate", 4000, {"max_length": 24, "num_mel_bins": 64, "sampling_rate": 11025, "mean": -5.5, "std": 3.25}),
]:
    extractor = ast.ASTFeatureExtractor(**settings)
    features = extractor(speech[:length], sampling_rate=extractor.sampling_rate)["input_values"][0]
    save(f"fbank-{name}", features)
assert not speech_to_text.is_speech_available()
speech_extractor = Speech2TextFeatureExtractor(do_ceptral_normalize=False)
save("fbank-speech2text", speech_extractor._extract_fbank_features(speech[:4000]))

# Decoding of logits. The tokenizer gets the argmax.
TOKENS = ["<pad>", "<s>", "</s>", "<unk>", "|", "e", "t", "a", "o", "'", "ß", "日"]
with tempfile.TemporaryDirectory() as folder:
    path = pathlib.Path(folder) / "vocab.json"
    path.write_text(json.dumps({token: index for index, token in enumerate(TOKENS)}))
    tokenizer = Wav2Vec2CTCTokenizer(str(path))
cases = []
for case in range(40):
    length = int(random.integers(0, 60))
    weights = random.dirichlet(numpy.full(len(TOKENS), 0.6))
    # Repeats are as frequent as in speech.
    ids = numpy.repeat(random.choice(len(TOKENS), length, p=weights), random.integers(1, 4, length)).tolist()
    ids = {0: [], 1: [0, 0, 0], 2: [4, 4, 0, 4], 3: [4, 5, 5, 0, 5, 4, 0, 4, 6, 4], 4: [5] * 7}.get(case, ids)
    decoded = tokenizer.decode(
        ids, output_char_offsets=True, output_word_offsets=True, clean_up_tokenization_spaces=False
    )
    spans = lambda offsets, key: [[span[key], int(span["start_offset"]), int(span["end_offset"])] for span in offsets]
    cases.append({
        "ids": ids,
        "text": decoded.text,
        "characters": spans(decoded.char_offsets, "char"),
        "words": spans(decoded.word_offsets, "word"),
    })
lines = ",\n".join(json.dumps(case, ensure_ascii=False) for case in cases)
(HERE / "ctc.json").write_text(f'{{"tokens": {json.dumps(TOKENS, ensure_ascii=False)}, "cases": [\n{lines}\n]}}\n')

# Resampling of a sound within both bands.
for source, target in [(44100, 16000), (48000, 16000), (22050, 16000), (8000, 16000), (16000, 44100), (11025, 8000)]:
    length = source // 20
    time = numpy.arange(length) / source
    tones = sum(numpy.sin(2 * numpy.pi * hertz * time) for hertz in [200, 1000, 2500, 3300]) / 4
    sound = tones * numpy.sin(numpy.pi * numpy.arange(length) / length) ** 2
    save(f"resampled-{source}-{target}", soxr.resample(sound, source, target, "VHQ").astype("f4"))
