//! The folders that a run may not leave: not everybody who may order one may have everything archived.

use std::path::{Path, PathBuf};

/// Folders as they are on the disk, symlinks followed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bounds(Vec<PathBuf>);

impl Bounds {
    /// Of those of `folders` that are there.
    #[must_use]
    pub fn of(folders: &[PathBuf]) -> Self {
        Self(folders.iter().filter_map(|folder| folder.canonicalize().ok()).collect())
    }

    /// What is at `path`, symlinks followed, if it is there and lies in one of the folders.
    #[must_use]
    pub fn find(&self, path: &Path) -> Option<PathBuf> {
        path.canonicalize().ok().filter(|found| self.hold(found))
    }

    /// Whether a path without symlinks lies in one of the folders.
    #[must_use]
    pub fn hold(&self, real: &Path) -> bool {
        self.0.iter().any(|folder| real.starts_with(folder))
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn what_lies_elsewhere_is_not_found_however_it_is_spelled() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().canonicalize().unwrap();
        for below in ["posts/sub", "posts2", "secret"] {
            std::fs::create_dir_all(root.join(below)).unwrap();
        }
        std::fs::write(root.join("secret/a.md"), "").unwrap();
        symlink(root.join("secret"), root.join("posts/out")).unwrap();
        symlink(root.join("secret/a.md"), root.join("posts/a.md")).unwrap();
        symlink(root.join("posts"), root.join("in")).unwrap();
        let bounds = Bounds::of(&[root.join("in"), root.join("none")]);
        for (path, found) in [
            ("posts", Some("posts")),
            ("posts/sub", Some("posts/sub")),
            ("posts/sub/..", Some("posts")),
            ("in/sub", Some("posts/sub")),
            ("posts/../posts/sub", Some("posts/sub")),
            ("posts2", None),
            ("posts/..", None),
            ("posts/../secret", None),
            ("posts/out", None),
            ("posts/a.md", None),
            ("posts/none", None),
        ] {
            assert_eq!(bounds.find(&root.join(path)), found.map(|found| root.join(found)), "{path}");
        }
        assert_eq!(Bounds::of(&[]).find(&root), None);
    }
}
