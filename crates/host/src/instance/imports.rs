//! The interfaces that a component may import: those that a request needs, without network access.
//!
//! The host refuses a component with any other import before it serves anything. No guest can therefore open a
//! socket, resolve a name or send a request, whatever the configuration: there is nothing to call.

use wasmtime::component::Linker;
use wasmtime_wasi::WasiView;
use wasmtime_wasi::cli::{WasiCli, WasiCliView};
use wasmtime_wasi::filesystem::{WasiFilesystem, WasiFilesystemView};
use wasmtime_wasi::p2::bindings::{cli, filesystem, random};
use wasmtime_wasi::random::{WasiRandom, WasiRandomView};
use wasmtime_wasi_http::p2::bindings::http;
use wasmtime_wasi_http::{WasiHttp, WasiHttpView};

/// Link clocks, randomness, streams, environment, files and the types of HTTP, but neither `wasi:sockets` nor
/// `wasi:http/outgoing-handler`.
///
/// # Errors
/// Wasmtime's, when an interface is linked twice.
pub(crate) fn add_to_linker<T>(linker: &mut Linker<T>) -> wasmtime::Result<()>
where
    T: WasiView + WasiHttpView,
{
    // The world `wasi:http/proxy` without its HTTP.
    wasmtime_wasi::p2::add_to_linker_proxy_interfaces_async(linker)?;
    // Further imports of Rust's standard library.
    random::insecure_seed::add_to_linker::<T, WasiRandom>(linker, T::random)?;
    cli::environment::add_to_linker::<T, WasiCli>(linker, T::cli)?;
    cli::exit::add_to_linker::<T, WasiCli>(linker, T::cli)?;
    cli::terminal_input::add_to_linker::<T, WasiCli>(linker, T::cli)?;
    cli::terminal_output::add_to_linker::<T, WasiCli>(linker, T::cli)?;
    cli::terminal_stdin::add_to_linker::<T, WasiCli>(linker, T::cli)?;
    cli::terminal_stdout::add_to_linker::<T, WasiCli>(linker, T::cli)?;
    cli::terminal_stderr::add_to_linker::<T, WasiCli>(linker, T::cli)?;
    filesystem::preopens::add_to_linker::<T, WasiFilesystem>(linker, T::filesystem)?;
    filesystem::types::add_to_linker::<T, WasiFilesystem>(linker, T::filesystem)?;
    let options = http::types::LinkOptions::default();
    http::types::add_to_linker::<T, WasiHttp>(linker, &options, T::http)
}
