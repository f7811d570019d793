// Times a network in onnxruntime-web with one thread and WebAssembly SIMD: node time.mjs MODEL DATA INPUTS RUNS
// INPUTS is JSON with the name, datatype and shape of each input, and DATA a file with their concatenated little-endian
// data. Prints one line of JSON: the milliseconds of each run after a warm-up of a tenth as many, and the values of the
// first output.
import fs from 'node:fs';
import * as ort from 'onnxruntime-web';

const TYPES = {
  FP32: ['float32', Float32Array],
  FP64: ['float64', Float64Array],
  FP16: ['float16', Uint16Array],
  INT64: ['int64', BigInt64Array],
  INT32: ['int32', Int32Array],
  UINT8: ['uint8', Uint8Array],
  BOOL: ['bool', Uint8Array],
};

const [model, data, inputs, runs] = process.argv.slice(2);
ort.env.wasm.numThreads = 1;
const session = await ort.InferenceSession.create(fs.readFileSync(model), { executionProviders: ['wasm'] });
const bytes = fs.readFileSync(data);
const feeds = {};
let start = bytes.byteOffset;
for (const { name, datatype, shape } of JSON.parse(inputs)) {
  const [type, Values] = TYPES[datatype];
  const size = shape.reduce((product, size) => product * size, Values.BYTES_PER_ELEMENT);
  feeds[name] = new ort.Tensor(type, new Values(bytes.buffer.slice(start, start + size)), shape);
  start += size;
}
const warmUp = Math.max(1, Math.floor(runs / 10));
const times = [];
let outputs;
for (let run = 0; run < warmUp + Number(runs); run++) {
  const start = performance.now();
  outputs = await session.run(feeds);
  times.push(performance.now() - start);
}
const output = Array.from(outputs[session.outputNames[0]].data, Number);
console.log(JSON.stringify({ times: times.slice(warmUp), output }));
