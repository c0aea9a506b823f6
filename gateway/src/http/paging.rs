//! `?page&per_page`, and the answer that says which page it is.

use std::str::FromStr;

use serde::Serialize;
use slipstream_ports::{Listing, Page};
use slipstream_protocol::{ProtocolError, Timestamp, envelope::Pagination};

use super::reply::{self, ApiError, Response};
use crate::percent;

/// Entries a page where the caller does not say.
const DEFAULT_SIZE: u32 = 20;

/// Most entries a page.
const MAX_SIZE: u32 = 100;

/// Which page a query asks for: the first, of twenty, where it does not say.
pub(super) fn page_of(query: &str) -> Result<Page, ApiError> {
    let mut broken = Vec::new();
    let mut number = |name: &str, default: u32, max: u32| match percent::value(query, name) {
        None => default,
        Some(text) => text.parse().ok().filter(|n| (1..=max).contains(n)).unwrap_or_else(|| {
            broken.push(format!("Field '{name}': a whole number from 1 to {max} is expected"));
            default
        }),
    };
    let page = Page { number: number("page", 1, u32::MAX), size: number("per_page", DEFAULT_SIZE, MAX_SIZE) };
    if broken.is_empty() { Ok(page) } else { Err(ApiError::invalid(broken)) }
}

/// An id in a query; `None` where it is not there.
pub(super) fn id_in<T: FromStr<Err = ProtocolError>>(query: &str, name: &str) -> Result<Option<T>, ApiError> {
    percent::value(query, name).map(|text| path_id(name, &text)).transpose()
}

/// An id in a path.
pub(super) fn path_id<T: FromStr<Err = ProtocolError>>(name: &str, text: &str) -> Result<T, ApiError> {
    text.parse().map_err(|error: ProtocolError| ApiError::invalid(vec![format!("Field '{name}': {}", error.message)]))
}

/// One page of a list, its entries as `view` shows them.
pub(super) fn listed<T, V: Serialize>(now: Timestamp, page: Page, listing: Listing<T>, message: &str, view: impl Fn(T) -> V) -> Response {
    let pagination = Pagination::new(u64::from(page.number), u64::from(page.size), listing.total);
    let entries: Vec<V> = listing.entries.into_iter().map(view).collect();
    reply::page(now, entries, message, pagination)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_have_defaults_and_bounds() {
        assert_eq!(page_of("").unwrap(), Page { number: 1, size: 20 });
        assert_eq!(page_of("per_page=5&page=3").unwrap(), Page { number: 3, size: 5 });
        let both = page_of("page=0&per_page=101").unwrap_err();
        assert_eq!(both.details.len(), 2, "{both:?}");
        assert!(page_of("page=first").is_err());
    }
}
