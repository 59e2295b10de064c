//! Text → the tokens of CSS Syntax Level 3, section 4, as far as they matter to URLs.

use std::ops::Range;

use memchr::memmem;

use super::unescape;

/// Reads tokens, one after the other. White space, comments, `<!--` and `-->` are none.
pub(super) struct Tokens<'a> {
    text: &'a str,
    at: usize,
}

/// A token; ranges are of the text, with its escapes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Token {
    /// A name that is no function.
    Word(Range<usize>),
    /// A name and the parenthesis after it, or a parenthesis alone.
    Function(Function),
    /// What stands in a `url()` without quotes.
    Url(Range<usize>),
    /// What stands between quotes.
    String(Range<usize>),
    /// Quotes that no quote closes in their line.
    BadString,
    AtKeyword,
    Delimiter(u8),
    /// A number, a colour, or something broken.
    Other,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Function {
    /// With its URL in quotes.
    Url,
    ImageSet,
    Other,
}

impl<'a> Tokens<'a> {
    pub(super) fn new(text: &'a str) -> Self {
        Self { text, at: 0 }
    }

    pub(super) fn next(&mut self) -> Option<Token> {
        let bytes = self.text.as_bytes();
        loop {
            let rest = &bytes[self.at..];
            match *rest.first()? {
                byte if is_space(byte) => self.at += 1,
                b'/' if rest.starts_with(b"/*") => {
                    let end = memmem::find(&rest[2..], b"*/");
                    self.at = end.map_or(bytes.len(), |len| self.at + 2 + len + 2);
                }
                b'<' if rest.starts_with(b"<!--") => self.at += 4,
                b'-' if rest.starts_with(b"-->") => self.at += 3,
                quote @ (b'"' | b'\'') => return Some(self.string(quote)),
                b'(' => {
                    self.at += 1;
                    return Some(Token::Function(Function::Other));
                }
                mark @ (b'@' | b'#') => {
                    self.at = self.name_end(self.at + 1);
                    return Some(if mark == b'@' { Token::AtKeyword } else { Token::Other });
                }
                byte => {
                    let end = self.name_end(self.at);
                    if end == self.at {
                        self.at += 1;
                        return Some(Token::Delimiter(byte));
                    }
                    return Some(self.word(end));
                }
            }
        }
    }

    /// Where the name ends that starts at `at`; `at` if none does.
    fn name_end(&self, at: usize) -> usize {
        let bytes = self.text.as_bytes();
        let mut at = at;
        loop {
            at += bytes[at..].iter().take_while(|byte| IS_NAME[usize::from(**byte)]).count();
            match bytes[at..] {
                [b'\\', next, ..] if !is_newline(next) => at += unescape::len(&self.text[at..]),
                _ => return at,
            }
        }
    }

    /// Reads the name, or number with its unit, that ends at `end`.
    fn word(&mut self, end: usize) -> Token {
        let name = self.at..end;
        self.at = end;
        let bytes = self.text.as_bytes();
        let is_number = match bytes[name.clone()] {
            [b'-', second, ..] => second.is_ascii_digit(),
            [first, ..] => first.is_ascii_digit() || (first == b'-' && name.len() == 1),
            [] => true,
        };
        if is_number {
            return Token::Other;
        }
        if bytes.get(end) != Some(&b'(') {
            return Token::Word(name);
        }
        self.at += 1;
        let name = unescape::decode(self.text, name);
        let is = |function: &str| name.text().eq_ignore_ascii_case(function);
        if is("image-set") || is("-webkit-image-set") {
            return Token::Function(Function::ImageSet);
        }
        if !is("url") {
            return Token::Function(Function::Other);
        }
        let start = self.at + space(&bytes[self.at..]);
        match bytes.get(start) {
            Some(b'"' | b'\'') => Token::Function(Function::Url),
            _ => self.url(start),
        }
    }

    /// Reads a URL without quotes that starts at `start`, and the parenthesis that closes it.
    fn url(&mut self, start: usize) -> Token {
        let bytes = self.text.as_bytes();
        let mut end = start;
        while let Some(&byte) = bytes.get(end) {
            match byte {
                b'\\' if bytes.get(end + 1).is_some_and(|next| !is_newline(*next)) => {
                    end += unescape::len(&self.text[end..]);
                }
                b'\\' | b'"' | b'\'' | b'(' | b')' | b' ' | 0x7f => break,
                byte if byte < b' ' => break,
                _ => end += 1,
            }
        }
        self.at = end + space(&bytes[end..]);
        match bytes.get(self.at) {
            None => Token::Url(start..end),
            Some(b')') => {
                self.at += 1;
                Token::Url(start..end)
            }
            Some(_) => self.bad_url(),
        }
    }

    fn bad_url(&mut self) -> Token {
        let bytes = self.text.as_bytes();
        while let Some(&byte) = bytes.get(self.at) {
            self.at += 1;
            match byte {
                b')' => break,
                b'\\' if matches!(bytes.get(self.at), Some(b')' | b'\\')) => self.at += 1,
                _ => {}
            }
        }
        Token::Other
    }

    fn string(&mut self, quote: u8) -> Token {
        let bytes = self.text.as_bytes();
        let start = self.at + 1;
        let mut end = start;
        while let Some(&byte) = bytes.get(end) {
            match byte {
                b'\\' => end += unescape::len(&self.text[end..]),
                byte if byte == quote => {
                    self.at = end + 1;
                    return Token::String(start..end);
                }
                byte if is_newline(byte) => {
                    self.at = end;
                    return Token::BadString;
                }
                _ => end += 1,
            }
        }
        self.at = end;
        Token::String(start..end)
    }
}

/// Whether a byte may stand in a name without an escape.
const IS_NAME: [bool; 256] = {
    let mut is_name = [false; 256];
    let mut byte = 0;
    while byte < 256 {
        is_name[byte] = byte >= 0x80
            || (byte as u8).is_ascii_alphanumeric()
            || byte == b'-' as usize
            || byte == b'_' as usize;
        byte += 1;
    }
    is_name
};

fn space(bytes: &[u8]) -> usize {
    bytes.iter().take_while(|byte| is_space(**byte)).count()
}

fn is_space(byte: u8) -> bool {
    byte == b' ' || byte == b'\t' || is_newline(byte)
}

pub(super) fn is_newline(byte: u8) -> bool {
    matches!(byte, b'\n' | b'\r' | 0x0c)
}
