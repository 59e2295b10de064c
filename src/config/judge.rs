//! Values taken or refused. A refusal reads on from the key's name: "`fetch.per_host` must be …, not `0`".

use std::collections::BTreeMap;

use serde::de::{Deserialize, Deserializer, Error};
use toml::Value;

pub(super) fn one<'de, D: Deserializer<'de>, T>(
    deserializer: D,
    wanted: &str,
    judge: impl Fn(&Value) -> Option<T>,
) -> Result<T, D::Error> {
    let value = Value::deserialize(deserializer)?;
    judge(&value).ok_or_else(|| D::Error::custom(format!("must be {wanted}, not `{}`", shown(&value))))
}

pub(super) fn list<'de, D: Deserializer<'de>, T>(
    deserializer: D,
    wanted: &str,
    judge: impl Fn(&str) -> Option<T>,
) -> Result<Vec<T>, D::Error> {
    let items = match Value::deserialize(deserializer)? {
        Value::Array(items) => items,
        other => {
            return Err(D::Error::custom(format!("must be a list of {wanted}, not `{}`", shown(&other))));
        }
    };
    let judged = items.iter().map(|item| {
        item.as_str()
            .and_then(&judge)
            .ok_or_else(|| D::Error::custom(format!("must hold {wanted}, not `{}`", shown(item))))
    });
    judged.collect()
}

pub(super) fn table<'de, D: Deserializer<'de>, T>(
    deserializer: D,
    wanted: &str,
    judge: impl Fn(&str, &Value) -> Option<(String, T)>,
) -> Result<BTreeMap<String, T>, D::Error> {
    let entries = match Value::deserialize(deserializer)? {
        Value::Table(entries) => entries,
        other => {
            return Err(D::Error::custom(format!("must be a table of {wanted}, not `{}`", shown(&other))));
        }
    };
    let judged = entries.iter().map(|(name, value)| {
        let written = || format!("must hold {wanted}, not `\"{name}\" = {}`", shown(value));
        judge(name, value).ok_or_else(|| D::Error::custom(written()))
    });
    judged.collect()
}

/// A value for a message.
fn shown(value: &Value) -> String {
    match value {
        Value::String(text) => one_line(&format!("{text:?}")),
        other => one_line(&other.to_string()),
    }
}

/// What a user wrote, fit for a message: one line, and not a long one.
pub(super) fn one_line(text: &str) -> String {
    const LONGEST: usize = 100;
    let mut line: String = text.chars().map(|c| if c.is_control() { ' ' } else { c }).take(LONGEST).collect();
    if text.chars().nth(LONGEST).is_some() {
        line.push('…');
    }
    line
}
