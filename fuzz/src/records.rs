//! What is read back from disk, and from other archives: damaged or not, it is read or refused.

use imgkeep::blob::BlobName;
use imgkeep::catalog::edits;
use imgkeep::catalog::journal::Line;
use imgkeep::digest::Digest;
use imgkeep::fetch::Reason;
use imgkeep::ladder::{Source, placeholder, wayback};
use jiff::Timestamp;
use url::Url;

use super::dice::Dice;

/// The first byte says of what.
pub fn hold(bytes: &[u8]) {
    let mut dice = Dice::new(bytes);
    let kind = dice.byte() % 4;
    let rest = dice.rest();
    match kind {
        0 => a_journals_line(rest),
        1 => the_way_back(rest),
        2 => names(&String::from_utf8_lossy(rest)),
        _ => a_list_of_captures(rest),
    }
}

/// What is read is written so that it is read again, and a document's links are in order.
fn a_journals_line(bytes: &[u8]) {
    let Ok(line) = serde_json::from_slice::<Line>(bytes) else { return };
    let text = serde_json::to_string(&line).expect("what was read can be written");
    let again: Line = serde_json::from_str(&text).expect("what was written can be read");
    assert_eq!(format!("{again:?}"), format!("{line:?}"));
    match line {
        Line::Rewrite(rewrite) => {
            let mut end = 0;
            for link in &rewrite.links {
                assert!(link.start >= end, "a link at {} after one that ends at {end}", link.start);
                end = link.start.checked_add(link.len).expect("a link that ends somewhere");
            }
        }
        Line::Snapshot(snapshot) => {
            let _ = snapshot.blob();
            for attempt in &snapshot.attempts {
                let _ = (attempt.is_private(), attempt.host(), attempt.place());
            }
        }
        Line::Run(_) | Line::Placeholder(_) | Line::Removal(_) | Line::GivenOut(_) | Line::Mended(_) => {}
    }
}

/// The catalog's record of a document, as bytes of its database.
fn the_way_back(bytes: &[u8]) {
    let Ok(rows) = edits::unpack(bytes) else { return };
    let mut end = 0;
    for row in &rows {
        assert!(row.start >= end);
        end = row.start + row.len;
    }
    assert_eq!(edits::unpack(&edits::pack(&rows)).expect("it was just packed"), rows);
}

fn names(text: &str) {
    if let Ok(digest) = text.parse::<Digest>() {
        assert_eq!(digest.to_string(), text);
    }
    if let Some(blob) = BlobName::from_link(text) {
        let name = blob.to_string();
        assert!(text.contains(&name[3..]), "{name} is not in {text}");
        assert_eq!(BlobName::from_link(&name), Some(blob));
        assert!(!blob.is_written(text) || text == name);
    }
    if let Ok(reason) = text.parse::<Reason>() {
        assert_eq!(reason.to_string(), text);
    }
    if let Ok(source) = text.parse::<Source>() {
        assert_eq!(source.to_string(), text);
    }
    if let Some(digest) = placeholder::of_detail(text) {
        assert_eq!(placeholder::detail(digest), text);
    }
    if let Some(captured) = wayback::captured(text) {
        assert!(text.ends_with(captured));
    }
}

fn a_list_of_captures(bytes: &[u8]) {
    let date = Timestamp::from_second(1_600_000_000).expect("a time");
    let asked = Url::parse("https://web.archive.org/web/20200101000000id_/http://a.example/").expect("a URL");
    let found = wayback::captures(bytes, date, std::slice::from_ref(&asked));
    assert!(found.len() <= 3);
    for url in found {
        assert_eq!((url.scheme(), url.host_str(), url.port()), ("https", Some(wayback::HOST), None), "{url}");
        assert!(url.path().starts_with("/web/"), "{url}");
    }
}
