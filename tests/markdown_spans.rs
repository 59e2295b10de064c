//! Markdown documents as a whole: the cases of the CommonMark specification, other encodings, real posts.

use std::fs;

use imgkeep::document::DocumentKind;
use imgkeep::document::encoding::Encoding;
use imgkeep::document::extract::{self, Found, Rules};
use imgkeep::document::reference::{Reference, ReferenceKind};
use imgkeep::origin::proxy::Families;
use imgkeep::resolve::{Resolver, Wanted};
use proptest::prelude::*;

fn find(document: &[u8]) -> Found {
    extract::find(document, DocumentKind::Markdown, &Rules::default())
}

/// What stands at each span, and what it says.
fn said(document: &[u8], references: &[Reference]) -> Vec<(String, String)> {
    let raw = |reference: &Reference| String::from_utf8_lossy(&document[reference.span.range()]).into_owned();
    references.iter().map(|reference| (raw(reference), reference.url.clone())).collect()
}

fn pairs(expected: &[(&str, &str)]) -> Vec<(String, String)> {
    expected.iter().map(|&(raw, url)| (raw.to_owned(), url.to_owned())).collect()
}

/// Images whose destinations say what they are.
fn check(document: &str, expected: &[&str]) {
    let expected: Vec<_> = expected.iter().map(|&url| (url, url)).collect();
    check_raw(document, &expected);
}

fn check_raw(document: &str, expected: &[(&str, &str)]) {
    let found = find(document.as_bytes());
    assert_eq!(said(document.as_bytes(), &found.references), pairs(expected), "{document:?}");
}

/// CommonMark 0.31.2: the input of each example with an image, and what the image's source is.
#[test]
fn images_of_the_specification() {
    check("![foo](/url \"title\")\n", &["/url"]);
    check("![foo *bar*]\n\n[foo *bar*]: train.jpg \"train & tracks\"\n", &["train.jpg"]);
    check("![foo ![bar](/url)](/url2)\n", &["/url2"]);
    check("![foo [bar](/url)](/url2)\n", &["/url2"]);
    check("![foo *bar*][]\n\n[foo *bar*]: train.jpg \"train & tracks\"\n", &["train.jpg"]);
    check("![foo *bar*][foobar]\n\n[FOOBAR]: train.jpg \"train & tracks\"\n", &["train.jpg"]);
    check("![foo](train.jpg)\n", &["train.jpg"]);
    check("My ![foo bar](/path/to/train.jpg  \"title\"   )\n", &["/path/to/train.jpg"]);
    check("![foo](<url>)\n", &["url"]);
    check("![](/url)\n", &["/url"]);
    check("![foo][bar]\n\n[bar]: /url\n", &["/url"]);
    check("![foo][bar]\n\n[BAR]: /url\n", &["/url"]);
    check("![foo][]\n\n[foo]: /url \"title\"\n", &["/url"]);
    check("![*foo* bar][]\n\n[*foo* bar]: /url \"title\"\n", &["/url"]);
    check("![Foo][]\n\n[foo]: /url \"title\"\n", &["/url"]);
    check("![foo] \n[]\n\n[foo]: /url \"title\"\n", &["/url"]);
    check("![foo]\n\n[foo]: /url \"title\"\n", &["/url"]);
    check("![*foo* bar]\n\n[*foo* bar]: /url \"title\"\n", &["/url"]);
    check("![[foo]]\n\n[[foo]]: /url \"title\"\n", &[]);
    check("![Foo]\n\n[foo]: /url \"title\"\n", &["/url"]);
    check("!\\[foo]\n\n[foo]: /url \"title\"\n", &[]);
    check("\\![foo]\n\n[foo]: /url \"title\"\n", &[]);
    check("[![moon](moon.jpg)](/uri)\n", &["moon.jpg"]);
    check("[![moon](moon.jpg)][ref]\n\n[ref]: /uri\n", &["moon.jpg"]);
    check("![[[foo](uri1)](uri2)](uri3)\n", &["uri3"]);
}

