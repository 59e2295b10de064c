//! Damage to the store and its catalog: `verify` names it, `--repair` heals it where there is a copy, and the catalog is made
//! again from the journal. No document is changed by it.
//!
//! ```text
//! cargo test --test it -- --nocapture damage::                      a few rounds
//! IMGKEEP_ROUNDS=500 cargo test --test it -- --nocapture damage::   500 damaged catalogs
//! ```

mod blobs;
mod catalog;
mod copy;
mod flips;
mod journal;
mod scene;
mod served;
