//! Stub.
use crate::document::extract::Found;

/// Stub.
pub fn find(_bytes: &[u8], _found: &mut Found) {}
