//! One daemon a store.

use std::fs::{File, TryLockError};
use std::io::{Read, Write};
use std::path::Path;

use anyhow::{Context, Result, bail};

use crate::files;

/// Held as long as the daemon lives.
#[derive(Debug)]
pub struct Lock {
    _file: File,
}

impl Lock {
    /// Takes the store at `root` for this process.
    ///
    /// # Errors
    /// When another daemon has it; the message says which.
    pub fn take(root: &Path) -> Result<Self> {
        let path = root.join("daemon.lock");
        let mut file = files::open_to_lock(&path)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                let mut pid = String::new();
                // Who has just started has not written it yet.
                let _ = file.read_to_string(&mut pid);
                let by = match pid.trim() {
                    "" => String::new(),
                    pid => format!(", process {pid}"),
                };
                bail!("another daemon is at work on the store `{}`{by}", root.display());
            }
            Err(TryLockError::Error(error)) => {
                return Err(error).with_context(|| format!("cannot lock `{}`", path.display()));
            }
        }
        file.set_len(0)
            .and_then(|()| writeln!(file, "{}", std::process::id()))
            .with_context(|| format!("cannot write `{}`", path.display()))?;
        Ok(Self { _file: file })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_store_has_one_daemon_at_a_time() {
        let folder = tempfile::tempdir().unwrap();
        let lock = Lock::take(folder.path()).unwrap();
        let refused = Lock::take(folder.path()).unwrap_err().to_string();
        let (store, pid) = (folder.path().display().to_string(), std::process::id().to_string());
        assert!(refused.contains(&store) && refused.ends_with(&format!("process {pid}")), "{refused}");
        drop(lock);
        Lock::take(folder.path()).unwrap();
    }
}
