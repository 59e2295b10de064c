//! What a user is told when a setting makes no sense: where, what, and what would do.

use imgkeep::config::sources::Sources;
use imgkeep::config::{Config, Error, Place};
use proptest::prelude::*;

use crate::support::{Folder, contract, load_file, load_set, load_variables};

fn check_refused(loaded: Result<Config, Error>, expected: &str) {
    let message = loaded.unwrap_err().to_string();
    assert!(!message.contains('\n'), "more than a line: {message}");
    assert_eq!(message, expected);
}

/// The message without its place.
fn check_file_refused(text: &str, line: usize, column: usize, expected: &str) {
    let message = load_file(text).unwrap_err().to_string();
    let place = format!("imgkeep.toml`, line {line}, column {column}: ");
    let (_, reason) = message.split_once(&place).unwrap_or_else(|| panic!("{place:?} is not in {message:?}"));
    assert_eq!(reason, expected);
}

#[test]
fn a_file_that_is_named_must_be_there() {
    let folder = Folder::new();
    let missing = folder.path().join("missing.toml");
    let expected = format!("cannot read the configuration `{}`", missing.display());
    check_refused(Config::load(&Sources { file: Some(missing), ..folder.sources() }), &expected);
}

#[test]
fn unknown_names_in_a_file_are_refused_where_they_stand() {
    check_file_refused(
        "[fetch]\nretries = 1\n  perhost = 3\n",
        3,
        3,
        "`[fetch]` has no key `perhost`; did you mean `per_host`?",
    );
    check_file_refused("[fetsch]\n", 1, 2, "there is no section `fetsch`; did you mean `fetch`?");
    check_file_refused("per_host = 3\n", 1, 1, "there is no section `per_host`; it is a key of `[fetch]`");
    check_file_refused("[store]\nper_host = 3\n", 2, 1, "`[store]` has no key `per_host`; `[fetch]` has one");
    check_file_refused(
        "[gc]\nwhenever = 3\n",
        2,
        1,
        "`[gc]` has no key `whenever`; its keys are `grace_days`",
    );
    check_file_refused(
        "[whatever]\n",
        1,
        2,
        "there is no section `whatever`; its sections are `catalog`, `daemon`, `documents`, `fetch`, \
         `gc`, `overrides`, `references`, `rewrite`, `server`, `store`",
    );
    check_file_refused("fetch = 3\n", 1, 1, "`fetch` is a section: write `[fetch]` with its keys below");
    check_file_refused("# é\n[gc]\n\"é\" = [\n", 3, 8, "this is not TOML: unclosed array, expected `]`");
}

#[test]
fn the_first_mistake_in_a_file_is_the_one_that_is_named() {
    let text = "[server]\nlisten = \"here\"\n[catalog]\nurl = 1\n";
    check_file_refused(
        text,
        2,
        10,
        "`server.listen` must be an \"ip:port\", such as \"127.0.0.1:7420\", not `\"here\"`",
    );
}

#[test]
fn unknown_variables_are_refused_and_those_of_others_left_alone() {
    let others = [("IMGKEEP_LOG", "debug"), ("IMGKEEP", "1"), ("OTHER_FETCH__X", "1")];
    assert_eq!(load_variables(&others).unwrap(), contract());
    check_refused(
        load_variables(&[("IMGKEEP_FETCH__PERHOST", "3")]),
        "variable `IMGKEEP_FETCH__PERHOST`: `[fetch]` has no key `perhost`; did you mean `per_host`?",
    );
    check_refused(
        load_variables(&[("IMGKEEP_FETSCH__PER_HOST", "3")]),
        "variable `IMGKEEP_FETSCH__PER_HOST`: there is no section `fetsch`; did you mean `fetch`?",
    );
    check_refused(
        load_variables(&[("IMGKEEP_FETCH_PER_HOST", "3")]),
        "variable `IMGKEEP_FETCH_PER_HOST`: two underscores stand between section and key; \
         did you mean `IMGKEEP_FETCH__PER_HOST`?",
    );
}

