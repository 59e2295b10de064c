//! The places that settings are read from.

use std::env;
use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};

use serde::Deserialize;
use toml::Value;
use toml::de::{DeTable, DeValue};

use crate::config::layers::{self, Layers, Name};
use crate::config::{Error, Place, overrides};

const FILE_NAME: &str = "imgkeep.toml";
const SYSTEM_FILE: &str = "/etc/imgkeep/imgkeep.toml";
const PREFIX: &str = "IMGKEEP_";
const STATE_DIRECTORY: &str = "STATE_DIRECTORY";

/// What [`Config::load`](crate::config::Config::load) reads above the defaults.
#[derive(Clone, Debug, Default)]
pub struct Sources {
    /// The file of `--config`; without one, `imgkeep.toml` in `working_dir` if it is there, else under
    /// systemd (which sets `INVOCATION_ID`) `/etc/imgkeep/imgkeep.toml` if that is there.
    pub file: Option<PathBuf>,
    /// Empty for the process's own.
    pub working_dir: PathBuf,
    /// All variables; those called `IMGKEEP_SECTION__KEY` are read.
    pub environment: Vec<(String, String)>,
    /// What stood after each `--set`, in the order given.
    pub sets: Vec<String>,
}

impl Sources {
    /// This process's working directory and environment. A variable that is not UTF-8 is read as nearly as
    /// it can be.
    #[must_use]
    pub fn of_process(file: Option<PathBuf>, sets: Vec<String>) -> Self {
        let text = |text: OsString| text.to_string_lossy().into_owned();
        let environment = env::vars_os().map(|(name, value)| (text(name), text(value))).collect();
        Self { file, working_dir: PathBuf::new(), environment, sets }
    }

    pub(super) fn read_into(&self, layers: &mut Layers) -> Result<(), Error> {
        // Where systemd made a folder for the state of a service, that is the default (systemd.exec(5)).
        let state = self.environment.iter().find(|(name, _)| name == STATE_DIRECTORY);
        if let Some(folder) =
            state.and_then(|(_, folders)| folders.split(':').next()).filter(|it| !it.is_empty())
        {
            layers.set_default_store(folder);
        }
        if let Some(path) = self.choose_file(Path::new(SYSTEM_FILE)) {
            read_file(&path, layers)?;
        }
        for (name, value) in &self.environment {
            read_variable(name, value, layers)?;
        }
        self.sets.iter().try_for_each(|text| read_set(text, layers))
    }

    fn choose_file(&self, system: &Path) -> Option<PathBuf> {
        if self.file.is_some() {
            return self.file.clone();
        }
        let under_systemd = self.environment.iter().any(|(name, _)| name == "INVOCATION_ID");
        let candidates = [Some(self.working_dir.join(FILE_NAME)), under_systemd.then(|| system.to_owned())];
        candidates.into_iter().flatten().find(|path| path.exists())
    }
}

fn read_file(path: &Path, layers: &mut Layers) -> Result<(), Error> {
    let text = fs::read_to_string(path).map_err(|source| Error::Read { path: path.to_owned(), source })?;
    let place = |offset: usize| {
        let before = &text[..text.floor_char_boundary(offset)];
        let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
        Place::File {
            path: path.to_owned(),
            line: before.matches('\n').count() + 1,
            column: before[line_start..].chars().count() + 1,
        }
    };
    let form = |offset: usize, reason: String| Error::Form { place: place(offset), reason };
    let table = DeTable::parse(&text).map_err(|error| {
        let offset = error.span().map_or(0, |span| span.start);
        form(offset, format!("this is not TOML: {}", error.message()))
    })?;
    let folder = path.parent().unwrap_or(Path::new(""));

    // In the order of the file, so that the first mistake is named first.
    let mut sections: Vec<_> = table.into_inner().into_iter().collect();
    sections.sort_by_key(|(section, _)| section.span().start);
    for (section, keys) in sections {
        let at = section.span().start;
        if section.get_ref() == overrides::NAME {
            layers.overrides = overrides::read(keys, folder, &place)?;
            continue;
        }
        layers::check_section(section.get_ref(), &place(at))?;
        let DeValue::Table(keys) = keys.into_inner() else {
            return Err(form(
                at,
                format!("`{0}` is a section: write `[{0}]` with its keys below", section.get_ref()),
            ));
        };
        let mut keys: Vec<_> = keys.into_iter().collect();
        keys.sort_by_key(|(key, _)| key.span().start);
        for (key, value) in keys {
            let name = Name { section: section.get_ref(), key: key.get_ref(), entry: None };
            let (key_at, value_at) = (key.span().start, value.span().start);
            layers::check(name, &place(key_at))?;
            let value = Value::deserialize(toml::de::ValueDeserializer::from(value))
                .map_err(|error| form(value_at, error.message().to_owned()))?;
            layers.set(name, starting_at(folder, name, value), place(value_at))?;
        }
    }
    Ok(())
}

