//! The TOML table of families: read, merged with the user's own, checked. What each key means is said in
//! `config/proxies.toml`, where users read it.

use std::collections::{BTreeMap, BTreeSet};

use serde::Deserialize;

use crate::origin::Error;
use crate::origin::proxy::generic;
use crate::origin::proxy::place::Place;
use crate::origin::proxy::rule::{Rule, Take};

/// A table as it is written.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct Table {
    /// Names for lists of hosts, for use as `@name/path`.
    pub(super) hosts: BTreeMap<String, Vec<String>>,
    /// In the order in which they are tried; entries of one name are one family.
    pub(super) family: Vec<Rule>,
    pub(super) deny: Vec<Denial>,
    pub(super) generic: Words,
}

/// URLs that look like wrappers and are none.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Denial {
    name: String,
    #[serde(default)]
    at: Vec<String>,
    enabled: Option<bool>,
}

/// What the generic rules go by.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct Words {
    pub(super) parameters: Vec<String>,
    pub(super) options: Vec<String>,
    pub(super) path_words: Vec<String>,
    pub(super) image_words: Vec<String>,
    pub(super) extensions: Vec<String>,
    pub(super) image_hosts: Vec<String>,
    /// Names of generic rules that a table switches off, or has a family of its own for.
    #[serde(skip)]
    pub(super) off: Vec<String>,
}

impl Table {
    pub(super) fn parse(text: &str) -> Result<Self, Error> {
        toml::from_str(text).map_err(|source| Error::Table { source: Box::new(source) })
    }

    /// This table with `user`'s families before its own. A family of the same name is replaced, or
    /// switched off with `enabled = false`; lists of hosts and words grow.
    pub(super) fn with(mut self, user: Self) -> Result<Self, Error> {
        let known: BTreeSet<_> = self.names().chain(generic::NAMES).map(str::to_owned).collect();
        let unknown = user.names().zip(user.switches()).find(|(name, on)| !on && !known.contains(*name));
        if let Some((name, _)) = unknown {
            return Err(family(name, "is switched off, but there is no such family"));
        }
        let named: BTreeSet<_> = user.names().map(str::to_owned).collect();
        self.generic.off.extend(named.iter().filter(|name| generic::NAMES.contains(&name.as_str())).cloned());
        self.family.retain(|rule| !named.contains(&rule.name));
        self.deny.retain(|denial| !named.contains(&denial.name));
        self.family.splice(0..0, user.family.into_iter().filter(|rule| rule.enabled != Some(false)));
        self.deny.extend(user.deny.into_iter().filter(|denial| denial.enabled != Some(false)));
        for (name, hosts) in user.hosts {
            self.hosts.entry(name).or_default().extend(hosts);
        }
        self.generic.extend(user.generic);
        Ok(self)
    }

    fn names(&self) -> impl Iterator<Item = &str> {
        let families = self.family.iter().map(|rule| rule.name.as_str());
        families.chain(self.deny.iter().map(|denial| denial.name.as_str()))
    }

    fn switches(&self) -> impl Iterator<Item = bool> {
        let families = self.family.iter().map(|rule| rule.enabled);
        families.chain(self.deny.iter().map(|denial| denial.enabled)).map(|enabled| enabled != Some(false))
    }

    /// The places of all families, each with its index in `family`, and those that hold no wrapper
    /// whatever they look like.
    pub(super) fn places(&self) -> Result<Vec<Place>, Error> {
        let mut places = Vec::new();
        for (index, rule) in self.family.iter().enumerate() {
            check(rule).map_err(|problem| family(&rule.name, problem))?;
            self.push_places(&rule.name, &rule.at, Some(index), &mut places)?;
        }
        for denial in &self.deny {
            self.push_places(&denial.name, &denial.at, None, &mut places)?;
        }
        Ok(places)
    }

    fn push_places(
        &self,
        name: &str,
        at: &[String],
        rule: Option<usize>,
        out: &mut Vec<Place>,
    ) -> Result<(), Error> {
        if at.is_empty() {
            return Err(family(name, "`at` is missing: it says at which hosts and paths"));
        }
        let mut push = |pattern: &str| {
            Place::parse(pattern, rule).map(|place| out.push(place)).map_err(|problem| family(name, problem))
        };
        for pattern in at {
            let Some((list, path)) = pattern.strip_prefix('@').and_then(|named| named.split_once('/')) else {
                push(pattern)?;
                continue;
            };
            let hosts = self.hosts.get(list);
            let hosts = hosts.ok_or_else(|| family(name, format!("`@{list}` is not in `[hosts]`")))?;
            for host in hosts {
                push(&[host, "/", path].concat())?;
            }
        }
        Ok(())
    }
}

