//! The WIT glue: wasi:nn's resources, error codes and memory limit.

use std::sync::Arc;

use bytes::Bytes;
use infer_tensor::{Datatype, Error, ErrorKind};
use wasmtime::StoreContextMut;
use wasmtime::component::{HasData, Linker, Resource, ResourceTable, ResourceType, WasmList};

use super::backend::{Shared, Tensor};
use super::registry::{Graphs, NamedGraph};
use crate::worker::Thread;
use bindings::wasi::nn::{errors, graph, inference, tensor};

mod bindings {
    wasmtime::component::bindgen!({
        world: "wasi:nn/ml",
        path: "../../wit/deps/wasi-nn",
        imports: {
            "wasi:nn/inference.[method]graph-execution-context.compute": async | trappable,
            default: trappable,
        },
        with: {
            "wasi:nn/tensor.tensor": super::GuestTensor,
            "wasi:nn/graph.graph": super::GuestGraph,
            "wasi:nn/inference.graph-execution-context": super::GuestContext,
            "wasi:nn/errors.error": super::GuestError,
        },
    });
}

infer_tensor::wit_tensor_type!(tensor::TensorType);
infer_tensor::wit_error_code!(errors::ErrorCode);

/// A tensor that a guest holds.
pub struct GuestTensor {
    tensor: Tensor,
    /// The bytes that count towards the guest's limit.
    bytes: usize,
}

/// A graph that a guest holds.
pub struct GuestGraph(Arc<NamedGraph>);

/// An execution context that a guest holds.
pub struct GuestContext(Arc<NamedGraph>);

/// An error that a guest holds.
pub struct GuestError(Error);

/// The state of wasi:nn in one instance.
pub(crate) struct NnCtx {
    graphs: Option<Arc<Graphs>>,
    /// The thread that runs the instance.
    thread: Thread,
    /// The most bytes of host memory that the instance's tensors may use together.
    limit_bytes: usize,
    used_bytes: usize,
}

impl NnCtx {
    pub(crate) fn new(graphs: Option<Arc<Graphs>>, thread: Thread, limit_bytes: usize) -> Self {
        Self {
            graphs,
            thread,
            limit_bytes,
            used_bytes: 0,
        }
    }

    /// Count a tensor's memory; returns its bytes.
    fn take(&mut self, shape: &[u32], bytes: usize) -> wasmtime::Result<usize> {
        /// Even an empty tensor uses memory.
        const LEAST: usize = 256;
        let bytes = bytes + size_of_val(shape) + LEAST;
        let used = self.used_bytes.saturating_add(bytes);
        if used > self.limit_bytes {
            wasmtime::bail!(
                "its tensors need {used} bytes of the host's memory, more than the limit of {}",
                self.limit_bytes
            );
        }
        self.used_bytes = used;
        Ok(bytes)
    }
}

/// The part of a store's data that wasi:nn uses.
pub(crate) struct NnView<'a> {
    pub(crate) ctx: &'a mut NnCtx,
    pub(crate) table: &'a mut ResourceTable,
}

struct Nn;

impl HasData for Nn {
    type Data<'a> = NnView<'a>;
}

/// Add wasi:nn to a linker.
pub(crate) fn add_to_linker<T: Send + 'static>(
    linker: &mut Linker<T>,
    view: fn(&mut T) -> NnView<'_>,
) -> wasmtime::Result<()> {
    graph::add_to_linker::<T, Nn>(linker, view)?;
    inference::add_to_linker::<T, Nn>(linker, view)?;
    errors::add_to_linker::<T, Nn>(linker, view)?;
    add_tensor(linker, view)
}

/// Add `wasi:nn/tensor` by hand, so that a tensor's elements are copied once: from the guest's memory to the library's,
/// or back.
fn add_tensor<T: Send + 'static>(
    linker: &mut Linker<T>,
    view: fn(&mut T) -> NnView<'_>,
) -> wasmtime::Result<()> {
    let mut tensors = linker.instance("wasi:nn/tensor@0.2.0-rc-2024-10-28")?;
    tensors.resource(
        "tensor",
        ResourceType::host::<GuestTensor>(),
        move |mut store, index| {
            let view = view(store.data_mut());
            let tensor = view.table.delete(Resource::<GuestTensor>::new_own(index))?;
            view.ctx.used_bytes = view.ctx.used_bytes.saturating_sub(tensor.bytes);
            Ok(())
        },
    )?;
    tensors.func_wrap(
        "[constructor]tensor",
        move |mut store: StoreContextMut<'_, T>,
              (shape, ty, data): (Vec<u32>, tensor::TensorType, WasmList<u8>)| {
            let datatype = Datatype::from(ty);
            let ctx = view(store.data_mut()).ctx;
            let graphs = ctx.graphs.clone();
            let bytes = ctx.take(&shape, data.len())?;
            let data = data.as_le_slice(&store);
            let data = match graphs {
                Some(graphs) => graphs.adopt(datatype, &shape, data),
                None => Shared::new(Bytes::copy_from_slice(data)),
            };
            let tensor = Tensor {
                datatype,
                shape,
                data,
            };
            let view = view(store.data_mut());
            Ok((view.table.push(GuestTensor { tensor, bytes })?,))
        },
    )?;
    tensors.func_wrap(
        "[method]tensor.dimensions",
        move |mut store: StoreContextMut<'_, T>, (tensor,): (Resource<GuestTensor>,)| {
            let view = view(store.data_mut());
            Ok((view.table.get(&tensor)?.tensor.shape.clone(),))
        },
    )?;
    tensors.func_wrap(
        "[method]tensor.ty",
        move |mut store: StoreContextMut<'_, T>, (tensor,): (Resource<GuestTensor>,)| {
            let view = view(store.data_mut());
            let datatype = view.table.get(&tensor)?.tensor.datatype;
            Ok((tensor::TensorType::try_from(datatype)?,))
        },
    )?;
    tensors.func_wrap(
        "[method]tensor.data",
        move |mut store: StoreContextMut<'_, T>, (tensor,): (Resource<GuestTensor>,)| {
            let view = view(store.data_mut());
            let data = view.table.get(&tensor)?.tensor.data.clone();
            Ok((Bytes::from_owner(data),))
        },
    )
}

