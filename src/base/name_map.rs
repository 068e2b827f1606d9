//! Values by name, sorted by the bytes of the names.

use serde::{Serialize, Serializer};

/// A map for small tables of a configuration or a host. It is a sorted list: `BTreeMap` adds 3 to 5
/// kB of code for each type of value.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct NameMap<T>(Vec<(String, T)>);

impl<T> NameMap<T> {
    pub(crate) const fn new() -> NameMap<T> {
        NameMap(Vec::new())
    }

    fn place(&self, name: &str) -> Result<usize, usize> {
        self.0
            .binary_search_by(|(known, _)| known.as_str().cmp(name))
    }

    /// Adds a value; it replaces an existing one of the same name.
    pub(crate) fn insert(&mut self, name: String, value: T) {
        match self.place(&name) {
            Ok(at) => self.0[at].1 = value,
            Err(at) => self.0.insert(at, (name, value)),
        }
    }

    pub(crate) fn get(&self, name: &str) -> Option<&T> {
        self.place(name).ok().map(|at| &self.0[at].1)
    }

    pub(crate) fn contains_key(&self, name: &str) -> bool {
        self.place(name).is_ok()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (&String, &T)> {
        self.0.iter().map(|(name, value)| (name, value))
    }

    pub(crate) fn keys(&self) -> impl Iterator<Item = &String> {
        self.0.iter().map(|(name, _)| name)
    }

    pub(crate) fn values(&self) -> impl Iterator<Item = &T> {
        self.0.iter().map(|(_, value)| value)
    }

    #[cfg(test)]
    pub(crate) fn remove(&mut self, name: &str) -> Option<T> {
        self.place(name).ok().map(|at| self.0.remove(at).1)
    }
}

impl<T> FromIterator<(String, T)> for NameMap<T> {
    /// If a name occurs more than once, the last value is kept.
    fn from_iter<I: IntoIterator<Item = (String, T)>>(all: I) -> NameMap<T> {
        let mut named = NameMap::new();
        for (name, value) in all {
            named.insert(name, value);
        }
        named
    }
}

impl<'a, T> IntoIterator for &'a NameMap<T> {
    type Item = (&'a String, &'a T);
    type IntoIter = std::iter::Map<
        std::slice::Iter<'a, (String, T)>,
        fn(&'a (String, T)) -> (&'a String, &'a T),
    >;

    fn into_iter(self) -> Self::IntoIter {
        self.0.iter().map(|(name, value)| (name, value))
    }
}

impl<T: Serialize> Serialize for NameMap<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.iter())
    }
}

#[cfg(test)]
impl<T> std::ops::Index<&str> for NameMap<T> {
    type Output = T;

    fn index(&self, name: &str) -> &T {
        self.get(name).unwrap()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn name_map_is_in_order_and_keeps_the_last_of_a_name() {
        let pairs = [("b", 1), ("a", 2), ("b", 3), ("B", 4)];
        let named: NameMap<i32> = pairs
            .map(|(name, value)| (name.to_owned(), value))
            .into_iter()
            .collect();
        let all: Vec<_> = named
            .iter()
            .map(|(name, value)| (name.as_str(), *value))
            .collect();
        assert_eq!(all, [("B", 4), ("a", 2), ("b", 3)]);
        assert_eq!(
            (named.get("b"), named.get("c"), named.len()),
            (Some(&3), None, 3)
        );
        assert_eq!(
            serde_json::to_string(&named).unwrap(),
            r#"{"B":4,"a":2,"b":3}"#
        );
    }

    #[test]
    fn name_map_is_the_same_as_a_b_tree() {
        let mut number = 1_u32;
        let mut next = move || {
            number = number.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            number >> 16
        };
        for length in 0..200 {
            let pairs: Vec<(String, u32)> = (0..length)
                .map(|_| ((next() % 64).to_string(), next()))
                .collect();
            let tree: std::collections::BTreeMap<_, _> = pairs.iter().cloned().collect();
            let named: NameMap<u32> = pairs.into_iter().collect();
            assert!(named.iter().eq(tree.iter()), "{length} values");
            for name in (0..64).map(|name| name.to_string()) {
                assert_eq!(named.get(&name), tree.get(&name), "{name}");
            }
        }
    }
}
