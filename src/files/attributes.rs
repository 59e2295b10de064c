//! What a file carries besides its bytes: owner, group, mode, extended attributes (ACLs among them).

use std::collections::BTreeMap;
use std::ffi::CString;
use std::fs::{File, Permissions};
use std::io;
use std::os::unix::fs::PermissionsExt;

use rustix::fs::{Gid, Uid, XattrFlags, fchown, fgetxattr, flistxattr, fremovexattr, fsetxattr};
use rustix::io::Errno;

use crate::files::stat::Stat;

/// Gives `to` the owner, group, extended attributes and mode of `from`, and takes from it whatever it
/// inherited from its folder.
///
/// In this order: a change of owner clears set-id bits and capabilities (chown(2)), and an ACL is what
/// the group bits of the mode show (acl(5)).
pub(super) fn copy(from: &File, to: &File) -> io::Result<()> {
    let (old, new) = (Stat::of_file(from)?, Stat::of_file(to)?);
    if (old.uid, old.gid) != (new.uid, new.gid) {
        let owner = (old.uid != new.uid).then(|| Uid::from_raw(old.uid));
        let group = (old.gid != new.gid).then(|| Gid::from_raw(old.gid));
        fchown(to, owner, group)?;
    }
    let (wanted, present) = (extended(from)?, extended(to)?);
    for name in present.keys().filter(|name| !wanted.contains_key(*name)) {
        fremovexattr(to, name.as_c_str())?;
    }
    for (name, value) in &wanted {
        if present.get(name) != Some(value) {
            fsetxattr(to, name.as_c_str(), value, XattrFlags::empty())?;
        }
    }
    to.set_permissions(Permissions::from_mode(old.permissions()))
}

fn extended(file: &File) -> io::Result<BTreeMap<CString, Vec<u8>>> {
    let names = match grown(|buffer| flistxattr(file, buffer)) {
        Err(Errno::NOTSUP) => return Ok(BTreeMap::new()),
        names => names?,
    };
    let mut found = BTreeMap::new();
    for name in names.split_inclusive(|&byte| byte == 0) {
        let name = CString::from_vec_with_nul(name.to_vec()).map_err(io::Error::other)?;
        match grown(|buffer| fgetxattr(file, name.as_c_str(), buffer)) {
            // Removed since it was listed, or listed by a file system that cannot give it.
            Err(Errno::NODATA | Errno::NOTSUP) => {}
            value => {
                found.insert(name, value?);
            }
        }
    }
    Ok(found)
}

/// Calls with a larger buffer until the value fits.
fn grown(call: impl Fn(&mut [u8]) -> Result<usize, Errno>) -> Result<Vec<u8>, Errno> {
    let mut buffer = vec![0; 256];
    loop {
        match call(buffer.as_mut_slice()) {
            Ok(length) => {
                buffer.truncate(length);
                return Ok(buffer);
            }
            // 64 KiB is the most that Linux lets a value or the list of names have (xattr(7)).
            Err(Errno::RANGE) if buffer.len() < 64 * 1024 => buffer.resize(buffer.len() * 4, 0),
            Err(error) => return Err(error),
        }
    }
}
