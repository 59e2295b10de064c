//! References in sums: how many there are, to how many origins, in how many documents, by what they are.
//!
//! Takes little memory however many there are. Origins are told apart by 64 bits of a hash; once there are
//! more than `MOST_ORIGINS` to remember, the largest groups remember a sample and estimate their number
//! from it. Hosts that come after the first `MOST_HOSTS` are counted as one.

use std::collections::{HashMap, HashSet};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;

use crate::document::reference::ReferenceKind;
use crate::origin::OriginUrl;
use crate::resolve::Remote;

/// Hashes remembered in all; each takes ten to twenty bytes. An origin is in three groups at least.
const MOST_ORIGINS: usize = 1 << 21;
/// Hosts counted one by one.
const MOST_HOSTS: usize = 1 << 16;

/// References in sums.
#[derive(Clone, Debug, Default)]
pub struct Summary {
    /// Documents that hold any.
    pub documents: u64,
    groups: HashMap<Group, Sums>,
    hosts: usize,
    /// Hashes in all groups.
    remembered: usize,
}

/// What a reference counts for: its kind, each family that wraps it, its origin's host.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Group {
    Kind(ReferenceKind),
    Family(Arc<str>),
    /// Behind no wrapper.
    Direct,
    Host(String),
    /// A host beyond the most that are counted.
    OtherHost,
}

#[derive(Clone, Debug, Default)]
struct Sums {
    references: u64,
    documents: u64,
    origins: Distinct,
}

/// A number of distinct hashes.
#[derive(Clone, Debug, Default)]
struct Distinct {
    /// Those that end in `halvings` zero bits: about one in `2^halvings` (Wegman's adaptive sampling).
    sample: HashSet<u64>,
    halvings: u32,
}

/// The sums of one group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row {
    /// The kind, family or host.
    pub name: String,
    /// How many there are.
    pub references: u64,
    /// Distinct ones.
    pub origins: u64,
    /// Documents that hold any.
    pub documents: u64,
    /// Whether `origins` is exact; else it is right within a few in a hundred.
    pub is_exact: bool,
}

impl Summary {
    /// The references of one document.
    #[must_use]
    pub fn of<'a>(references: impl IntoIterator<Item = &'a Remote>) -> Self {
        let mut summary = Self::default();
        for remote in references {
            let origin = hash(&remote.origin);
            summary.count(Group::Kind(remote.reference.kind), origin);
            summary.count(Group::Host(remote.origin.host().to_owned()), origin);
            let families: Vec<&Arc<str>> = remote.wrappers.iter().map(|layer| &layer.family).collect();
            for (index, family) in families.iter().enumerate() {
                if !families[..index].contains(family) {
                    summary.count(Group::Family(Arc::clone(family)), origin);
                }
            }
            if families.is_empty() {
                summary.count(Group::Direct, origin);
            }
        }
        summary.documents = u64::from(!summary.groups.is_empty());
        summary
    }

    fn count(&mut self, group: Group, origin: u64) {
        let sums = self.groups.entry(group).or_default();
        sums.references += 1;
        sums.documents = 1;
        sums.origins.insert(origin);
    }

    /// Adds the sums of another document, or of other documents.
    pub fn add(&mut self, other: Self) {
        self.documents += other.documents;
        for (group, sums) in other.groups {
            let is_new_host = matches!(group, Group::Host(_)) && !self.groups.contains_key(&group);
            let group = if is_new_host && self.hosts == MOST_HOSTS { Group::OtherHost } else { group };
            self.hosts += usize::from(is_new_host && group != Group::OtherHost);
            let known = self.groups.entry(group).or_default();
            known.references += sums.references;
            known.documents += sums.documents;
            let before = known.origins.sample.len();
            known.origins.add(&sums.origins);
            self.remembered = self.remembered + known.origins.sample.len() - before;
        }
        self.forget(MOST_ORIGINS);
    }

    /// Halves the samples of the largest groups until no more than `most` hashes are left.
    fn forget(&mut self, most: usize) {
        while self.remembered > most {
            let largest = self.groups.values().map(|sums| sums.origins.sample.len()).max();
            let large = largest.unwrap_or_default() / 2;
            for sums in self.groups.values_mut().filter(|sums| sums.origins.sample.len() > large) {
                sums.origins.halve();
            }
            self.remembered = self.groups.values().map(|sums| sums.origins.sample.len()).sum();
        }
    }

    /// All references. An origin has one host, so that the hosts' origins are all there are.
    #[must_use]
    pub fn total(&self) -> Row {
        let hosts = self.rows(|group| matches!(group, Group::Host(_) | Group::OtherHost).then(String::new));
        Row { documents: self.documents, ..Row::sum("total", &hosts) }
    }

    /// By the grammar they stand in, the most frequent first.
    #[must_use]
    pub fn kinds(&self) -> Vec<Row> {
        self.rows(|group| match group {
            Group::Kind(kind) => Some(kind.name().to_owned()),
            _ => None,
        })
    }

    /// By the family of their wrappers, the most frequent first; one in several wrappers counts for each.
    #[must_use]
    pub fn families(&self) -> Vec<Row> {
        self.rows(|group| match group {
            Group::Family(name) => Some(name.to_string()),
            _ => None,
        })
    }

    /// Those behind no wrapper.
    #[must_use]
    pub fn direct(&self) -> Row {
        Row::sum("direct", &self.rows(|group| matches!(group, Group::Direct).then(String::new)))
    }

    /// By the origin's host, the most frequent first.
    #[must_use]
    pub fn hosts(&self) -> Vec<Row> {
        self.rows(|group| match group {
            Group::Host(name) => Some(name.clone()),
            _ => None,
        })
    }

    /// Those at hosts that came when there were too many to count one by one.
    #[must_use]
    pub fn other_hosts(&self) -> Row {
        Row::sum("other hosts", &self.rows(|group| matches!(group, Group::OtherHost).then(String::new)))
    }

    fn rows(&self, name: impl Fn(&Group) -> Option<String>) -> Vec<Row> {
        let row = |(group, sums): (&Group, &Sums)| {
            Some(Row {
                name: name(group)?,
                references: sums.references,
                origins: sums.origins.len().min(sums.references).max(1),
                documents: sums.documents,
                is_exact: sums.origins.halvings == 0,
            })
        };
        let mut rows: Vec<Row> = self.groups.iter().filter_map(row).collect();
        rows.sort_unstable_by(|a, b| b.references.cmp(&a.references).then_with(|| a.name.cmp(&b.name)));
        rows
    }
}

