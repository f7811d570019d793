"""Writes the models and the cases: `run.py [NAME…]`, every set whose path holds a NAME."""

import importlib
import sys

import audio
import pictures

MODULES = ["yolo", "text", "vision", "pairs", "audio", "tabular"]


def sets(names):
    for module in MODULES:
        for item in importlib.import_module(module).SETS:
            if not names or any(name in item.name for name in names):
                yield item


if __name__ == "__main__":
    pictures.write()
    audio.sounds()
    for item in sets(sys.argv[1:]):
        count = item.write()
        size = sum(path.stat().st_size for path in item.path.rglob("*") if path.is_file())
        print(f"{item.name}: {count} cases, {size / 1000:.0f} kB", flush=True)
