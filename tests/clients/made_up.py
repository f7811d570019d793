"""Hooks for Schemathesis in tests/all/clients.rs: they make generated requests valid where JSON Schema cannot say
what valid means. Requests that are generated as invalid stay as they are.

Bytes: no schema says which bytes are an image or a tensor. The hooks use the document's own examples.

Large numbers: the service accepts every FP32 number, as the document says. But sums in a graph overflow with the
largest ones, and JSON cannot represent the result, so the response is 400, which no request schema can foresee. The
engine also refuses integers outside 32 bits.
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
    # Accept JSON if the document promises it, otherwise the first media type that it promises.
    promised = case.operation.definition.raw["responses"]["200"].get("content", {})
    if promised and "application/json" not in promised and "text/html" not in promised:
        case.headers = {**(case.headers or {}), "Accept": next(iter(promised))}
    if case.media_type == "application/octet-stream":
        body = case.operation.definition.raw["requestBody"]["content"][case.media_type]
        case.body = base64.b64decode(body["examples"]["sample"]["externalValue"].split(",", 1)[1])
    elif case.media_type == "application/json":
        body = tamed(case.body)
        # Schemathesis validates an assigned body again, so assign only a body that changed.
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
