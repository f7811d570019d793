"""A typical server: FastAPI over onnxruntime with one network, as both projects' documentation recommends.

usage: MODEL=FILE NAME=MODEL [THREADS=N] uvicorn app:app --workers W        (after: pip install …)

Each process creates one session when it starts (FastAPI's "lifespan"). Inference runs in the thread pool, so the event
loop goes on. uvicorn uses uvloop and httptools (`uvicorn[standard]`). JSON goes through orjson and NumPy rather than a
pydantic model, which would create a Python object for each of 150,528 floats and be slower.

`THREADS` is the number of ONNX Runtime threads per process; the default is one per core.
"""

import io
import os
from contextlib import asynccontextmanager

import numpy as np
import onnxruntime
import orjson
from fastapi import FastAPI, HTTPException, Request, Response
from fastapi.concurrency import run_in_threadpool
from PIL import Image

NAME = os.environ["NAME"]
SHAPE = (1, 3, 224, 224)
# The normalization of bench/networks.py's model cards, folded into one multiplication and one addition.
MEAN = np.array([0.485, 0.456, 0.406], np.float32)
STD = np.array([0.229, 0.224, 0.225], np.float32)
SCALE, OFFSET = 1 / (255 * STD), -MEAN / STD


@asynccontextmanager
async def lifespan(app):
    options = onnxruntime.SessionOptions()
    if threads := os.environ.get("THREADS"):
        options.intra_op_num_threads = int(threads)
    app.state.session = onnxruntime.InferenceSession(
        os.environ["MODEL"], options, providers=["CPUExecutionProvider"]
    )
    yield


app = FastAPI(lifespan=lifespan)


def picture(body):
    image = Image.open(io.BytesIO(body)).convert("RGB").resize(SHAPE[2:], Image.Resampling.BILINEAR)
    pixels = np.asarray(image, np.float32) * SCALE + OFFSET
    return np.ascontiguousarray(pixels.transpose(2, 0, 1)[None])


def json(body):
    (tensor,) = orjson.loads(body)["inputs"]
    return np.array(tensor["data"], np.float32).reshape(tensor["shape"])


def raw(body):
    return np.frombuffer(body, "<f4").reshape(SHAPE)


READ = {"application/octet-stream": raw, "application/json": json, "image/jpeg": picture}


def answer(read, body):
    try:
        tensor = read(body)
    except (KeyError, ValueError, OSError) as error:
        raise HTTPException(400, f"the body is no tensor: {error}") from error
    (logits,) = app.state.session.run(["logits"], {"data": tensor})
    if read is raw:
        return Response(logits.tobytes(), media_type="application/octet-stream")
    output = {"name": "logits", "datatype": "FP32", "shape": logits.shape, "data": logits.reshape(-1)}
    content = {"model_name": NAME, "model_version": "1", "outputs": [output]}
    return Response(orjson.dumps(content, option=orjson.OPT_SERIALIZE_NUMPY), media_type="application/json")


@app.post(f"/infer/{NAME}")
@app.post(f"/v2/models/{NAME}/infer")
async def infer(request: Request):
    read = READ.get(request.headers.get("content-type"))
    if read is None:
        raise HTTPException(415, f"expected one of {', '.join(READ)}")
    return await run_in_threadpool(answer, read, await request.body())
