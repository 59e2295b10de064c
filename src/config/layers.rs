//! One table of settings, written over layer by layer.

use std::collections::BTreeSet;
use std::sync::LazyLock;

use serde::Deserialize;
use toml::{Table, Value};

pub(super) use crate::config::judge::one_line;
use crate::config::{Config, Error, Override, Place, overrides};

/// The shipped file is where the defaults stand, so it also knows every section, key and type of value.
static SHIPPED: LazyLock<Table> = LazyLock::new(|| {
    include_str!("../../config/imgkeep.toml").parse().expect("a test reads the shipped file")
});

/// The settings so far.
pub(super) struct Layers {
    table: Table,
    /// Those of the file: only there can they be written.
    pub(super) overrides: Vec<Override>,
    /// Whether a layer above the defaults says where the catalog is.
    catalog_is_set: bool,
}

/// What a setting is called.
#[derive(Clone, Copy)]
pub(super) struct Name<'a> {
    pub section: &'a str,
    pub key: &'a str,
    /// One entry of a key that is a table.
    pub entry: Option<&'a str>,
}

impl Default for Layers {
    fn default() -> Self {
        Self { table: SHIPPED.clone(), overrides: Vec::new(), catalog_is_set: false }
    }
}

impl Layers {
    /// Has the store in `folder` where no layer says otherwise.
    pub(super) fn set_default_store(&mut self, folder: &str) {
        self.table["store"]["path"] = Value::String(folder.to_owned());
    }

    /// Gives a setting the value that stands at `place`.
    pub(super) fn set(&mut self, name: Name, value: Value, place: Place) -> Result<(), Error> {
        check(name, &place)?;
        let key = format!("{}.{}", name.section, name.key);
        match (name.entry, &mut self.table[name.section][name.key]) {
            (None, old) => *old = value,
            (Some(entry), Value::Table(entries)) => {
                entries.insert(entry.to_owned(), value);
            }
            (Some(entry), _) => {
                let reason = format!("is no table, so it has no entry `{}`", one_line(entry));
                return Err(Error::Value { place, key, reason });
            }
        }
        self.catalog_is_set |= key == "catalog.url";
        // Everything before this value made sense, so what does not now is this value.
        match Config::deserialize(self.table.clone()) {
            Ok(_) => Ok(()),
            Err(error) => Err(Error::Value { place, key, reason: error.message().to_owned() }),
        }
    }

    /// The settings as one value. What depends on another setting is settled here, where all are known.
    pub(super) fn finish(self) -> Config {
        let mut config = Config::deserialize(self.table).expect("every value was judged when it was set");
        config.overrides = self.overrides;
        if !self.catalog_is_set {
            config.catalog.url = format!("sqlite:{}", config.store.path.join("catalog.db").display());
        }
        config
    }
}

/// A text from outside a TOML file as a value of the kind that the setting has, where it can be read so.
pub(super) fn value_of(name: Name, text: &str, place: &Place) -> Result<Value, Error> {
    check(name, place)?;
    let kind = &SHIPPED[name.section][name.key];
    let parsed = text.parse().ok();
    let plain = || Value::String(text.to_owned());
    Ok(match (name.entry, kind, parsed) {
        (None, Value::String(_), Some(quoted @ Value::String(_))) => quoted,
        (None, Value::String(_), _) => plain(),
        (None, Value::Array(_), Some(list @ Value::Array(_))) => list,
        (None, Value::Array(_), Some(quoted @ Value::String(_))) => Value::Array(vec![quoted]),
        (None, Value::Array(_), _) => comma_separated(text),
        (None, Value::Table(_), None) if text.trim().is_empty() => Value::Table(Table::new()),
        (_, _, Some(value)) => value,
        (_, _, None) => plain(),
    })
}

/// Refuses a section that does not exist, even an empty one.
pub(super) fn check_section(section: &str, place: &Place) -> Result<(), Error> {
    if SHIPPED.contains_key(section) {
        return Ok(());
    }
    let owner = SHIPPED.keys().find(|owner| keys_of(owner).contains(&section));
    let sections = SHIPPED.keys().map(String::as_str);
    // In the order of the alphabet, like the others.
    let sections: BTreeSet<&str> = sections.chain([overrides::NAME]).collect();
    let sections: Vec<&str> = sections.into_iter().collect();
    Err(Error::UnknownSection {
        place: place.clone(),
        name: one_line(section),
        advice: match owner {
            _ if section == overrides::NAME => format!("in a file there may be `[[{section}]]`"),
            Some(owner) => format!("it is a key of `[{owner}]`"),
            None => advice(section, &sections, "its sections are"),
        },
    })
}

/// Refuses a section or key that does not exist.
pub(super) fn check(name: Name, place: &Place) -> Result<(), Error> {
    check_section(name.section, place)?;
    let keys = keys_of(name.section);
    if keys.contains(&name.key) {
        return Ok(());
    }
    let elsewhere = SHIPPED.keys().find(|other| keys_of(other).contains(&name.key));
    Err(Error::UnknownKey {
        place: place.clone(),
        section: name.section.to_owned(),
        name: one_line(name.key),
        advice: match elsewhere {
            Some(other) => format!("`[{other}]` has one"),
            None => advice(name.key, &keys, "its keys are"),
        },
    })
}

/// Every setting by section and key.
pub(super) fn names() -> impl Iterator<Item = [&'static str; 2]> {
    SHIPPED.keys().flat_map(|section| keys_of(section).into_iter().map(move |key| [section.as_str(), key]))
}

/// The keys of a section.
pub(super) fn keys_of(section: &str) -> Vec<&'static str> {
    let section = SHIPPED.get(section).and_then(Value::as_table);
    section.into_iter().flat_map(Table::keys).map(String::as_str).collect()
}

/// The defaults of a section.
pub(super) fn defaults(section: &str) -> Table {
    SHIPPED.get(section).and_then(Value::as_table).cloned().unwrap_or_default()
}

fn comma_separated(text: &str) -> Value {
    let items = text.split(',').map(str::trim).filter(|item| !item.is_empty());
    Value::Array(items.map(|item| Value::String(item.to_owned())).collect())
}

/// What may have been meant: the name most like `written`, or all of them.
pub(super) fn advice(written: &str, known: &[&str], all_are: &str) -> String {
    match nearest(written, known) {
        Some(name) => format!("did you mean `{name}`?"),
        None => format!("{all_are} `{}`", known.join("`, `")),
    }
}

/// The name most like `written`, if one is.
pub(super) fn nearest<'a>(written: &str, known: &[&'a str]) -> Option<&'a str> {
    /// On Jaro and Winkler's scale of 0 to 1.
    const ALIKE: f64 = 0.8;
    let likeness = |name: &str| strsim::jaro_winkler(&written.to_lowercase(), name);
    let nearest = known.iter().max_by(|a, b| likeness(a).total_cmp(&likeness(b)))?;
    (likeness(nearest) >= ALIKE).then_some(nearest)
}
