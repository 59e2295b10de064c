//! CommonMark 0.31.2 and the tables of GFM 0.29: which images a reader of the specification expects.
//!
//! The examples with images themselves are in `markdown_spans.rs`.

use imgkeep::document::DocumentKind;
use imgkeep::document::extract::{self, Rules};

/// What the images of `document` say, in order; each span holds just that, written in some way.
fn check(document: &str, expected: &[&str]) {
    let found = extract::find(document.as_bytes(), DocumentKind::Markdown, &Rules::default()).references;
    let urls: Vec<_> = found.iter().map(|reference| reference.url.as_str()).collect();
    assert_eq!(urls, expected, "{document:?}");
    for reference in &found {
        let raw = &document[reference.span.range()];
        assert!(raw == reference.url || raw.contains(['\\', '&']), "{raw:?} in {document:?}");
    }
}

/// The examples on links, an exclamation mark before each: the destination that the link has is the image's.
#[test]
fn links_as_images() {
    for (document, image) in [
        ("![](./target.md)", Some("./target.md")),
        ("![link](\"title\")", Some("\"title\"")),
        ("![link](/url 'title')", Some("/url")),
        ("![link](/url (title))", Some("/url")),
        ("![link](/url \"title \\\"&quot;\")", Some("/url")),
        ("![link](/url\u{a0}\"title\")", Some("/url\u{a0}\"title\"")),
        ("![link](/url \"title \"and\" title\")", None),
        ("![link](/url 'title \"and\" title')", Some("/url")),
        ("![link] (/uri)", None),
        ("![link [foo [bar]]](/uri)", Some("/uri")),
        ("![link] bar](/uri)", None),
        ("![link [bar](/uri)", None),
        ("![link \\[bar](/uri)", Some("/uri")),
        ("![link *foo **bar** `#`*](/uri)", Some("/uri")),
        ("![foo *[bar [baz](/x)](/x)*](/uri)", Some("/uri")),
        ("*foo ![bar* baz](/uri)", Some("/uri")),
        ("![foo *bar](baz*)", Some("baz*")),
        ("*foo ![bar* baz]", None),
        ("![foo <bar attr=\"](baz)\">", None),
        ("![foo`](/uri)`", None),
        ("![foo<https://example.com/?search=](uri)>", None),
        ("![link [foo [bar]]][ref]\n\n[ref]: /uri", Some("/uri")),
        ("![link \\[bar][ref]\n\n[ref]: /uri", Some("/uri")),
        ("![foo [bar](/x)][ref]\n\n[ref]: /uri", Some("/uri")),
        ("![foo <bar attr=\"][ref]\">\n\n[ref]: /uri", None),
        ("![foo`][ref]`\n\n[ref]: /uri", None),
        ("![ẞ]\n\n[SS]: /url", Some("/url")),
        ("[Foo\n  bar]: /url\n\n![Baz][Foo bar]", Some("/url")),
        ("![foo] [bar]\n\n[bar]: /url", None),
        ("![foo]\n[bar]\n\n[bar]: /url", None),
        ("[foo]: /url1\n\n[foo]: /url2\n\n![bar][foo]", Some("/url1")),
        ("![bar][foo\\!]\n\n[foo!]: /url", None),
        ("![foo][ref[]\n\n[ref[]: /uri", None),
        ("![[[foo]]]\n\n[[[foo]]]: /url", None),
        ("![foo][ref\\[]\n\n[ref\\[]: /uri", Some("/uri")),
        ("[bar\\\\]: /uri\n\n![bar\\\\]", Some("/uri")),
        ("![]\n\n[]: /uri", None),
        ("![[*foo* bar]]\n\n[*foo* bar]: /url", None),
        ("![[bar [foo]\n\n[foo]: /url", None),
        ("![foo] bar\n\n[foo]: /url", Some("/url")),
        ("![foo][bar]\n\n[foo]: /url1\n[bar]: /url2", Some("/url2")),
        ("![foo]()\n\n[foo]: /url1", None),
        ("![foo](not a link)\n\n[foo]: /url1", Some("/url1")),
        ("![foo][bar][baz]\n\n[baz]: /url", None),
        ("![foo][bar][baz]\n\n[baz]: /url1\n[bar]: /url2", Some("/url2")),
        ("![foo][bar][baz]\n\n[baz]: /url1\n[foo]: /url2", None),
        ("*<img src=\"foo\" title=\"*\"/>", Some("foo")),
    ] {
        check(document, image.as_slice());
    }
}

