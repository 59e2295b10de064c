//! How often a test that tries its luck does so.

/// `small`, or what `IMGKEEP_ROUNDS` says: a test is a matter of seconds by default, and of as long as you like.
pub(crate) fn rounds(small: u32) -> u32 {
    let said = std::env::var("IMGKEEP_ROUNDS").ok();
    said.map_or(small, |said| said.parse().expect("IMGKEEP_ROUNDS is a number"))
}
