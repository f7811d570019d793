//! Resources of a process.

/// The resources of a process at one moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Resources {
    /// Resident memory in KiB, mapped files included.
    pub resident_kib: u64,
    /// The largest resident memory so far, in KiB.
    pub peak_kib: u64,
    /// Open file descriptors.
    pub descriptors: usize,
    pub threads: u64,
}

/// The current resources of a process.
#[cfg(target_os = "linux")]
pub fn resources(id: u32) -> Option<Resources> {
    let process = procfs::process::Process::new(id.try_into().unwrap()).unwrap();
    let status = process.status().unwrap();
    Some(Resources {
        resident_kib: status.vmrss.unwrap(),
        peak_kib: status.vmhwm.unwrap(),
        descriptors: process.fd_count().unwrap(),
        threads: status.threads,
    })
}

/// `None`, since other systems have no /proc.
#[cfg(not(target_os = "linux"))]
pub fn resources(_id: u32) -> Option<Resources> {
    None
}
