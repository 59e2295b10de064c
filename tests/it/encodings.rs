//! Documents that are not UTF-8: the whole road and the way back.

use imgkeep::digest::Digest;
use imgkeep::document::encoding::Encoding;

use crate::support::origin::Origin;
use crate::support::{Test, picture};

const URL: &str = "http://cdn.example/a.jpg";

fn origin() -> Origin {
    let origin = Origin::start();
    origin.image(URL, picture::jpeg(1));
    origin
}

/// The kept copy of `URL`, from a folder beside the store's.
fn link() -> String {
    let digest = Digest::of(&picture::jpeg(1)).to_string();
    format!("../cache/images/{}/{digest}.jpg", &digest[..2])
}

/// Every kind, each with the URL as often as it is found there.
const TEXTS: [(&str, &str); 7] = [
    ("a.html", "<!DOCTYPE html>\r\n<p>图😀</p><img src=\"{}\"><a href='{}'>"),
    ("b.md", "---\ncover: '{}' # 图\n---\n# 图😀\n\n![图]({} 'x')\r\r<img src={}>"),
    ("c.txt", "\n\n![]({})"),
    ("d.css", "/* 图 */ a::before { content: '😀'; background: url({}) }"),
    (
        "e.json",
        "{\"version\":\"https://jsonfeed.org/version/1\",\"items\":[{\"content_html\":\"图<img src='{}'>\"}]}",
    ),
    ("f", "<html><script type=application/ld+json>{\"name\":\"图\",\"image\":\"{}\"}</script>"),
    ("g.htm", "<iframe srcdoc='图&lt;img src=&quot;{}&quot;>'></iframe>\n"),
];

#[test]
fn utf16_is_found_rewritten_and_restored_in_every_kind() {
    let origin = origin();
    for (mark, encoding) in
        ["\u{feff}", ""].into_iter().flat_map(|mark| [(mark, Encoding::Utf16Le), (mark, Encoding::Utf16Be)])
    {
        let mut test = Test::new().origin(&origin);
        let mut documents = Vec::new();
        for (name, text) in TEXTS {
            let write = |url: &str| encoding.write(format!("{mark}{}", text.replace("{}", url)));
            let mut document = write(URL);
            let mut after = write(&link());
            if name == "c.txt" {
                // half a character and half a unit at the end
                for bytes in [&mut document, &mut after] {
                    bytes.extend_from_slice(&encoding.write("!".repeat(400)));
                    bytes.extend_from_slice(if encoding == Encoding::Utf16Le {
                        b"\x3d\xd8x"
                    } else {
                        b"\xd8\x3dx"
                    });
                }
            }
            test = test.document(&format!("posts/{name}"), &document);
            documents.push((format!("posts/{name}"), document, after));
        }
        let report = test.run("archive posts --format json").expect_code(0).json();
        assert_eq!(report["documents"]["changed"], TEXTS.len(), "{encoding:?}");
        for (path, _, after) in &documents {
            assert_eq!(encoding.read(&test.read(path)), encoding.read(after), "{path} {encoding:?}");
            assert_eq!(&test.read(path), after, "{path} {encoding:?}");
        }
        let again = test.run("archive posts --format json").expect_code(0).json();
        assert_eq!(again["documents"]["changed"], 0);
        test.run("verify").expect_code(0);

        test.run("relink posts --link /i/").expect_code(0);
        let relinked = encoding.read(&test.read("posts/d.css")).into_owned();
        assert!(relinked.contains("background: url(/i/"), "{relinked}");
        test.run("restore posts").expect_code(0);
        for (path, document, _) in &documents {
            assert_eq!(&test.read(path), document, "{path} {encoding:?}");
        }
    }
}

#[test]
fn utf16_is_shown_as_text() {
    let origin = origin();
    let text = format!("\u{feff}# 图\r\n\r\n😀![]({URL})\n");
    let document = Encoding::Utf16Be.write(text.clone());
    let test = Test::new().origin(&origin).document("posts/a.md", &document);
    let line = test.run("scan posts --format json").expect_code(0).json_lines().remove(0);
    let at = |key: &str| usize::try_from(line[key].as_u64().unwrap()).unwrap();
    assert_eq!(Encoding::Utf16Be.read(&document[at("start")..at("end")]), URL);
    assert_eq!((&line["raw"], &line["url"]), (&URL.into(), &URL.into()));
    let human = test.run("scan posts").expect_code(0).stdout;
    assert_eq!(human, format!("posts/a.md\n  3:7  markdown_image  {URL}\n"));

    let planned = test.run("archive posts --dry-run --diff").expect_code(0).stdout;
    assert!(planned.contains(&format!("-😀![]({URL})\n+😀![](../cache/images/<digest>)\n")), "{planned}");
    let made = test.run("archive posts --diff").expect_code(0).stdout;
    assert!(made.contains(&format!("-😀![]({URL})\n+😀![]({})\n", link())), "{made}");
    let output = test.run_with_input("scan - --format json", &document).json_lines();
    assert_eq!(output[0]["raw"], URL);
}

#[test]
fn utf16_that_was_edited_keeps_the_edit_and_gets_its_urls_back() {
    let origin = origin();
    let write = |text: &str| Encoding::Utf16Le.write(text.to_owned());
    let test = Test::new().origin(&origin).document("posts/a.html", write(&format!("<p><img src='{URL}'>")));
    test.run("archive posts").expect_code(0);
    test.write("posts/a.html", write(&format!("<p>图<img src='{0}'><img src='{0}'>", link())));
    test.run("restore posts").expect_code(0);
    assert_eq!(test.read("posts/a.html"), write(&format!("<p>图<img src='{URL}'><img src='{URL}'>")));
}

