//! An embedded Wasmtime that serves the composed component over HTTP
