//! How a URL is written in the place where it stands.
//!
//! A replacement goes back through the same layers that the text came out of: a URL in `url()` in a
//! `style` attribute is written for CSS first and for the attribute second.

use crate::document::encoding::Encoding;

/// One way of writing text inside other text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Escape {
    /// An HTML attribute value, quoted or not, or an attribute or text of XML: character references.
    Html,
    /// A CDATA section of XML: no escapes at all, and no `]]>` (XML 1.0, section 2.7).
    Cdata,
    /// One URL of a `srcset`: no white space, no comma at either end.
    Srcset,
    /// Inside `url()` or a CSS string: backslash escapes.
    Css,
    /// A Markdown link destination, in angle brackets or bare: backslash escapes and character references.
    Markdown,
    /// An argument of a site generator's tag, in quotes of any kind or bare. There are no escapes.
    TemplateTag,
    /// The same behind a comma of a list, which is one only if what follows begins with a slash, dots or a scheme.
    TemplateList,
    /// A plain (unquoted) YAML scalar.
    YamlPlain,
    /// A YAML scalar in single quotes.
    YamlSingle,
    /// A YAML scalar in double quotes.
    YamlDouble,
    /// A TOML basic string.
    TomlBasic,
    /// A TOML literal string.
    TomlLiteral,
    /// A JSON string.
    Json,
}

/// Whether a URL that follows a comma in a list of a site generator's tag begins so: any other comma is part of one.
pub(in crate::document) fn is_listed(text: &[u8]) -> bool {
    let scheme = text.iter().take_while(|byte| byte.is_ascii_alphanumeric() || b"+-.".contains(byte)).count();
    [&b"/"[..], b"./", b"../"].iter().any(|start| text.starts_with(start))
        || (scheme > 0 && text[scheme..].starts_with(b"://"))
}

/// How a URL is written in one place of a document.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Escapes {
    /// Innermost first: the first is the first to be written.
    layers: [Option<Escape>; DEEPEST],
    /// What comes last of all.
    encoding: Encoding,
}

/// More layers than any document means in earnest: CSS in an attribute in a `srcdoc` in escaped text of a
/// feed takes four.
const DEEPEST: usize = 6;

impl Escapes {
    /// One layer.
    #[must_use]
    pub const fn of(escape: Escape) -> Self {
        let mut layers = [None; DEEPEST];
        layers[0] = Some(escape);
        Self { layers, encoding: Encoding::Bytes }
    }

    /// The same place inside one more layer.
    ///
    /// # Panics
    /// When there are too many; whoever reads text inside text asks [`Self::within`].
    #[must_use]
    pub fn inside(self, outer: Escape) -> Self {
        self.within(Self::of(outer)).expect("one grammar alone nests no more than three layers")
    }

    /// The same place inside all the layers of `outer`; `None` if that is more than any document means in
    /// earnest.
    #[must_use]
    pub fn within(mut self, outer: Self) -> Option<Self> {
        for layer in outer.layers.into_iter().flatten() {
            *self.layers.iter_mut().find(|free| free.is_none())? = Some(layer);
        }
        Some(self)
    }

    /// The same place in a document of this encoding.
    #[must_use]
    pub fn written_in(self, encoding: Encoding) -> Self {
        Self { encoding, ..self }
    }

    /// The encoding of the document, which all the bytes of the place are in.
    #[must_use]
    pub fn encoding(self) -> Encoding {
        self.encoding
    }

    /// Writes `url` so that the place's grammar reads it back as `url`.
    ///
    /// Whatever a layer cannot carry at all (a line break, a quote in a TOML literal) is percent-encoded,
    /// which names the same resource (RFC 3986, section 2.1).
    #[must_use]
    pub fn encode(self, url: &str) -> Vec<u8> {
        let layers = self.layers.into_iter().flatten();
        self.encoding.write(layers.fold(url.to_owned(), |text, escape| escape.encode(&text)))
    }

    /// The same behind `before`, which is the document up to the place.
    ///
    /// A character reference may lack its semicolon, as in `url(&quot//a.example/i.png&quot;)`, and in an attribute is
    /// none before a letter, a digit or `=` (HTML, section 13.2.5.73): the first character is then one, too.
    #[must_use]
    pub fn encode_behind(self, before: &[u8], url: &str) -> Vec<u8> {
        let text = self.encode(url);
        let is_html = self.layers.iter().flatten().last() == Some(&Escape::Html);
        match text.first() {
            Some(first) if is_html && first.is_ascii_alphanumeric() && is_unterminated(before) => {
                [format!("&#{first};").as_bytes(), &text[1..]].concat()
            }
            _ => text,
        }
    }
}

/// Whether `before` ends with a character reference that has no semicolon, or with what looks like one.
fn is_unterminated(before: &[u8]) -> bool {
    // The longest name without one, `Epsilon` and the like, has far fewer.
    const LONGEST: usize = 32;
    let name = before
        .iter()
        .rev()
        .take(LONGEST)
        .take_while(|byte| byte.is_ascii_alphanumeric() || **byte == b'#')
        .count();
    name > 0 && before[..before.len() - name].ends_with(b"&")
}

impl Escape {
    fn encode(self, text: &str) -> String {
        let mut out = String::with_capacity(text.len() + 8);
        // What stands for a folder of the generator's own means nothing behind a dot.
        if self == Self::TemplateList && !is_listed(text.as_bytes()) && !text.starts_with(['@', '~']) {
            out.push_str("./");
        }
        for char in text.chars() {
            self.push(char, &mut out);
        }
        out
    }

