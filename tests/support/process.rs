//! What a process has of the machine.

/// What a process holds at one moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Holding {
    /// Resident memory, in KiB: its own and of files.
    pub resident_kib: u64,
    /// The largest that the resident memory ever was.
    pub peak_kib: u64,
    /// Open file descriptors.
    pub descriptors: usize,
    pub threads: u64,
}

/// What that process holds now.
#[cfg(target_os = "linux")]
pub fn holding(id: u32) -> Option<Holding> {
    let process = procfs::process::Process::new(id.try_into().unwrap()).unwrap();
    let status = process.status().unwrap();
    Some(Holding {
        resident_kib: status.vmrss.unwrap(),
        peak_kib: status.vmhwm.unwrap(),
        descriptors: process.fd_count().unwrap(),
        threads: status.threads,
    })
}

/// `None`: no other system says it in files.
#[cfg(not(target_os = "linux"))]
pub fn holding(_id: u32) -> Option<Holding> {
    None
}
