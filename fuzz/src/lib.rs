//! What must hold for any bytes whatever: one property for each thing of imgkeep's that reads what others wrote.
//!
//! The fuzz targets call these functions, and so does `tests/fuzz_corpus.rs`, which replays all that fuzzing kept.

pub mod bound;
pub mod config;
pub mod dice;
pub mod document;
pub mod headers;
pub mod image;
pub mod known;
pub mod records;
pub mod request;
pub mod splice;
pub mod srcset;
pub mod unwrap;

use imgkeep::document::DocumentKind;

/// A property: it panics where the bytes break it.
pub type Property = fn(&[u8]);

/// Every target by its name: the one of its binary, its seeds, its corpus.
pub const TARGETS: [(&str, Property); 18] = [
    ("config", config::holds),
    ("css", |bytes| document::holds(bytes, DocumentKind::Css)),
    ("extract", document::any_kind_holds),
    ("front_matter", document::front_matter_holds),
    ("headers", headers::hold),
    ("html", |bytes| document::holds(bytes, DocumentKind::Html)),
    ("image", image::holds),
    ("json_feed", |bytes| document::holds(bytes, DocumentKind::Json)),
    ("known", known::holds),
    ("markdown", |bytes| document::holds(bytes, DocumentKind::Markdown)),
    ("records", records::hold),
    ("request", request::holds),
    ("splice", splice::holds),
    ("srcset", srcset::holds),
    ("svg", image::svg_holds),
    ("tags", document::tags_hold),
    ("unwrap", unwrap::holds),
    ("xml", |bytes| document::holds(bytes, DocumentKind::Xml)),
];

/// Holds `bytes` to the property of that name, and to the bounds of time and memory.
///
/// # Panics
/// If they break it, or if there is no such target.
pub fn run(target: &str, bytes: &[u8]) {
    let (_, property) = TARGETS.iter().find(|(name, _)| *name == target).expect("a target of the list");
    bound::within_bounds(bytes, *property);
}
