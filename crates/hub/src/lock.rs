//! The lock of a blob, by which processes do not download the same file twice.

use std::fs::{File, TryLockError};
use std::path::Path;
use std::time::Duration;

use crate::cache::{CacheError, open_regular};
use crate::hub::Hub;

/// Time between two tries.
const PAUSE: Duration = Duration::from_secs(1);
/// Tries: ten minutes of waiting.
const MAX_TRIES: u64 = 600;

/// A lock that is held until it is dropped. It is `flock`, like in Python's `filelock`.
#[derive(Debug)]
pub(crate) struct Lock {
    _file: File,
}

impl Lock {
    /// Take the lock, and wait for another process that holds it.
    pub(crate) fn take(hub: &Hub, path: &Path) -> Result<Self, CacheError> {
        let file = open_regular(path)?;
        for _ in 0..MAX_TRIES {
            match file.try_lock() {
                Ok(()) => return Ok(Self { _file: file }),
                Err(TryLockError::WouldBlock) => hub.wait(PAUSE),
                Err(TryLockError::Error(source)) => return Err(CacheError::write(path, source)),
            }
        }
        Err(CacheError::Locked {
            path: path.to_owned(),
            minutes: MAX_TRIES * PAUSE.as_secs() / 60,
        })
    }
}
