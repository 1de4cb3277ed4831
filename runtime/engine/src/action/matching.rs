//! Which operations the entries of `allowed-operations` cover. The grammar stands in `path.rs`.
//!
//! An entry that ends with a slash covers itself and exactly one level below it; any other covers itself only. `*`
//! stands for an index, in digits. Everything else is compared as text: case counts, and a slash more or less is
//! another path.

use std::fmt;
use std::str::FromStr;

use super::operation::{AllowedOperation, OperationKind};
use super::path::{InvalidPath, OperationPath, Segment, without_slash};

/// An entry of `allowed-operations`: which paths of operations it covers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PathPattern {
    segments: Vec<PatternSegment>,
    with_one_level: bool,
    text: String,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum PatternSegment {
    Index,
    Is(Segment),
}

impl PathPattern {
    /// Whether it covers the path of an operation.
    pub fn covers(&self, path: &OperationPath) -> bool {
        let (count, beyond) = (self.segments.len(), path.segments().len().checked_sub(self.segments.len()));
        let is_level = match (self.with_one_level, path.ends_with_slash()) {
            (true, true) | (false, false) => beyond == Some(0),
            (true, false) => beyond == Some(1),
            (false, true) => false,
        };
        is_level && self.segments.iter().zip(path.segments().iter().take(count)).all(|(mine, its)| mine.is(its))
    }

    /// Whether a path of an operation leads to what the entry names, into it, or to something that holds it.
    pub(super) fn touches(&self, path: &OperationPath) -> bool {
        self.segments.iter().zip(path.segments()).all(|(mine, its)| mine.is(its))
    }

    /// Whether a place is at what the entry names, above it, or below it.
    pub(super) fn meets(&self, place: &str) -> bool {
        let mut names = place.split('/').skip(1).map(|name| name.replace("~1", "/").replace("~0", "~"));
        for segment in &self.segments {
            let Some(name) = names.next() else { return true };
            let is_it = match segment {
                PatternSegment::Index => name.bytes().all(|byte| byte.is_ascii_digit()),
                PatternSegment::Is(Segment::Name(mine)) => *mine == name,
                // A filter stands on the elements of a list, where only an index of a place could lead.
                PatternSegment::Is(Segment::Filter { name: mine, .. }) => {
                    if *mine != name {
                        return false;
                    }
                    let Some(element) = names.next() else { return true };
                    element.bytes().all(|byte| byte.is_ascii_digit())
                }
            };
            if !is_it {
                return false;
            }
        }
        true
    }
}

impl PatternSegment {
    fn is(&self, segment: &Segment) -> bool {
        match (self, segment) {
            (Self::Is(mine), its) => mine == its,
            (Self::Index, Segment::Name(name)) => name.bytes().all(|byte| byte.is_ascii_digit()),
            (Self::Index, Segment::Filter { .. }) => false,
        }
    }
}

impl FromStr for PathPattern {
    type Err = InvalidPath;
    fn from_str(text: &str) -> Result<Self, InvalidPath> {
        let (path, with_one_level) = without_slash(text)?;
        let segments = path.segments().iter().map(|segment| match segment {
            Segment::Name(name) if name == "*" => PatternSegment::Index,
            other => PatternSegment::Is(other.clone()),
        });
        Ok(Self { segments: segments.collect(), with_one_level, text: text.to_owned() })
    }
}

impl fmt::Display for PathPattern {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.text)
    }
}

/// The entries of a step's list, read once for all operations of an answer.
pub(super) struct AllowedPaths(Vec<(OperationKind, PathPattern)>);

impl AllowedPaths {
    /// Reads them. What is no path was refused when the flow was saved; here it covers nothing.
    pub(super) fn read(allowed: &[AllowedOperation]) -> Self {
        let mut entries = Vec::new();
        for entry in allowed {
            entries.extend(entry.paths.iter().filter_map(|path| path.parse().ok()).map(|path| (entry.op, path)));
        }
        Self(entries)
    }

    /// Whether one of them covers the operation.
    pub(super) fn cover(&self, kind: OperationKind, path: &OperationPath) -> bool {
        self.0.iter().any(|(op, pattern)| *op == kind && pattern.covers(path))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn covers(entry: &str, path: &str) -> bool {
        entry.parse::<PathPattern>().expect(entry).covers(&path.parse().expect(path))
    }

    #[test]
    fn an_entry_covers_itself_or_one_level() {
        //
        let claim = "/user/claims[uri=http://a.test/b/c]";
        for (entry, path) in [
            ("/a/b", "/a/b"),
            ("/a/b/", "/a/b/"),
            ("/a/b/", "/a/b/c"),
            ("/a/b/", "/a/b/-"),
            ("/a/b/", "/a/b/c[d=e/f]"),
            ("/a/*/c", "/a/12/c"),
            ("/a/*/", "/a/0/b"),
            ("/a/*", "/a/0"),
            (claim, claim),
        ] {
            assert!(covers(entry, path), "{entry} {path}");
        }
        for (entry, path) in [
            ("/a/b", "/a/b/"),
            ("/a/b", "/a/b/c"),
            ("/a/b/", "/a/b"),
            ("/a/b/", "/a/b/c/"),
            ("/a/b/", "/a/b/c/d"),
            ("/a/b/", "/a/bc"),
            ("/a/B", "/a/b"),
            ("/a/*/c", "/a/x/c"),
            ("/a/*/c", "/a/-/c"),
            ("/a/*/c", "/a/1x/c"),
            ("/a/*/c", "/a/*/c"),
            ("/a/*", "/a/1[b=c]"),
            (claim, "/user/claims[uri=http://a.test/b/C]"),
            (claim, "/user/claims"),
            ("/user/claims/", claim),
        ] {
            assert!(!covers(entry, path), "{entry} {path}");
        }
    }

    #[test]
    fn what_is_read_only_guards_all_around_it() {
        let touches = |path: &str| "/a/b".parse::<PathPattern>().expect("a path").touches(&path.parse().expect(path));
        assert!(touches("/a") && touches("/a/b") && touches("/a/b/") && touches("/a/b/c"));
        assert!(!touches("/a/c") && !touches("/b"));
    }
}
