//! Errors of the disk: whatever call fails and whatever the system says, there is a clear line and the right exit code,
//! nothing is lost, and once the fault is gone one more run finishes the work.
//!
//! ```text
//! cargo test --test it -- --nocapture disk::                      a selection of the faults
//! IMGKEEP_ROUNDS=500 cargo test --test it -- --nocapture disk::   every call, each error
//! ```

mod fault;
mod judge;
mod limits;
mod real;
mod scene;
mod service;
mod sweep;
