//! The control socket, `control.sock` in the store: by it the programs of this machine reach the daemon.
//!
//! Who may open it may give orders, so its mode is what guards it (0660), and the system tells us who is at the other
//! end (`SO_PEERCRED`, unix(7)). No name and no web page leads to it.

use std::fs::{self, File, Permissions};
use std::io;
use std::os::fd::AsRawFd;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt};
use std::os::unix::net::{UnixListener as StdListener, UnixStream as StdStream};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use tokio::net::{UnixListener, UnixStream};

use crate::serve::listener::Listener;

/// In the store's folder.
const NAME: &str = "control.sock";
/// While it is made.
const NEW: &str = "control.sock.new";
/// The longest path of a socket in bytes, its NUL not counted (unix(7)).
const LONGEST: usize = 107;
/// The owner and its group.
const MODE: u32 = 0o660;

/// The socket of this process; it is removed when this is dropped.
#[derive(Debug)]
pub struct Control {
    path: PathBuf,
    /// Device and inode.
    identity: (u64, u64),
}

impl Drop for Control {
    fn drop(&mut self) {
        // Another daemon may have put its own there.
        if identity(&self.path).is_ok_and(|found| found == self.identity)
            && let Err(error) = fs::remove_file(&self.path)
        {
            tracing::debug!(%error, "the control socket was left behind");
        }
    }
}

/// Makes the socket of the store at `root` and listens on it. What a daemon left there that is no more is replaced.
///
/// # Errors
/// When somebody answers there, or what is there is no socket, or the system says no.
pub fn bind(root: &Path) -> Result<(Listener, Control)> {
    let path = root.join(NAME);
    let said = || format!("cannot make the control socket `{}`", path.display());
    match fs::symlink_metadata(&path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => return Err(error).with_context(said),
        Ok(found) if !found.file_type().is_socket() => {
            bail!("`{}` is no socket: it is left alone, so please remove it", path.display())
        }
        Ok(_) => match Place::of(root, NAME).and_then(|place| StdStream::connect(place.path())) {
            Ok(_) => bail!("another daemon answers at `{}`", path.display()),
            Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => {}
            Err(error) => return Err(error).with_context(said),
        },
    }
    let (listener, identity) = make(root, &path).with_context(said)?;
    Ok((Listener::Control(listener), Control { path, identity }))
}

/// It gets its mode before it gets its name, so nobody can open it that may not.
fn make(root: &Path, path: &Path) -> io::Result<(UnixListener, (u64, u64))> {
    let new = root.join(NEW);
    match fs::remove_file(&new) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let listener = StdListener::bind(Place::of(root, NEW)?.path())?;
    fs::set_permissions(&new, Permissions::from_mode(MODE))?;
    let identity = identity(&new)?;
    fs::rename(&new, path)?;
    listener.set_nonblocking(true)?;
    Ok((UnixListener::from_std(listener)?, identity))
}

/// Whether a daemon has, or left, its socket in the store at `root`.
#[must_use]
pub fn is_there(root: &Path) -> bool {
    fs::symlink_metadata(root.join(NAME)).is_ok_and(|found| found.file_type().is_socket())
}

/// Connects to the daemon of the store at `root`; `None` if there is none.
///
/// # Errors
/// When there is one, and it cannot be reached.
pub async fn connect(root: &Path) -> io::Result<Option<UnixStream>> {
    if !is_there(root) {
        return Ok(None);
    }
    let place = Place::of(root, NAME)?;
    match UnixStream::connect(place.path()).await {
        Ok(stream) => Ok(Some(stream)),
        // What is left of one that was killed.
        Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => Ok(None),
        Err(error) => Err(error),
    }
}

fn identity(path: &Path) -> io::Result<(u64, u64)> {
    let found = fs::symlink_metadata(path)?;
    Ok((found.dev(), found.ino()))
}

/// A path that is short enough for a socket, however deep the folder lies.
struct Place {
    path: PathBuf,
    /// Open as long as the path leads through it.
    _folder: Option<File>,
}

impl Place {
    fn of(folder: &Path, name: &str) -> io::Result<Self> {
        let path = folder.join(name);
        if path.as_os_str().as_bytes().len() <= LONGEST {
            return Ok(Self { path, _folder: None });
        }
        let folder = File::open(folder)?;
        let path = PathBuf::from(format!("/proc/self/fd/{}/{name}", folder.as_raw_fd()));
        Ok(Self { path, _folder: Some(folder) })
    }

    fn path(&self) -> &Path {
        &self.path
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn answers(root: &Path) -> bool {
        connect(root).await.unwrap().is_some()
    }

    #[tokio::test]
    async fn a_socket_comes_and_goes_with_its_daemon() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path();
        assert!(!answers(root).await);
        let (listener, control) = bind(root).unwrap();
        let path = root.join(NAME);
        assert_eq!(path.symlink_metadata().unwrap().mode() & 0o7777, MODE);
        assert!(answers(root).await);
        let refused = bind(root).unwrap_err().to_string();
        assert!(refused.contains("another daemon answers"), "{refused}");
        assert!(answers(root).await, "the one that answers is left alone");
        // As after a crash: the file stays, and nobody listens.
        std::mem::forget(control);
        drop(listener);
        assert!(path.exists() && !answers(root).await);
        let (_listener, control) = bind(root).unwrap();
        assert!(answers(root).await);
        drop(control);
        assert!(!path.exists() && !root.join(NEW).exists());
    }

    #[tokio::test]
    async fn what_is_no_socket_is_left_alone() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path();
        let (elsewhere, path) = (root.join("elsewhere"), root.join(NAME));
        let _listener = StdListener::bind(&elsewhere).unwrap();
        std::os::unix::fs::symlink(&elsewhere, &path).unwrap();
        assert!(bind(root).unwrap_err().to_string().contains("no socket"));
        assert!(!answers(root).await, "a symlink is not followed");
        fs::remove_file(&path).unwrap();
        fs::write(&path, "mine").unwrap();
        assert!(bind(root).unwrap_err().to_string().contains("no socket"));
        assert_eq!(fs::read(&path).unwrap(), b"mine");
    }

    #[tokio::test]
    async fn a_folder_may_be_as_deep_as_it_likes() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().join("x".repeat(100)).join("y".repeat(100));
        fs::create_dir_all(&root).unwrap();
        let (_listener, control) = bind(&root).unwrap();
        assert!(answers(&root).await);
        assert_eq!(root.join(NAME).symlink_metadata().unwrap().mode() & 0o7777, MODE);
        drop(control);
        assert!(!root.join(NAME).exists());
    }
}