/// Text whose characters have second bytes that are ASCII signs elsewhere: backslash, brace, bar, bracket, backtick.
const LEGACY: [(&str, &[u8]); 7] = [
    ("Shift_JIS", b"\x95\x5c\x83\x7b\x83\x7d\xc3\x83\x5c\x83\x7c\x83\x5b\x83\x60\x83\x5d"),
    ("Big5", b"\xb3\x5c\xa5\x5c\xae\x7b\xa7\x7d\xa4\x7c\xbb\x5b\xb0\x60\xa9\x5d"),
    ("GBK", b"\x81\x5c\x8b\x7b\x90\x7d\x81\x7c\x95\x5b\x84\x60\x81\x5d\xcd\xbc\xc6\xac"),
    ("GB18030", b"\x81\x30\x81\x30\x95\x32\x82\x36\x81\x5c\xcd\xbc\xc6\xac\x90\x7d"),
    ("EUC-KR", b"\xb1\xd7\xb8\xb2\xc0\xcc\xb9\xcc\xc1\xf6"),
    ("windows-1252", b"caf\xe9 d\xe9j\xe0 vu \x93quoted\x94"),
    ("windows-1251", b"\xca\xe0\xf0\xf2\xe8\xed\xea\xe0 \xe8 \xf2\xe5\xea\xf1\xf2"),
];

#[test]
fn legacy_encodings_go_through_untouched_in_every_kind() {
    let origin = origin();
    for (encoding, characters) in LEGACY {
        let mut test = Test::new().origin(&origin);
        let mut documents = Vec::new();
        let texts: [(&str, &[&[u8]]); 5] = [
            (
                "a.html",
                &[
                    b"<p title='",
                    b"' alt=",
                    b"><img alt=\"",
                    b"\" src='{}'>",
                    b"<style>p{content:\"",
                    b"\";background:url({})}</style>",
                ],
            ),
            (
                "b.md",
                &[
                    b"---\ntitle: \"",
                    b"\"\ncover: {}\n---\n# ",
                    b"\n\n![",
                    b"]({} '",
                    b"')\n\n| ",
                    b" | ![](",
                    b") |\n",
                ],
            ),
            (
                "c.css",
                &[
                    b"a{content:\"",
                    b"\";background:url({})}\n/* ",
                    b" */b{font-family:",
                    b";background:url('{}')}",
                ],
            ),
            (
                "d.html",
                &[b"<script type=application/ld+json>{\"name\":\"", b"\",\"image\":\"{}\"}</script>", b""],
            ),
            (
                "e.json",
                &[b"{\"version\":\"https://jsonfeed.org/version/1\",\"title\":\"", b"\",\"icon\":\"{}\"}"],
            ),
        ];
        for (name, parts) in texts {
            let document = parts.join(characters);
            let fill = |url: &str| replace(&document, b"{}", url.as_bytes());
            let path = format!("posts/{name}");
            test = test.document(&path, fill(URL));
            documents.push((path, fill(URL), fill(&link())));
        }
        test.run("archive posts").expect_code(0);
        for (path, _, after) in &documents {
            assert_eq!(
                test.read(path).escape_ascii().to_string(),
                after.escape_ascii().to_string(),
                "{encoding} {path}"
            );
        }
        test.run("restore posts").expect_code(0);
        for (path, document, _) in &documents {
            assert_eq!(&test.read(path), document, "{encoding} {path}");
        }
    }
}

#[test]
fn odd_bytes_and_line_ends_go_through_untouched() {
    let origin = origin();
    let test = Test::new().origin(&origin);
    let documents: [(&str, &[u8]); 6] = [
        (
            "posts/nul.html",
            b"<p>\0</p><img alt=\0 src='{}'>\0 some more text that is not binary at all, only a little odd",
        ),
        (
            "posts/nul.md",
            b"a \0 in text, and an image\n\n![\0]({})\n\nand more text, so that nobody takes it for binary\0",
        ),
        ("posts/cr.md", b"# a\r\r![]({})\r\r<img src='{}'>"),
        ("posts/crlf.css", b"a {\r\n  background: url(\r\n    {}\r\n  )\r\n}"),
        ("posts/mark.md", b"text \xef\xbb\xbf with a mark\n\xef\xbb\xbf![](\xef\xbb\xbf)![]({})"),
        ("posts/broken.html", b"\xff\xc3<img src=\xff><img src='{}'>\xe5\x9b"),
    ];
    let fill = |document: &[u8], url: &str| replace(document, b"{}", url.as_bytes());
    for (path, document) in documents {
        test.write(path, fill(document, URL));
    }
    test.run("archive posts").expect_code(0);
    for (path, document) in documents {
        assert_eq!(
            test.read(path).escape_ascii().to_string(),
            fill(document, &link()).escape_ascii().to_string()
        );
    }
    test.run("restore posts").expect_code(0);
    for (path, document) in documents {
        assert_eq!(test.read(path), fill(document, URL), "{path}");
    }
}

fn replace(bytes: &[u8], mark: &[u8], text: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    let mut rest = bytes;
    while let Some(at) = rest.windows(mark.len()).position(|window| window == mark) {
        out.extend_from_slice(&rest[..at]);
        out.extend_from_slice(text);
        rest = &rest[at + mark.len()..];
    }
    out.extend_from_slice(rest);
    out
}
