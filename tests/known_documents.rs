//! Generated documents of known content, in each grammar, with all that only looks like a reference: exactly what was
//! put in is found, where it was put.

use proptest::prelude::*;

#[path = "../fuzz/src/lib.rs"]
pub mod properties;

/// So many, or as many as the environment says.
fn rounds(small: u32) -> u32 {
    std::env::var("IMGKEEP_ROUNDS")
        .map_or(small, |number| number.parse().expect("IMGKEEP_ROUNDS is a number"))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(rounds(500)))]

    #[test]
    fn a_document_of_known_content_is_found_exactly(bytes in prop::collection::vec(any::<u8>(), 2..160)) {
        properties::known::holds(&bytes);
    }
}
