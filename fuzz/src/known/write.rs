//! A URL as people and programs write it in each grammar: with the escapes it needs, and with some it does not.

use super::Dice;

/// In an attribute of HTML. Without a quote, what would end it is escaped, too.
pub(super) fn html(dice: &mut Dice<'_>, text: &str, quote: Option<char>) -> String {
    let mut out = String::new();
    for char in text.chars() {
        let ends_it = match quote {
            Some(quote) => char == quote,
            None => matches!(char, '"' | '\'' | '=' | '<' | '>' | '`' | ' '),
        };
        out.push_str(&match char {
            '&' => dice.pick(&["&amp;", "&#38;", "&#x26;", "&AMP;"]).to_owned(),
            _ if ends_it || dice.below(16) == 15 => reference(dice, char),
            _ => char.to_string(),
        });
    }
    out
}

/// A numeric character reference.
fn reference(dice: &mut Dice<'_>, char: char) -> String {
    let code = u32::from(char);
    if dice.coin() { format!("&#x{code:x};") } else { format!("&#{code};") }
}

/// In an attribute or text of XML.
pub(super) fn xml(dice: &mut Dice<'_>, text: &str) -> String {
    let mut out = String::new();
    for char in text.chars() {
        out.push_str(&match char {
            '&' => "&amp;".to_owned(),
            '<' => "&lt;".to_owned(),
            '"' => "&quot;".to_owned(),
            '\'' => "&apos;".to_owned(),
            _ if dice.below(16) == 15 => reference(dice, char),
            _ => char.to_string(),
        });
    }
    out
}

/// In `url()` or in a string of CSS. White space behind hexadecimal digits is part of the escape.
pub(super) fn css(dice: &mut Dice<'_>, text: &str, quote: Option<char>) -> String {
    let mut out = String::new();
    let mut chars = text.chars().peekable();
    while let Some(char) = chars.next() {
        let ends_it = match quote {
            Some(quote) => char == quote || char == '\\',
            None => matches!(char, '"' | '\'' | '(' | ')' | '\\' | ' '),
        };
        out.push_str(&match dice.below(16) {
            15 => format!("\\{:x} ", u32::from(char)),
            14 if chars.peek().is_some() => format!("\\{:06x}", u32::from(char)),
            13 if !char.is_ascii_hexdigit() => format!("\\{char}"),
            _ if ends_it => format!("\\{char}"),
            _ => char.to_string(),
        });
    }
    out
}

/// Between the quotes of a string of JSON.
pub(super) fn json(dice: &mut Dice<'_>, text: &str) -> String {
    text.chars().map(|char| json_char(dice, char)).collect()
}

/// One character of it.
pub(super) fn json_char(dice: &mut Dice<'_>, char: char) -> String {
    match char {
        '\n' => "\\n".to_owned(),
        '"' | '\\' => format!("\\{char}"),
        '/' if dice.coin() => "\\/".to_owned(),
        _ if char < ' ' || dice.below(16) == 15 => {
            char.encode_utf16(&mut [0; 2]).iter().map(|unit| format!("\\u{unit:04x}")).collect()
        }
        _ => char.to_string(),
    }
}

/// In double quotes of YAML.
pub(super) fn yaml_double(dice: &mut Dice<'_>, text: &str) -> String {
    let mut out = String::new();
    for char in text.chars() {
        let code = u32::from(char);
        out.push_str(&match dice.below(16) {
            _ if matches!(char, '"' | '\\') => format!("\\{char}"),
            15 => format!("\\U{code:08x}"),
            14 if code <= 0xffff => format!("\\u{code:04x}"),
            13 if code <= 0xff => format!("\\x{code:02x}"),
            12 if char == '/' => "\\/".to_owned(),
            _ => char.to_string(),
        });
    }
    out
}

/// In a basic string of TOML.
pub(super) fn toml_basic(dice: &mut Dice<'_>, text: &str) -> String {
    let mut out = String::new();
    for char in text.chars() {
        let code = u32::from(char);
        out.push_str(&match dice.below(16) {
            _ if matches!(char, '"' | '\\') => format!("\\{char}"),
            15 => format!("\\U{code:08x}"),
            14 if code <= 0xffff => format!("\\u{code:04x}"),
            _ => char.to_string(),
        });
    }
    out
}

/// As a destination of Markdown, bare or in angle brackets.
pub(super) fn markdown(dice: &mut Dice<'_>, text: &str, is_angled: bool) -> String {
    let mut out = String::new();
    for char in text.chars() {
        let ends_it =
            if is_angled { matches!(char, '<' | '>' | '\\') } else { matches!(char, '(' | ')' | '\\') };
        out.push_str(&match dice.below(16) {
            _ if char == '&' => dice.pick(&["&amp;", "&#38;", "\\&"]).to_owned(),
            15 => reference(dice, char),
            14 if char.is_ascii_punctuation() => format!("\\{char}"),
            _ if ends_it => format!("\\{char}"),
            _ => char.to_string(),
        });
    }
    out
}
