//! `docs/dependencies.md` names each crate of `Cargo.toml`, and each crate of the program is used.

#[cfg(test)]
mod dependencies {
    use std::collections::BTreeSet;
    use std::fs::read_to_string;
    use std::path::{Path, PathBuf};

    fn root() -> PathBuf {
        PathBuf::from(env!("CARGO_MANIFEST_DIR"))
    }

    fn named_in(manifest: &toml::Table, section: &str) -> BTreeSet<String> {
        manifest[section].as_table().unwrap().keys().cloned().collect()
    }

    /// The crates in the first column of the table below the heading `## {heading}`.
    fn rows(page: &str, heading: &str) -> BTreeSet<String> {
        let (_, part) = page.split_once(&format!("## {heading}\n")).unwrap();
        let part = part.split("\n## ").next().unwrap();
        let first = |line: &str| line.strip_prefix("| `")?.split_once('`').map(|(name, _)| name.to_owned());
        part.lines().filter_map(first).collect()
    }

    fn sources(folder: &Path, text: &mut String) {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                sources(&path, text);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                text.push_str(&read_to_string(path).unwrap());
            }
        }
    }

    #[test]
    fn each_has_a_reason() {
        let manifest: toml::Table = read_to_string(root().join("Cargo.toml")).unwrap().parse().unwrap();
        let page = read_to_string(root().join("docs/dependencies.md")).unwrap();
        assert_eq!(rows(&page, "In the program"), named_in(&manifest, "dependencies"));
        assert_eq!(rows(&page, "For tests and benchmarks only"), named_in(&manifest, "dev-dependencies"));
    }

    #[test]
    fn each_is_used() {
        let manifest: toml::Table = read_to_string(root().join("Cargo.toml")).unwrap().parse().unwrap();
        let mut text = String::new();
        sources(&root().join("src"), &mut text);
        let used = |name: &str| {
            let path = name.replace('-', "_") + "::";
            text.match_indices(&path)
                .any(|(at, _)| !text[..at].ends_with(|c: char| c.is_alphanumeric() || c == '_'))
        };
        let unused: Vec<_> =
            named_in(&manifest, "dependencies").into_iter().filter(|name| !used(name)).collect();
        assert!(unused.is_empty(), "nothing in src names {unused:?}");
    }

    #[test]
    fn unsafe_code_is_forbidden() {
        let manifest: toml::Table = read_to_string(root().join("Cargo.toml")).unwrap().parse().unwrap();
        assert_eq!(manifest["lints"]["rust"]["unsafe_code"].as_str(), Some("forbid"));
    }
}
