// Times a network in onnxruntime-web, one thread, WebAssembly SIMD: node time.mjs MODEL INPUT RUNS
// MODEL has one FP32 input of [1, 3, 224, 224]; INPUT is a file of raw little-endian values. Prints one line of JSON: the
// milliseconds of each run after a warm-up of a tenth, and the first output's values.
import fs from 'node:fs';
import * as ort from 'onnxruntime-web';

const [model, input, runs] = process.argv.slice(2);
ort.env.wasm.numThreads = 1;
const session = await ort.InferenceSession.create(fs.readFileSync(model), { executionProviders: ['wasm'] });
const bytes = fs.readFileSync(input);
const values = new Float32Array(bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.length));
const feeds = { [session.inputNames[0]]: new ort.Tensor('float32', values, [1, 3, 224, 224]) };
const warmUp = Math.max(1, Math.floor(runs / 10));
const times = [];
let outputs;
for (let run = 0; run < warmUp + Number(runs); run++) {
  const start = performance.now();
  outputs = await session.run(feeds);
  times.push(performance.now() - start);
}
const output = Array.from(outputs[session.outputNames[0]].data);
console.log(JSON.stringify({ times: times.slice(warmUp), output }));
