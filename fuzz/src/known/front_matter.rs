//! Posts of nothing but front matter: YAML, TOML or JSON.

use super::address::{SIGNS, address};
use super::{Dice, Page, write};

/// Signs that a scalar without quotes may hold, in a flow collection, too.
const OF_PLAIN: [&str; 9] = ["&", "=", "?", "(", ")", "!", "_", "图", "'"];

/// Keys whose value is an image.
const KEYS: [&str; 7] = ["cover", "image", "header-img", "og_image", "thumbnail", "bannerUrl", "userAvatar"];

/// A post.
pub(super) fn post(dice: &mut Dice<'_>) -> Page {
    match dice.below(4) {
        0 => toml(dice),
        1 => json(dice),
        _ => yaml(dice),
    }
}

fn yaml(dice: &mut Dice<'_>) -> Page {
    let mut page = Page::default();
    page.push("---\ntitle: x\n");
    let mut anchors = 0;
    while !dice.is_used_up() {
        let key = dice.pick(&KEYS);
        match dice.below(14) {
            0 | 1 => {
                page.push(&format!("{key}: "));
                scalar(dice, &mut page);
                page.push(dice.pick(&["\n", " # a comment\n", "  \n"]));
            }
            2 => {
                page.push("images:\n");
                for _ in 0..=dice.below(3) {
                    page.push("  - ");
                    scalar(dice, &mut page);
                    page.push("\n");
                }
            }
            3 => {
                page.push(&format!("{key}: ["));
                scalar(dice, &mut page);
                page.push(", ");
                scalar(dice, &mut page);
                page.push("]\n");
            }
            4 => {
                page.push("a: {b: [{cover: ");
                scalar(dice, &mut page);
                page.push(" , alt: /x.png}, /x.png], image: ");
                scalar(dice, &mut page);
                page.push("}\n");
            }
            5 => {
                page.push(&format!("{key}:\n  src: "));
                scalar(dice, &mut page);
                page.push("\n  caption: /x.png\n");
            }
            6 => {
                let url = address(dice, &OF_PLAIN);
                page.push(&format!("{key}: {}\n  ", dice.pick(&["|", ">-", "|-", ">"])));
                page.show(&url, &url);
                page.push("\n");
            }
            7 => {
                anchors += 1;
                page.push(&format!("a{anchors}: &b{anchors} "));
                scalar(dice, &mut page);
                page.push(&format!("\n{key}: *b{anchors}\n"));
            }
            8 => page.push("# cover: /x.png\n"),
            9 => page.push("link: /x.png\nurl: http://a.example/x.png\n"),
            10 => page.push("cover: true\nimage: two words of /x.png\n"),
            11 => page.push("description: 'cover: /x.png'\ntags: [图, '/x.png']\n"),
            12 => page.push("text: |\n  cover: /x.png\n  图\n"),
            _ => page.push("image: data:image/png;base64,AA==\ncover: ''\n"),
        }
    }
    page.push("---\n");
    page
}

/// A scalar of any style that fits on a line.
fn scalar(dice: &mut Dice<'_>, page: &mut Page) {
    match dice.below(3) {
        0 => {
            let url = address(dice, &OF_PLAIN);
            page.show(&url, &url);
        }
        1 => {
            let url = address(dice, &SIGNS);
            page.push("'");
            page.show(&url.replace('\'', "''"), &url);
            page.push("'");
        }
        _ => {
            let url = address(dice, &SIGNS);
            page.push("\"");
            page.show(&write::yaml_double(dice, &url), &url);
            page.push("\"");
        }
    }
}

fn toml(dice: &mut Dice<'_>) -> Page {
    let mut page = Page::default();
    page.push("+++\ntitle = 'x'\n");
    let mut number = 0;
    while !dice.is_used_up() {
        number += 1;
        match dice.below(7) {
            0 => {
                page.push(&format!("[a{number}]\nimage = "));
                string(dice, &mut page);
                page.push(" # a comment\n");
            }
            1 => {
                page.push(&format!("[[a{number}.images]]\nsrc = "));
                string(dice, &mut page);
                page.push("\ncaption = '/x.png'\n");
            }
            2 => {
                page.push(&format!("[b{number}]\nimages = [ "));
                string(dice, &mut page);
                page.push(",\n ");
                string(dice, &mut page);
                page.push(" ]\n");
            }
            3 => {
                page.push(&format!("[c{number}]\nd = {{ cover = "));
                string(dice, &mut page);
                page.push(", alt = '/x.png', n = 1 }\n");
            }
            4 => page.push("# cover = '/x.png'\n"),
            5 => {
                page.push(&format!("[d{number}]\nurl = '/x.png'\ntext = \"\"\"\ncover = '/x.png'\n\"\"\"\n"));
            }
            _ => page.push(&format!("[e{number}]\ncover = 1979-05-27\nimage = 'two words of /x.png'\n")),
        }
    }
    page.push("+++\n");
    page
}

fn string(dice: &mut Dice<'_>, page: &mut Page) {
    if dice.coin() {
        let url = address(dice, &["&", "=", "(", ",", "图", "*"]);
        let quotes = dice.pick(&["'", "'''"]);
        page.push(quotes);
        page.show(&url, &url);
        page.push(quotes);
    } else {
        let url = address(dice, &SIGNS);
        let quotes = dice.pick(&["\"", "\"\"\""]);
        page.push(quotes);
        page.show(&write::toml_basic(dice, &url), &url);
        page.push(quotes);
    }
}

fn json(dice: &mut Dice<'_>) -> Page {
    let mut page = Page::default();
    page.push("{\n \"title\": \"x\"");
    while !dice.is_used_up() {
        let key = dice.pick(&KEYS);
        page.push(",\n ");
        match dice.below(4) {
            0 => {
                page.push(&format!("\"{key}\": "));
                quoted(dice, &mut page);
            }
            1 => {
                page.push("\"images\": [");
                quoted(dice, &mut page);
                page.push(", {\"src\" : ");
                quoted(dice, &mut page);
                page.push(", \"alt\": \"/x.png\"}]");
            }
            2 => page.push("\"url\": \"/x.png\", \"tags\": [\"/x.png\", 1, null]"),
            _ => page.push("\"image\": \"two words of /x.png\", \"cover\": false"),
        }
    }
    page.push("\n}\n\n");
    page
}

fn quoted(dice: &mut Dice<'_>, page: &mut Page) {
    let url = address(dice, &SIGNS);
    page.push("\"");
    page.show(&write::json(dice, &url), &url);
    page.push("\"");
}
