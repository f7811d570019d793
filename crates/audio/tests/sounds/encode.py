"""Writes the encoded sounds of this folder and what reference decoders make of them, for ../decode.rs.

    apt-get install ffmpeg flac lame sox vorbis-tools && pip install numpy soundfile && python3 encode.py

Each NAME.wav, .flac, .mp3 and .ogg has a NAME.EXTENSION.f32 with the decoded samples of one channel: libsndfile's, or
ffmpeg's for what libsndfile does not read: MP3 with its delay removed, FLAC in Ogg, and files without a length. The files
below rejected/ are beginnings of other formats, and a sound that is too long.
"""

import pathlib
import subprocess
import tempfile

import numpy
import soundfile

HERE = pathlib.Path(__file__).parent
REJECTED = HERE / "rejected"
REJECTED.mkdir(exist_ok=True)


def sound(rate, seconds, channels):
    """Tones with another frequency in each channel, which fade in and out."""
    time = numpy.arange(int(rate * seconds)) / rate
    envelope = numpy.sin(numpy.pi * time / seconds) ** 0.5
    tones = [0.6 * numpy.sin(2 * numpy.pi * (300 + 170 * channel) * time) * envelope for channel in range(channels)]
    return numpy.stack(tones, 1)


def run(*command, data=None):
    return subprocess.run([str(part) for part in command], input=data, stdout=subprocess.PIPE, check=True).stdout


def ffmpeg(source, *options):
    run("ffmpeg", "-v", "error", "-y", "-i", source, "-bitexact", *options)


def decoded(path):
    """The samples of all channels, averaged."""
    if path.suffix == ".mp3" or path.name in {"flac.ogg", "streamed.flac", "streamed.wav"}:
        with tempfile.NamedTemporaryFile(suffix=".wav") as file:
            ffmpeg(path, "-c:a", "pcm_f32le", file.name)
            samples, _ = soundfile.read(file.name, dtype="float32", always_2d=True)
    else:
        samples, _ = soundfile.read(path, dtype="float32", always_2d=True)
    return samples.mean(1)


def wav(name, rate, channels, subtype, seconds=0.05, container="WAV", scale=1.0):
    soundfile.write(HERE / f"{name}.wav", sound(rate, seconds, channels) * scale, rate, subtype, format=container)


wav("pcm8", 8000, 1, "PCM_U8")
wav("pcm16", 16000, 1, "PCM_16")
wav("pcm16-stereo", 44100, 2, "PCM_16", 0.02)
wav("pcm24", 8000, 2, "PCM_24")
wav("pcm32", 8000, 1, "PCM_32")
wav("float32", 8000, 2, "FLOAT", scale=2.5)
wav("float64", 8000, 1, "DOUBLE")
wav("alaw", 8000, 1, "ALAW")
wav("mulaw", 8000, 2, "ULAW")
wav("extensible24", 8000, 6, "PCM_24", 0.03, "WAVEX")

with tempfile.TemporaryDirectory() as folder:
    folder = pathlib.Path(folder)
    mono8, mono16, stereo44, mono44 = (folder / f"{name}.wav" for name in ["mono8", "mono16", "stereo44", "mono44"])
    soundfile.write(mono8, sound(8000, 0.15, 1), 8000, "PCM_16")
    soundfile.write(mono16, sound(16000, 0.12, 1), 16000, "PCM_16")
    soundfile.write(stereo44, sound(44100, 0.12, 2), 44100, "PCM_24")
    soundfile.write(mono44, sound(44100, 0.1, 1), 44100, "PCM_16")

    (HERE / "streamed.wav").write_bytes(run("ffmpeg", "-v", "error", "-i", HERE / "pcm16.wav", "-f", "wav", "-"))

    run("flac", "-sf8", "--no-padding", mono16, "-o", HERE / "mono.flac")
    soundfile.write(folder / "short.wav", sound(44100, 0.05, 2), 44100, "PCM_24")
    run("flac", "-sf8", "--no-padding", folder / "short.wav", "-o", HERE / "stereo24.flac")
    (HERE / "streamed.flac").write_bytes(
        run("ffmpeg", "-v", "error", "-i", mono8, "-f", "flac", "-compression_level", "8", "-")
    )
    # An hour of silence, whose length is not declared.
    soundfile.write(folder / "hour.wav", numpy.zeros(3600 * 8000), 8000, "PCM_16")
    options = ["-f", "flac", "-frame_size", "65535", "-strict", "experimental"]
    (REJECTED / "hour.flac").write_bytes(
        run("ffmpeg", "-v", "error", "-i", folder / "hour.wav", *options, "-")
    )
    run("flac", "-sf8", "--no-padding", "--ogg", "--serial-number=1", mono8, "-o", HERE / "flac.ogg")

    run("lame", "--quiet", "-b", "32", mono16, HERE / "mpeg2.mp3")
    run("lame", "--quiet", "-b", "96", "--resample", "44.1", "--tt", "A title", "--add-id3v2", stereo44, HERE / "tagged-stereo.mp3")
    run("lame", "--quiet", "-V", "9", mono44, HERE / "vbr.mp3")
    run("lame", "--quiet", "-b", "8", mono8, HERE / "mpeg25.mp3")

    run("oggenc", "-Q", "-q", "-1", "--serial", "1", mono16, "-o", HERE / "mono.ogg")
    run("oggenc", "-Q", "-q", "0", "--serial", "2", stereo44, "-o", HERE / "stereo.ogg")

    for name, options in {
        "opus.ogg": ["-c:a", "libopus", "-f", "ogg"],
        "speex.ogg": ["-ar", "16000", "-ac", "1", "-c:a", "libspeex", "-f", "ogg"],
        "adts.aac": ["-c:a", "aac", "-f", "adts"],
        "aac.m4a": ["-c:a", "aac", "-f", "ipod"],
        "opus.webm": ["-c:a", "libopus", "-f", "webm"],
        "wmav2.wma": ["-c:a", "wmav2", "-f", "asf"],
        "layer2.mp2": ["-c:a", "mp2", "-f", "mp2"],
        "pcm.aiff": ["-f", "aiff"],
        "pcm.au": ["-f", "au"],
        "pcm.caf": ["-f", "caf"],
        "wavpack.wv": ["-f", "wv"],
        "rf64.wav": ["-rf64", "always", "-f", "wav"],
    }.items():
        encoded = folder / name
        ffmpeg(stereo44, *options, encoded)
        # Two frames of MPEG audio are the longest signature.
        (REJECTED / name).write_bytes(encoded.read_bytes()[:2200])
    ffmpeg(mono8, "-c:a", "adpcm_ima_wav", REJECTED / "adpcm.wav")
    (REJECTED / "silence.amr").write_bytes(b"#!AMR\n" + bytes([0x7C] * 32))

for path in sorted(HERE.iterdir()):
    if path.suffix in {".wav", ".flac", ".mp3", ".ogg"}:
        decoded(path).astype("<f4").tofile(HERE / f"{path.name}.f32")
