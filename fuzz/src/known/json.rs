//! JSON Feeds.

use super::address::{SIGNS, address};
use super::{Dice, Page, html, write};

/// A feed.
pub(super) fn feed(dice: &mut Dice<'_>) -> Page {
    let mut page = Page::default();
    page.push("{\"version\":\"https:\\/\\/jsonfeed.org\\/version\\/1.1\",");
    for key in ["icon", "favicon"] {
        member(dice, &mut page, key);
        page.push(",");
    }
    page.push("\"home_page_url\":\"http://a.example/x.png\",\"authors\":[{");
    member(dice, &mut page, "avatar");
    page.push("}],\"items\":[");
    while !dice.is_used_up() {
        page.push(dice.pick(&["{", "\n {", "{\"id\":\"图\",\"tags\":[\"/x.png\",1,null,true],"]));
        match dice.below(6) {
            0 => member(dice, &mut page, "image"),
            1 => member(dice, &mut page, "banner_image"),
            2 => {
                let mut inner = Page::default();
                for _ in 0..=dice.below(3) {
                    html::piece(dice, &mut inner);
                }
                page.push("\"content_html\" : \"");
                page.nest(&inner, |char| write::json_char(dice, char));
                page.push("\"");
            }
            3 => {
                page.push("\"attachments\":[{\"url\":\"/x.mp3\",\"mime_type\":\"audio/mpeg\"},{");
                member(dice, &mut page, "url");
                page.push(",\"mime_type\":\"image/png\"}]");
            }
            4 => page.push("\"content_text\":\"<img src='/x.png'>\",\"_a\":{\"image\":\"/x.png\"}"),
            _ => page.push("\"url\":\"/x.png\",\"external_url\":\"/x.png\",\"summary\":\"<img src=/x.png>\""),
        }
        page.push("},");
    }
    page.push("{}]}");
    page
}

fn member(dice: &mut Dice<'_>, page: &mut Page, key: &str) {
    let url = address(dice, &SIGNS);
    page.push(&format!("\"{key}\"{}\"", dice.pick(&[":", " :\n "])));
    page.show(&write::json(dice, &url), &url);
    page.push("\"");
}
