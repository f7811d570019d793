//! The store data of one instance: WASI, HTTP, wasi:nn and the memory limit.

use std::collections::BTreeMap;
use std::future::Future;
use std::sync::Arc;

use prometheus_client::metrics::histogram::Histogram;
use wasmtime::ResourceLimiter;
use wasmtime::component::ResourceTable;
use wasmtime_wasi::{FsPerms, WasiCtx, WasiCtxView, WasiView};
use wasmtime_wasi_http::{
    Error, RequestOptions, WasiBody, WasiHttpCtx, WasiHttpCtxView, WasiHttpHooks, WasiHttpView,
};

use crate::instance::guest_log::GuestLog;
use crate::manifest::Mount;
use crate::nn::Graphs;
use crate::nn::wit::{NnCtx, NnView};
use crate::worker::Thread;

/// Resources (streams, tensors, errors) that an instance may hold at a time. A request needs a few dozen, and each
/// takes a few hundred bytes of the host's memory.
const MAX_RESOURCES: usize = 16 * 1024;

/// The data of an instance's store.
pub(crate) struct State {
    wasi: WasiCtx,
    http: WasiHttpCtx,
    table: ResourceTable,
    hooks: NoOutboundHttp,
    nn: NnCtx,
    pub(crate) memory: MemoryLimit,
}

impl State {
    /// Environment variables, read-only folders and standard error; no sockets, no arguments, no standard input.
    pub(crate) fn new(
        log: GuestLog,
        environment: &BTreeMap<String, String>,
        mounts: &[Mount],
        memory_bytes: usize,
        high_water: Histogram,
        graphs: Option<Arc<Graphs>>,
        thread: Thread,
    ) -> wasmtime::Result<Self> {
        let mut wasi = WasiCtx::builder();
        wasi.stderr(log);
        for (name, value) in environment {
            wasi.env(name, value);
        }
        for mount in mounts {
            wasi.preopened_dir(&mount.source, &mount.destination, FsPerms::ReadOnly)?;
        }
        let mut table = ResourceTable::new();
        table.set_max_capacity(MAX_RESOURCES);
        Ok(Self {
            wasi: wasi.build(),
            http: WasiHttpCtx::new(),
            table,
            hooks: NoOutboundHttp,
            // Tensors in wasi:nn count against a budget of their own, as large as the instance's memory.
            nn: NnCtx::new(graphs, thread, memory_bytes),
            memory: MemoryLimit {
                limit_bytes: memory_bytes,
                used_bytes: 0,
                is_reached: false,
                high_water,
            },
        })
    }
}

impl State {
    /// The view that wasi:nn's host functions work on.
    pub(crate) fn nn(&mut self) -> NnView<'_> {
        NnView {
            ctx: &mut self.nn,
            table: &mut self.table,
        }
    }
}

impl WasiView for State {
    fn ctx(&mut self) -> WasiCtxView<'_> {
        WasiCtxView {
            ctx: &mut self.wasi,
            table: &mut self.table,
        }
    }
}

impl WasiHttpView for State {
    fn http(&mut self) -> WasiHttpCtxView<'_> {
        WasiHttpCtxView {
            ctx: &mut self.http,
            table: &mut self.table,
            hooks: &mut self.hooks,
        }
    }
}

/// Denies outgoing requests. The hook is part of the types of HTTP; no guest can import the function that would
/// reach it (see [`crate::instance::imports`]).
struct NoOutboundHttp;

type Sent = (
    hyper::Response<WasiBody>,
    Box<dyn Future<Output = Result<(), Error>> + Send>,
);

impl WasiHttpHooks for NoOutboundHttp {
    fn send_request(
        &mut self,
        _request: hyper::Request<WasiBody>,
        _options: Option<RequestOptions>,
        _sent: Box<dyn Future<Output = Result<(), Error>> + Send>,
    ) -> Box<dyn Future<Output = Result<Sent, Error>> + Send> {
        Box::new(async { Err(Error::HttpRequestDenied) })
    }
}

/// Limits the linear memories of an instance, all together.
pub(crate) struct MemoryLimit {
    limit_bytes: usize,
    used_bytes: usize,
    /// Whether the limit was reached. The instance usually traps then, and the log names the limit.
    pub(crate) is_reached: bool,
    /// Records the peak when the instance ends.
    high_water: Histogram,
}

impl Drop for MemoryLimit {
    fn drop(&mut self) {
        // Linear memories never shrink, so the final size is the peak.
        self.high_water.observe(self.used_bytes as f64);
    }
}

impl ResourceLimiter for MemoryLimit {
    fn memory_growing(
        &mut self,
        current: usize,
        desired: usize,
        _maximum: Option<usize>,
    ) -> wasmtime::Result<bool> {
        let used = self
            .used_bytes
            .saturating_add(desired.saturating_sub(current));
        if used > self.limit_bytes {
            self.is_reached = true;
            return Ok(false);
        }
        self.used_bytes = used;
        Ok(true)
    }

    fn table_growing(
        &mut self,
        _current: usize,
        desired: usize,
        _maximum: Option<usize>,
    ) -> wasmtime::Result<bool> {
        /// Far more than the number of functions in a component.
        const MAX_TABLE_ELEMENTS: usize = 1 << 20;
        Ok(desired <= MAX_TABLE_ELEMENTS)
    }
}
