//! The user's rules: those for all documents, and `[[overrides]]` for some of them.

use std::path::Path;

use imgkeep::config::{Config, Error, Place, Scope};
use imgkeep::crawl::Entry;
use imgkeep::document::extract::ElementAttribute;
use imgkeep::ops::Reader;
use imgkeep::origin::proxy::Families;
use imgkeep::resolve;

use crate::support::{Folder, load_file, load_set};

fn pair(element: &str, attribute: &str) -> ElementAttribute {
    ElementAttribute { element: element.to_owned(), attribute: attribute.to_owned() }
}

fn reader(config: &Config) -> Result<Reader, Error> {
    config.reader(Families::builtin())
}

/// Why the text of a file is refused, and at which line and column.
fn check_refused(text: &str, at: (usize, usize), expected: &str) {
    let message = load_file(text).unwrap_err().to_string();
    let place = format!("imgkeep.toml`, line {}, column {}: ", at.0, at.1);
    let (_, reason) = message.split_once(&place).unwrap_or_else(|| panic!("{place:?} is not in {message:?}"));
    assert_eq!(reason, expected);
}

#[test]
fn elements_are_read_without_regard_to_case() {
    let config = load_set(&["references.elements=x-photo[full], Gallery-Item[Data-Big]"]).unwrap();
    assert_eq!(config.references.elements, [pair("x-photo", "full"), pair("gallery-item", "data-big")]);
    let config = load_set(&[r#"references.elements=["svg:image[xlink:href]"]"#]).unwrap();
    assert_eq!(config.references.elements, [pair("svg:image", "xlink:href")]);
}

#[test]
fn an_override_sets_the_keys_it_names() {
    let folder = Folder::new();
    let text = "[references]\nattributes = [\"data-a\"]\nexclude_hosts = [\"all.example\"]\n\
                [[overrides]]\nfiles = [\"old/\"]\nscope = \"proxied\"\nattributes = []\n\
                [[overrides]]\nattributes = [\"Data-B\"]\nfiles = [\"old/**/*.html\"]\nelements = [\"A[b]\"]\n\
                include_hosts = [\"CDN.example\"]\nexclude_families = [\"weserv\"]\n";
    folder.write("imgkeep.toml", text);
    let config = Config::load(&folder.sources()).unwrap();
    let [first, second] = config.overrides.as_slice() else { panic!("{:?}", config.overrides) };
    assert_eq!((first.folder.as_path(), first.files.as_slice()), (folder.path(), &["old/".to_owned()][..]));
    assert_eq!(first.keys, ["scope", "attributes"]);
    assert_eq!(first.references.scope, Scope::Proxied);
    assert_eq!(second.keys, ["attributes", "elements", "include_hosts", "exclude_families"]);
    assert_eq!(second.references.attributes, ["data-b"]);
    assert_eq!(second.references.elements, [pair("a", "b")]);

    let reader = reader(&config).unwrap();
    let rules = |path: &str| {
        let path = folder.write(path, "");
        reader.rules.of(&Entry::at(&path).unwrap()).into_owned()
    };
    let (new, old, page) = (rules("new/old.md"), rules("old/x/a.md"), rules("old/a.html"));
    assert_eq!(new, reader.rules.of(&Entry::unnamed()).into_owned());
    assert_eq!((new.wanted.scope, new.found.attributes), (resolve::Scope::All, vec!["data-a".to_owned()]));
    assert_eq!((old.wanted.scope, old.found.attributes), (resolve::Scope::Proxied, vec![]));
    assert_eq!(old.wanted.exclude_hosts, ["all.example"]);
    assert_eq!(
        (page.wanted.scope, page.found.attributes),
        (resolve::Scope::Proxied, vec!["data-b".to_owned()])
    );
    assert_eq!(
        (page.wanted.include_hosts, page.wanted.exclude_families),
        (vec!["cdn.example".to_owned()], vec!["weserv".to_owned()])
    );
    assert_eq!(page.wanted.exclude_hosts, ["all.example"]);
}

#[test]
fn overrides_may_be_written_in_one_line() {
    let config = load_file("overrides = [{ files = [\"*.md\"], scope = \"proxied\" }]\n").unwrap();
    assert_eq!(config.overrides[0].files, ["*.md"]);
    assert!(load_file("overrides = []\n").unwrap().overrides.is_empty());
}

#[test]
fn what_makes_no_sense_in_an_override_is_refused_where_it_stands() {
    let shape = "write each of the `overrides` as `[[overrides]]` with its keys below";
    check_refused("[overrides]\nfiles = [\"a\"]\n", (1, 1), shape);
    check_refused("overrides = 3\n", (1, 13), shape);
    check_refused("overrides = [3]\n", (1, 14), shape);
    check_refused(
        "[[overrides]]\nfiles = [\"a\"]\natributes = []\n",
        (3, 1),
        "`[[overrides]]` has no key `atributes`; did you mean `attributes`?",
    );
    check_refused(
        "[[overrides]]\nfamilies = \"own.toml\"\n",
        (2, 1),
        "`[[overrides]]` has no key `families`; it is the same for all documents: `[references]` has it",
    );
    check_refused(
        "[[overrides]]\nfiles = [\"a\"]\n\n[[overrides]]\nfiles = [\"a\"]\nscope = \"some\"\n",
        (6, 9),
        "`overrides.scope` must be \"all\" or \"proxied\", not `\"some\"`",
    );
    for files in ["[\"a{b\"]", "[\"\"]"] {
        let inner = &files[1..files.len() - 1];
        check_refused(
            &format!("[[overrides]]\nfiles = {files}\n"),
            (2, 9),
            &format!("`overrides.files` must hold globs such as \"posts/**/*.md\", not `{inner}`"),
        );
    }
    let needed = "`[[overrides]]` needs `files`: the globs of its documents, such as \"old/**/*.html\"";
    for text in ["[[overrides]]\nscope = \"all\"\n", "[[overrides]]\nfiles = []\n"] {
        check_refused(text, (1, 1), needed);
    }
    check_refused("[[override]]\n", (1, 3), "there is no section `override`; did you mean `overrides`?");
    let error = load_set(&["overrides.scope=all"]).unwrap_err().to_string();
    assert!(
        error.ends_with("there is no section `overrides`; in a file there may be `[[overrides]]`"),
        "{error}"
    );
}

#[test]
fn an_unknown_family_is_refused_with_the_nearest_name() {
    let refused = |loaded: Result<Config, Error>| reader(&loaded.unwrap()).unwrap_err().to_string();
    assert_eq!(
        refused(load_set(&["references.exclude_families=weserv,wserv"])),
        "`references.exclude_families`: there is no proxy family `wserv`; did you mean `weserv`?"
    );
    assert_eq!(
        refused(load_set(&["references.include_families=\"?!\""])),
        "`references.include_families`: there is no proxy family `?!`; config/proxies.toml has their names"
    );
    assert_eq!(
        refused(load_file("[[overrides]]\nfiles = [\"a\"]\nexclude_families = [\"generic-raw-qery\"]\n")),
        "`overrides.exclude_families`: there is no proxy family `generic-raw-qery`; \
         did you mean `generic-raw-query`?"
    );
    let nameless = load_file("[references]\ninclude_families = [\"\"]\n").unwrap_err().to_string();
    assert!(
        nameless.ends_with("must hold names of proxy families, such as \"weserv\", not `\"\"`"),
        "{nameless}"
    );
    assert!(reader(&load_set(&["references.exclude_families=generic-raw-query"]).unwrap()).is_ok());
}

#[test]
fn the_place_of_a_mistake_is_the_file() {
    let error = load_file("[[overrides]]\nfiles = 3\n").unwrap_err();
    let Error::Value { place: Place::File { path, .. }, .. } = error else { panic!("{error}") };
    assert_eq!(path.file_name(), Some(Path::new("imgkeep.toml").as_os_str()));
}

#[test]
fn the_example_in_the_shipped_file_is_one() {
    let shipped = include_str!("../../config/imgkeep.toml");
    let lines =
        shipped.lines().skip_while(|line| *line != "#   [[overrides]]").take_while(|line| *line != "#");
    let example: String =
        lines.map(|line| format!("{}\n", line.trim_start_matches('#').trim_start())).collect();
    let config = load_file(&example).unwrap();
    assert_eq!(config.overrides[0].keys, ["scope", "attributes"]);
    assert_eq!(config.overrides[0].files, ["old/**/*.html", "drafts/"]);
}
