"""What the cases of `runtime_cases.py` are made of."""

from typing import NamedTuple

import numpy as np


class Weight(NamedTuple):
    """An input of a node that is an initializer."""

    array: np.ndarray


class Random:
    """Random arrays, the same in each run."""

    def __init__(self, seed):
        self.generator = np.random.default_rng(seed)

    def floats(self, *shape, dtype="float32", low=-2.0, high=2.0):
        return np.asarray(self.generator.uniform(low, high, shape)).astype(dtype)

    def weights(self, *shape, dtype="float32", low=-1.0, high=1.0):
        return Weight(self.floats(*shape, dtype=dtype, low=low, high=high))

    def integers(self, low, high, *shape, dtype="int64"):
        return np.asarray(self.generator.integers(low, high, shape)).astype(dtype)

    def uint8(self, *shape):
        return self.integers(0, 256, *shape, dtype="uint8")

    def int8(self, *shape):
        # Pairs of products with uint8 fit 16 bits, which processors without VNNI would saturate.
        return self.integers(-64, 65, *shape, dtype="int8")


class Bfloat16(NamedTuple):
    """A tensor of bfloat16: float32 with the low halves cleared."""

    array: np.ndarray

    @classmethod
    def of(cls, array):
        return cls((array.view("uint32") & np.uint32(0xFFFF0000)).view("float32"))


def weight(values, dtype="float32"):
    return Weight(np.asarray(values, dtype=dtype))


def quantized(scale, zero_point=None, dtype="uint8"):
    """The scale and the zero point of a tensor, which follow it in the inputs of most operators."""
    return [weight(scale), None if zero_point is None else weight(zero_point, dtype)]


def case(operator, words, inputs, outputs="Y", symbolic=False, domain="com.microsoft", version=1, **attributes):
    """A case: an operator, the rest of the case's name, the inputs in order and the outputs, separated by commas.

    With `symbolic`, the first dimension of each input is symbolic if it equals that of the first input.
    """
    return locals()
