//! Feeds of XML, with HTML in them as text, in CDATA sections and as elements.

use super::address::{SIGNS, address};
use super::{Dice, Page, html, write};

const START: &str = "<?xml version='1.0'?>\n<rss version='2.0' xmlns:itunes='http://www.itunes.com/dtds/podcast-1.0.dtd' \
    xmlns:media='http://search.yahoo.com/mrss/' xmlns:content='http://purl.org/rss/1.0/modules/content/' \
    xmlns:x='http://www.w3.org/1999/xhtml' xmlns:a='http://www.w3.org/2005/Atom' \
    xmlns:i='http://www.google.com/schemas/sitemap-image/1.1'><channel>";

/// A feed.
pub(super) fn feed(dice: &mut Dice<'_>) -> Page {
    let mut page = Page::default();
    page.push(START);
    while !dice.is_used_up() {
        match dice.below(20) {
            0 => attribute(dice, &mut page, "<enclosure type='image/jpeg' length='1' url", "/>"),
            1 => attribute(dice, &mut page, "<media:thumbnail url", "/>"),
            2 => attribute(dice, &mut page, "<media:content medium='image' url", "></media:content>"),
            3 => attribute(dice, &mut page, "<itunes:image href", "/>"),
            4 => attribute(dice, &mut page, "<x:div><x:img src", "/></x:div>"),
            5 => text(dice, &mut page, "<image><title>t</title><url>", "</url><link>/x.png</link></image>"),
            6 => text(dice, &mut page, "<a:icon>", "</a:icon>"),
            7 => text(dice, &mut page, "<i:image><i:loc>", "</i:loc></i:image>"),
            8 | 9 => {
                let inner = part(dice);
                page.push("<description>");
                page.nest(&inner, |char| write::xml(dice, char.encode_utf8(&mut [0; 4])));
                page.push("</description>");
            }
            10 | 11 => {
                let inner = part(dice);
                page.push("<content:encoded><![CDATA[");
                page.nest(&inner, String::from);
                page.push("]]></content:encoded>");
            }
            12 => page.push("<!-- <itunes:image href='/x.png'/> -->"),
            13 => page.push("<?x <itunes:image href='/x.png'/> ?>"),
            14 => page.push("<guid>http://a.example/x.png</guid><link>http://a.example/x.png</link>"),
            15 => page.push(
                "<enclosure url='/x.mp3' type='audio/mpeg'/><enclosure url='/x.png' type='audio/mpeg'/>",
            ),
            16 => page.push("<media:content url='/x.png' medium='video'/><image href='/x.png'/>"),
            17 => page.push("<title>&lt;img src='/x.png'&gt;</title>"),
            18 => page.push("<![CDATA[<itunes:image href='/x.png'/>]]>"),
            _ => page.push("<item><title>图 &amp; &#x56fe;</title></item>\r\n"),
        }
    }
    page.push("</channel></rss>");
    page
}

/// HTML for a CDATA section: what cannot be told apart from the end of one has no place here.
fn part(dice: &mut Dice<'_>) -> Page {
    let mut page = Page::default();
    for _ in 0..=dice.below(3) {
        html::piece(dice, &mut page);
    }
    page
}

fn attribute(dice: &mut Dice<'_>, page: &mut Page, before: &str, behind: &str) {
    let url = address(dice, &SIGNS);
    let quote = dice.pick(&['"', '\'']);
    page.push(&format!("{before}={quote}"));
    page.show(&write::xml(dice, &url), &url);
    page.push(&format!("{quote}{behind}"));
}

fn text(dice: &mut Dice<'_>, page: &mut Page, before: &str, behind: &str) {
    let url = address(dice, &SIGNS);
    let space = dice.pick(&["", " ", "\n  "]);
    page.push(&format!("{before}{space}"));
    if dice.coin() {
        page.push("<![CDATA[");
        page.show(&url, &url);
        page.push("]]>");
    } else {
        page.show(&write::xml(dice, &url), &url);
    }
    page.push(&format!("{space}{behind}"));
}
