//! How often a test tries what it tries.

/// So many rounds, or as many as the environment asks for: `IMGKEEP_ROUNDS=1000 cargo test --test it -- …`.
pub(crate) fn rounds(small: u32) -> u32 {
    let asked = std::env::var("IMGKEEP_ROUNDS").ok().and_then(|rounds| rounds.parse().ok());
    asked.unwrap_or(small).max(small)
}