impl Row {
    /// Groups that share no origin, as one. Documents may hold references of several: their sum is an upper bound.
    #[must_use]
    pub fn sum(name: &str, rows: &[Self]) -> Self {
        Self {
            name: name.to_owned(),
            references: rows.iter().map(|row| row.references).sum(),
            origins: rows.iter().map(|row| row.origins).sum(),
            documents: rows.iter().map(|row| row.documents).sum(),
            is_exact: rows.iter().all(|row| row.is_exact),
        }
    }
}

impl Distinct {
    fn insert(&mut self, hash: u64) {
        if hash.trailing_zeros() >= self.halvings {
            self.sample.insert(hash);
        }
    }

    fn add(&mut self, other: &Self) {
        while self.halvings < other.halvings {
            self.halve();
        }
        other.sample.iter().for_each(|hash| self.insert(*hash));
    }

    fn halve(&mut self) {
        self.halvings += 1;
        let halvings = self.halvings;
        self.sample.retain(|hash| hash.trailing_zeros() >= halvings);
        self.sample.shrink_to_fit();
    }

    /// About how many were inserted; exact before the first halving.
    fn len(&self) -> u64 {
        (self.sample.len() as u64) << self.halvings.min(32)
    }
}

fn hash(origin: &OriginUrl) -> u64 {
    let mut hasher = DefaultHasher::new();
    origin.hash(&mut hasher);
    hasher.finish()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::document::DocumentKind;
    use crate::document::extract::{self, Rules};
    use crate::origin::proxy::Families;
    use crate::resolve::{Resolver, Wanted};

    fn summary(document: &str) -> Summary {
        let found = extract::find(document.as_bytes(), DocumentKind::Markdown, &Rules::default());
        let resolver = Resolver { families: Families::builtin() };
        Summary::of(&resolver.resolve(found, &Wanted::default(), &|_, _| true).remote)
    }

    fn lines(rows: &[Row]) -> Vec<(&str, [u64; 3])> {
        let line = |row: &'_ Row| [row.references, row.origins, row.documents];
        rows.iter().map(|row| (row.name.as_str(), line(row))).collect()
    }

    #[test]
    fn documents_add_up() {
        let mut all = summary(
            "![](http://a.example/1.png) ![](http://a.example/1.png) <img src=http://a.example/2.png>\n\
             ![](https://wsrv.nl/?url=http://b.example/3.png)",
        );
        all.add(summary("no image"));
        let nested =
            "https://wsrv.nl/?url=https%3A%2F%2Fwsrv.nl%2F%3Furl%3Dhttp%253A%252F%252Fa.example%252F1.png";
        all.add(summary(&format!("![]({nested})")));
        let total = all.total();
        assert_eq!([total.references, total.origins, total.documents], [5, 3, 2]);
        assert_eq!(lines(&all.kinds()), [("markdown_image", [4, 2, 2]), ("html_attribute", [1, 1, 1])]);
        assert_eq!(lines(&all.families()), [("weserv", [2, 2, 2])], "twice around one image counts once");
        assert_eq!(lines(&[all.direct()]), [("direct", [3, 2, 1])]);
        assert_eq!(lines(&all.hosts()), [("a.example", [4, 2, 2]), ("b.example", [1, 1, 1])]);
        assert!(total.is_exact && all.other_hosts().references == 0);
    }

    #[test]
    fn many_origins_are_estimated_from_a_sample() {
        let mut all = Summary::default();
        for number in 0..200_000u64 {
            let mut hasher = DefaultHasher::new();
            number.hash(&mut hasher);
            let mut one = Summary::default();
            one.count(Group::Direct, hasher.finish());
            one.count(Group::Host("small.example".to_owned()), number % 7);
            all.add(one);
            all.forget(4096);
            assert!(all.remembered <= 4096, "{}", all.remembered);
        }
        let held: usize = all.groups.values().map(|sums| sums.origins.sample.len()).sum();
        assert_eq!(all.remembered, held);
        let direct = all.direct();
        assert!((180_000..220_000).contains(&direct.origins) && !direct.is_exact, "{direct:?}");
        assert_eq!(direct.references, 200_000);
        assert_eq!(lines(&all.hosts()), [("small.example", [200_000, 7, 200_000])]);
        assert!(all.hosts()[0].is_exact, "small groups stay exact");
    }

    #[test]
    fn hosts_beyond_the_most_are_counted_as_one() {
        let mut all = Summary::default();
        for number in 0..MOST_HOSTS as u64 + 3 {
            let mut one = Summary::default();
            one.count(Group::Host(format!("h{number}.example")), number);
            all.add(one);
        }
        assert_eq!(all.hosts().len(), MOST_HOSTS);
        assert_eq!(lines(&[all.other_hosts()]), [("other hosts", [3, 3, 3])]);
        assert_eq!(all.total().references, MOST_HOSTS as u64 + 3);
    }
}
