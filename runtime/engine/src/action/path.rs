//! Paths (A-04): JSON pointers (RFC 6901), with a filter on arrays of objects. In ABNF (RFC 5234):
//!
//! ```text
//! operation-path = path [ "/" ]
//! entry          = 1*( "/" entry-segment ) [ "/" ]     ; of `allowed-operations`, see `matching.rs`
//! entry-segment  = "*" / segment                       ; the first where both fit
//! path           = 1*( "/" segment )                   ; of the run's event
//! segment        = name [ filter ]
//! name           = 1*( name-char / "~0" / "~1" )       ; "~" and "/" (RFC 6901)
//! name-char      = any character except "/", "[", "]", "~"
//! filter         = "[" key "=" value "]"
//! key            = 1*( any character except "=", "/", "[", "]", "~" )
//! value          = 1*( value-char / "[" [ value ] "]" )
//! value-char     = any character except "[", "]"
//! ```
//! A value may hold slashes and brackets in pairs, so that URIs can be written as they are. No path has more than 1024
//! bytes or 32 segments. What a name means depends on what it stands on: in a list it is an index or `-`, the last.

use std::fmt;
use std::str::FromStr;

/// The longest path, in bytes.
pub(super) const PATH_BYTES_MAX: usize = 1024;

/// The most segments of a path.
const SEGMENTS_MAX: usize = 32;

/// A path into an event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Path {
    segments: Vec<Segment>,
    text: String,
}

/// The path of an operation: one into an event, which may end with a slash.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OperationPath {
    path: Path,
    ends_with_slash: bool,
    text: String,
}

/// One part of a path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Segment {
    /// A member of an object.
    Name(String),
    /// The element of an array of objects whose member `key` is `value`.
    Filter {
        /// The array's name.
        name: String,
        /// The member that is compared.
        key: String,
        /// What it is compared with, as text.
        value: String,
    },
}

/// One step from a value to one inside it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Token<'a> {
    /// To a member of an object, or by index to an element of a list.
    To(&'a str),
    /// To the element of a list whose member `key` is `value`.
    Where { key: &'a str, value: &'a str },
}

/// Why a text is not a path.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is not a path: {problem}")]
pub struct InvalidPath {
    text: String,
    problem: &'static str,
}

/// Whether a part of a path is an index: digits, without zeros before them, so that an element has one spelling.
pub(super) fn is_index(text: &str) -> bool {
    let is_canonical = text == "0" || !text.starts_with('0');
    is_canonical && !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}

impl Token<'_> {
    /// Whether both could lead to the same from one value, whatever it holds: an element of a list has an index, `-`
    /// where it is the last, and filters, and a list of names and values also takes the name.
    pub(super) fn may_be(self, other: Token<'_>) -> bool {
        let is_element = |text: &str| text == "-" || is_index(text);
        match (self, other) {
            (Token::To(one), Token::To(two)) => {
                one == two || ((one == "-" || two == "-") && is_element(one) && is_element(two))
            }
            (Token::To(to), Token::Where { value, .. }) | (Token::Where { value, .. }, Token::To(to)) => {
                is_element(to) || to == value
            }
            (Token::Where { key, value }, Token::Where { key: other, value: wanted }) => {
                key != other || value == wanted
            }
        }
    }
}

impl Path {
    /// The parts, from the root.
    pub fn segments(&self) -> &[Segment] {
        &self.segments
    }

    /// As it was written.
    pub fn as_str(&self) -> &str {
        &self.text
    }
}

impl OperationPath {
    /// The parts, from the root.
    pub fn segments(&self) -> &[Segment] {
        self.path.segments()
    }

    /// Whether there is a slash behind the last part.
    pub fn ends_with_slash(&self) -> bool {
        self.ends_with_slash
    }

    /// As it was written.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The way from the root of the event.
    pub(super) fn tokens(&self) -> Vec<Token<'_>> {
        let mut tokens = Vec::with_capacity(self.segments().len());
        for segment in self.segments() {
            match segment {
                Segment::Name(name) => tokens.push(Token::To(name)),
                Segment::Filter { name, key, value } => {
                    tokens.push(Token::To(name));
                    tokens.push(Token::Where { key, value });
                }
            }
        }
        tokens
    }
}

impl fmt::Display for Path {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.text)
    }
}

impl fmt::Display for OperationPath {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.text)
    }
}

impl FromStr for Path {
    type Err = InvalidPath;
    fn from_str(text: &str) -> Result<Self, InvalidPath> {
        let segments = segments(text).map_err(|problem| InvalidPath { text: shown(text), problem })?;
        Ok(Self { segments, text: text.to_owned() })
    }
}

impl FromStr for OperationPath {
    type Err = InvalidPath;
    fn from_str(text: &str) -> Result<Self, InvalidPath> {
        let (path, ends_with_slash) = without_slash(text)?;
        Ok(Self { path, ends_with_slash, text: text.to_owned() })
    }
}