/// A path that stands in a file starts at the file's folder.
fn starting_at(folder: &Path, name: Name, value: Value) -> Value {
    let join = |path: &str| match path {
        "" => String::new(),
        path => folder.join(path).to_string_lossy().into_owned(),
    };
    match ((name.section, name.key), value) {
        (
            ("store", "path")
            | ("references", "families")
            | ("server", "token_file" | "tls_certificate" | "tls_key"),
            Value::String(path),
        ) => Value::String(join(&path)),
        (("catalog", "url"), Value::String(url)) => Value::String(match url.strip_prefix("sqlite:") {
            Some(path) => format!("sqlite:{}", join(path)),
            None => url,
        }),
        (("fetch", "root_certificates") | ("daemon", "watch" | "allow"), Value::Array(paths)) => {
            let each = |path| match path {
                Value::String(path) => Value::String(join(&path)),
                other => other,
            };
            Value::Array(paths.into_iter().map(each).collect())
        }
        (_, value) => value,
    }
}

/// Variables that do not look like a setting belong to others, such as `IMGKEEP_LOG`.
fn read_variable(variable: &str, text: &str, layers: &mut Layers) -> Result<(), Error> {
    let Some(name) = variable.strip_prefix(PREFIX) else { return Ok(()) };
    let place = Place::Variable(variable.to_owned());
    let Some((section, key)) = name.split_once("__") else {
        let meant =
            layers::names().map(|parts| parts.map(str::to_uppercase)).find(|parts| parts.join("_") == name);
        return match meant {
            Some(parts) => Err(Error::Form {
                place,
                reason: format!(
                    "two underscores stand between section and key; did you mean `{PREFIX}{}`?",
                    parts.join("__")
                ),
            }),
            None => Ok(()),
        };
    };
    let (section, key) = (section.to_lowercase(), key.to_lowercase());
    let name = Name { section: &section, key: &key, entry: None };
    let value = layers::value_of(name, text, &place)?;
    layers.set(name, value, place)
}

/// `section.key=value` or `section.key.entry=value`, where the entry may be quoted and may hold dots.
fn read_set(text: &str, layers: &mut Layers) -> Result<(), Error> {
    let place = Place::Flag(text.to_owned());
    let Some((name, value)) = split_set(text) else {
        let reason = "write `--set section.key=value`, as in `--set fetch.per_host=3`".to_owned();
        return Err(Error::Form { place, reason });
    };
    let value = layers::value_of(name, value, &place)?;
    layers.set(name, value, place)
}

fn split_set(text: &str) -> Option<(Name<'_>, &str)> {
    let (section, rest) = text.split_once('.')?;
    let end = rest.find(['.', '='])?;
    let (key, rest) = rest.split_at(end);
    let (entry, value) = match rest.strip_prefix('.') {
        None => (None, rest.strip_prefix('=')?),
        Some(rest) => {
            let (entry, value) = split_entry(rest.trim_start())?;
            (Some(entry.trim()), value)
        }
    };
    Some((Name { section: section.trim(), key: key.trim(), entry }, value.trim()))
}

/// Quotes let an entry hold a `=`; nothing in them is escaped.
fn split_entry(text: &str) -> Option<(&str, &str)> {
    for quote in ['"', '\''] {
        if let Some(quoted) = text.strip_prefix(quote) {
            let (entry, rest) = quoted.split_once(quote)?;
            return Some((entry, rest.trim_start().strip_prefix('=')?));
        }
    }
    text.split_once('=')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_file_is_chosen() {
        let folder = tempfile::tempdir().unwrap();
        let system = folder.path().join("system.toml");
        let here = folder.path().join(FILE_NAME);
        let mut sources = Sources { working_dir: folder.path().to_owned(), ..Sources::default() };
        let check = |sources: &Sources, expected: Option<&Path>| {
            assert_eq!(sources.choose_file(&system).as_deref(), expected);
        };

        check(&sources, None);
        fs::write(&system, "").unwrap();
        check(&sources, None);
        sources.environment.push(("INVOCATION_ID".to_owned(), "b0".to_owned()));
        check(&sources, Some(&system));
        fs::write(&here, "").unwrap();
        check(&sources, Some(&here));
        sources.file = Some("named.toml".into());
        check(&sources, Some(Path::new("named.toml")));
    }

    #[test]
    fn a_set_is_split_at_its_dots_and_its_equals_sign() {
        let check = |text, expected: Option<(&str, &str, Option<&str>, &str)>| {
            let split = split_set(text).map(|(name, value)| (name.section, name.key, name.entry, value));
            assert_eq!(split, expected, "{text}");
        };
        check("a.b=c", Some(("a", "b", None, "c")));
        check(" a.b = c=d ", Some(("a", "b", None, "c=d")));
        check("a.b=c.d", Some(("a", "b", None, "c.d")));
        check("a.b.c.d=e", Some(("a", "b", Some("c.d"), "e")));
        check("a.b.\"c.d=e\"=f", Some(("a", "b", Some("c.d=e"), "f")));
        check("a.b.'c' = f", Some(("a", "b", Some("c"), "f")));
        check("a.b=", Some(("a", "b", None, "")));
        for text in ["", "a", "a.b", "a=b", "=a.b", "a.b.c", "a.b.'c=d", "a.b.'c'd=e"] {
            check(text, None);
        }
    }
}
