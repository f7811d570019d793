//! CPU time and memory of processes, from the kernel.

use std::time::Duration;

use anyhow::Result;

/// CPU time of a process and its descendants.
pub(super) fn cpu_of_tree(root: u32) -> Result<Duration> {
    sum(root, system::cpu)
}

/// CPU time of this process without its descendants.
pub(super) fn own_cpu() -> Result<Duration> {
    system::cpu(std::process::id())
}

/// Memory of a process and its descendants in bytes, which counts shared pages once (PSS).
pub(super) fn memory_of_tree(root: u32) -> Result<u64> {
    sum(root, system::memory)
}

fn sum<T: std::iter::Sum>(root: u32, of: impl Fn(u32) -> Result<T>) -> Result<T> {
    descendants(root, &system::parents()?)
        .into_iter()
        .map(of)
        .sum()
}

/// A process and its descendants, from pairs `(process, parent)`.
fn descendants(root: u32, parents: &[(u32, u32)]) -> Vec<u32> {
    let mut found = vec![root];
    let mut next = 0;
    while let Some(&parent) = found.get(next) {
        let children = parents.iter().filter(|(_, of)| *of == parent);
        found.extend(children.map(|(child, _)| *child));
        next += 1;
    }
    found
}

#[cfg(target_os = "linux")]
mod system {
    use std::time::Duration;

    use anyhow::{Context, Result};
    use procfs::process::{Process, all_processes};

    pub(super) fn parents() -> Result<Vec<(u32, u32)>> {
        let all = all_processes().context("cannot list the processes of this machine")?;
        // A process that has ended meanwhile is not an error.
        let pairs = all.filter_map(|process| process.and_then(|process| process.stat()).ok());
        let pairs = pairs.map(|stat| Ok((stat.pid.try_into()?, stat.ppid.try_into()?)));
        pairs.collect()
    }

    pub(super) fn cpu(process: u32) -> Result<Duration> {
        let stat = open(process)?.stat()?;
        let ticks = stat.utime + stat.stime;
        let seconds = ticks as f64 / procfs::ticks_per_second() as f64;
        Ok(Duration::from_secs_f64(seconds))
    }

    pub(super) fn memory(process: u32) -> Result<u64> {
        let rollup = open(process)?.smaps_rollup()?.memory_map_rollup;
        rollup
            .iter()
            .find_map(|map| map.extension.map.get("Pss").copied())
            .context("the kernel reports no PSS for the process")
    }

    fn open(process: u32) -> Result<Process> {
        Process::new(process.try_into()?)
            .with_context(|| format!("cannot inspect process {process}"))
    }
}

#[cfg(not(target_os = "linux"))]
mod system {
    use std::time::Duration;

    use anyhow::{Result, bail};

    const REASON: &str = "`bench servers` needs /proc, which only Linux has";

    pub(super) fn parents() -> Result<Vec<(u32, u32)>> {
        bail!(REASON)
    }

    pub(super) fn cpu(_process: u32) -> Result<Duration> {
        bail!(REASON)
    }

    pub(super) fn memory(_process: u32) -> Result<u64> {
        bail!(REASON)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn descendants_are_found() {
        let parents = [(2, 1), (3, 2), (4, 1), (5, 3), (6, 7)];
        assert_eq!(descendants(2, &parents), [2, 3, 5]);
        assert_eq!(descendants(6, &parents), [6]);
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn this_process_has_memory_and_cpu_time() {
        assert!(memory_of_tree(std::process::id()).unwrap() > 1 << 16);
        assert!(own_cpu().unwrap() <= cpu_of_tree(std::process::id()).unwrap());
    }
}
