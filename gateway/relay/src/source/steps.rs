//! Readers that make items a step at a time, as iterators.

use std::collections::VecDeque;

use super::Item;

/// A reader each step of which makes any number of items.
pub(crate) trait Steps {
    /// Why it breaks off.
    type Error;

    /// Items that are made and not taken yet.
    fn ready(&mut self) -> &mut VecDeque<Item>;

    /// Reads on. Yields whether there may be more; it is not called again where there is none, or behind an error.
    fn step(&mut self) -> Result<bool, Self::Error>;
}

/// The items of a reader. Those that were made before it broke off come before the error.
pub(crate) struct Stepped<S: Steps> {
    steps: S,
    failed: Option<S::Error>,
    ended: bool,
}

impl<S: Steps> Stepped<S> {
    pub(crate) const fn of(steps: S) -> Self {
        Self { steps, failed: None, ended: false }
    }
}

impl<S: Steps> Iterator for Stepped<S> {
    type Item = Result<Item, S::Error>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            if let Some(item) = self.steps.ready().pop_front() {
                return Some(Ok(item));
            }
            if self.ended {
                return self.failed.take().map(Err);
            }
            match self.steps.step() {
                Ok(more) => self.ended = !more,
                Err(error) => (self.ended, self.failed) = (true, Some(error)),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::Remark;

    /// Makes an item a step, and breaks off or ends behind its last.
    struct Counter(u64, Result<bool, u64>, VecDeque<Item>);

    impl Steps for Counter {
        type Error = u64;

        fn ready(&mut self) -> &mut VecDeque<Item> {
            &mut self.2
        }

        fn step(&mut self) -> Result<bool, u64> {
            self.0 -= 1;
            self.2.push_back(Item::Remark(Remark::new(self.0, "made")));
            if self.0 == 0 { self.1 } else { Ok(true) }
        }
    }

    #[test]
    fn what_was_made_comes_before_the_end_and_before_an_error() {
        let made = |end| Stepped::of(Counter(2, end, VecDeque::new())).map(|item| item.is_ok()).collect::<Vec<_>>();
        assert_eq!(made(Ok(false)), [true, true]);
        assert_eq!(made(Err(7)), [true, true, false]);
    }
}