/// What the specification shows on links holds for images.
#[test]
fn destinations() {
    check("![a](</my uri>)", &["/my uri"]);
    check("![a](/my uri)", &[]);
    check("![a](foo\nbar)", &[]);
    check("![a](<foo\nbar>)", &[]);
    check("![a](<b)c>)", &["b)c"]);
    check("![a](<foo\\>)", &[]);
    check_raw("![a](\\(foo\\))", &[("\\(foo\\)", "(foo)")]);
    check("![a](foo(and(bar)))", &["foo(and(bar))"]);
    check("![a](foo(and(bar))", &[]);
    check_raw("![a](foo\\(and\\(bar\\))", &[("foo\\(and\\(bar\\)", "foo(and(bar)")]);
    check("![a](<foo(and(bar)>)", &["foo(and(bar)"]);
    check_raw("![a](foo\\)\\:)", &[("foo\\)\\:", "foo):")]);
    check("![a](foo\\bar)", &["foo\\bar"]);
    check_raw("![a](foo%20b&auml;)", &[("foo%20b&auml;", "foo%20bä")]);
    check_raw("![a](/b?c=1&amp;d=2&e=3)", &[("/b?c=1&amp;d=2&e=3", "/b?c=1&d=2&e=3")]);
    check("![a](   /uri\n  \"title\"  )", &["/uri"]);
    check("![a](\n/uri)", &["/uri"]);
    check("![a](/url \"title \\\"&quot;](/x)\")", &["/url"]);
    check("![a\\]](/url)", &["/url"]);
    check("![a](/url)b](/c)", &["/url"]);
    check("![`](/x`](/url)", &["/url"]);
    check("![a <b c='](/x)'>](/url)", &["/url"]);
    check("![a *b*  \nc](/url)", &["/url"]);
    check("> ![a\n> b](\n> /url\n> 'title')", &["/url"]);
    check("- ![a](\n  </url>)\n\n      ![code](/x)\n", &["/url"]);
    check("![a]()", &[]);
    check("![a](<>)", &[]);
    check("![a](https://a.example/图.png)", &["https://a.example/图.png"]);
    check("| a | b |\n|---|---|\n| ![a](/1.png) | ![b](</2.png>) |\n", &["/1.png", "/2.png"]);
    check("[^1]\n\n[^1]: ![a](/url)\n", &["/url"]);
    check("# ![a](/1.png)\n\n![b](/2.png)\n===\n\n1. ![c](/3.png)\n", &["/1.png", "/2.png", "/3.png"]);
    check("![a](/1.png)\r![b](/2.png)\r\r![c](/3.png)", &["/1.png", "/2.png", "/3.png"]);
}

#[test]
fn definitions() {
    let kinds = |document: &str| {
        let found = find(document.as_bytes());
        assert!(found.references.iter().all(|reference| reference.kind == ReferenceKind::MarkdownDefinition));
        (said(document.as_bytes(), &found.references), said(document.as_bytes(), &found.links))
    };
    let check =
        |document, images, links| assert_eq!(kinds(document), (pairs(images), pairs(links)), "{document:?}");
    check("![a][x] ![b][x] [c][x]\n\n[x]: /1.png", &[("/1.png", "/1.png")], &[]);
    check("[c][x] [d][y]\n\n[x]: /1.png\n[y]: /page", &[], &[("/1.png", "/1.png")]);
    check("![a][x]\n\n[y]: /1.png", &[], &[]);
    check("![a][x]\n\n[x]: /1.png\n[x]: /2.png", &[("/1.png", "/1.png")], &[]);
    check("[x]:\n  <a\\)b.png>\n  'title'\n\n![x]", &[("a\\)b.png", "a)b.png")], &[]);
    check("![x\\]y]\n\n> [x\\]y]: /1.png", &[("/1.png", "/1.png")], &[]);
    check("![ẞ]\n\n[SS]: /1.png", &[("/1.png", "/1.png")], &[]);
    check("![a\nb]\n\n[a b]: /1.png", &[("/1.png", "/1.png")], &[]);
    check("![图]\n\n[文]: /1.png\n[图]: /2.png", &[("/2.png", "/2.png")], &[]);
    check("[x]: /1.png\n", &[], &[]);
}

