//! How long a test tries.

/// How many rounds a test makes: `small` of them, or as many as `IMGKEEP_ROUNDS` says.
pub(crate) fn rounds(small: u32) -> u32 {
    std::env::var("IMGKEEP_ROUNDS").ok().and_then(|rounds| rounds.parse().ok()).unwrap_or(small)
}
