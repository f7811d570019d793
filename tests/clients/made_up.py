"""Makes requests that `/openapi.json` allows, where JSON Schema has no words for it; for the tester of
tests/clients.rs. What is forbidden is sent as it was made up.

Bytes: no schema says which of them are an image or a tensor. They are those of the document's own examples.

Large numbers: the service takes every number that FP32 holds, and the document says so. But a graph's sums
overflow with the largest of them, its answer is no number then, and JSON cannot carry that: the contract's
400, which no schema of a request can foresee. And the engine refuses integers that 32 bits do not hold.
"""

import base64

import schemathesis
from hypothesis import strategies as st
from schemathesis.core.file_samples import FILE_SAMPLES

LARGE = 1e6

# The parts of a form.
schemathesis.openapi.media_type("image/png", st.just(FILE_SAMPLES["png"]))


@schemathesis.hook
def before_call(context, case, kwargs):
    if case.meta is None or not case.meta.generation.mode.is_positive:
        return
    # JSON where it is promised, else what is.
    answers = case.operation.definition.raw["responses"]["200"].get("content", {})
    if answers and "application/json" not in answers and "text/html" not in answers:
        case.headers = {**(case.headers or {}), "Accept": next(iter(answers))}
    if case.media_type == "application/octet-stream":
        body = case.operation.definition.raw["requestBody"]["content"][case.media_type]
        case.body = base64.b64decode(body["examples"]["sample"]["externalValue"].split(",", 1)[1])
    elif case.media_type == "application/json":
        body = tamed(case.body)
        # A body that is put in a case's place is judged anew: only where it must be.
        if body != case.body:
            case.body = body


def tamed(value):
    if isinstance(value, list):
        return [tamed(item) for item in value]
    if isinstance(value, dict):
        return {key: tamed(item) for key, item in value.items()}
    if isinstance(value, float) and abs(value) > LARGE:
        return value / 1e32
    if isinstance(value, int) and not isinstance(value, bool) and not -2**31 <= value < 2**31:
        return value % 1000
    return value
