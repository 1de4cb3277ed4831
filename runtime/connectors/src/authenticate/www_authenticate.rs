//! The challenges of `www-authenticate` fields (RFC 9110 section 11.6.1). `digest_auth` has a reader too, which takes
//! one challenge alone, refuses unknown `qop` values, and counts bytes as characters: not for what a stranger sends.

use reqwest::header::{HeaderMap, WWW_AUTHENTICATE};

/// One challenge.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct OneChallenge {
    /// Lower case.
    pub(super) scheme: String,
    /// Names in lower case.
    parameters: Vec<(String, String)>,
}

/// Longer fields are not read.
const FIELD_BYTES_MAX: usize = 8 << 10;
/// More challenges or parameters of one are not read.
const PARTS_MAX: usize = 32;

impl OneChallenge {
    /// The first parameter of that name.
    pub(super) fn parameter(&self, name: &str) -> Option<&str> {
        self.parameters.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }
}

/// The challenges of an answer, in order. What does not follow the grammar ends its field.
pub(super) fn challenges(headers: &HeaderMap) -> Vec<OneChallenge> {
    let mut found = Vec::new();
    for field in headers.get_all(WWW_AUTHENTICATE) {
        if let Some(text) = field.to_str().ok().filter(|text| text.len() <= FIELD_BYTES_MAX) {
            found.extend(of_field(text));
        }
    }
    found.truncate(PARTS_MAX);
    found
}

/// The challenges of one field.
pub(super) fn of_field(text: &str) -> Vec<OneChallenge> {
    let mut found: Vec<OneChallenge> = Vec::new();
    let mut rest = text;
    loop {
        rest = rest.trim_start_matches([' ', '\t', ',']);
        let (word, after) = token(rest);
        if word.is_empty() {
            return found;
        }
        let spaceless = after.trim_start_matches([' ', '\t']);
        match (spaceless.strip_prefix('='), found.last_mut()) {
            // A parameter of the challenge that is open; a `token68` has no `=` inside and is skipped as a scheme.
            (Some(value), Some(open)) if !value.starts_with('=') => {
                let Some((value, after)) = parameter_value(value.trim_start_matches([' ', '\t'])) else { return found };
                if open.parameters.len() < PARTS_MAX {
                    open.parameters.push((word.to_ascii_lowercase(), value));
                }
                rest = after;
            }
            (Some(_), _) => return found,
            (None, _) => {
                if found.len() == PARTS_MAX {
                    return found;
                }
                found.push(OneChallenge { scheme: word.to_ascii_lowercase(), parameters: Vec::new() });
                rest = after;
            }
        }
    }
}

/// RFC 9110 section 5.6.2.
fn token(text: &str) -> (&str, &str) {
    let ends = |it: char| !(it.is_ascii_alphanumeric() || "!#$%&'*+-.^_`|~".contains(it));
    text.split_at(text.find(ends).unwrap_or(text.len()))
}

/// A token or a quoted string, and what comes after it.
fn parameter_value(text: &str) -> Option<(String, &str)> {
    let Some(quoted) = text.strip_prefix('"') else {
        let (value, rest) = token(text);
        return (!value.is_empty()).then(|| (value.to_owned(), rest));
    };
    let mut value = String::new();
    let mut characters = quoted.char_indices();
    while let Some((at, character)) = characters.next() {
        match character {
            '"' => return quoted.get(at + 1..).map(|rest| (value, rest)),
            '\\' => value.push(characters.next()?.1),
            other => value.push(other),
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn challenges_of_one_field() {
        let text = r#"Newauth realm="apps, \"a\"=1", type=1 , Basic realm = "simple",Negotiate, Digest qop="auth,auth-int",nonce=a"#;
        let found = of_field(text);
        let schemes: Vec<&str> = found.iter().map(|it| it.scheme.as_str()).collect();
        assert_eq!(schemes, ["newauth", "basic", "negotiate", "digest"]);
        assert_eq!(found[0].parameter("realm"), Some("apps, \"a\"=1"));
        assert_eq!(found[0].parameter("type"), Some("1"));
        assert_eq!(found[1].parameter("realm"), Some("simple"));
        assert_eq!(found[3].parameter("qop"), Some("auth,auth-int"));
        assert_eq!((found[3].parameter("nonce"), found[3].parameter("opaque")), (Some("a"), None));
        assert_eq!(of_field(r#"Digest realm="open"#).len(), 1);
        assert_eq!(of_field("=x, Basic"), []);
    }

    proptest::proptest! {
        #[test]
        fn no_field_panics(text in "[ -~é\\t]{0,80}", hostile in "[a=\",\\\\ é]{0,40}") {
            // keeps E-03
            proptest::prop_assert!(of_field(&text).len() <= PARTS_MAX);
            proptest::prop_assert!(of_field(&hostile).len() <= PARTS_MAX);
        }
    }
}
