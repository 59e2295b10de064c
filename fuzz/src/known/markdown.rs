//! Posts of Markdown with HTML and site generators' tags in them.

use super::address::{SIGNS, address};
use super::{Dice, Page, html, write};

/// Signs that have no meaning in the arguments of a tag.
const OF_TAG: [&str; 7] = ["&", "?", "(", ")", "!", "_", "图"];

/// A post. Blank lines keep the pieces apart.
pub(super) fn post(dice: &mut Dice<'_>) -> Page {
    let mut page = Page::default();
    page.push(dice.pick(&["", "---\ntitle: x\n---\n\n", "图 text\n\n"]));
    let mut number = 0;
    while !dice.is_used_up() {
        number += 1;
        match dice.below(22) {
            0 | 1 => image(dice, &mut page, "![a](", ")"),
            2 => image(dice, &mut page, "text ![a *b*](", " \"a title\") text"),
            3 => image(dice, &mut page, "> * ![图](", ")"),
            4 => image(dice, &mut page, "[![a](", ")](/page.html)"),
            5 => image(dice, &mut page, "|a|\n|-|\n|![a](", ")|"),
            6 => {
                page.push(&format!("![a][ref{number}]\n\n"));
                image(dice, &mut page, &format!("[ref{number}]: "), " 'a title'");
            }
            7 => image(dice, &mut page, "# ![a](", ")"),
            8 | 9 => {
                page.push("<div>");
                html::piece(dice, &mut page);
                page.push("</div>");
            }
            10 => tag(dice, &mut page, "{% img left ", " 100 'a title' %}"),
            11 => {
                let url = address(dice, &OF_TAG);
                page.push("{{< figure src=\"");
                page.show(&url, &url);
                page.push("\" alt=\"/x.png\" >}}");
            }
            12 => page.push("`![a](/x.png)` ``![a](/x.png) ` ``"),
            13 => page.push("```\n![a](/x.png) <img src='/x.png'>\n```"),
            14 => page.push("    ![a](/x.png)"),
            15 => page.push("<!-- ![a](/x.png) <img src='/x.png'> -->"),
            16 => page.push("\\![a](/x.html) [a](/x.html) \\<img src='/x.png'>"),
            17 => page.push(&format!("[unused{number}]: /x.png")),
            18 => page.push("<pre><img src='/x.png'></pre>"),
            19 => page.push("{% raw %}{% img /x.png %}{% endraw %}"),
            20 => page.push("![a](data:image/png;base64,AA==) ![a]() ![a](#b)"),
            _ => page.push("*text* _图_ & more\\"),
        }
        page.push("\n\n");
    }
    page
}

fn image(dice: &mut Dice<'_>, page: &mut Page, before: &str, behind: &str) {
    let url = address(dice, &SIGNS);
    page.push(before);
    if dice.coin() {
        page.push("<");
        page.show(&write::markdown(dice, &url, true), &url);
        page.push(">");
    } else {
        page.show(&write::markdown(dice, &url, false), &url);
    }
    page.push(behind);
}

fn tag(dice: &mut Dice<'_>, page: &mut Page, before: &str, behind: &str) {
    let url = address(dice, &OF_TAG);
    page.push(before);
    page.show(&url, &url);
    page.push(behind);
}
