//! What processes use of the machine, as the kernel counts it.

use std::time::Duration;

use anyhow::Result;

/// Processor time of a process and of all that it started.
pub(super) fn cpu_of_tree(root: u32) -> Result<Duration> {
    sum(root, system::cpu)
}

/// Processor time of this very process, without those that it started.
pub(super) fn own_cpu() -> Result<Duration> {
    system::cpu(std::process::id())
}

/// Bytes of memory that a process and all that it started occupy, a page that several of them share
/// counted once ("PSS").
pub(super) fn memory_of_tree(root: u32) -> Result<u64> {
    sum(root, system::memory)
}

fn sum<T: std::iter::Sum>(root: u32, of: impl Fn(u32) -> Result<T>) -> Result<T> {
    descendants(root, &system::parents()?)
        .into_iter()
        .map(of)
        .sum()
}

/// A process and what it started, of `(process, parent)`.
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
        let all = all_processes().context("the processes of this machine cannot be listed")?;
        // One that has ended meanwhile is no error.
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
            .context("the kernel does not say how much memory a process has")
    }

    fn open(process: u32) -> Result<Process> {
        Process::new(process.try_into()?)
            .with_context(|| format!("process {process} cannot be looked at"))
    }
}

#[cfg(not(target_os = "linux"))]
mod system {
    use std::time::Duration;

    use anyhow::{Result, bail};

    const REASON: &str =
        "servers are measured on Linux alone, where /proc says what a process uses";

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
    fn a_tree_is_found_in_pairs() {
        let parents = [(2, 1), (3, 2), (4, 1), (5, 3), (6, 7)];
        assert_eq!(descendants(2, &parents), [2, 3, 5]);
        assert_eq!(descendants(6, &parents), [6]);
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn this_process_uses_something() {
        assert!(memory_of_tree(std::process::id()).unwrap() > 1 << 16);
        assert!(own_cpu().unwrap() <= cpu_of_tree(std::process::id()).unwrap());
    }
}
