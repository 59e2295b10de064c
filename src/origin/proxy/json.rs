//! A source inside JSON inside base64: some image services sign such a document and put it in the path.

use serde_json::Value;

use crate::origin::proxy::decode::base64;

/// The first of `names` in any piece of `tail` that is the base64 of a JSON object. An object may hold
/// another, even as text.
pub(super) fn find(tail: &str, names: &[String]) -> Option<String> {
    const OBJECT_IN_BASE64: &str = "ey";
    tail.split(['/', '.']).filter(|piece| piece.starts_with(OBJECT_IN_BASE64)).find_map(|piece| {
        let text = base64(piece).or_else(|| base64(&piece.replace('_', "")))?;
        member(&serde_json::from_str(&text).ok()?, names)
    })
}

fn member(value: &Value, names: &[String]) -> Option<String> {
    let object = value.as_object()?;
    names.iter().find_map(|name| Some(object.get(name)?.as_str()?.to_owned())).or_else(|| {
        object.values().find_map(|inner| match inner {
            Value::Object(_) => member(inner, names),
            Value::String(text) if text.starts_with('{') => member(&serde_json::from_str(text).ok()?, names),
            _ => None,
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_url_is_found_at_any_depth() {
        let names = ["url".to_owned()];
        for (tail, expected) in [
            ("x/eyJ1cmwiOiJodHRwOi8vYSJ9/b.jpg", Some("http://a")),
            ("eyJhbGciOjF9.eyJ1cmwiOiJodHRwOi8vYSJ9.sig", Some("http://a")),
            ("eyJkYXRhIjoie1widXJsXCI6XCJodHRwOi8vYVwifSJ9", Some("http://a")),
            ("eyJhbGciOjF9", None),
            ("ey", None),
        ] {
            assert_eq!(find(tail, &names).as_deref(), expected, "{tail}");
        }
    }
}
