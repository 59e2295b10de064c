//! Pages, and the HTML that stands in posts and feeds.

use super::address::{SIGNS, address};
use super::{Dice, Page, css, write};

/// Signs that a `srcset` has no meaning for.
const OF_SRCSET: [&str; 10] = ["&", "=", "?", "(", ")", "'", "!", "图", "_", ","];

/// A page.
pub(super) fn page(dice: &mut Dice<'_>) -> Page {
    let mut page = Page::default();
    page.push(dice.pick(&["", "<!DOCTYPE html><html><body>", "<p>图 text\n"]));
    while !dice.is_used_up() {
        piece(dice, &mut page);
    }
    page
}

/// Something that shows images, or only looks like it.
pub(super) fn piece(dice: &mut Dice<'_>, page: &mut Page) {
    match dice.below(30) {
        0 => attribute(dice, page, "<img src", ">"),
        1 => attribute(dice, page, "<IMG alt='a > b'\n SRC ", "/>"),
        2 => attribute(dice, page, "<video poster", "></video>"),
        3 => attribute(dice, page, "<input type=image src", ">"),
        4 => attribute(dice, page, "<img data-original", ">"),
        5 => attribute(dice, page, "<link rel='shortcut icon' href", ">"),
        6 => attribute(dice, page, "<meta property=og:image content", ">"),
        7 => attribute(dice, page, "<td background", "></td>"),
        8 => attribute(dice, page, "<svg><image href", " /></svg>"),
        9 => attribute(dice, page, "<noscript><img src", "></noscript>"),
        10 => {
            srcset(dice, page, "<img srcset=");
            page.push(">");
        }
        11 => {
            srcset(dice, page, "<picture><source srcset=");
            attribute(dice, page, "><img src", "></picture>");
        }
        12 => {
            let quote = dice.pick(&['"', '\'']);
            let inner = css::declarations(dice);
            page.push(&format!("<p style={quote}"));
            page.nest(&inner, |char| write::html(dice, char.encode_utf8(&mut [0; 4]), Some(quote)));
            page.push(&format!("{quote}>"));
        }
        13 => {
            let inner = css::declarations(dice);
            page.push("<style>a{");
            page.nest(&inner, String::from);
            page.push("}</style>");
        }
        14 => page.push("<!-- <img src='/x.png'> -->"),
        15 => page.push("<script>var a = '<img src=\"/x.png\">'</script>"),
        16 => page.push("<textarea><img src='/x.png'></textarea>"),
        17 => page.push("<title><img src='/x.png'></title>"),
        18 => page.push("<img src='data:image/png;base64,AA=='>"),
        19 => page.push("<p title=\"<img src='/x.png'>\">"),
        20 => page.push("<img src=''><img src='#a'><img src>"),
        21 => page.push("<script src='/x.png'></script><audio src='/x.mp3'></audio>"),
        22 => page.push("&lt;img src='/x.png'&gt;"),
        23 => page.push("<img src='{{ site.url }}/x.png'>"),
        24 => page.push("<img src='javascript:x.png'>"),
        25 => page.push("</img src='/x.png'><!img src='/x.png'>"),
        26 => page.push("<style>/* a{background:url(/x.png)} */ @import '/x.png';</style>"),
        27 => page.push("<img xsrc='/x.png' longdesc='/x.png'>"),
        28 => page.push("<video src='/x.mp4'><track src='/x.vtt'></video>"),
        _ => page.push("text &amp; <b>图</b>\r\n"),
    }
}

/// An attribute in quotes of either kind or none.
fn attribute(dice: &mut Dice<'_>, page: &mut Page, before: &str, behind: &str) {
    let url = address(dice, &SIGNS);
    let quote = dice.pick(&[Some('"'), Some('\''), None]);
    page.push(before);
    page.push(dice.pick(&["=", " = "]));
    let written = write::html(dice, &url, quote);
    match quote {
        Some(quote) => {
            let space = dice.pick(&["", " ", "\n\t"]);
            page.push(&format!("{quote}{space}"));
            page.show(&written, &url);
            page.push(&format!("{space}{quote}"));
        }
        None => {
            page.show(&written, &url);
            page.push(" ");
        }
    }
    page.push(behind);
}

fn srcset(dice: &mut Dice<'_>, page: &mut Page, before: &str) {
    let quote = dice.pick(&['"', '\'']);
    page.push(&format!("{before}{quote}"));
    page.push(dice.pick(&["", " ", ", ", "\n"]));
    for _ in 0..dice.below(4) {
        if dice.below(4) == 3 {
            page.push(dice.pick(&["/x.png 1q, ", "/x.png 1w 1x,", "/x.png (a, b) 2x, ", "/x.png -1x, "]));
        }
        let url = address(dice, &OF_SRCSET);
        page.show(&write::html(dice, &url, Some(quote)), &url);
        page.push(dice.pick(&[", ", " 1x,", "\n100w , ", " 1.5x, ", " 1e1x,", " 100w 50h,"]));
    }
    page.push(&quote.to_string());
}
