"""Shared by the client tests: the service's address and its models.

tests/all/clients.rs starts the service with its models, and runs `python -m unittest` here.
"""

import os
from pathlib import Path

import numpy as np

ADDRESS = os.environ["INFER_ADDRESS"]
ROOT = Path(os.environ["INFER_ROOT"])
SAMPLES = ROOT / "models/digits/samples"

# Extreme values of each datatype that the engine supports directly.
CARRIED = {
    "BOOL": np.array([True, False, True]),
    "UINT8": np.array([0, 1, 255], np.uint8),
    "INT32": np.array([-(2**31), 0, 2**31 - 1], np.int32),
    # The engine computes integers in 32 bits.
    "INT64": np.array([-(2**31), 7, 2**31 - 1], np.int64),
    "FP16": np.array([-65504, 6.1e-5, -0.0], np.float16),
    "FP32": np.array([np.finfo(np.float32).max, 1.5e-38, -0.0], np.float32),
}

# Datatypes without a graph of their own: (the datatype of an identity that can hold the values, values).
FOREIGN = {
    "INT8": ("identity-int32", np.array([-128, 0, 127], np.int8)),
    "INT16": ("identity-int32", np.array([-(2**15), 0, 2**15 - 1], np.int16)),
    "UINT16": ("identity-fp32", np.array([0, 1, 2**16 - 1], np.uint16)),
    "UINT32": ("identity-int64", np.array([0, 1, 2**31 - 1], np.uint32)),
    "UINT64": ("identity-int64", np.array([0, 1, 2**31 - 1], np.uint64)),
}


def png(digit):
    return (SAMPLES / f"{digit}.png").read_bytes()
