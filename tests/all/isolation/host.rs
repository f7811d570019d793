//! The misbehaving component, served in this process by the embedded host.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use infer_host::app::LoadError;
use infer_host::{App, AppOptions, Limits, Manifest, Server};
use tokio::runtime::Runtime;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use crate::support::guests::TROUBLE;

pub struct Host {
    pub address: SocketAddr,
    /// Its folder `mount` is mounted as `/data`.
    pub data: tempfile::TempDir,
    /// Tells the server to stop.
    pub stop: oneshot::Sender<()>,
    /// Ends when the server has stopped.
    pub served: JoinHandle<()>,
    pub runtime: Runtime,
}

/// Small limits: one second, 64 MiB of memory, four instances, and a queue of four.
pub fn limits() -> Limits {
    Limits {
        request_timeout: Duration::from_secs(1),
        instance_memory_bytes: 64 << 20,
        max_instances: 4,
        max_waiting: 4,
        drain_timeout: Duration::from_secs(5),
        ..Limits::default()
    }
}

/// Load a component with a manifest in `folder` that mounts `mount` and has two settings and a variable that is not a
/// setting.
pub fn app(folder: &Path, component: &Path, limits: Limits) -> Result<Arc<App>, LoadError> {
    let mount = folder.join("mount");
    std::fs::create_dir_all(&mount).unwrap();
    let manifest = folder.join("spin.toml");
    std::fs::write(
        &manifest,
        format!(
            "spin_manifest_version = 2\n[application]\nname = \"trouble\"\n\
             [[trigger.http]]\nroute = \"/...\"\ncomponent = \"trouble\"\n\
             [component.trouble]\nsource = {component:?}\n\
             files = [{{ source = \"mount\", destination = \"/data\" }}]\n\
             environment = {{ INFER_A = \"manifest\", INFER_B = \"manifest\", OTHER = \"x\" }}\n"
        ),
    )
    .unwrap();
    App::load(AppOptions {
        control: None,
        manifest: Manifest::read(&manifest).unwrap(),
        cache_dir: folder.join("cache"),
        graphs: None,
        observe: Default::default(),
        limits,
        environment: BTreeMap::from([
            ("INFER_B".to_owned(), "user".to_owned()),
            ("HOME".to_owned(), "/root".to_owned()),
        ]),
    })
}

/// Serve the misbehaving component.
pub fn host(limits: Limits) -> Host {
    let data = tempfile::tempdir().unwrap();
    let app = app(data.path(), &TROUBLE, limits).unwrap_or_else(|error| panic!("{error}"));
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .unwrap();
    let any = SocketAddr::from(([127, 0, 0, 1], 0));
    let server = runtime.block_on(Server::bind(any, app)).unwrap();
    let address = server.local_addr().unwrap();
    let (stop, stopped) = oneshot::channel();
    let served = runtime.spawn(server.serve(async {
        _ = stopped.await;
    }));
    Host {
        address,
        data,
        stop,
        served,
        runtime,
    }
}
