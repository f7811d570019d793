#!/usr/bin/env node
// Runs the program of this platform's package.
"use strict";

const { spawn } = require("node:child_process");
const { constants } = require("node:os");

const name = `infer-wasm-${process.platform}-${process.arch}`;
let program;
try {
  program = require.resolve(`${name}/bin/infer`);
} catch {
  console.error(
    `error: the npm package \`${name}\` is not installed. Expected Linux (x64, arm64; glibc) or macOS (arm64), ` +
      "and an installation with optional dependencies.",
  );
  process.exit(1);
}

const child = spawn(program, process.argv.slice(2), { stdio: "inherit" });
// A service manager signals this process alone.
for (const signal of ["SIGHUP", "SIGINT", "SIGTERM"]) {
  process.on(signal, () => child.kill(signal));
}
child.on("error", (error) => {
  console.error(`error: cannot run \`${program}\`: ${error.message}`);
  process.exit(1);
});
child.on("exit", (code, signal) => process.exit(signal ? 128 + constants.signals[signal] : code));