/// The path before a slash at its end, and whether there is one.
pub(super) fn without_slash(text: &str) -> Result<(Path, bool), InvalidPath> {
    let (rest, ends_with_slash) = match text.strip_suffix('/') {
        Some(rest) if !rest.is_empty() && text.len() <= PATH_BYTES_MAX => (rest, true),
        _ => (text, false),
    };
    let path = rest.parse().map_err(|error: InvalidPath| InvalidPath { text: shown(text), ..error })?;
    Ok((path, ends_with_slash))
}

fn shown(text: &str) -> String {
    text.chars().take(120).collect()
}

fn segments(text: &str) -> Result<Vec<Segment>, &'static str> {
    if text.len() > PATH_BYTES_MAX {
        return Err("it is longer than 1024 bytes");
    }
    let rest = text.strip_prefix('/').ok_or("it must begin with `/`")?;
    let parts = split(rest)?;
    if parts.len() > SEGMENTS_MAX {
        return Err("it has more than 32 segments");
    }
    parts.into_iter().map(segment).collect()
}

/// Splits at slashes outside brackets.
fn split(text: &str) -> Result<Vec<&str>, &'static str> {
    let (mut parts, mut rest, mut depth) = (Vec::new(), text, 0_usize);
    for (at, character) in text.char_indices() {
        match character {
            '[' => depth += 1,
            ']' => depth = depth.checked_sub(1).ok_or("`]` without `[`")?,
            '/' if depth == 0 => {
                let begun = text.len() - rest.len();
                parts.push(text.get(begun..at).unwrap_or_default());
                rest = text.get(at + 1..).unwrap_or_default();
            }
            _ => {}
        }
    }
    if depth > 0 {
        return Err("a filter must end with `]`");
    }
    parts.push(rest);
    Ok(parts)
}

/// Reads one part, whose brackets are in pairs.
fn segment(text: &str) -> Result<Segment, &'static str> {
    let Some((name, filter)) = text.split_once('[') else {
        return unescape(text).map(Segment::Name);
    };
    let filter = filter.strip_suffix(']').ok_or("nothing may follow a filter but `/`")?;
    let mut depth = 0_usize;
    for character in filter.chars() {
        match character {
            '[' => depth += 1,
            ']' => depth = depth.checked_sub(1).ok_or("a segment has one filter")?,
            _ => {}
        }
    }
    let (key, value) = filter.split_once('=').ok_or("a filter is written `[key=value]`")?;
    if key.is_empty() || value.is_empty() {
        return Err("a filter needs a key and a value");
    }
    if key.contains(['/', '[', ']', '~']) {
        return Err("the key of a filter has none of `/`, `[`, `]`, `~`");
    }
    Ok(Segment::Filter { name: unescape(name)?, key: key.to_owned(), value: value.to_owned() })
}

fn unescape(name: &str) -> Result<String, &'static str> {
    if name.is_empty() {
        return Err("a segment is empty");
    }
    let mut text = String::with_capacity(name.len());
    let mut characters = name.chars();
    while let Some(character) = characters.next() {
        match (character, if character == '~' { characters.next() } else { None }) {
            ('~', Some('0')) => text.push('~'),
            ('~', Some('1')) => text.push('/'),
            ('~', _) => return Err("`~` must be followed by `0` or `1`"),
            (other, _) => text.push(other),
        }
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn filters_hold_uris() {
        // covers A-04
        let filter =
            |uri: &str| Segment::Filter { name: "claims".to_owned(), key: "uri".to_owned(), value: uri.to_owned() };
        for uri in ["http://wso2.org/claims/tier", "urn:a:b", "http://[::1]/a[b]/c?d=e&f=[]", "a~2"] {
            let path: Path = format!("/user/claims[uri={uri}]/value").parse().expect("a path");
            let expected = [Segment::Name("user".to_owned()), filter(uri), Segment::Name("value".to_owned())];
            assert_eq!(path.segments(), expected);
        }
        assert_eq!("/a~1b/~0".parse::<Path>().map(|path| path.segments().len()), Ok(2));
    }

    #[test]
    fn only_the_path_of_an_operation_ends_with_a_slash() {
        // covers A-04
        let path: OperationPath = "/a/b/".parse().expect("a path");
        assert!(path.ends_with_slash() && path.segments().len() == 2 && path.to_string() == "/a/b/");
        assert!("/a/b/".parse::<Path>().is_err(), "hidden parts of an event would stay visible");
        for bad in ["/", "//", "/a//", "a/", &format!("/{}/", "a".repeat(PATH_BYTES_MAX - 1))] {
            assert!(bad.parse::<OperationPath>().is_err(), "{bad:?}");
        }
    }

    #[test]
    fn what_is_no_path() {
        for bad in [
            "",
            "a",
            "/",
            "/a/",
            "/a//b",
            "/a[",
            "/a[b]",
            "/a[=c]",
            "/a[b=]",
            "/a]",
            "/~",
            "/~2",
            "/[a=b]",
            "/a[b=c]d",
            "/a[b=c][d=e]",
            "/a[b=[c]",
            "/a[b=]c]",
            "/a[b/c=d]",
            "/a[b=c]]",
        ] {
            assert!(bad.parse::<Path>().is_err(), "{bad:?}");
        }
        assert!("/a".repeat(32).parse::<Path>().is_ok());
        assert!("/a".repeat(33).parse::<Path>().is_err());
    }
}
