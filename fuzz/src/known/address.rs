//! Addresses of images, with signs in them that some grammar has a meaning for.

use super::Dice;

/// What a name may hold in any grammar and be written as it is.
const PLAIN: [&str; 8] = ["a", "bc", "0", "-", "~", "%20", ".", "%E5%9B%BE"];
/// What some grammar has a meaning for.
pub(super) const SIGNS: [&str; 16] =
    ["&", "=", "?", "(", ")", "'", ",", "!", "*", "+", ";", ":", "_", "图", "é😀", "$"];

/// A URL, absolute or relative, whose name is made of plain parts and `signs`.
pub(super) fn address(dice: &mut Dice<'_>, signs: &[&str]) -> String {
    let mut url = dice
        .pick(&[
            "http://cdn.example/",
            "https://cors.zfour.workers.dev/?http://static.example/",
            "//cdn.example:8080/",
            "/images/",
            "../",
            "HTTPS://i0.wp.com/cdn.example/a?",
        ])
        .to_owned();
    for _ in 0..dice.below(6) {
        let part = if dice.coin() && !signs.is_empty() { dice.pick(signs) } else { dice.pick(&PLAIN) };
        url.push_str(part);
    }
    url.push_str(dice.pick(&["a.png", "b.jpg", "c.webp", "d.svg#e"]));
    url
}