#[test]
fn links_to_images() {
    let check = |document: &str, expected: &[&str]| {
        let found = find(document.as_bytes());
        let urls: Vec<_> = found.links.iter().map(|link| link.url.as_str()).collect();
        assert_eq!(urls, expected, "{document:?}");
    };
    check("[a](/1.png) [b](/page) [c](/x.JPG?w=1) [d](/x.pngs)", &["/1.png", "/x.JPG?w=1"]);
    check("[![a](/thumb.png)](/full.png)", &["/full.png"]);
    check(
        "[a](https://a.example/b) [b](//a.example) [c](mailto:a@b.example) [d](#x.png) [e][f]\n\n[f]: HTTP://a",
        &["https://a.example/b", "//a.example", "HTTP://a"],
    );
    check("<https://a.example/1.png> https://a.example/2.png", &[]);
    check("![see [a](/1.png)](/2.png)", &[]);
}

/// A link to what the document shows is one to an image, whatever the URL says, as in HTML.
#[test]
fn links_to_what_is_shown() {
    let resolver = Resolver { families: Families::builtin() };
    let links = |document: &str, kind| {
        let found = extract::find(document.as_bytes(), kind, &Rules::default());
        let links = resolver
            .resolve(found, &Wanted::default(), &|_, _| true)
            .remote
            .into_iter()
            .filter(|remote| remote.link);
        links.map(|link| document[link.reference.span.range()].to_owned()).collect::<Vec<_>>()
    };
    let proxied = "https://cors.zfour.workers.dev/?http://h/o";
    let markdown = format!("[![a]({proxied})](http://h/o) [b](http://h/p) [c][d]\n\n[d]: http://h/q.png");
    assert_eq!(links(&markdown, DocumentKind::Markdown), ["http://h/o", "http://h/q.png"]);
    let html = format!("<a href='http://h/o'><img src='{proxied}'></a><a href='http://h/p'>");
    assert_eq!(links(&html, DocumentKind::Html), ["http://h/o"]);
}

#[test]
fn what_only_looks_like_an_image() {
    check("`![a](/x.png)` ``![b](/x.png)``", &[]);
    check("```\n![a](/x.png)\n```\n~~~md\n![b](/x.png)\n~~~\n", &[]);
    check("    ![a](/x.png)\n\n\t![b](/x.png)\n", &[]);
    check("<!-- ![a](/x.png) -->\n\ntext <!-- ![b](/x.png) --> ![c](/1.png)\n", &["/1.png"]);
    check("<pre>\n\n![a](/x.png)\n\n</pre>\n", &[]);
    check("<div><pre>\n\n![a](/x.png)\n\n</pre></div>\n\n![b](/1.png)", &["/1.png"]);
    check("a <code>![a](/x.png)</code> ![b](/1.png)", &["/1.png"]);
    check("<div>\n![a](/x.png)\n</div>\n\n![b](/1.png)", &["/1.png"]);
    check("![a]({{ site.url }}/x.png) ![b](data:image/png;base64,AA==) ![c](#x) ![d](/${x}.png)", &[]);
    check("{% asset_img x.png %} {{ x }} ![b](/1.png)", &["/1.png"]);
    check("![a] (/x.png) !\\[b](/x.png) !(/x.png)", &[]);
}

