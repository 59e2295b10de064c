//! What a new user meets first: help, completions, the man page, `unwrap`, the demo.

use crate::support::Test;

#[test]
fn every_command_explains_itself_with_an_example() {
    let test = Test::new();
    let help = test.run("--help").expect_code(0).stdout;
    for command in [
        "scan",
        "archive",
        "restore",
        "relink",
        "verify",
        "status",
        "explain",
        "unwrap",
        "serve",
        "demo",
        "completions",
        "man",
    ] {
        assert!(help.contains(command), "{command}");
        let own = test.run(&format!("{command} --help")).expect_code(0).stdout;
        assert!(own.contains("Example"), "{command}: {own}");
        assert!(own.contains(&format!("imgkeep {command}")), "{command}: {own}");
    }
}

#[test]
fn completions_and_the_man_page_are_written() {
    let test = Test::new();
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let script = test.run(&format!("completions {shell}")).expect_code(0).stdout;
        assert!(script.contains("imgkeep") && script.contains("restore"), "{shell}");
    }
    let page = test.run("man").expect_code(0).stdout;
    assert!(page.contains(".TH imgkeep") && page.contains("IMGKEEP RESTORE"), "{page}");
}

#[test]
fn unwrap_names_the_image_behind_its_proxies() {
    let test = Test::new();
    let url = "https://cors.zfour.workers.dev/?http://static.1sapp.com/a.jpg";
    assert_eq!(test.run(&format!("unwrap {url}")).expect_code(0).stdout, "http://static.1sapp.com/a.jpg\n");
    let line = test.run(&format!("unwrap {url} --format json")).expect_code(0).json();
    assert_eq!(
        line,
        serde_json::json!({ "url": url, "origin": "http://static.1sapp.com/a.jpg", "proxies": ["cors-zfour"] })
    );
}

#[test]
fn status_of_nothing_is_no_error() {
    let outcome = Test::new().run("status").expect_code(0);
    assert!(outcome.stdout.contains("nothing is kept yet"), "{}", outcome.stdout);
}

#[test]
fn the_demo_shows_the_job_and_leaves_nothing_behind() {
    let test = Test::new();
    let outcome = test.run("demo --once").expect_code(0);
    for text in ["archived now", "+", "not archived", "restored", "SHA-256"] {
        assert!(outcome.stdout.contains(text), "`{text}` is not in: {}", outcome.stdout);
    }
    assert!(test.tree(".").is_empty());
}