#[test]
fn what_stands_after_set_has_a_form() {
    for text in ["", "fetch", "fetch=3", "fetch.per_host", "fetch.connect_to.\"x=1"] {
        check_refused(
            load_set(&[text]),
            &format!("`--set {text}`: write `--set section.key=value`, as in `--set fetch.per_host=3`"),
        );
    }
    check_refused(
        load_set(&["fetch.per-host=3"]),
        "`--set fetch.per-host=3`: `[fetch]` has no key `per-host`; did you mean `per_host`?",
    );
    check_refused(
        load_set(&["fetch.per_host.x=3"]),
        "`--set fetch.per_host.x=3`: `fetch.per_host` is no table, so it has no entry `x`",
    );
}

#[test]
fn values_out_of_range_are_refused_with_what_would_do() {
    let check = |text: &str, reason: &str| {
        let key = text.split_once('=').unwrap().0;
        check_refused(load_set(&[text]), &format!("`--set {text}`: `{key}` {reason}"));
    };
    let count = "must be a whole number from 1 to 1000, not";
    check("fetch.concurrency=0", &format!("{count} `0`"));
    check("fetch.per_host=0", &format!("{count} `0`"));
    check("fetch.per_host=1001", &format!("{count} `1001`"));
    check("fetch.per_host=-1", &format!("{count} `-1`"));
    check("fetch.per_host=many", &format!("{count} `\"many\"`"));
    check("fetch.per_host=2.5", &format!("{count} `2.5`"));
    check("fetch.retries=101", "must be a whole number from 0 to 100, not `101`");
    for value in ["0", "-1", "86401", "90000.5", "nan", "inf"] {
        check(
            &format!("fetch.timeout_secs={value}"),
            &format!("must be a number of seconds above 0, at most a day, not `{value}`"),
        );
    }
    check("daemon.settle_secs=-0.5", "must be a number of seconds from 0 to a day, not `-0.5`");
    check("gc.grace_days=0.5", "must be a whole number of days from 0 to 36500, not `0.5`");
    let size = "must be a size above 0, such as \"64MiB\" or 1000000, not";
    check("fetch.max_bytes=0", &format!("{size} `\"0\"`"));
    check("documents.max_bytes=64M", &format!("{size} `\"64M\"`"));
    check("rewrite.in_place=yes", "must be true or false, not `\"yes\"`");
    check("references.scope=proxies", "must be \"all\" or \"proxied\", not `\"proxies\"`");
    let sources = "must hold some of \"origin\", \"proxy\", \"wayback\"";
    check("fetch.sources=origin,web", &format!("{sources}, not `\"web\"`"));
    check("fetch.sources=", &format!("{sources}, at least one and none twice"));
    check("fetch.sources=origin,origin", &format!("{sources}, at least one and none twice"));
    check("store.path=", "must be a path, not `\"\"`");
    check("daemon.watch=[3]", "must hold paths, not `3`");
    check("daemon.watch=[\"\"]", "must hold paths, not `\"\"`");
    for url in ["", "sqlite:", "sqlite://cache/c.db", "postgres://h/d", "cache/c.db"] {
        check(
            &format!("catalog.url={url}"),
            &format!("must be \"sqlite:PATH\", such as \"sqlite:cache/catalog.db\", not `\"{url}\"`"),
        );
    }
}

