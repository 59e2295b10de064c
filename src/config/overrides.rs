//! `[[overrides]]`: keys of `[references]` that some documents have of their own.

use std::path::Path;

use serde::Deserialize;
use toml::de::DeValue;
use toml::{Spanned, Table, Value};

use crate::config::layers;
use crate::config::{Error, Override, Place, References, value};

/// What the section is called.
pub(super) const NAME: &str = "overrides";
/// The documents that one is for.
const FILES: &str = "files";
/// The table of families is compiled once, for all documents.
const FOR_ALL: &str = "families";

#[derive(Deserialize)]
struct Files {
    #[serde(deserialize_with = "value::globs")]
    files: Vec<String>,
}

/// Reads every override of a file that lies in `folder`; `place` says where an offset is.
pub(super) fn read(
    section: Spanned<DeValue<'_>>,
    folder: &Path,
    place: &dyn Fn(usize) -> Place,
) -> Result<Vec<Override>, Error> {
    let form = |at: usize, reason: String| Error::Form { place: place(at), reason };
    let shape = || format!("write each of the `{NAME}` as `[[{NAME}]]` with its keys below");
    let at = section.span().start;
    let DeValue::Array(tables) = section.into_inner() else { return Err(form(at, shape())) };
    let mut overrides = Vec::new();
    for table in tables {
        let at = table.span().start;
        let DeValue::Table(keys) = table.into_inner() else { return Err(form(at, shape())) };
        let mut keys: Vec<_> = keys.into_iter().collect();
        // In the order of the file, so that the first mistake is named first.
        keys.sort_by_key(|(key, _)| key.span().start);
        let mut read = Reading::default();
        for (key, value) in keys {
            let (key_at, value_at) = (key.span().start, value.span().start);
            check(key.get_ref(), place(key_at))?;
            let value = Value::deserialize(toml::de::ValueDeserializer::from(value))
                .map_err(|error| form(value_at, error.message().to_owned()))?;
            read.set(key.get_ref(), value).map_err(|reason| Error::Value {
                place: place(value_at),
                key: format!("{NAME}.{}", key.get_ref()),
                reason,
            })?;
        }
        overrides.push(read.finish(folder).ok_or_else(|| {
            form(
                at,
                format!(
                    "`[[{NAME}]]` needs `{FILES}`: the globs of its documents, such as \"old/**/*.html\""
                ),
            )
        })?);
    }
    Ok(overrides)
}

fn check(key: &str, place: Place) -> Result<(), Error> {
    let known = layers::keys_of("references");
    let known = std::iter::once(FILES).chain(known).filter(|known| *known != FOR_ALL).collect::<Vec<_>>();
    if known.contains(&key) {
        return Ok(());
    }
    let advice = if key == FOR_ALL {
        "it is the same for all documents: `[references]` has it".to_owned()
    } else {
        layers::advice(key, &known, "its keys are")
    };
    let (section, name) = (format!("[{NAME}]"), layers::one_line(key));
    Err(Error::UnknownKey { place, section, name, advice })
}

/// One override, key by key.
struct Reading {
    files: Vec<String>,
    keys: Vec<String>,
    /// The defaults under the keys.
    table: Table,
}

impl Default for Reading {
    fn default() -> Self {
        Self { files: Vec::new(), keys: Vec::new(), table: layers::defaults("references") }
    }
}

impl Reading {
    /// Why the value cannot be had, if it cannot.
    fn set(&mut self, key: &str, value: Value) -> Result<(), String> {
        let reason = |error: toml::de::Error| error.message().to_owned();
        if key == FILES {
            let files = Files::deserialize(Table::from_iter([(key.to_owned(), value)])).map_err(reason)?;
            self.files = files.files;
            return Ok(());
        }
        self.table.insert(key.to_owned(), value);
        self.keys.push(key.to_owned());
        References::deserialize(self.table.clone()).map(drop).map_err(reason)
    }

    fn finish(self, folder: &Path) -> Option<Override> {
        let references = References::deserialize(self.table).ok()?;
        let has_files = !self.files.is_empty();
        let folder = folder.to_owned();
        has_files.then_some(Override { folder, files: self.files, keys: self.keys, references })
    }
}
