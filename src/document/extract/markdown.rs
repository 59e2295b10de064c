//! Stub.
use crate::document::extract::{Found, Rules};

/// Stub.
pub fn find(_bytes: &[u8], _rules: &Rules, _found: &mut Found) {}
