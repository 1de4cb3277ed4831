//! Paths of operations (A-04): JSON pointers, with a filter on arrays of objects.
//!
//! ```text
//! path    = 1*( "/" segment )
//! segment = name [ "[" key "=" value "]" ]
//! ```
//! `~0` and `~1` stand for `~` and `/` in a name (RFC 6901); a filter's value goes to the last `]` before the next
//! `/` that is outside brackets, so that URIs can be written as they are.

use std::fmt;
use std::str::FromStr;

/// The longest path, in bytes.
const PATH_BYTES_MAX: usize = 1024;

/// The most segments of a path.
const SEGMENTS_MAX: usize = 32;

/// A parsed path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Path {
    segments: Vec<Segment>,
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
        /// What it is compared with.
        value: String,
    },
}

/// Why a text is not a path.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is not a path: {problem}")]
pub struct InvalidPath {
    text: String,
    problem: &'static str,
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

impl fmt::Display for Path {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.text)
    }
}

impl FromStr for Path {
    type Err = InvalidPath;
    fn from_str(text: &str) -> Result<Self, InvalidPath> {
        let invalid = |problem| InvalidPath { text: text.chars().take(120).collect(), problem };
        if text.len() > PATH_BYTES_MAX {
            return Err(invalid("it is longer than 1024 bytes"));
        }
        let rest = text.strip_prefix('/').ok_or_else(|| invalid("it must begin with `/`"))?;
        let parts = split(rest);
        if parts.len() > SEGMENTS_MAX {
            return Err(invalid("it has more than 32 segments"));
        }
        let segments = parts.into_iter().map(segment).collect::<Result<Vec<_>, _>>().map_err(invalid)?;
        Ok(Self { segments, text: text.to_owned() })
    }
}

/// Splits at slashes outside brackets.
fn split(text: &str) -> Vec<&str> {
    let mut in_filter = false;
    text.split(|character| {
        match character {
            '[' => in_filter = true,
            ']' => in_filter = false,
            _ => {}
        }
        character == '/' && !in_filter
    })
    .collect()
}

fn segment(text: &str) -> Result<Segment, &'static str> {
    let Some((name, filter)) = text.split_once('[') else {
        return unescape(text).map(Segment::Name);
    };
    let filter = filter.strip_suffix(']').ok_or("a filter must end with `]`")?;
    let (key, value) = filter.split_once('=').ok_or("a filter is written `[key=value]`")?;
    if key.is_empty() || value.is_empty() {
        return Err("a filter needs a key and a value");
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
            (']', _) => return Err("`]` without `[`"),
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
        let path: Path = "/user/claims[uri=http://wso2.org/claims/tier]".parse().expect("a path");
        assert_eq!(
            path.segments(),
            [
                Segment::Name("user".to_owned()),
                Segment::Filter {
                    name: "claims".to_owned(),
                    key: "uri".to_owned(),
                    value: "http://wso2.org/claims/tier".to_owned()
                },
            ]
        );
        assert_eq!("/a~1b/~0".parse::<Path>().map(|path| path.segments().len()), Ok(2));
    }

    #[test]
    fn what_is_no_path() {
        for bad in
            ["", "a", "/", "/a/", "/a//b", "/a[", "/a[b]", "/a[=c]", "/a[b=]", "/a]", "/~", "/~2", &"/a".repeat(33)]
        {
            assert!(bad.parse::<Path>().is_err(), "{bad:?}");
        }
    }

    proptest::proptest! {
        #[test]
        fn never_panics(text in "[/a\\[\\]=~01é:]{0,30}") {
            let _ = text.parse::<Path>();
        }
    }
}
