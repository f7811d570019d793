"""Re-derives every expected answer from the committed model and inputs: `check.py [NAME…]`."""

import sys

import numpy as np
from common import tidy, unpng
from plain import opinions
from run import sets


def differ(a, b, tolerance):
    """The first difference, or None."""
    if isinstance(a, dict) and isinstance(b, dict):
        if a.keys() != b.keys():
            return f"keys {sorted(a)} and {sorted(b)}"
        for key in a:
            if key == "mask" or key == "map":
                if not np.array_equal(unpng(a[key]), unpng(b[key])):
                    return f"{key}: pixels differ"
            elif found := differ(a[key], b[key], tolerance):
                return f"{key}: {found}"
        return None
    if isinstance(a, list) and isinstance(b, list):
        if len(a) != len(b):
            return f"{len(a)} and {len(b)} elements"
        for i, (x, y) in enumerate(zip(a, b)):
            if found := differ(x, y, tolerance):
                return f"[{i}] {found}"
        return None
    numbers = isinstance(a, (int, float)) and isinstance(b, (int, float)) and not isinstance(a, bool)
    same = abs(a - b) <= tolerance * max(1, abs(a)) if numbers else a == b
    return None if same else f"{a!r} and {b!r}"


if __name__ == "__main__":
    passed = failed = 0
    for item in sets(sys.argv[1:]):
        answer = item.reference(item.path / "model")
        counts = []
        for case in item.read():
            found = differ(case["expected"], tidy(answer(case)), 1e-6)
            counts.append(len(case["expected"]))
            passed, failed = passed + (found is None), failed + (found is not None)
            if found:
                print(f"{item.name}, {case['name']}: {found}")
        print(f"{item.name}: elements {counts}")
    more, less = opinions(sets(sys.argv[1:]))
    passed, failed = passed + more, failed + less
    print(f"{passed} passed, {failed} failed")
    sys.exit(failed > 0)
