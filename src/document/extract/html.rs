//! Stub.
use crate::document::extract::{Found, Rules};
use crate::document::span::Span;

/// Stub.
pub fn find(_bytes: &[u8], _rules: &Rules, _found: &mut Found) {}

/// Stub.
pub fn find_in(_bytes: &[u8], _pieces: &[Span], _rules: &Rules, _found: &mut Found) {}
