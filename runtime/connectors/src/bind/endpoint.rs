//! Endpoints: path and query below a base URL (C-01, C-03).
//!
//! A value stays within the path segment or the query value that it stands in. That holds by construction (only
//! RFC 3986's unreserved characters of a value are not encoded) and is checked on the result, as the URL standard
//! reads it.

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::Value;
use url::Url;
use weir_engine::expression::{Expression, Part, Scope, Template, to_text, type_name};
use weir_engine::ports::ConnectorError;

use super::allowance::Allowance;
use crate::error::interpolation;

const PLACE: &str = "the endpoint";

/// All but the unreserved characters of RFC 3986 section 2.3.
const RESERVED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// A parsed endpoint.
#[derive(Debug)]
pub(crate) struct Endpoint {
    segments: Vec<Vec<Part>>,
    query: Option<Vec<Part>>,
}

/// A value as a part of a URL.
pub(super) fn encode(value: &Value) -> String {
    utf8_percent_encode(&to_text(value), RESERVED).to_string()
}

impl Endpoint {
    /// Splits an endpoint's template into segments and query.
    ///
    /// # Errors
    /// What its literal text does that could lead elsewhere.
    pub(crate) fn compile(template: &Template) -> Result<Self, &'static str> {
        let (mut segments, query) = split(template);
        let before_first_slash = segments.remove(0);
        if !before_first_slash.is_empty() {
            return Err("an endpoint begins with `/` or `?`, or is empty");
        }
        for part in segments.iter().flatten().chain(query.iter().flatten()) {
            let Part::Text(text) = part else { continue };
            if text.contains('#') {
                return Err("an endpoint has no fragment; write `%23` where the character `#` is meant");
            }
            if text.contains(|it: char| it == '\\' || it.is_control()) {
                return Err("an endpoint holds no backslash and no control character; percent-encode them");
            }
        }
        for segment in &segments {
            if let [Part::Text(text)] = segment.as_slice()
                && climbs(text)
            {
                return Err("an endpoint has no `.` or `..` segment; write the path that is meant");
            }
        }
        Ok(Self { segments, query })
    }

    /// The URL below a base URL.
    ///
    /// # Errors
    /// `interpolation`.
    pub(super) fn render(&self, base: &Url, scope: &Scope, allowance: &mut Allowance) -> Result<Url, ConnectorError> {
        let mut url = base.clone();
        let root = base.path().trim_end_matches('/');
        if !self.segments.is_empty() {
            let mut path = root.to_owned();
            for segment in &self.segments {
                path.push('/');
                path.push_str(&render_segment(segment, scope, allowance)?);
                allowance.check(PLACE, path.len())?;
            }
            url.set_path(&path);
        }
        if let Some(query) = &self.query {
            url.set_query(Some(&allowance.text(PLACE, query, scope, encode)?));
        }
        let below = url.path().strip_prefix(root).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'));
        if url.origin() != base.origin() || !below {
            return Err(interpolation(PLACE, "the result leaves the connector's base URL"));
        }
        allowance.take(PLACE, url.as_str().len())?;
        Ok(url)
    }
}

/// Segments (the first is what stands before the first `/`) and query.
fn split(template: &Template) -> (Vec<Vec<Part>>, Option<Vec<Part>>) {
    let mut segments = Vec::new();
    let mut segment = Vec::new();
    let mut query: Option<Vec<Part>> = None;
    for part in template.parts() {
        match (part, &mut query) {
            (part, Some(query)) => query.push(part.clone()),
            (Part::Expression(_), None) => segment.push(part.clone()),
            (Part::Text(text), None) => {
                let (path, rest) =
                    text.split_once('?').map_or((text.as_str(), None), |(path, rest)| (path, Some(rest)));
                for (index, piece) in path.split('/').enumerate() {
                    if index > 0 {
                        segments.push(std::mem::take(&mut segment));
                    }
                    if !piece.is_empty() {
                        segment.push(Part::Text(piece.to_owned()));
                    }
                }
                query = rest.map(|rest| vec![Part::Text(rest.to_owned())]);
            }
        }
    }
    segments.push(segment);
    (segments, query)
}

fn render_segment(segment: &[Part], scope: &Scope, allowance: &Allowance) -> Result<String, ConnectorError> {
    let mut text = String::new();
    let mut last = None;
    for part in segment {
        match part {
            Part::Text(literal) => text.push_str(literal),
            Part::Expression(expression) => {
                let value = evaluate(expression, scope)?;
                if value.is_array() || value.is_object() {
                    let (source, is) = (expression.source(), type_name(&value));
                    return Err(interpolation(PLACE, format!("`{source}` gives {is}, which a path cannot hold")));
                }
                text.push_str(&encode(&value));
                allowance.check(PLACE, text.len())?;
                last = Some(expression.source());
            }
        }
    }
    match last {
        Some(source) if text.is_empty() => Err(interpolation(
            PLACE,
            format!("`{source}` gives an empty path segment, which would address another resource"),
        )),
        Some(source) if climbs(&text) => Err(interpolation(
            PLACE,
            format!("`{source}` gives the path segment `{text}`, which would lead out of its place"),
        )),
        _ => Ok(text),
    }
}

