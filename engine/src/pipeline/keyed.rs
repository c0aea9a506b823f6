//! State per key.

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::symbols::{Key, Symbols};

/// One `S` per key, found by index. Holds nothing for keys that never came; a removed key's place costs `size_of::<Option<S>>()`,
/// so box what is large and comes and goes.
///
/// Iterate with [`Keyed::in_order`] wherever the order can be seen from outside: it goes by the keys' names.
#[derive(Clone, Debug)]
pub struct Keyed<S> {
    slots: Vec<Option<S>>,
    len: usize,
}

impl<S> Default for Keyed<S> {
    fn default() -> Self {
        Self { slots: Vec::new(), len: 0 }
    }
}

impl<S> Keyed<S> {
    /// The state of `key`, if it has one.
    #[inline]
    pub fn get(&self, key: Key) -> Option<&S> {
        self.slots.get(key.index())?.as_ref()
    }

    /// The state of `key`, to change it.
    #[inline]
    pub fn get_mut(&mut self, key: Key) -> Option<&mut S> {
        self.slots.get_mut(key.index())?.as_mut()
    }

    /// The state of `key`, made by `make` where there is none.
    #[inline]
    pub fn entry(&mut self, key: Key, make: impl FnOnce() -> S) -> &mut S {
        if key.index() >= self.slots.len() {
            self.slots.resize_with(key.index() + 1, || None);
        }
        let slot = &mut self.slots[key.index()];
        if slot.is_none() {
            self.len += 1;
        }
        slot.get_or_insert_with(make)
    }

    /// Takes the state of `key` out.
    pub fn remove(&mut self, key: Key) -> Option<S> {
        let state = self.slots.get_mut(key.index())?.take();
        self.len -= usize::from(state.is_some());
        state
    }

    /// How many keys have a state.
    pub const fn len(&self) -> usize {
        self.len
    }

    /// Whether none has.
    pub const fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Every key with a state, in the order of the keys' names.
    pub fn in_order(&self, keys: &Symbols<Key>) -> Vec<Key> {
        keys.in_order().filter(|k| self.get(*k).is_some()).collect()
    }

    /// Keys with state, in the order they came.
    pub fn keys(&self) -> Vec<Key> {
        (0..self.slots.len()).filter(|i| self.slots[*i].is_some()).map(Key::from_index).collect()
    }

    /// Every state, in the order the keys first came: only for sums and the like, where order cannot be seen.
    pub fn values(&self) -> impl Iterator<Item = &S> {
        self.slots.iter().flatten()
    }

    /// Every state, to change it, in the order the keys first came.
    pub fn values_mut(&mut self) -> impl Iterator<Item = &mut S> {
        self.slots.iter_mut().flatten()
    }

    /// Memory of the table itself, in bytes, without what the states hold on the heap.
    pub const fn heap_bytes(&self) -> usize {
        self.slots.capacity() * size_of::<Option<S>>()
    }
}

impl<S: Serialize> Serialize for Keyed<S> {
    fn serialize<Z: Serializer>(&self, serializer: Z) -> Result<Z::Ok, Z::Error> {
        let held = self.slots.iter().enumerate().filter_map(|(i, s)| s.as_ref().map(|s| (Key::from_index(i), s)));
        serializer.collect_seq(held.collect::<Vec<_>>())
    }
}

impl<'de, S: Deserialize<'de>> Deserialize<'de> for Keyed<S> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let mut keyed = Self::default();
        for (key, state) in Vec::<(Key, S)>::deserialize(deserializer)? {
            keyed.entry(key, || state);
        }
        Ok(keyed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn iteration_goes_by_name_and_survives_a_snapshot() {
        let mut keys = Symbols::<Key>::default();
        let (b, c, a) = (keys.intern("b"), keys.intern("c"), keys.intern("a"));
        let mut keyed = Keyed::<u32>::default();
        *keyed.entry(b, || 0) += 2;
        *keyed.entry(a, || 0) += 1;
        assert_eq!((keyed.in_order(&keys), keyed.get(c), keyed.len()), (vec![a, b], None, 2));
        let mut again: Keyed<u32> = postcard::from_bytes(&postcard::to_allocvec(&keyed).unwrap()).unwrap();
        assert_eq!((again.remove(b), again.remove(b), again.len()), (Some(2), None, 1));
    }
}