#[test]
fn tags_of_site_generators() {
    check("{% img http://h/a_b_c/*x*.png %} *y* ![b](/1.png)", &["http://h/a_b_c/*x*.png", "/1.png"]);
    check("a {% img left http://h/a`b.png %} ` ![b](/1.png)", &["http://h/a`b.png", "/1.png"]);
    check("- {{< figure src=\"//h/a.png\" >}}\n- {% image //h/b.png %}\n", &["//h/a.png", "//h/b.png"]);
    check(
        "{{< figure\n    src=`//h/a.png`\n    link=\"//h/b\"\n>}}\n\n![b](/1.png)",
        &["//h/a.png", "/1.png"],
    );
    check(
        "[{% img //h/a.png %}](//h/page) ![{% img //h/b.png %}](/1.png)",
        &["//h/a.png", "//h/b.png", "/1.png"],
    );
    check("<p>{% img //h/a.png %}</p>\n<img src='/1.png'>", &["//h/a.png", "/1.png"]);
    check("{% fancybox %}\n![a](/1.png)\n{% endfancybox %}\n", &["/1.png"]);
    check(
        "{% raw %}![a](/1.png) {% img //h/x.png %}{% endraw %} {% img //h/a.png %}",
        &["/1.png", "//h/a.png"],
    );
    check("---\ncover: /1.png\n---\n{% img //h/a.png %}", &["/1.png", "//h/a.png"]);
    let check = |document: &[u8], expected: &[&str]| {
        let found = find(document);
        let urls: Vec<_> = found.references.iter().map(|reference| reference.url.as_str()).collect();
        assert_eq!(urls, expected, "{}", document.escape_ascii());
    };
    check(b"\xcd\xbc\xc6\xac\x81\x7b% {% img //h/\xb2\xe2.png '\x81\x7d\x81\x7b' %}", &["//h/%B2%E2.png"]);
    let found = find(b"{{< figure src=\"/a/b\" link=\"//h/full\" >}}");
    assert_eq!(found.references[0].kind, ReferenceKind::TemplateTag);
    assert_eq!(found.links[0].url, "//h/full");
}

#[test]
fn tags_that_are_shown_or_hidden() {
    for text in [
        "`{% img //h/x.png %}` ``{{< img src=`//h/x.png` >}}``",
        "```\n{% img //h/x.png %}\n```",
        "    {% img //h/x.png %}",
        "<pre>{% img //h/x.png %}</pre>",
        "<code>{% img //h/x.png %}</code>",
        "<!-- {% img //h/x.png %} -->",
        "a <!-- {% img //h/x.png %} --> b",
        "<script>\n'{% img //h/x.png %}'\n</script>",
        "<!-- {% img //h/x.png %}",
        "{% raw %}{% img //h/x.png %}{% endraw %}",
        "{% codeblock %}\n![a](/x.png) <img src='/x.png'> {% img //h/x.png %}\n{% endcodeblock %}",
        "<div>\n{% highlight html %}\n<img src='/x.png'>\n{% endhighlight %}\n</div>",
        "{{< highlight html >}}\n<!-- ```\n{{< /highlight >}}",
        "{% comment %} ![a](/x.png) {% endcomment %}",
    ] {
        check(text, &[]);
        check(
            &format!("{text}\n\n{{% img //h/a.png %}}\n\n![a](/1.png)"),
            match text {
                "<!-- {% img //h/x.png %}" => &[],
                _ => &["//h/a.png", "/1.png"],
            },
        );
    }
    // What begins in code begins nothing.
    check(
        "`{% codeblock %}` ![a](/1.png) `{% endcodeblock %}` {% img //h/a.png %}",
        &["/1.png", "//h/a.png"],
    );
    check("`{% img` ![a](/1.png) `%}`", &["/1.png"]);
}

/// Second bytes of GBK, Big5 and Shift_JIS characters that look like `\`, `[`, `]`, `` ` `` and `|`.
#[test]
fn other_encodings() {
    let check = |document: &[u8], expected: &[&str]| {
        let found = find(document);
        let urls: Vec<_> = found.references.iter().map(|reference| reference.url.as_str()).collect();
        assert_eq!(urls, expected, "{}", document.escape_ascii());
    };
    check(b"![\x95\x5c](/1.png) ![\x83\x5c\x81\x5b](/2.png)", &["/1.png", "/2.png"]);
    check(b"\x83\x60\x83\x60 ![\xb3\x5c](/1.png) \xa5\x5c\n\n\x83\x60", &["/1.png"]);
    check(b"\xcd\xbc\xc6\xac\xb2\xe2 \x81\x5b ![\xb2\xe2\x81\x5c][\xb2\xe2\x81\x5c]\n\n[\xb2\xe2\x81\x5c]: </\xb2\xe2\x81\x5c(.png>", &[
        "/%B2%E2%81%5C(.png",
    ]);
    check(b"![caf\xe9](/caf\xe9.png) ![na\xefve](/2.png)", &["/caf%E9.png", "/2.png"]);
    check("图片与文字 ![图](/图.png) \u{fffd}".as_bytes().split_last().unwrap().1, &["/图.png"]);
    check(b"![a](/1.png) \0 ![b](/2.png)", &["/1.png", "/2.png"]);
}

