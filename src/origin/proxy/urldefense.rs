//! Proofpoint URL Defense, version 3: `/v3/__URL__;<base64>!!…$`. Each `*` in the URL stands for the next
//! character of the list in base64, `**X` for a run of them: A is 2, B is 3, and so on.

use crate::origin::proxy::decode::base64;
use crate::origin::proxy::parts::Parts;

/// The URL that was defended.
pub(super) fn target(parts: &Parts<'_>) -> Option<String> {
    let mut text = parts.path.to_owned();
    for (mark, rest) in [('?', parts.query), ('#', parts.fragment)] {
        if let Some(rest) = rest {
            text.push(mark);
            text.push_str(rest);
        }
    }
    let (_, defended) = text.split_once("/v3/__")?;
    let (url, list) = defended.rsplit_once("__;")?;
    let list = list.split('!').next()?;
    let list = if list.is_empty() { String::new() } else { base64(list)? };
    replaced(url, &mut list.chars())
}

fn replaced(url: &str, list: &mut std::str::Chars<'_>) -> Option<String> {
    let mut out = String::with_capacity(url.len());
    let mut chars = url.chars().peekable();
    while let Some(char) = chars.next() {
        if char != '*' {
            out.push(char);
            continue;
        }
        let run = if chars.next_if_eq(&'*').is_some() { run_length(chars.next()?)? } else { 1 };
        for _ in 0..run {
            out.push(list.next()?);
        }
    }
    Some(out)
}

fn run_length(letter: char) -> Option<usize> {
    const LETTERS: &str = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    LETTERS.find(letter).map(|index| index + 2)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn characters_come_back_from_the_list() {
        for (url, expected) in [
            ("https://u/v3/__https://a/b__;!!x!y$", Some("https://a/b")),
            ("https://u/v3/__https://a/b*20c*d?e=f__;JSM!!x$", Some("https://a/b%20c#d?e=f")),
            ("https://u/v3/__https://a/**Bb__;JSUl!!x$", Some("https://a/%%%b")),
            ("https://u/v3/__https://a/b*c__;!!x$", None),
            ("https://u/v3/https://a/b", None),
        ] {
            assert_eq!(target(&Parts::of(url)).as_deref(), expected, "{url}");
        }
    }
}
