//! `/api/v1/openapi.json`: the description of all this, for programs that make clients and tests of it.

use hyper::header::{CONTENT_TYPE, HeaderName};

const DESCRIPTION: &str = include_str!("openapi.json");

pub(super) async fn show() -> ([(HeaderName, &'static str); 1], &'static str) {
    ([(CONTENT_TYPE, "application/vnd.oai.openapi+json;version=3.1")], DESCRIPTION)
}