#[test]
fn values_of_the_wrong_form_are_refused_with_one_of_the_right_form() {
    let check = |key: &str, wanted: &str, values: &[&str]| {
        for value in values {
            let text = format!("{key}={value}");
            check_refused(
                load_set(&[&text]),
                &format!("`--set {text}`: `{key}` must {wanted}, not `{value:?}`"),
            );
        }
    };
    check(
        "server.listen",
        "be an \"ip:port\", such as \"127.0.0.1:7420\"",
        &["localhost:80", "127.0.0.1", ":80", "1.2.3.4:65536"],
    );
    check(
        "rewrite.link",
        "be \"relative\" or a prefix that ends in `/`, such as \"/images/\"",
        &["", "relativ", "/images", "/my images/", "/a(b/", "a\"/"],
    );
    check(
        "fetch.allow_networks",
        "hold networks from their first address, such as \"192.168.1.0/24\" or \"::1/128\"",
        &["10.0.0.0/33", "10.0.0.1/8", "10.0.0.1", "localhost", "10.0.0/8"],
    );
    check(
        "fetch.proxies",
        "hold http(s) URLs with {url} in them",
        &["https://p.example/", "ftp://p.example/{url}", "p.example/{url}", "{url}"],
    );
    check(
        "references.attributes",
        "hold attribute names such as \"data-lazy\"",
        &["data src", "a=b", "<img"],
    );
    check(
        "references.elements",
        "hold \"element[attribute]\", such as \"x-photo[full]\"",
        &["data-src", "[src]", "img[]", "img[a]b", "img[a][b]", "9a[b]", "a b[c]", "*[a]", "img[a='b']"],
    );
    check(
        "references.front_matter_keys",
        "hold keys such as \"cover\" or \"seo.card\"",
        &["seo..card", ".", "cover."],
    );
    check(
        "references.exclude_hosts",
        "hold hosts such as \"cdn.example\" or \"*.cdn.example\"",
        &["https://cdn.example", "cdn.example/x", "*", "*.", "a b"],
    );
    check("documents.exclude", "hold globs such as \"posts/**/*.md\"", &["posts/[a", "a{b"]);
    check(
        "server.cors",
        "hold web origins such as \"https://blog.example\", or \"*\"",
        &[
            "blog.example",
            "https://blog.example/a",
            "https://me@blog.example",
            "ftp://blog.example",
            "https://a/?b",
        ],
    );
    check("fetch.user_agent", "be a text of printable ASCII", &["", "é", "naïve/1"]);
    for value in ["", "1.2.3.4", "1.2.3.4:0", "localhost:80"] {
        check_refused(
            load_set(&[&format!("fetch.connect_to.a.example={value}")]),
            &format!(
                "`--set fetch.connect_to.a.example={value}`: \
                 `fetch.connect_to` must hold \"host\", \"host:port\" or \
                 \"*\" with an \"ip:port\", such as \"127.0.0.1:8080\", not `\"a.example\" = {value:?}`"
            ),
        );
    }
    for host in ["", "https://a.example", "a.example:0", "a.example:x", "a/b", "::1"] {
        assert!(load_set(&[&format!("fetch.connect_to.{host}=1.2.3.4:5")]).is_err(), "{host}");
    }
    assert!(load_set(&["fetch.resolve.a.example=b.example"]).is_err());
    check_refused(
        load_set(&["fetch.connect_to=127.0.0.1:80"]),
        "`--set fetch.connect_to=127.0.0.1:80`: \
         `fetch.connect_to` must be a table of \"host\", \"host:port\" or \"*\" \
         with an \"ip:port\", such as \"127.0.0.1:8080\", not `\"127.0.0.1:80\"`",
    );
}

#[test]
fn a_message_stays_one_line_however_long_the_value() {
    let message =
        load_file(&format!("[store]\npath = [\n{}]\n", "\"a\\nb\",\n".repeat(100))).unwrap_err().to_string();
    assert!(message.lines().count() == 1 && message.chars().count() < 400, "{message}");
}

#[test]
fn an_error_can_be_asked_where() {
    let error = load_set(&["gc.grace_days=x"]).unwrap_err();
    let Error::Value { place, key, .. } = error else { panic!("{error}") };
    assert_eq!((place, key.as_str()), (Place::Flag("gc.grace_days=x".to_owned()), "gc.grace_days"));
}

/// Text with much of what means something in TOML.
const MUDDLE: &str = "([\\[\\]{}\"'=#.,\\\\ \n\r\té\u{feff}1a]|fetch|per_host|store|path|\\PC){0,24}";

proptest! {
    #[test]
    fn any_text_is_read_or_refused_in_one_line(text in MUDDLE) {
        let variable = load_variables(&[("IMGKEEP_FETCH__CONNECT_TO", &text)]);
        for loaded in [load_file(&text), load_set(&[&text]), variable] {
            if let Err(error) = loaded {
                prop_assert!(!error.to_string().contains('\n'), "{error}");
            }
        }
    }
}

#[test]
fn a_byte_order_mark_is_no_mistake() {
    assert_eq!(load_file("\u{feff}[fetch]\r\nretries = 3\r\n").unwrap(), contract());
}