fn evaluate(expression: &Expression, scope: &Scope) -> Result<Value, ConnectorError> {
    expression.evaluate(scope).map_err(|error| interpolation(PLACE, error))
}

/// Whether the URL standard reads a segment as "this" or "one up", in any spelling.
fn climbs(segment: &str) -> bool {
    matches!(segment.to_ascii_lowercase().replace("%2e", ".").as_str(), "." | "..")
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn render(base: &str, endpoint: &str, value: Value) -> Result<String, String> {
        let template = Template::parse(endpoint).map_err(|fault| fault.message)?;
        let endpoint = Endpoint::compile(&template)?;
        let scope = Scope::new([("args", json!({"v": value}))]);
        let base = Url::parse(base).map_err(|error| error.to_string())?;
        endpoint.render(&base, &scope, &mut Allowance::new(1000)).map(String::from).map_err(|error| error.message)
    }

    #[test]
    fn endpoints_join_their_base() {
        // covers C-01
        for (base, endpoint, whole) in [
            ("http://a.com", "", "http://a.com/"),
            ("http://a.com", "/x", "http://a.com/x"),
            ("http://a.com/v1/", "", "http://a.com/v1/"),
            ("http://a.com/v1/", "/x", "http://a.com/v1/x"),
            ("http://a.com/v1", "/x/", "http://a.com/v1/x/"),
            ("http://a.com/v1", "?q=1", "http://a.com/v1?q=1"),
            ("http://a.com/v1", "/x?q=a/b?c", "http://a.com/v1/x?q=a/b?c"),
            ("http://a.com/v1", "/ü x?ü", "http://a.com/v1/%C3%BC%20x?%C3%BC"),
        ] {
            assert_eq!(render(base, endpoint, Value::Null).as_deref(), Ok(whole), "{base} {endpoint}");
        }
    }

    #[test]
    fn values_are_encoded_for_their_place() {
        // covers C-03
        let both = |value: &str| render("http://a.com/v1", "/u-${args.v}/x?q=${args.v}&r=1", json!(value));
        assert_eq!(
            both("a b&c=d+e#f").as_deref(),
            Ok("http://a.com/v1/u-a%20b%26c%3Dd%2Be%23f/x?q=a%20b%26c%3Dd%2Be%23f&r=1")
        );
        assert_eq!(
            both("/../%2e?@é").as_deref(),
            Ok("http://a.com/v1/u-%2F..%2F%252e%3F%40%C3%A9/x?q=%2F..%2F%252e%3F%40%C3%A9&r=1")
        );
        assert_eq!(render("http://a.com", "/${args.v}", json!(7)).as_deref(), Ok("http://a.com/7"));
        assert_eq!(render("http://a.com", "/x?f=${args.v}", json!([1])).as_deref(), Ok("http://a.com/x?f=%5B1%5D"));
    }

    #[test]
    fn a_value_cannot_climb_or_vanish() {
        // keeps E-04
        for value in [json!("."), json!(".."), json!(""), json!(null), json!([]), json!({})] {
            assert!(render("http://a.com/v1", "/a/${args.v}/b", value.clone()).is_err(), "{value}");
        }
        assert!(render("http://a.com/v1", "/.${args.v}", json!(".")).is_err());
        assert!(render("http://a.com/v1", "/%2e${args.v}", json!(".")).is_err());
        assert!(render("http://a.com/v1", "/a${args.v}", json!("..")).is_ok());
    }

    #[test]
    fn literal_text_is_checked() {
        for endpoint in ["x", "${args.v}", "//${args.v}#", "/a/../b", "/%2E%2e/b", "/a\\b", "/a\tb", "/.", "?a#b"] {
            assert!(render("http://a.com/v1", endpoint, json!("x")).is_err(), "{endpoint}");
        }
        assert_eq!(render("http://a.com", "//evil.com/x", json!("x")).as_deref(), Ok("http://a.com//evil.com/x"));
    }

    proptest::proptest! {
        #[test]
        fn no_value_moves_the_request(value in ".{0,40}", tricky in "[./\\\\%2eE?#@:&=+;\\t\\r\\n ]{0,12}") {
            // keeps E-04
            for value in [value, tricky] {
                let Ok(url) = render("https://a.com:8443/v1/x", "/${args.v}/p${args.v}?k=${args.v}&l=1", json!(value)) else {
                    continue;
                };
                let url = Url::parse(&url).expect("a url");
                proptest::prop_assert_eq!(url.origin().ascii_serialization(), "https://a.com:8443");
                let segments: Vec<&str> = url.path_segments().expect("segments").collect();
                let decode = |text: &str| percent_encoding::percent_decode_str(text).decode_utf8_lossy().into_owned();
                proptest::prop_assert_eq!(segments.len(), 4);
                proptest::prop_assert_eq!(&segments[..2], &["v1", "x"]);
                proptest::prop_assert_eq!(decode(segments[2]), value.clone());
                proptest::prop_assert_eq!(decode(segments[3]), format!("p{value}"));
                let pairs: Vec<(String, String)> = url.query_pairs().into_owned().collect();
                proptest::prop_assert_eq!(pairs, [("k".to_owned(), value), ("l".to_owned(), "1".to_owned())]);
                proptest::prop_assert!(url.username().is_empty() && url.password().is_none() && url.fragment().is_none());
            }
        }
    }
}
