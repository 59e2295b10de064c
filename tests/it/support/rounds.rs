//! How often a test with rounds goes round.

use std::env;

/// `small`, or what `IMGKEEP_ROUNDS` says if that is more.
pub(crate) fn rounds(small: u32) -> u32 {
    let wanted = env::var("IMGKEEP_ROUNDS").ok().and_then(|text| text.parse().ok());
    wanted.unwrap_or(0).max(small)
}
