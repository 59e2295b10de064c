//! How often a test that has rounds does its work.

/// `small`, or the number in `IMGKEEP_ROUNDS`.
pub(crate) fn rounds(small: u32) -> u32 {
    std::env::var("IMGKEEP_ROUNDS")
        .map_or(small, |rounds| rounds.parse().expect("IMGKEEP_ROUNDS is a number"))
}
