//! What a component may import: the interfaces that a request needs, and none that reaches out.
//!
//! A component that asks for another is refused before anything is served. So no guest can open a socket,
//! resolve a name or send a request, whatever it is set up with: there is nothing to call.

use wasmtime::component::Linker;
use wasmtime_wasi::WasiView;
use wasmtime_wasi::cli::{WasiCli, WasiCliView};
use wasmtime_wasi::filesystem::{WasiFilesystem, WasiFilesystemView};
use wasmtime_wasi::p2::bindings::{cli, filesystem, random};
use wasmtime_wasi::random::{WasiRandom, WasiRandomView};
use wasmtime_wasi_http::p2::bindings::http;
use wasmtime_wasi_http::{WasiHttp, WasiHttpView};

/// Clocks, randomness, streams, environment, files and the types of HTTP; not `wasi:sockets` and not
/// `wasi:http/outgoing-handler`.
///
/// # Errors
/// None but Wasmtime's, when an interface is there already.
pub(crate) fn add_to_linker<T>(linker: &mut Linker<T>) -> wasmtime::Result<()>
where
    T: WasiView + WasiHttpView,
{
    // What `wasi:http/proxy` has, without its HTTP.
    wasmtime_wasi::p2::add_to_linker_proxy_interfaces_async(linker)?;
    // What Rust's standard library imports beyond.
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
