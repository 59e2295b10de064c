//! Documents with a `<base href>`: their links lead to the store all the same, or they get none.

use std::fs;

use imgkeep::digest::Digest;

use crate::support::origin::Origin;
use crate::support::{Test, picture};

const URL: &str = "http://cdn.example/0.jpg";

fn web() -> Origin {
    let origin = Origin::start();
    origin.image(URL, picture::jpeg(0));
    origin
}

fn page(base: &str) -> String {
    format!("<base href=\"{base}\"><img src=\"{URL}\">\n")
}

/// The page when its link begins with `prefix`.
fn kept(base: &str, prefix: &str) -> String {
    let digest = Digest::of(&picture::jpeg(0)).to_string();
    page(base).replace(URL, &format!("{prefix}{}/{digest}.jpg", &digest[..2]))
}

#[test]
fn relative_links_lead_from_the_folder_that_the_base_names() {
    let bases = [
        ("./", "../cache/images/"),
        ("a.html?b/c#d/e", "../cache/images/"),
        ("data:,x", "../cache/images/"),
        ("img/", "../../cache/images/"),
        ("img/1.html", "../../cache/images/"),
        ("..", "cache/images/"),
        ("../other/posts/", "../../cache/images/"),
        ("../cache/", "images/"),
        ("../p%6Fsts/", "../cache/images/"),
    ];
    let origin = web();
    let test = Test::new().origin(&origin);
    let path = |nth: usize| format!("posts/{nth}.html");
    bases.iter().enumerate().for_each(|(nth, (base, _))| test.write(&path(nth), page(base)));
    let check = |expected: &dyn Fn(&str, &str) -> String| {
        for (nth, (base, prefix)) in bases.iter().enumerate() {
            assert_eq!(String::from_utf8(test.read(&path(nth))).unwrap(), expected(base, prefix));
        }
    };
    let planned = test.run("archive posts --dry-run --diff").expect_code(0).stdout;
    assert!(planned.contains("\"../cache/images/") && planned.contains("\"../../cache/images/"), "{planned}");
    test.run("archive posts").expect_code(0);
    check(&kept);
    test.run("verify").expect_code(0);
    test.run("relink posts --link /images/").expect_code(0);
    check(&|base, _| kept(base, "/images/"));
    test.run("relink posts --link relative").expect_code(0);
    check(&kept);
    test.run("restore posts").expect_code(0);
    check(&|base, _| page(base));
}

#[test]
fn a_document_that_was_moved_has_its_links_led_back_from_there() {
    let origin = web();
    let test = Test::new().origin(&origin).document("posts/a.html", page("img/"));
    test.run("archive posts").expect_code(0);
    fs::create_dir_all(test.path("old/2022")).unwrap();
    fs::rename(test.path("posts/a.html"), test.path("old/2022/a.html")).unwrap();
    test.run("archive old").expect_code(0);
    assert_eq!(test.read("old/2022/a.html"), kept("img/", "../../../cache/images/").as_bytes());
    test.run("restore old").expect_code(0);
    assert_eq!(test.read("old/2022/a.html"), page("img/").as_bytes());
}

#[test]
fn a_base_from_the_top_of_the_site_wants_a_prefix_from_there() {
    let origin = web();
    for base in ["/", "/blog/", "\\blog\\"] {
        let test =
            Test::new().origin(&origin).document("a.html", page(base)).document("b.html", "no image\n");
        let planned = test.run("archive a.html --dry-run --diff").stdout;
        assert!(!planned.contains("<img"), "{planned}");
        let report = test.run("archive a.html b.html --format json").expect_code(3).json();
        assert_eq!(report["document_failures"].as_array().map(Vec::len), Some(1), "{report}");
        assert!(report["document_failures"][0]["why"].to_string().contains("base"), "{report}");
        assert_eq!(test.read("a.html"), page(base).as_bytes());
        test.run("archive a.html --link /images/").expect_code(0);
        assert_eq!(test.read("a.html"), kept(base, "/images/").as_bytes());
        test.run("archive a.html").expect_code(0);
        test.run("relink a.html --link relative").expect_code(3);
        test.run("restore a.html").expect_code(0);
        assert_eq!(test.read("a.html"), page(base).as_bytes());
        let nothing = format!("<base href=\"{base}\">no image");
        let outcome = test.run_with_input("archive -", nothing.as_bytes()).expect_code(0);
        assert_eq!(outcome.stdout, nothing);
    }
}

#[test]
fn a_base_that_is_another_site_is_what_relative_urls_are_joined_to_and_wants_whole_urls() {
    let origin = web();
    origin.image("https://cdn.example/0.jpg", picture::jpeg(0));
    for page in [
        "<base href=\"http://cdn.example/\"><img src=\"0.jpg\">\n",
        "<base href=\"//cdn.example/\"><img src=\"0.jpg\">\n",
        "<base href=\\\\cdn.example\\x><img src=\"0.jpg\">\n",
        "<iframe srcdoc='<base href=http://cdn.example/><img src=0.jpg>'></iframe>\n",
    ] {
        let test = Test::new().origin(&origin).document("a.html", page);
        for link in ["relative", "/images/"] {
            let report =
                test.run(&format!("archive a.html --format json --link {link}")).expect_code(3).json();
            assert_eq!(report["references"]["found"], 1, "{report}");
            assert!(report["document_failures"][0]["why"].to_string().contains("base"), "{report}");
            assert_eq!(test.read("a.html"), page.as_bytes());
        }
        test.run("archive a.html --link http://127.0.0.1:7420/images/").expect_code(0);
        assert_ne!(test.read("a.html"), page.as_bytes());
        test.run("relink a.html --link relative").expect_code(3);
        test.run("restore a.html").expect_code(0);
        assert_eq!(test.read("a.html"), page.as_bytes());
    }
}
