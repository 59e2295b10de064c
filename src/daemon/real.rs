//! Where a path really leads, also while nothing is there.

use std::fs;
use std::path::{Path, PathBuf};

/// Links that are followed, at the most (path_resolution(7)).
const LINKS: u32 = 40;

/// `path` without symlinks, as far as they can be followed.
pub(super) fn real(path: &Path) -> PathBuf {
    follow(path, LINKS)
}

fn follow(path: &Path, links: u32) -> PathBuf {
    if let Ok(real) = path.canonicalize() {
        return real;
    }
    let (Some(parent), Some(name)) = (path.parent(), path.file_name()) else { return path.to_owned() };
    let here = follow(parent, links).join(name);
    match fs::read_link(&here) {
        Ok(target) if links > 0 => follow(&here.with_file_name("").join(target), links - 1),
        _ => here,
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn links_are_followed_to_what_is_there_and_to_what_is_not() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().canonicalize().unwrap();
        fs::create_dir_all(root.join("disk/posts")).unwrap();
        symlink(root.join("disk"), root.join("link")).unwrap();
        symlink("disk/gone", root.join("dangling")).unwrap();
        symlink("loop", root.join("loop")).unwrap();
        let check = |path: &str, expected: &str| assert_eq!(real(&root.join(path)), root.join(expected));
        check("link/posts", "disk/posts");
        check("link/later/posts", "disk/later/posts");
        check("dangling/posts", "disk/gone/posts");
        check("nowhere", "nowhere");
        check("loop", "loop");
    }
}
