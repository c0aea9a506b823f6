//! Names as small numbers, so that the hot path compares and indexes instead of hashing text.

use std::{
    collections::{BTreeMap, HashMap},
    fmt,
    marker::PhantomData,
    sync::Arc,
};

use serde::{Deserialize, Deserializer, Serialize, Serializer};

macro_rules! symbol {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        pub struct $name(u32);

        impl $name {
            /// Its place in dense tables.
            #[inline]
            pub const fn index(self) -> usize {
                self.0 as usize
            }

            /// The symbol at a place in dense tables.
            #[inline]
            pub const fn from_index(index: usize) -> Self {
                Self(index as u32)
            }
        }

        impl From<$name> for usize {
            fn from(symbol: $name) -> usize {
                symbol.index()
            }
        }

        impl From<usize> for $name {
            fn from(index: usize) -> Self {
                Self::from_index(index)
            }
        }
    };
}

symbol!(
    /// The key of a row (a vehicle's id, as a rule) as a number. Numbers are given in order of first appearance, stay the
    /// same across snapshots, and mean nothing outside their pipeline: never sort results by them, sort by name.
    Key
);
symbol!(
    /// A signal's name as a number; as [`Key`].
    SignalId
);

/// The names behind the numbers.
#[derive(Clone)]
pub struct Symbols<T> {
    names: Vec<Arc<str>>,
    by_name: HashMap<Arc<str>, u32>,
    sorted: BTreeMap<Arc<str>, u32>,
    kind: PhantomData<T>,
}

impl<T> Default for Symbols<T> {
    fn default() -> Self {
        Self { names: Vec::new(), by_name: HashMap::new(), sorted: BTreeMap::new(), kind: PhantomData }
    }
}

impl<T: Copy + Into<usize> + From<usize>> Symbols<T> {
    /// The number of `name`, given now if it has none.
    pub fn intern(&mut self, name: &str) -> T {
        if let Some(index) = self.by_name.get(name) {
            return T::from(*index as usize);
        }
        let (index, name): (u32, Arc<str>) = (self.names.len() as u32, name.into());
        self.names.push(Arc::clone(&name));
        self.by_name.insert(Arc::clone(&name), index);
        self.sorted.insert(name, index);
        T::from(index as usize)
    }

    /// The number of `name`, if it has one.
    pub fn get(&self, name: &str) -> Option<T> {
        self.by_name.get(name).map(|index| T::from(*index as usize))
    }

    /// The name of `symbol`; empty for a symbol of another table.
    pub fn name(&self, symbol: T) -> &str {
        self.names.get(symbol.into()).map_or("", |n| n)
    }

    /// The name of `symbol`, shared.
    pub fn shared_name(&self, symbol: T) -> Option<&Arc<str>> {
        self.names.get(symbol.into())
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.names.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.names.is_empty()
    }

    /// All of them in the order of their names: the one order that does not depend on who came first.
    pub fn in_order(&self) -> impl Iterator<Item = T> + '_ {
        self.sorted.values().map(|index| T::from(*index as usize))
    }

    /// Sorts symbols by name.
    pub fn sort(&self, symbols: &mut [T]) {
        symbols.sort_by(|a, b| self.name(*a).cmp(self.name(*b)));
    }

    /// Memory held, in bytes, about.
    pub fn heap_bytes(&self) -> usize {
        self.names.iter().map(|n| n.len() + 16).sum::<usize>() + self.names.len() * (16 + 40 + 32)
    }
}

impl<T> fmt::Debug for Symbols<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(&self.names).finish()
    }
}

impl<T> Serialize for Symbols<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.names.serialize(serializer)
    }
}

impl<'de, T: Copy + Into<usize> + From<usize>> Deserialize<'de> for Symbols<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let mut symbols = Self::default();
        for name in Vec::<String>::deserialize(deserializer)? {
            symbols.intern(&name);
        }
        Ok(symbols)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_follow_appearance_and_order_follows_names() {
        let mut keys = Symbols::<Key>::default();
        let (b, a) = (keys.intern("b"), keys.intern("a"));
        assert_eq!((keys.intern("b"), keys.get("a"), keys.name(a)), (b, Some(a), "a"));
        assert_eq!(keys.in_order().collect::<Vec<_>>(), [a, b]);
        let again: Symbols<Key> = postcard::from_bytes(&postcard::to_allocvec(&keys).unwrap()).unwrap();
        assert_eq!((again.get("b"), again.len()), (Some(b), 2));
    }
}
