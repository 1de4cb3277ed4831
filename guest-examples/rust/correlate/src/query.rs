//! Query parameters of the call's URI.

use serde_json::Value;
use std::fmt::Write as _;

/// The text, number or boolean at `place` in `input`; nothing where it is absent or null.
pub fn scalar(input: &Value, place: &str) -> Result<Option<String>, String> {
    match input.pointer(place) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) => Ok(Some(text.clone())),
        Some(value @ (Value::Number(_) | Value::Bool(_))) => Ok(Some(value.to_string())),
        Some(_) => Err(format!("`{place}` of `input` is a list or an object: a query parameter needs a plain value")),
    }
}

/// `uri` with the parameter set to `value`: in place of any that it had under this name.
pub fn set(uri: &str, name: &str, value: &str) -> String {
    let (path, query) = uri.split_once('?').unwrap_or((uri, ""));
    let name = encode(name);
    let others = query.split('&').filter(|pair| !pair.is_empty() && pair.split('=').next() != Some(&name));
    let mut out = path.to_owned();
    let mut separator = '?';
    for pair in others.map(str::to_owned).chain([format!("{name}={}", encode(value))]) {
        out.push(separator);
        out.push_str(&pair);
        separator = '&';
    }
    out
}

/// Percent-encodes everything but the unreserved characters of RFC 3986: no value can end its parameter.
fn encode(text: &str) -> String {
    text.bytes().fold(String::with_capacity(text.len()), |mut out, byte| {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            out.push(char::from(byte));
        } else {
            let _ = write!(out, "%{byte:02X}"); // Writing to a String cannot fail.
        }
        out
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_parameter_joins_or_replaces() {
        let base = "https://api.example/users";
        assert_eq!(set(base, "locale", "de"), format!("{base}?locale=de"));
        assert_eq!(set(&format!("{base}?a=1"), "locale", "de"), format!("{base}?a=1&locale=de"));
        assert_eq!(set(&format!("{base}?locale=fr&a=1&locale"), "locale", "de"), format!("{base}?a=1&locale=de"));
    }

    #[test]
    fn no_value_breaks_out_of_its_parameter() {
        assert_eq!(set("https://a/b", "q", "x&admin=1#?/é"), "https://a/b?q=x%26admin%3D1%23%3F%2F%C3%A9");
    }

    #[test]
    fn only_plain_values_become_parameters() {
        let input = json!({ "text": "t", "number": 7, "yes": true, "none": null, "list": [1] });
        let found = |place| scalar(&input, place);
        assert_eq!(found("/text").unwrap().as_deref(), Some("t"));
        assert_eq!(found("/number").unwrap().as_deref(), Some("7"));
        assert_eq!(found("/yes").unwrap().as_deref(), Some("true"));
        assert_eq!(found("/none").unwrap(), None);
        assert_eq!(found("/absent").unwrap(), None);
        assert!(found("/list").unwrap_err().contains("/list"));
    }
}
