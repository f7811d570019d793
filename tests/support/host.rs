//! The host with a component, in this process and on real sockets.

use std::net::SocketAddr;
use std::path::Path;

use infer_host::{Admin, App, AppOptions, Limits, Manifest, ObserveOptions, Server};
use tokio::runtime::Runtime;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

/// A running host, which stops when dropped.
pub struct Host {
    pub address: SocketAddr,
    pub admin: SocketAddr,
    /// Tells the server to stop.
    pub stop: oneshot::Sender<()>,
    /// Ends when the server has stopped.
    pub served: JoinHandle<()>,
    pub runtime: Runtime,
    _data: tempfile::TempDir,
}

/// Serve a component with these limits.
pub fn start(component: &Path, limits: Limits) -> Host {
    let data = tempfile::tempdir().unwrap();
    let manifest = data.path().join("spin.toml");
    let text = format!(
        "spin_manifest_version = 2\n[application]\nname = \"guest\"\n[[trigger.http]]\nroute = \"/...\"\n\
         component = \"guest\"\n[component.guest]\nsource = {component:?}\n"
    );
    std::fs::write(&manifest, text).unwrap();
    let app = App::load(AppOptions {
        control: None,
        manifest: Manifest::read(&manifest).unwrap(),
        cache_dir: data.path().join("cache"),
        limits,
        environment: Default::default(),
        graphs: None,
        observe: ObserveOptions::default(),
    })
    .unwrap_or_else(|error| panic!("{error}"));
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .unwrap();
    let any = SocketAddr::from(([127, 0, 0, 1], 0));
    let server = runtime.block_on(Server::bind(any, app.clone())).unwrap();
    let admin = runtime.block_on(Admin::bind(any, app)).unwrap();
    let (stop, stopped) = oneshot::channel();
    let (address, admin_address) = (server.local_addr().unwrap(), admin.local_addr().unwrap());
    runtime.spawn(admin.serve());
    let served = runtime.spawn(server.serve(async {
        _ = stopped.await;
    }));
    Host {
        address,
        admin: admin_address,
        stop,
        served,
        runtime,
        _data: data,
    }
}
