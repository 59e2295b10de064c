//! Generated documents of known content, in each grammar, with all that only looks like a reference: exactly what was
//! put in is found, where it was put.

use proptest::prelude::*;

#[path = "../fuzz/src/lib.rs"]
pub mod properties;

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn a_document_of_known_content_is_found_exactly(bytes in prop::collection::vec(any::<u8>(), 2..160)) {
        properties::known::holds(&bytes);
    }
}
