//! Style sheets, and declarations for a `style` attribute.

use super::address::{SIGNS, address};
use super::{Dice, Page, write};

/// A style sheet.
pub(super) fn sheet(dice: &mut Dice<'_>) -> Page {
    let mut page = Page::default();
    while !dice.is_used_up() {
        match dice.below(14) {
            0 => rule(dice, &mut page, "a{background:", "}"),
            1 => rule(dice, &mut page, "@media (min-width:1px){a::before{content:", "}}"),
            2 => rule(dice, &mut page, ":root{--logo:", ";}"),
            3 => rule(dice, &mut page, "a{color:red;BACKGROUND : #fff ", " no-repeat}"),
            4 => {
                page.push("a{background:-webkit-image-set(");
                string(dice, &mut page);
                page.push(" 1x, ");
                url(dice, &mut page);
                page.push(" 2x)}");
            }
            5 => page.push("/* a{background:url(/x.png)} */"),
            6 => page.push("@import url(/x.png);@import '/x.png';"),
            7 => page.push("@font-face{font-family:x;src:url(/x.png)}"),
            8 => page.push("a{filter:url(/x.svg#f);clip-path:url('/x.svg')}"),
            9 => page.push("a{content:'url(/x.png)'}a[href='url(/x.png)']{color:red}"),
            10 => page.push("a{background:url(data:image/png;base64,AA==) url(#a) url()}"),
            11 => page.push("a{background:url(/x y.png)}"),
            12 => page.push("@supports (background:url(/x.png)){b{}}"),
            _ => page.push("\n图 > .a:hover{margin:0}\r\n"),
        }
    }
    page
}

/// Declarations that show an image.
pub(super) fn declarations(dice: &mut Dice<'_>) -> Page {
    let mut page = Page::default();
    page.push(dice.pick(&["color:red;", "", "margin:0 ;", "src:url(/x.png);"]));
    page.push(dice.pick(&["background:", "background-image : ", "--x:"]));
    url(dice, &mut page);
    page.push(dice.pick(&["", ";", " no-repeat; color:red"]));
    page
}

fn rule(dice: &mut Dice<'_>, page: &mut Page, before: &str, behind: &str) {
    page.push(before);
    url(dice, page);
    page.push(behind);
}

fn url(dice: &mut Dice<'_>, page: &mut Page) {
    page.push(dice.pick(&["url(", "URL(", "u\\72 l("]));
    page.push(dice.pick(&["", " ", "\t"]));
    if dice.coin() {
        string(dice, page);
    } else {
        let url = address(dice, &SIGNS);
        page.show(&write::css(dice, &url, None), &url);
    }
    page.push(dice.pick(&[")", " )"]));
}

fn string(dice: &mut Dice<'_>, page: &mut Page) {
    let quote = dice.pick(&['"', '\'']);
    let url = address(dice, &SIGNS);
    page.push(&quote.to_string());
    page.show(&write::css(dice, &url, Some(quote)), &url);
    page.push(&quote.to_string());
}
