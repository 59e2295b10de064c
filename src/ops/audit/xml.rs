//! The same of XML: what feeds, drawings and pages say without a condition, and the pages that feeds embed.

use quick_xml::Reader;
use quick_xml::escape::unescape;
use quick_xml::events::{BytesStart, Event};

use super::Images;

/// Elements, by their names with prefixes or without, and the attribute that holds one URL.
const SINGLE: &[(&str, &str)] = &[
    ("img", "src"),
    ("video", "poster"),
    ("image", "href"),
    ("image", "xlink:href"),
    ("feImage", "href"),
    ("media:thumbnail", "url"),
];

/// Elements whose text is HTML, if it looks like that.
const PAGES: &[&str] = &["description", "encoded", "summary", "content"];

/// Adds what `text` shows, as far as it is well-formed.
pub(super) fn read(text: &str, images: &mut Images) {
    let mut reader = Reader::from_str(text);
    let mut said = String::new();
    while let Ok(event) = reader.read_event() {
        match event {
            // a `<` in an attribute: from here on no two readers agree
            Event::Start(tag) | Event::Empty(tag) if tag.contains('<') => return,
            Event::Start(tag) => {
                add(&tag, images);
                said.clear();
            }
            Event::Empty(tag) => add(&tag, images),
            Event::Text(text) => said.push_str(&text),
            Event::CData(text) => said.push_str(&text),
            Event::GeneralRef(entity) => {
                let entity = format!("&{};", &*entity);
                said.push_str(unescape(&entity).as_deref().unwrap_or(&entity));
            }
            Event::End(tag) => {
                if PAGES.contains(&tag.local_name().as_ref()) && said.contains('<') {
                    images.of_page(&said);
                    images.base = None;
                }
                said.clear();
            }
            Event::Eof => return,
            Event::Comment(_) | Event::Decl(_) | Event::PI(_) | Event::DocType(_) => {}
        }
    }
}

fn add(tag: &BytesStart<'_>, images: &mut Images) {
    for attribute in tag.attributes().with_checks(false).flatten() {
        let Ok(value) = unescape(&attribute.value) else { continue };
        let (whole, local) = (tag.name(), tag.local_name());
        let attribute = attribute.key.into_inner();
        let is_single = |name| SINGLE.contains(&(name, attribute));
        if is_single(local.as_ref()) || is_single(whole.as_ref()) {
            images.add(&value);
        } else if (local.as_ref(), attribute) == ("img", "srcset") {
            images.add_set(&value);
        }
    }
}