    /// Writes one character. ASCII controls never travel raw: no URL holds one (RFC 3986, section 2).
    fn push(self, char: char, out: &mut String) {
        if char.is_ascii_control() || char == ' ' {
            return percent(char, out);
        }
        match self {
            Self::Html => match char {
                '&' => out.push_str("&amp;"),
                '"' => out.push_str("&quot;"),
                '\'' => out.push_str("&#39;"),
                '<' => out.push_str("&lt;"),
                '>' => out.push_str("&gt;"),
                '`' | '=' => out.push_str(&format!("&#{};", u32::from(char))),
                _ => out.push(char),
            },
            Self::Cdata => match char {
                '>' => percent(char, out),
                ']' if out.ends_with(']') => percent(char, out),
                _ => out.push(char),
            },
            Self::Srcset => match char {
                ',' => percent(char, out),
                _ => out.push(char),
            },
            Self::Css => match char {
                '"' | '\'' | '(' | ')' | '\\' => {
                    out.push('\\');
                    out.push(char);
                }
                _ => out.push(char),
            },
            Self::Markdown => match char {
                '(' | ')' | '\\' | '<' | '>' | '[' | ']' | '*' | '_' | '`' | '"' | '\'' => percent(char, out),
                '&' => out.push_str("&amp;"),
                _ => out.push(char),
            },
            Self::TemplateTag | Self::TemplateList => match char {
                '"' | '\'' | '`' | '{' | '}' | '<' | '>' | ',' | '|' | '\\' => percent(char, out),
                // what stands before it would be the argument's name
                '=' if out.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_-".contains(&byte)) => {
                    percent(char, out);
                }
                _ => out.push(char),
            },
            Self::YamlPlain => match char {
                '"' | '\'' | '#' | '{' | '}' | '[' | ']' | ',' | '|' | '>' | '*' | '!' | '`' | '\\' => {
                    percent(char, out);
                }
                '%' | '@' | '&' | '?' if out.is_empty() => percent(char, out),
                _ => out.push(char),
            },
            Self::YamlSingle => match char {
                '\'' => out.push_str("''"),
                _ => out.push(char),
            },
            // a script that holds JSON ends at `</script`, whatever its quotes
            Self::Json if char == '<' => out.push_str("\\u003C"),
            Self::YamlDouble | Self::TomlBasic | Self::Json => match char {
                '"' | '\\' => {
                    out.push('\\');
                    out.push(char);
                }
                _ => out.push(char),
            },
            Self::TomlLiteral => match char {
                '\'' => percent(char, out),
                _ => out.push(char),
            },
        }
    }
}

fn percent(char: char, out: &mut String) {
    for byte in char.encode_utf8(&mut [0; 4]).bytes() {
        out.push_str(&format!("%{byte:02X}"));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_kept_link_needs_no_escape_anywhere() {
        let link = "../cache/images/ab/abcdef.jpg";
        for escape in [
            Escape::Html,
            Escape::Cdata,
            Escape::Srcset,
            Escape::Css,
            Escape::Markdown,
            Escape::TemplateTag,
            Escape::TemplateList,
            Escape::YamlPlain,
            Escape::YamlSingle,
            Escape::YamlDouble,
            Escape::TomlBasic,
            Escape::TomlLiteral,
            Escape::Json,
        ] {
            assert_eq!(Escapes::of(escape).encode(link), link.as_bytes(), "{escape:?}");
        }
    }

    #[test]
    fn a_link_in_a_list_begins_as_a_url_does() {
        for (link, expected) in [
            ("cache/a.jpg", "./cache/a.jpg"),
            (".cache/a.jpg", "./.cache/a.jpg"),
            ("../a.jpg", "../a.jpg"),
            ("//h/a.jpg", "//h/a.jpg"),
            ("HTTPS://h/a.jpg", "HTTPS://h/a.jpg"),
            ("file:///srv/a.jpg", "file:///srv/a.jpg"),
            ("@/a.jpg", "@/a.jpg"),
        ] {
            assert_eq!(Escapes::of(Escape::TemplateList).encode(link), expected.as_bytes());
        }
    }

    #[test]
    fn a_character_reference_without_its_semicolon_stays_one() {
        let check = |escape: Escape, before: &str, expected: &str| {
            let written =
                Escapes::of(Escape::Css).inside(escape).encode_behind(before.as_bytes(), "http://a/i");
            assert_eq!(String::from_utf8(written).unwrap(), expected, "{before}");
        };
        check(Escape::Html, "<p style=\"x:url(&quot", "&#104;ttp://a/i");
        check(Escape::Html, "<p style=\"x:url(&#34", "&#104;ttp://a/i");
        check(Escape::Html, "<p style=\"x:url(&quot;", "http://a/i");
        check(Escape::Html, "<p style=\"x:url(", "http://a/i");
        check(Escape::Html, "&", "http://a/i");
        check(Escape::Json, "&quot", "http://a/i");
    }

    #[test]
    fn no_cdata_section_ends_early() {
        let check = |url: &str, expected: &str| {
            assert_eq!(Escapes::of(Escape::Cdata).encode(url), expected.as_bytes());
        };
        check("http://[::1]:80/a[0]?b=\"c\"&d", "http://[::1]:80/a[0]?b=\"c\"&d");
        check("a]]>b]]]", "a]%5D%3Eb]%5D]");
        assert_eq!(Escapes::of(Escape::Html).inside(Escape::Cdata).encode("a>&'"), b"a&gt;&amp;&#39;");
    }

    #[test]
    fn layers_are_written_from_the_inside_out() {
        let style = Escapes::of(Escape::Css).inside(Escape::Html);
        assert_eq!(style.encode("/a(1).png?x&y"), b"/a\\(1\\).png?x&amp;y");
        let utf_16 = style.written_in(Encoding::Utf16Be);
        assert_eq!(utf_16.encode("(&"), b"\0\\\0(\0&\0a\0m\0p\0;");
    }
}
