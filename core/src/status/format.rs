//! In which format a client wants the status.

/// A format of the status.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// One JSON object.
    Json,
    /// Prometheus text exposition format, version 0.0.4.
    Prometheus,
}

impl Format {
    /// The format for a client: what it says in the query, `format=json` or `format=prometheus`,
    /// or else the known media type that its `Accept` field (RFC 9110, section 12.5.1) prefers,
    /// or else JSON.
    #[must_use]
    pub fn choose(query_format: Option<&str>, accept: Option<&[u8]>) -> Self {
        match query_format {
            Some("json") => Self::Json,
            Some("prometheus") => Self::Prometheus,
            _ => accept.and_then(preferred).unwrap_or(Self::Json),
        }
    }

    /// The value of `Content-Type`.
    #[must_use]
    pub fn content_type(self) -> &'static str {
        match self {
            Self::Json => "application/json",
            Self::Prometheus => "text/plain; version=0.0.4; charset=utf-8",
        }
    }

    fn of_media_range(range: &[u8]) -> Option<Self> {
        let known: [(&[u8], Self); 6] = [
            (b"application/json", Self::Json),
            (b"application/*", Self::Json),
            (b"*/*", Self::Json),
            (b"text/plain", Self::Prometheus),
            (b"text/*", Self::Prometheus),
            (b"application/openmetrics-text", Self::Prometheus),
        ];
        let found = known.into_iter().find(|(name, _)| range.eq_ignore_ascii_case(name));
        found.map(|(_, format)| format)
    }
}

/// The format with the greatest weight, the first of several.
fn preferred(accept: &[u8]) -> Option<Format> {
    let mut best = None;
    let mut best_weight = 0.0;
    for element in accept.split(|&byte| byte == b',') {
        let mut parts = element.split(|&byte| byte == b';').map(<[u8]>::trim_ascii);
        let format = parts.next().and_then(Format::of_media_range);
        let weight = weight(parts);
        if format.is_some() && weight > best_weight {
            (best, best_weight) = (format, weight);
        }
    }
    best
}

/// The parameter `q`: 1 if there is none, 0 if it makes no sense.
fn weight<'a>(mut parameters: impl Iterator<Item = &'a [u8]>) -> f32 {
    let Some(value) = parameters.find_map(|parameter| match parameter {
        [b'q' | b'Q', b'=', value @ ..] => Some(value),
        _ => None,
    }) else {
        return 1.0;
    };
    let weight = std::str::from_utf8(value).ok().and_then(|value| value.parse().ok());
    weight.filter(|weight| (0.0..=1.0).contains(weight)).unwrap_or(0.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn accepting(accept: &str) -> Format {
        Format::choose(None, Some(accept.as_bytes()))
    }

    #[test]
    fn a_client_that_says_nothing_gets_json() {
        assert_eq!(Format::choose(None, None), Format::Json);
        assert_eq!(accepting(""), Format::Json);
    }

    #[test]
    fn the_query_wins() {
        let json = Some(&b"application/json"[..]);

        assert_eq!(Format::choose(Some("prometheus"), json), Format::Prometheus);
        assert_eq!(Format::choose(Some("json"), Some(b"text/plain")), Format::Json);
    }

    #[test]
    fn an_unknown_format_in_the_query_leaves_it_to_accept() {
        assert_eq!(Format::choose(Some("xml"), Some(b"text/plain")), Format::Prometheus);
    }

    #[test]
    fn a_prometheus_server_gets_its_format() {
        let accept = "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.6,\
                      application/openmetrics-text;version=0.0.1;q=0.5,\
                      text/plain;version=1.0.0;q=0.4,text/plain;version=0.0.4;q=0.3,*/*;q=0.2";

        assert_eq!(accepting(accept), Format::Prometheus);
    }

    #[test]
    fn a_browser_and_curl_get_json() {
        let browser = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8";

        assert_eq!(accepting(browser), Format::Json);
        assert_eq!(accepting("*/*"), Format::Json);
    }

    #[test]
    fn the_greatest_weight_wins_and_then_the_first() {
        assert_eq!(accepting("application/json;q=0.5, text/plain"), Format::Prometheus);
        assert_eq!(accepting("text/plain;q=0.5, application/json;Q=0.7"), Format::Json);
        assert_eq!(accepting("TEXT/Plain, application/json"), Format::Prometheus);
        assert_eq!(accepting("application/json, text/plain"), Format::Json);
    }

    #[test]
    fn what_is_not_acceptable_or_makes_no_sense_is_not_chosen() {
        for accept in
            ["text/plain;q=0", "text/plain;q=2", "text/plain;q=NaN", "text/plain;q=\u{7f}"]
        {
            assert_eq!(accepting(accept), Format::Json, "{accept}");
        }
    }
}