#[test]
fn front_matter_and_body() {
    check("\u{feff}\n---\ncover: /1.png\n---\n![a](/2.png)\n", &["/1.png", "/2.png"]);
    check("\u{feff}[a]: /1.png\n\n![a]\n", &["/1.png"]);
    check("\u{feff}```\n![a](/x.png)\n```\n![a](/1.png)\n", &["/1.png"]);
    check("\u{feff}    ![a](/x.png)\n", &[]);
    check("+++\nimages = ['/1.png']\n+++\n![a](/2.png)\n", &["/1.png", "/2.png"]);
    check("{\"image\": \"/1.png\"}\n\n![a](/2.png)\n", &["/1.png", "/2.png"]);
    check("---\ncover: /1.png\n\n![a](/2.png)\n", &["/2.png"]);
    check("title: x\ncover: /1.png\n---\n![a](/2.png)\n", &["/1.png", "/2.png"]);
    check("title: x\ncover: >-\n  https://h/1\nog.image: //h/2\n---\n", &["https://h/1", "//h/2"]);
    check("\"title\": \"x\",\n\"cover\": \"/1.png\"\n;;;\n![a](/2.png)\n", &["/1.png", "/2.png"]);
    check("Cover: /x.png\n---\n\n![a](/2.png)\n", &["/2.png"]);
    // Markdown and HTML in a value are not read; the key would have to name an image.
    check("---\nexcerpt: '![a](/x.png) <img src=/x.png>'\ncover: '![a](/x.png)'\n---\n", &[]);
    check("---\na: {b: [{c: {cover: [/1.png, {src: /2.png}]}}]}\n---\n", &["/1.png", "/2.png"]);
    check("---\n![a](/1.png)\n\n---\n\n![a](/2.png)\n", &["/1.png", "/2.png"]);
}

#[test]
fn raw_html() {
    check_raw(
        "a <img src='/1.png?a&amp;b'> ![c](/2.png)",
        &[("/1.png?a&amp;b", "/1.png?a&b"), ("/2.png", "/2.png")],
    );
    check(
        "<div>\n\n<p><img\nsrc=\"/1.png\"></p>\n\n<!-- <img src=/x.png> -->\n<figure><img src=/2.png></figure>\n",
        &["/1.png", "/2.png"],
    );
    check("> <p><img src='/1.png'>\n> <img src='/2.png'>\n", &["/1.png", "/2.png"]);
    check(
        "`<img src='/x.png'>` \\<img src='/x.png'>\n\n    <img src='/x.png'>\n\n<b a='x'><img src='/1.png'>",
        &["/1.png"],
    );
    check(
        "<div>\n<pre><img src='/x.png'></pre><code><img src='/x.png'></code><img src='/1.png'>\n</div>\n",
        &["/1.png"],
    );
    check("no tag <img src='/x.png' alt=a\"b>, and ![one <img src='/x.png'>](/1.png)", &["/1.png"]);
    check("<img src='{{ site.url }}/x.png'>\n\n<img src='/1.png'>", &["/1.png"]);
}

/// Three real posts with images, two without; one of these was damaged long ago.
#[test]
fn posts() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../shared/corpus/posts");
    let Ok(entries) = fs::read_dir(folder) else {
        println!("skipped: no posts at `{folder}`");
        return;
    };
    let mut counts = Vec::new();
    for entry in entries {
        let document = fs::read(entry.unwrap().path()).unwrap();
        let found = find(&document);
        for reference in &found.references {
            assert_eq!(&document[reference.span.range()], reference.url.as_bytes());
            assert!(reference.url.starts_with("https://cors.zfour.workers.dev/?http://static.1sapp.com/"));
        }
        let yaml =
            found.references.iter().filter(|reference| reference.kind == ReferenceKind::YamlScalar).count();
        counts.push((found.references.len(), yaml, found.links.len()));
    }
    counts.sort_unstable();
    assert_eq!(counts, [(0, 0, 0), (0, 0, 0), (7, 2, 0), (7, 2, 0), (13, 2, 0)]);
}

