//! What one instance has of its own: its WASI, its HTTP, its memory limit.

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

use crate::guest_log::GuestLog;
use crate::manifest::Mount;
use crate::nn::Graphs;
use crate::nn::wit::{NnCtx, NnView};
use crate::worker::Thread;

/// Streams, tensors, errors and the like that an instance may hold at the same time: a request needs some
/// tens, and each takes some hundred bytes of the host's memory.
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
    /// An environment, read-only folders and a way to the log; no sockets, no arguments, no
    /// input.
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
            // Beside its own memory, as much again for what it hands over to compute with.
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
    /// What wasi:nn needs of an instance.
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

/// The types of HTTP come with a way to send requests. No guest can import it (see [`crate::imports`]), and
/// if one could, it would be told no.
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

/// Counts all linear memories of an instance together.
pub(crate) struct MemoryLimit {
    limit_bytes: usize,
    used_bytes: usize,
    /// Whether the instance was refused memory; it usually traps then, and the log says why.
    pub(crate) is_reached: bool,
    /// Told how much it was, when the instance ends.
    high_water: Histogram,
}

impl Drop for MemoryLimit {
    fn drop(&mut self) {
        // Linear memories grow and never shrink, so that what is used at the end is the most.
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
        /// Far more functions than a component has.
        const MAX_TABLE_ELEMENTS: usize = 1 << 20;
        Ok(desired <= MAX_TABLE_ELEMENTS)
    }
}
