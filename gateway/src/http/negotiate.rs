//! What a client accepts (RFC 9110, 12.5): media types and content codings with their weights.

use http::{HeaderMap, HeaderName, header};

/// One entry of a header of preferences.
struct Preference<'a> {
    name: &'a str,
    /// `name=value` pairs but the weight.
    parameters: Vec<&'a str>,
    /// 0 to 1; 0 refuses.
    weight: f32,
}

fn preferences<'a>(headers: &'a HeaderMap, name: &HeaderName) -> impl Iterator<Item = Preference<'a>> {
    let values = headers.get_all(name).into_iter().filter_map(|value| value.to_str().ok());
    values.flat_map(|value| value.split(',')).filter_map(|entry| {
        let mut parts = entry.split(';').map(str::trim);
        let name = parts.next().filter(|name| !name.is_empty())?;
        let (mut weight, mut parameters) = (1.0, Vec::new());
        for part in parts {
            match part.split_once('=') {
                Some((key, value)) if key.trim().eq_ignore_ascii_case("q") => weight = value.trim().parse().unwrap_or(0.0),
                _ => parameters.push(part),
            }
        }
        Some(Preference { name, parameters, weight })
    })
}

/// Whether the client takes gzip, by name or by `*`, and does not like the bytes as they are better.
pub(crate) fn takes_gzip(headers: &HeaderMap) -> bool {
    let (mut gzip, mut any, mut identity) = (None, None, None);
    for preference in preferences(headers, &header::ACCEPT_ENCODING) {
        match preference.name.to_ascii_lowercase().as_str() {
            "gzip" | "x-gzip" => gzip = Some(preference.weight),
            "identity" => identity = Some(preference.weight),
            "*" => any = Some(preference.weight),
            _ => {}
        }
    }
    let weight = gzip.or(any).unwrap_or(0.0);
    weight > 0.0 && weight >= identity.unwrap_or(0.0)
}

/// The texts that metrics are written in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum MetricsText {
    OpenMetrics,
    /// Prometheus's own, version 0.0.4.
    Classic,
}

/// The text of metrics that the client likes best; `OpenMetrics` where it does not say, or likes both as well.
pub(super) fn metrics_text(headers: &HeaderMap) -> MetricsText {
    let (mut open, mut classic) = (Range::default(), Range::default());
    let mut said = false;
    for Preference { name, parameters, weight } in preferences(headers, &header::ACCEPT) {
        said = true;
        let version = parameters.iter().find_map(|p| p.split_once('=').filter(|(key, _)| key.trim() == "version")).map(|(_, v)| v.trim());
        match name.to_ascii_lowercase().as_str() {
            "application/openmetrics-text" if version.is_none_or(|v| v.starts_with("1.")) => open.offer(2, weight),
            "text/plain" if version.is_none_or(|v| v == "0.0.4") => classic.offer(2, weight),
            "application/*" => open.offer(1, weight),
            "text/*" => classic.offer(1, weight),
            "*/*" => {
                open.offer(0, weight);
                classic.offer(0, weight);
            }
            _ => {}
        }
    }
    // Whoever takes neither reads the plainer one most likely.
    if !said || (open.weight > 0.0 && open.weight >= classic.weight) { MetricsText::OpenMetrics } else { MetricsText::Classic }
}

/// The weight of the most telling entry that covers a type.
#[derive(Default)]
struct Range {
    depth: u8,
    weight: f32,
}

impl Range {
    fn offer(&mut self, depth: u8, weight: f32) {
        if depth > self.depth || (depth == self.depth && weight > self.weight) {
            *self = Self { depth, weight };
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(name: HeaderName, value: &'static str) -> HeaderMap {
        [(name, http::HeaderValue::from_static(value))].into_iter().collect()
    }

    #[test]
    fn gzip_is_taken_as_the_weights_say() {
        for (value, taken) in [
            ("gzip", true),
            ("br, gzip", true),
            ("GZIP", true),
            ("x-gzip", true),
            ("*", true),
            ("gzip;q=0.5, identity;q=0.1", true),
            ("deflate, gzip ; q = 1.0", true),
            ("gzip;q=0", false),
            ("gzip; Q=0.000", false),
            ("gzip;q=0, *", false),
            ("*;q=0", false),
            ("not-gzip", false),
            ("gzip;q=0.1, identity", false),
            ("identity", false),
            ("", false),
        ] {
            assert_eq!(takes_gzip(&headers(header::ACCEPT_ENCODING, value)), taken, "{value}");
        }
        assert!(!takes_gzip(&HeaderMap::new()));
    }

    #[test]
    fn metrics_are_written_as_is_liked_best() {
        let prometheus = "application/openmetrics-text;version=1.0.0;q=0.5,application/openmetrics-text;version=0.0.1;q=0.4,text/plain;version=0.0.4;q=0.3,*/*;q=0.2";
        for (value, text) in [
            (prometheus, MetricsText::OpenMetrics),
            ("text/plain;version=0.0.4", MetricsText::Classic),
            ("text/plain", MetricsText::Classic),
            ("text/*", MetricsText::Classic),
            ("application/openmetrics-text; version=1.0.0", MetricsText::OpenMetrics),
            ("*/*", MetricsText::OpenMetrics),
            ("text/plain;q=0.1, application/openmetrics-text;q=0.9", MetricsText::OpenMetrics),
            ("text/plain, */*;q=0.1", MetricsText::Classic),
            ("application/openmetrics-text;q=0, */*", MetricsText::Classic),
            ("text/html", MetricsText::Classic),
        ] {
            assert_eq!(metrics_text(&headers(header::ACCEPT, value)), text, "{value}");
        }
        assert_eq!(metrics_text(&HeaderMap::new()), MetricsText::OpenMetrics);
    }
}
