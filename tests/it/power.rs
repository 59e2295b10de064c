//! The power is cut: what was not synced is gone, and all that `crash` holds a kill to must hold all the same.
//!
//! `cut` shuts a file system down in the middle of a run and mounts it again. `replay` has every write and flush of a
//! run logged below the file system, and looks at the disk as it would have been after each flush. Both need root and
//! loop devices, and say so where they lack.
//! All of it: `IMGKEEP_ROUNDS=200 cargo test --test it -- --nocapture power::`.

mod cut;
mod disk;
mod replay;
mod write_log;
