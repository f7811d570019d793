//! Component instances: compiled code, imports, the store of one request, and the guest while it runs.

pub mod compile;
pub(crate) mod guest;
pub(crate) mod guest_log;
pub(crate) mod imports;
pub(crate) mod state;
