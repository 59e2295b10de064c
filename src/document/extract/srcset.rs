//! The candidates of a `srcset`, as HTML's "parse a srcset attribute" has them (section 4.8.4.2.2).

use std::ops::Range;

/// Where the URL of each candidate of `text` stands, in order. A candidate that has a descriptor that no
/// browser understands is left out, since none loads it.
pub fn candidates(text: &str) -> impl Iterator<Item = Range<usize>> + '_ {
    let bytes = text.as_bytes();
    let mut at = 0;
    std::iter::from_fn(move || {
        loop {
            at += length(&bytes[at..], |byte| is_space(byte) || byte == b',');
            if at == bytes.len() {
                return None;
            }
            let start = at;
            at += length(&bytes[at..], |byte| !is_space(byte));
            let url = start + text[start..at].trim_end_matches(',').len();
            let mut descriptors = Descriptors::default();
            if url == at {
                at = descriptors.read(text, at);
            }
            if descriptors.are_valid() {
                return Some(start..url);
            }
        }
    })
}

/// What was said about one candidate.
#[derive(Debug, Default)]
struct Descriptors {
    width: bool,
    height: bool,
    density: bool,
    error: bool,
}

impl Descriptors {
    /// Reads descriptors from `at` on; returns where the next candidate may start.
    fn read(&mut self, text: &str, at: usize) -> usize {
        let bytes = text.as_bytes();
        let mut start = at;
        let mut in_parens = false;
        for (at, &byte) in bytes.iter().enumerate().skip(at) {
            match byte {
                b')' => in_parens = false,
                _ if in_parens => {}
                // a parenthesis opens a group wherever it stands in a descriptor
                b'(' => in_parens = true,
                b',' => {
                    self.add(&text[start..at]);
                    return at + 1;
                }
                _ if is_space(byte) => {
                    self.add(&text[start..at]);
                    start = at + 1;
                }
                _ => {}
            }
        }
        self.add(&text[start..]);
        bytes.len()
    }

    fn add(&mut self, descriptor: &str) {
        let Some(unit) = descriptor.chars().next_back() else {
            return;
        };
        let number = &descriptor[..descriptor.len() - unit.len_utf8()];
        self.error |= match unit {
            'w' => !is_positive_integer(number) || self.density || std::mem::replace(&mut self.width, true),
            'h' => !is_positive_integer(number) || self.density || std::mem::replace(&mut self.height, true),
            'x' => {
                let repeated = std::mem::replace(&mut self.density, true);
                !is_density(number) || self.width || self.height || repeated
            }
            _ => true,
        };
    }

    fn are_valid(&self) -> bool {
        !self.error && (self.width || !self.height)
    }
}

fn is_positive_integer(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_digit()) && text.bytes().any(|byte| byte != b'0')
}

/// Whether `text` is a valid floating-point number (HTML, section 2.3.4.3) and not below zero.
fn is_density(text: &str) -> bool {
    let is_digits = |digits: &str| !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
    let (mantissa, exponent) =
        text.split_once(['e', 'E']).map_or((text, None), |(mantissa, exponent)| (mantissa, Some(exponent)));
    let unsigned = mantissa.strip_prefix('-').unwrap_or(mantissa);
    let is_number = match unsigned.split_once('.') {
        Some((whole, fraction)) => (whole.is_empty() || is_digits(whole)) && is_digits(fraction),
        None => is_digits(unsigned),
    };
    let is_zero = || unsigned.bytes().all(|byte| matches!(byte, b'0' | b'.'));
    is_number
        && exponent.is_none_or(|exponent| is_digits(exponent.strip_prefix(['-', '+']).unwrap_or(exponent)))
        && (unsigned.len() == mantissa.len() || is_zero())
}

fn length(bytes: &[u8], matches: impl Fn(u8) -> bool) -> usize {
    bytes.iter().take_while(|byte| matches(**byte)).count()
}

