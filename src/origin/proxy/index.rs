//! Finds the few places that may match a URL among hundreds, without trying each.

use std::collections::HashMap;

use crate::origin::proxy::parts::Parts;
use crate::origin::proxy::place::{Class, Key, Place};

/// Places by what is rare in them: the end of the host, or one segment of the path.
#[derive(Clone, Debug, Default)]
pub(super) struct Index {
    places: Vec<Place>,
    hosts: Keys,
    segments: Keys,
    classes: Vec<(Class, Vec<usize>)>,
}

impl Index {
    pub(super) fn new(places: Vec<Place>) -> Self {
        let mut index = Self::default();
        for (id, place) in places.iter().enumerate() {
            match place.key() {
                Some(Key::Host(host)) => index.hosts.push(host, id),
                Some(Key::Segment(segment)) => index.segments.push(segment, id),
                Some(Key::Class(class)) => {
                    match index.classes.iter_mut().find(|(known, _)| *known == class) {
                        Some((_, ids)) => ids.push(id),
                        None => index.classes.push((class, vec![id])),
                    }
                }
                None => {}
            }
        }
        index.places = places;
        index
    }

    /// Places that may match `parts`, in the order in which they are to be asked: those that know the host,
    /// the longest name first; then those of any host, in the table's order.
    pub(super) fn candidates(&self, parts: &Parts<'_>) -> Vec<&Place> {
        let mut found = Vec::new();
        let mut host = (!parts.host.is_empty()).then_some(&*parts.host);
        while let Some(name) = host {
            for id in self.hosts.get(name) {
                found.push(&self.places[*id]);
            }
            host = parent(name);
        }
        let mut of_path = Vec::new();
        let path = parts.tail();
        let has_colon = memchr::memchr(b':', path.as_bytes()).is_some();
        let mut start = 0;
        // Slashes stand close together: a look at each byte is quicker than a search.
        for segment in path.as_bytes().split(|byte| *byte == b'/') {
            let segment = &path[start..start + segment.len()];
            start += segment.len() + 1;
            for id in self.segments.get(segment) {
                of_path.push(*id);
            }
            if Class::may_match(segment.as_bytes(), has_colon) {
                let classes = self.classes.iter().filter(|(class, _)| class.matches(segment));
                of_path.extend(classes.flat_map(|(_, ids)| ids));
            }
        }
        of_path.sort_unstable();
        of_path.dedup();
        found.extend(of_path.into_iter().map(|id| &self.places[id]));
        found
    }

    /// Whether a place of the host of `parts` covers it.
    pub(super) fn covers_host(&self, parts: &Parts<'_>) -> bool {
        let mut host = Some(&*parts.host);
        while let Some(name) = host {
            if self.hosts.get(name).iter().any(|id| self.places[*id].covers(parts)) {
                return true;
            }
            host = parent(name);
        }
        false
    }
}

/// The host without its first label.
fn parent(host: &str) -> Option<&str> {
    host.bytes().position(|byte| byte == b'.').map(|dot| &host[dot + 1..])
}

/// A map that is asked for much more than it holds.
#[derive(Clone, Debug)]
struct Keys {
    /// One bit for each slot that some key falls into: most questions are answered by these.
    taken: [u64; 64],
    ids: HashMap<Box<str>, Vec<usize>>,
    /// Bytes of the longest key.
    longest: usize,
}

impl Default for Keys {
    fn default() -> Self {
        Self { taken: [0; 64], ids: HashMap::new(), longest: 0 }
    }
}

impl Keys {
    fn push(&mut self, key: &str, id: usize) {
        let (word, bit) = slot(key);
        self.taken[word] |= bit;
        self.longest = self.longest.max(key.len());
        self.ids.entry(key.into()).or_default().push(id);
    }

    #[inline]
    fn get(&self, key: &str) -> &[usize] {
        let (word, bit) = slot(key);
        if self.taken[word] & bit == 0 {
            return &[];
        }
        self.look_up(key)
    }

    /// Apart, so that the question that is mostly answered by a bit is asked in place. What is longer than any key is
    /// not hashed: of a host of a million labels each end is asked for.
    #[inline(never)]
    fn look_up(&self, key: &str) -> &[usize] {
        if key.len() > self.longest {
            return &[];
        }
        self.ids.get(key).map_or(&[], Vec::as_slice)
    }
}

/// Which word and bit a key falls into, by its length and three of its bytes.
fn slot(key: &str) -> (usize, u64) {
    let bytes = key.as_bytes();
    let (Some(first), Some(last)) = (bytes.first(), bytes.last()) else { return (0, 1) };
    let middle = usize::from(bytes[bytes.len() / 2]);
    let word = usize::from(*first) ^ middle << 2 ^ bytes.len();
    (word & 63, 1 << ((usize::from(*last) ^ middle >> 2 ^ bytes.len() << 2) & 63))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_come_before_paths_and_long_names_before_short() {
        let patterns = ["*/x", "*.io/x", "a.io/x", "*/**/x", "*.b.io/y"];
        let places =
            patterns.iter().enumerate().map(|(id, pattern)| Place::parse(pattern, Some(id)).unwrap());
        let index = Index::new(places.collect());
        for (url, expected) in [
            ("https://a.io/x", vec![2, 1, 0, 3]),
            ("https://c.b.io/x/x", vec![4, 1, 0, 3]),
            ("/x", vec![0, 3]),
            ("https://io", vec![1]),
            ("https://a.org/y", vec![]),
        ] {
            let found: Vec<_> =
                index.candidates(&Parts::of(url)).iter().map(|place| place.rule.unwrap()).collect();
            assert_eq!(found, expected, "{url}");
        }
    }
}