impl Words {
    fn extend(&mut self, more: Self) {
        self.parameters.extend(more.parameters);
        self.options.extend(more.options);
        self.path_words.extend(more.path_words);
        self.image_words.extend(more.image_words);
        self.extensions.extend(more.extensions);
        self.image_hosts.extend(more.image_hosts);
    }
}

fn check(rule: &Rule) -> Result<(), &'static str> {
    match rule.take {
        None => Err("`take` is missing: it says where in the URL the image's own URL stands"),
        Some(Take::Parameter | Take::PathParameter | Take::Json) if rule.names.is_empty() => {
            Err("`names` is missing: it says which parameters hold the URL")
        }
        Some(Take::Base) if rule.base.is_none() => {
            Err("`base` is missing: it says what the path is appended to")
        }
        Some(_) => Ok(()),
    }
}

fn family(name: &str, problem: impl Into<String>) -> Error {
    Error::Family { family: name.to_owned(), problem: problem.into() }
}

#[cfg(test)]
mod tests {
    use crate::origin::proxy::Families;

    fn origin(families: &Families, text: &str) -> String {
        families.unwrap(text).unwrap().origin.to_string()
    }

    #[test]
    fn users_switch_off_families() {
        let mirror = "https://raw.gitmirror.com/a/b.png";
        let families = Families::with("[[family]]\nname = \"gitmirror\"\nenabled = false").unwrap();
        assert_eq!(origin(&families, mirror), mirror);
        assert!(!families.family_names().any(|name| name == "gitmirror"));
        let mirror = "https://x.io/?https://a.io/b.png";
        let families = Families::with("[[family]]\nname = \"generic-raw-query\"\nenabled = false").unwrap();
        assert_eq!(origin(&families, mirror), mirror);
        assert_eq!(origin(&Families::builtin(), mirror), "https://a.io/b.png");
    }

    #[test]
    fn users_families_come_first() {
        let mirror = "https://raw.gitmirror.com/a/b.png";
        let replaced = r#"
            [[family]]
            name = "gitmirror"
            at = ["raw.gitmirror.com/"]
            take = "base"
            base = "https://mirror.io/"
            [[family]]
            name = "ours"
            at = ["wsrv.nl/"]
            take = "parameter"
            names = ["ours"]
            [hosts]
            nitter = ["nitter.mine.io"]
            [[deny]]
            name = "not-mine"
            at = ["static.io/**"]
        "#;
        let families = Families::with(replaced).unwrap();
        assert_eq!(origin(&families, mirror), "https://mirror.io/a/b.png");
        assert_eq!(origin(&families, "https://wsrv.nl/?url=a.io/b&ours=http://c.io/d"), "http://c.io/d");
        assert_eq!(origin(&families, "https://nitter.mine.io/pic/a.jpg"), "https://pbs.twimg.com/a.jpg");
        assert_eq!(origin(&families, "https://nitter.net/pic/a.jpg"), "https://pbs.twimg.com/a.jpg");
        let denied = "https://static.io/300x200/https://a.io/b.png";
        assert_eq!(origin(&families, denied), denied);
        assert_eq!(origin(&Families::builtin(), denied), "https://a.io/b.png");
        assert_eq!(families.family_names().next(), Some("gitmirror"));
    }

    #[test]
    fn what_makes_no_sense_in_a_table_is_refused() {
        for (toml, expected) in [
            (
                "[[family]]\nname = \"x\"\nat = [\"a.io/\"]\ntake = \"query\"\nspeling = 1",
                "unknown field `speling`",
            ),
            ("[[family]]\nname = \"x\"\nat = [\"a.io/\"]\ntake = \"quary\"", "unknown variant `quary`"),
            ("[[familly]]\nname = \"x\"", "unknown field `familly`"),
            ("[[family]]\nname = \"x\"\ntake = \"query\"", "`at` is missing"),
            ("[[family]]\nname = \"x\"\nat = [\"a.io/\"]", "`take` is missing"),
            ("[[family]]\nname = \"x\"\nat = [\"a.io/\"]\ntake = \"parameter\"", "`names` is missing"),
            ("[[family]]\nname = \"x\"\nat = [\"*/**\"]\ntake = \"query\"", "needs a host"),
            ("[[family]]\nname = \"x\"\nat = [\"@y/\"]\ntake = \"query\"", "`@y` is not in `[hosts]`"),
            ("[[family]]\nname = \"no-such\"\nenabled = false", "there is no such family"),
        ] {
            let error = Families::with(toml).unwrap_err();
            let cause = std::error::Error::source(&error).map(ToString::to_string).unwrap_or_default();
            let text = format!("{error}: {cause}");
            assert!(text.contains(expected), "{toml}\n{text}");
        }
    }
}