/// HTML's ASCII white space.
fn is_space(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\n' | b'\r' | 0x0c)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expected: &[&str]) {
        let found: Vec<_> = candidates(text).map(|url| &text[url]).collect();
        assert_eq!(found, expected, "{text:?}");
    }

    // The expectations of the web-platform-tests, html/semantics/embedded-content/the-img-element/srcset/.

    #[test]
    fn splitting() {
        for text in ["", ",", ",,,", " , ,"] {
            check(text, &[]);
        }
        for text in ["  a  1x  ", "\t\ta\t\t1x\t\t", "\n\na\n\n1x\n\n", "\x0ca\x0c1x\x0c", "\ra\r1x\r"] {
            check(text, &["a"]);
        }
        for space in ['\x0b', '\x0e', '\x0f', '\x10'] {
            let text = format!("{space}a{space}1x{space}");
            check(&text, &[&text]);
        }
        for text in ["a", "a ", "a ,", "a,", "a, ", "a,,,", "a,, , ", " a", ",,,a", " , ,,a"] {
            check(text, &["a"]);
        }
        check("\u{a0}a", &["\u{a0}a"]);
        check("a\u{a0}", &["a\u{a0}"]);
        check("a 1x,b 2x", &["a", "b"]);
        check("a,b 2x", &["a,b"]);
        check("data:;base64,AAAA 1x, b", &["data:;base64,AAAA", "b"]);
    }

    #[test]
    fn groups() {
        check("a ( , b 1x, ), c", &["c"]);
        check("a ((( , b 1x, ), c", &["c"]);
        check("a [ , b 1x, ], c", &["b", "]", "c"]);
        check("a { , b 1x, }, c", &["b", "}", "c"]);
        check("a \" , b 1x, \", c", &["b", "\"", "c"]);
        check("a \\,b;\\,c, d", &["b;\\,c", "d"]);
        for text in ["a, b (", "a, b (  ", "a, b (,", "a, b (x", "a, b ()"] {
            check(text, &["a"]);
        }
        check("a (, b", &[]);
        check("a /*, b, c */", &["b"]);
        check("a //, b", &["b"]);
        check("a 1(,)x, b", &["b"]);
    }

    #[test]
    fn descriptors() {
        let valid =
            "|1x|1w|100w|1w 1h|1h 1w|0x|-0x|1e0x|1E0x|1e-1x|1e+1x|1.5e1x|.5x|.5e1x|1.0x|0.0x|-0.0x|007w";
        for descriptors in valid.split('|') {
            check(&format!("a {descriptors}, b"), &["a", "b"]);
        }
        let invalid = "foo|foo foo|foo 1x|foo 1x foo|foo 1w|foo 1w foo|1x 1x|1w 1w|1w 1x|1x 1w|1h 1h|1h 1x\
            |1h 1w 1x|1x 1w 1h|1h|1h foo|foo 1h|0w|-1w|1w -1w|1.0w|1w 1.0w|1e0w|1w 1e0w|1www|1w 1www\
            |+1w|1w +1w|1W|1w 1W|Infinityw|1w Infinityw|NaNw|1w NaNw|0x1w|0X1w|1x -0x|-1x|1x -1x|-x|.x|-.x|1.x|1x 1.5e1x|1x 1e1.5x\
            |1x 1.0x|+1x|1X|Infinityx|NaNx|0x1x|0X1x|-.x|1x 1x|x|w|h|1w 0h|1w -1h|1w 1.0h|1w 1e0h\
            |1w 1hhh|1w +1h|1w 1H|1w Infinityh|1w NaNh|0x1h|0X1h|-.5x|é";
        for descriptors in invalid.split('|') {
            check(&format!("a {descriptors}, b"), &["b"]);
        }
    }

    /// White space elsewhere is no part of a descriptor's number, on either side of it.
    #[test]
    fn other_white_space() {
        for space in "\u{1}\u{a0}\u{1680}\u{2000}\u{2001}\u{2002}\u{2003}\u{2004}\u{2005}\u{2006}\u{2007}\u{2008}\u{2009}\
            \u{200a}\u{200c}\u{200d}\u{202f}\u{205f}\u{3000}\u{feff}"
            .chars()
        {
            for unit in ["w", "x", "h"] {
                let wide = if unit == "h" { "1w " } else { "" };
                check(&format!("a {wide}1{space}{unit}, b"), &["b"]);
                check(&format!("a {wide}{space}1{unit}, b"), &["b"]);
            }
        }
    }
}