/// The examples on definitions, each with an image that would use it.
#[test]
fn definitions_as_images() {
    for (document, image) in [
        ("[foo]: /url \"title\"\n\n![foo]", Some("/url")),
        ("   [foo]: \n      /url  \n           'the title'  \n\n![foo]", Some("/url")),
        ("[Foo*bar\\]]:my_(url) 'title (with parens)'\n\n![Foo*bar\\]]", Some("my_(url)")),
        ("[Foo bar]:\n<my url>\n'title'\n\n![Foo bar]", Some("my url")),
        ("[foo]: /url '\ntitle\nline1\nline2\n'\n\n![foo]", Some("/url")),
        ("[foo]: /url 'title\n\nwith blank line'\n\n![foo]", None),
        ("[foo]:\n/url\n\n![foo]", Some("/url")),
        ("[foo]:\n\n![foo]", None),
        ("[foo]: <>\n\n![foo]", None),
        ("[foo]: <bar>(baz)\n\n![foo]", None),
        ("[foo]: /url\\bar\\*baz \"foo\\\"bar\\baz\"\n\n![foo]", Some("/url\\bar*baz")),
        ("![foo]\n\n[foo]: url", Some("url")),
        ("![foo]\n\n[foo]: first\n[foo]: second", Some("first")),
        ("[FOO]: /url\n\n![Foo]", Some("/url")),
        ("[ΑΓΩ]: /φου\n\n![αγω]", Some("/φου")),
        ("[\nfoo\n]: /url\nbar ![foo]", Some("/url")),
        ("[foo]: /url \"title\" ok\n\n![foo]", None),
        ("[foo]: /url\n\"title\" ok\n\n![foo]", Some("/url")),
        ("    [foo]: /url \"title\"\n\n![foo]", None),
        ("```\n[foo]: /url\n```\n\n![foo]", None),
        ("Foo\n[bar]: /baz\n\n![bar]", None),
        ("# ![Foo]\n[foo]: /url\n> bar", Some("/url")),
        ("[foo]: /url\nbar\n===\n![foo]", Some("/url")),
        ("[foo]: /url\n===\n![foo]", Some("/url")),
        ("![foo]\n\n> [foo]: /url", Some("/url")),
    ] {
        check(document, image.as_slice());
    }
}

/// What has brackets, angles or exclamation marks and yet shows no image.
#[test]
fn look_alikes() {
    for document in [
        "[foo]: /url.png \"title\"\n",
        "[link](/a.png)\n<https://h/a.png>\n",
        "\\![foo](/a.png)\n!\\[foo](/a.png)\n![foo\\](/a.png)\n![foo]\\(/a.png)\n",
        "!&#91;foo](/a.png)\n&#33;[foo](/a.png)\n",
        "` ![a](/a.png) ` `` ` ![a](/a.png) ``\n",
        "\t![a](/a.png)\n\n  \t  ![a](/a.png)\n",
        "- foo\n\n\t\t![a](/a.png)\n",
        ">\t\t![a](/a.png)\n",
        "~~~~ ![a](/a.png)\n![a](/a.png)\n~~~\n![a](/a.png)\n",
        "> ```\n> ![a](/a.png)\n",
        "<pre>\n![a](/a.png)\n\n![a](/a.png)</pre>\n",
        "<style>\n![a](/a.png)\n\n![a](/a.png)</style>\n",
        "<?php\n![a](/a.png)\n\n![a](/a.png)?>\n",
        "<!DOCTYPE\n![a](/a.png)\n\n![a](/a.png)>\n",
        "<![CDATA[\n![a](/a.png)\n\n![a](/a.png)]]>\n",
        "<del\nclass='![a](/a.png)'>\n",
        "foo <!-- ![a](/a.png) --> <? ![a](/a.png) ?> <!A ![a](/a.png)>\n",
        "<https://h/![a](/a.png)>\n",
        "&lt;img src='/a.png'&gt; \\<img src='/a.png'>\n",
        "<a href='/a.png'> <3 img src='/a.png'> < img src='/a.png'>\n",
    ] {
        check(document, &[]);
    }
}

#[test]
fn tables() {
    let head = "| a | b |\n| --- | :-: |\n";
    for (row, images) in [
        ("| ![a](/1.png) | b |\n", &["/1.png"][..]),
        ("![a](/1.png) | ![b](/2.png)\n", &["/1.png", "/2.png"]),
        ("| b `![a](/x.png)` \\| ![c](/1.png) |\n", &["/1.png"]),
        ("| ![a][x] |\n\n[x]: /1.png\n", &["/1.png"]),
        ("| <img src='/1.png'> | [![a](/2.png)](/p) |\n", &["/1.png", "/2.png"]),
        ("| a | b | ![excess](/x.png) |\n", &[]),
        ("| ![a | b](/x.png) |\n", &[]),
        ("> ![a](/1.png)\n", &["/1.png"]),
        ("| ![a](/1.png \"t\") \\| ![b](</2 3.png>) |\n", &["/1.png", "/2 3.png"]),
        ("| ![a](/1\\|2.png) |\n", &["/1|2.png"]),
    ] {
        check(&format!("{head}{row}"), images);
    }
    check("| ![a](/1.png) |\n|---|\n", &["/1.png"]);
    check("| ![a | b](/x.png) |\n|---|\n", &["/x.png"]);
}