impl NnView<'_> {
    /// Give an error to the guest. A full table is the guest's own fault and traps.
    fn raise(&mut self, error: Error) -> wasmtime::Result<Resource<GuestError>> {
        tracing::debug!("wasi:nn error for the guest: {error}");
        Ok(self.table.push(GuestError(error))?)
    }
}

impl graph::Host for NnView<'_> {
    fn load(
        &mut self,
        builder: Vec<graph::GraphBuilder>,
        _encoding: graph::GraphEncoding,
        _target: graph::ExecutionTarget,
    ) -> wasmtime::Result<Result<Resource<GuestGraph>, Resource<GuestError>>> {
        let bytes: usize = builder.iter().map(Vec::len).sum();
        let refused = Error::new(
            ErrorKind::Security,
            format!(
                "this host computes graphs of its operator's alone, which `load-by-name` gives; got one of \
                 {bytes} bytes"
            ),
        );
        Ok(Err(self.raise(refused)?))
    }

    fn load_by_name(
        &mut self,
        name: String,
    ) -> wasmtime::Result<Result<Resource<GuestGraph>, Resource<GuestError>>> {
        let found = match &self.ctx.graphs {
            Some(graphs) => graphs.get(&name),
            None => Err(Error::new(ErrorKind::NotFound, "this host has no graphs")),
        };
        match found {
            Ok(graph) => Ok(Ok(self.table.push(GuestGraph(graph))?)),
            Err(error) => Ok(Err(self.raise(error)?)),
        }
    }
}

impl graph::HostGraph for NnView<'_> {
    fn init_execution_context(
        &mut self,
        graph: Resource<GuestGraph>,
    ) -> wasmtime::Result<Result<Resource<GuestContext>, Resource<GuestError>>> {
        let graph = Arc::clone(&self.table.get(&graph)?.0);
        Ok(Ok(self.table.push(GuestContext(graph))?))
    }

    fn drop(&mut self, graph: Resource<GuestGraph>) -> wasmtime::Result<()> {
        self.table.delete(graph)?;
        Ok(())
    }
}

impl inference::Host for NnView<'_> {}

impl inference::HostGraphExecutionContext for NnView<'_> {
    async fn compute(
        &mut self,
        context: Resource<GuestContext>,
        inputs: Vec<(String, Resource<GuestTensor>)>,
    ) -> wasmtime::Result<Result<Vec<(String, Resource<GuestTensor>)>, Resource<GuestError>>> {
        let graph = Arc::clone(&self.table.get(&context)?.0);
        let mut tensors = Vec::with_capacity(inputs.len());
        for (name, input) in inputs {
            // The call passes ownership of the tensors.
            let GuestTensor { tensor, bytes } = self.table.delete(input)?;
            self.ctx.used_bytes = self.ctx.used_bytes.saturating_sub(bytes);
            tensors.push((name, tensor));
        }
        let outputs = match graph.compute_on(&self.ctx.thread, tensors).await {
            Ok(outputs) => outputs,
            Err(error) => return Ok(Err(self.raise(error)?)),
        };
        let mut resources = Vec::with_capacity(outputs.len());
        for (name, tensor) in outputs {
            let bytes = self.ctx.take(&tensor.shape, tensor.bytes().len())?;
            resources.push((name, self.table.push(GuestTensor { tensor, bytes })?));
        }
        Ok(Ok(resources))
    }

    fn drop(&mut self, context: Resource<GuestContext>) -> wasmtime::Result<()> {
        self.table.delete(context)?;
        Ok(())
    }
}

impl errors::Host for NnView<'_> {}

impl errors::HostError for NnView<'_> {
    fn code(&mut self, error: Resource<GuestError>) -> wasmtime::Result<errors::ErrorCode> {
        Ok(self.table.get(&error)?.0.kind().into())
    }

    fn data(&mut self, error: Resource<GuestError>) -> wasmtime::Result<String> {
        Ok(self.table.get(&error)?.0.message().to_owned())
    }

    fn drop(&mut self, error: Resource<GuestError>) -> wasmtime::Result<()> {
        self.table.delete(error)?;
        Ok(())
    }
}
