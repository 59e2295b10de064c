//! One place in a document that names an image.

use std::fmt;

use serde::Serialize;

use crate::document::escape::Escapes;
use crate::document::span::Span;

/// A span that names an image, and how its text is written there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reference {
    /// The bytes of the URL text and nothing around them: no quotes, no brackets.
    pub span: Span,
    /// The grammar it was found in.
    pub kind: ReferenceKind,
    /// How a URL is written in this place; what was used to decode `url`.
    pub escapes: Escapes,
    /// The URL text as the place's own grammar decodes it; perhaps relative, perhaps no URL at all.
    pub url: String,
}

/// The grammar in which a reference was found: `context` in the JSON of `scan`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum ReferenceKind {
    /// The value of an HTML attribute.
    HtmlAttribute,
    /// The value of an attribute of a feed or a sitemap.
    XmlAttribute,
    /// The text of an element of a feed or a sitemap.
    XmlText,
    /// One candidate of a `srcset`.
    SrcsetCandidate,
    /// `url()` or a string in a style sheet or `style` attribute.
    CssUrl,
    /// The destination of a Markdown image, or of a link to an image.
    MarkdownImage,
    /// The destination of a Markdown reference definition that an image uses.
    MarkdownDefinition,
    /// An argument of a site generator's tag: `{% img … %}`, `{{< figure … >}}`.
    TemplateTag,
    /// A scalar of YAML front matter.
    YamlScalar,
    /// A string of TOML front matter.
    TomlString,
    /// A string of JSON: front matter, JSON-LD, a feed.
    JsonString,
}

impl ReferenceKind {
    /// The name in reports; the same word as in the JSON.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::HtmlAttribute => "html_attribute",
            Self::XmlAttribute => "xml_attribute",
            Self::XmlText => "xml_text",
            Self::SrcsetCandidate => "srcset_candidate",
            Self::CssUrl => "css_url",
            Self::MarkdownImage => "markdown_image",
            Self::MarkdownDefinition => "markdown_definition",
            Self::TemplateTag => "template_tag",
            Self::YamlScalar => "yaml_scalar",
            Self::TomlString => "toml_string",
            Self::JsonString => "json_string",
        }
    }
}

impl fmt::Display for ReferenceKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
