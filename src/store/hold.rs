//! Who may do what with the store at a time, among processes.

use std::fs::{File, TryLockError};
use std::io;

use crate::files;
use crate::store::{Error, Store};

/// A lock that is had as long as this lives; see [`Store::hold`].
#[derive(Debug)]
pub struct Hold {
    _file: File,
}

impl Store {
    /// As long as the answer lives, no other process opens the store.
    ///
    /// # Errors
    /// When the lock cannot be had.
    pub fn gate(&self) -> Result<Hold, Error> {
        self.locked("incoming/lock", File::lock)
    }

    /// As long as the answer lives, no process removes a blob. Waits for one that does.
    ///
    /// # Errors
    /// When the lock cannot be had.
    pub fn hold(&self) -> Result<Hold, Error> {
        self.locked("gc.lock", File::lock_shared)
    }

    /// As long as the answer lives, no process [holds](Self::hold) what is kept. Waits until none does.
    ///
    /// # Errors
    /// When the lock cannot be had.
    pub fn hold_alone(&self) -> Result<Hold, Error> {
        self.locked("gc.lock", File::lock)
    }

    /// As long as the answer lives, no other process collects garbage; `None` if one does.
    ///
    /// # Errors
    /// When the lock cannot be had.
    pub fn collect(&self) -> Result<Option<Hold>, Error> {
        let path = self.root.join("collect.lock");
        let file = files::open_to_lock(&path)?;
        match file.try_lock() {
            Ok(()) => Ok(Some(Hold { _file: file })),
            Err(TryLockError::WouldBlock) => Ok(None),
            Err(TryLockError::Error(error)) => Err(files::Error::io(&path, "lock")(error).into()),
        }
    }

    fn locked(&self, name: &str, lock: impl FnOnce(&File) -> io::Result<()>) -> Result<Hold, Error> {
        let path = self.root.join(name);
        let file = files::open_to_lock(&path)?;
        lock(&file).map_err(files::Error::io(&path, "lock"))?;
        Ok(Hold { _file: file })
    }
}