/// Input that makes careless parsers quadratic or recurse: it is enough that this ends.
#[test]
fn hostile_input_ends() {
    let nested = format!("{}{}", "![".repeat(50_000), "](a)".repeat(50_000));
    let parts = [
        "[",
        "![",
        "](",
        "![a](",
        "![a][b]",
        "[a]: b\n",
        "```\n",
        "`",
        "> ",
        "* ",
        "1. ",
        "<",
        "<a ",
        "<!--",
        "<pre>",
        "<code></code>",
        "<div>\n\n",
        "\\",
        "&",
        "&#x",
        "---\n",
        "|",
        "![a](<",
        "![a]((",
        "\r",
        "\0",
        "<b>![a](/b.png)",
    ];
    for part in parts {
        find(part.repeat(30_000).as_bytes());
        find(format!("text `x` {}", part.repeat(30_000)).as_bytes());
    }
    assert_eq!(find(nested.as_bytes()).references.len(), 1);
}

proptest! {
    /// A post says the same in every encoding that it can be written in.
    #[test]
    fn encodings_make_no_difference(
        parts in proptest::collection::vec(proptest::sample::select(vec![
            "表示", "許功蓋", "ソ", "十", "構", "申能", "枅", "珱", "噂", "ポ", "，", "中文", "日本語", " ", "\n\n", "\n", "*", "`", "- ", "> ",
            "![表](/1.png)", "![許][功]", "\n\n[功]: /2.png\n\n", "![ソ](</3.png> '構')", "[ソ](/4.png)", "<b>", "|", "\\", "text",
        ]), 0..24),
    ) {
        let post = format!("---\ntitle: 中文表示\ncover: /0.png\n---\n日本語能中文\n\n{}", parts.concat());
        let urls = |found: &Found| found.references.iter().map(|one| one.url.clone()).collect::<Vec<_>>();
        let expected = urls(&find(post.as_bytes()));
        for encoding in [encoding_rs::GBK, encoding_rs::BIG5, encoding_rs::SHIFT_JIS, encoding_rs::EUC_KR] {
            let (bytes, _, unmappable) = encoding.encode(&post);
            if !unmappable {
                prop_assert_eq!(&urls(&find(&bytes)), &expected, "{} {}", encoding.name(), bytes.escape_ascii());
            }
        }
    }

    #[test]
    fn any_bytes_can_be_read(bytes: Vec<u8>) {
        find(&bytes);
    }

    /// What is found does not overlap, and finding it again in a document of other links finds the same places.
    #[test]
    fn any_markup_can_be_read(parts in proptest::collection::vec(proptest::sample::select(vec![
        "![", "[", "]", "](", ")", "(", "<", ">", "/a.png", "/b c.png", "\\", "&amp;", "`", "```\n", "\n", "\n\n", "> ", "- ",
        "    ", "[x]", "[x]: ", "![x]", "*", "_", "|", "|-|\n", "图", "'t'", "\"", "<img src='/c.png'>", "<code>", "</code>",
        "\r", "\0", "![a](/d.png)", "[^1]", "[^1]: ", "!", "---\n", "cover: ",
    ]), 0..32)) {
        let document = parts.concat();
        let found = find(document.as_bytes());
        for pair in found.references.windows(2) {
            prop_assert!(pair[0].span.end() <= pair[1].span.start());
        }
        let mut changed = document.clone();
        for reference in found.references.iter().rev() {
            changed.replace_range(reference.span.range(), "/kept/1.png");
        }
        // With a NUL for every other byte it would be UTF-16.
        prop_assume!([&document, &changed].iter().all(|text| Encoding::of(text.as_bytes()) == Encoding::Bytes));
        let again = find(changed.as_bytes());
        prop_assert_eq!(again.references.len(), found.references.len(), "{:?} {:?}", document, changed);
        prop_assert!(again.references.iter().all(|reference| reference.url == "/kept/1.png"));
    }
}
