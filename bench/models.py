"""Time an ONNX model in ONNX Runtime, with one thread.

usage: python3 models.py FOLDER RUNS MODEL [INPUT=1x3x224x224…]        (after: pip install -r requirements.txt)

The first call for a FOLDER chooses inputs: random values (seeded) in the shapes of the arguments, and for other open sizes
the first of some common ones that the model takes. It writes input.bin and output.bin (all inputs and all outputs,
concatenated, raw and little-endian) and description.json there. Later calls read the inputs. Each call prints the
milliseconds of each run, after a warm-up of a tenth as many, as JSON.
"""

import json
import sys
import time
from pathlib import Path

import numpy as np
import onnxruntime

DATATYPES = {
    "tensor(float)": ("FP32", np.float32),
    "tensor(float16)": ("FP16", np.float16),
    "tensor(double)": ("FP64", np.float64),
    "tensor(int64)": ("INT64", np.int64),
    "tensor(int32)": ("INT32", np.int32),
    "tensor(uint8)": ("UINT8", np.uint8),
    "tensor(bool)": ("BOOL", np.bool_),
}

# For four dimensions: channels, and height and width. For others: any size but the batch.
SIZES = [(3, 224, 16), (1, 224, 16), (3, 320, 400), (1, 64, 512), (3, 64, 1), (1, 1, 32), (3, 640, 16000), (1, 76, 17920), (1, 32, 144160)]


def shape_of(declared, sizes):
    channels, pixels, other = sizes
    is_image = len(declared) == 4
    shape = []
    for axis, size in enumerate(declared):
        if isinstance(size, int) and size > 0:
            shape.append(size)
        elif axis == 0:
            shape.append(1)
        elif is_image:
            shape.append(channels if axis == 1 else pixels)
        else:
            shape.append(other)
    return shape


def values(rng, datatype, shape):
    if np.issubdtype(datatype, np.floating):
        return rng.standard_normal(shape).astype(datatype)
    return rng.integers(0, 2, shape).astype(datatype)


def choose(session, given):
    """Return the inputs and the outputs of the first shapes that the model takes."""
    problem = None
    for sizes in SIZES:
        rng = np.random.default_rng(1)
        feeds = {}
        for info in session.get_inputs():
            name, datatype = DATATYPES[info.type]
            shape = given.get(info.name) or shape_of(info.shape, sizes)
            feeds[info.name] = values(rng, datatype, shape)
        try:
            return feeds, session.run(None, feeds)
        except Exception as error:  # ONNX Runtime has many types of errors
            problem = problem or error
    raise SystemExit(f"the model takes none of the shapes that were tried; give some as INPUT=1x3x224x224: {problem}")


def main():
    folder, runs, model = Path(sys.argv[1]), int(sys.argv[2]), sys.argv[3]
    given = dict(argument.rsplit("=", 1) for argument in sys.argv[4:])
    given = {name: [int(size) for size in sizes.split("x")] for name, sizes in given.items()}
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 4
    session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    description = folder / "description.json"
    if description.is_file():
        data, feeds = (folder / "input.bin").read_bytes(), {}
        for entry in json.loads(description.read_text())["inputs"]:
            datatype = next(datatype for name, datatype in DATATYPES.values() if name == entry["datatype"])
            size = int(np.prod(entry["shape"])) * np.dtype(datatype).itemsize
            feeds[entry["name"]] = np.frombuffer(data[:size], datatype).reshape(entry["shape"])
            data = data[size:]
    else:
        feeds, outputs = choose(session, given)
        names = {datatype: name for name, datatype in DATATYPES.values()}

        def described(name, array):
            return {"name": name, "datatype": names.get(array.dtype.type, str(array.dtype)), "shape": array.shape}

        folder.mkdir(parents=True, exist_ok=True)
        (folder / "input.bin").write_bytes(b"".join(array.tobytes() for array in feeds.values()))
        (folder / "output.bin").write_bytes(b"".join(np.asarray(array).tobytes() for array in outputs))
        found = {
            "inputs": [described(name, array) for name, array in feeds.items()],
            "outputs": [
                described(info.name, np.asarray(array)) for info, array in zip(session.get_outputs(), outputs)
            ],
        }
        description.write_text(json.dumps(found))
    times = []
    for _ in range(max(1, runs // 10) + runs):
        start = time.perf_counter()
        session.run(None, feeds)
        times.append((time.perf_counter() - start) * 1e3)
    print(json.dumps(times[-runs:]))


if __name__ == "__main__":
    main()
