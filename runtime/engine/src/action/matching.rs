//! Which operations the entries of `allowed-operations` cover. The grammar stands in `path.rs`.
//!
//! An entry that ends with a slash covers itself and exactly one level below it; any other covers itself only. `*`
//! stands for an index, in digits. Everything else is compared as text: case counts, and a slash more or less is
//! another path.

use std::fmt;
use std::str::FromStr;

use super::operation::{AllowedOperation, Operation, OperationKind};
use super::path::{InvalidPath, OperationPath, Segment, Token, is_index, without_slash};
use super::profile::Indices;

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

    /// Whether an operation could lead to what the entry names, into it, or to something that holds it, however its
    /// path spells the elements of lists; or could move the element that the entry's index means.
    pub(super) fn touches(&self, kind: OperationKind, path: &OperationPath, indices: Indices) -> bool {
        let its = path.tokens();
        self.guarded().into_iter().zip(&its).enumerate().all(|(at, (mine, its_token))| {
            if at + 1 < its.len() { mine.may_be(*its_token) } else { mine.is_changed_by(kind, *its_token, indices) }
        })
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

    fn guarded(&self) -> Vec<Guarded<'_>> {
        let mut steps = Vec::with_capacity(self.segments.len());
        for segment in &self.segments {
            match segment {
                PatternSegment::Index => steps.push(Guarded::AnyIndex),
                PatternSegment::Is(Segment::Name(name)) => steps.push(Guarded::Is(Token::To(name))),
                PatternSegment::Is(Segment::Filter { name, key, value }) => {
                    steps.push(Guarded::Is(Token::To(name)));
                    steps.push(Guarded::Is(Token::Where { key, value }));
                }
            }
        }
        steps
    }
}

/// One step to what is guarded.
enum Guarded<'a> {
    AnyIndex,
    Is(Token<'a>),
}

impl Guarded<'_> {
    fn may_be(&self, its: Token<'_>) -> bool {
        match (self, its) {
            (Self::AnyIndex, Token::To(to)) => to == "-" || is_index(to),
            (Self::AnyIndex, Token::Where { .. }) => true,
            (Self::Is(mine), its) => mine.may_be(its),
        }
    }

    /// Whether an operation that ends here changes it.
    fn is_changed_by(&self, kind: OperationKind, its: Token<'_>, indices: Indices) -> bool {
        match (self, its) {
            // What is added behind the last element leaves all others where they are.
            (_, Token::To("-")) if kind == OperationKind::Add => matches!(self, Self::Is(Token::To("-"))),
            (Self::Is(Token::To(mine)), Token::To(its)) if is_index(mine) && is_index(its) => {
                // Where indices are the original ones, `replace` moves its element to the end.
                let moves = kind != OperationKind::Replace || indices == Indices::Original;
                mine == &its || (moves && (its.len(), its) < (mine.len(), *mine))
            }
            _ => self.may_be(its),
        }
    }
}

impl PatternSegment {
    fn is(&self, segment: &Segment) -> bool {
        match (self, segment) {
            (Self::Is(mine), its) => mine == its,
            (Self::Index, Segment::Name(name)) => is_index(name),
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
pub(crate) struct AllowedPaths {
    paths: Vec<(OperationKind, PathPattern)>,
    redirect: bool,
}

impl AllowedPaths {
    /// Reads them. What is no path was refused when the flow was saved; here it covers nothing.
    pub(crate) fn read(allowed: &[AllowedOperation]) -> Self {
        let mut entries = Vec::new();
        for entry in allowed {
            entries.extend(entry.paths.iter().filter_map(|path| path.parse().ok()).map(|path| (entry.op, path)));
        }
        Self { paths: entries, redirect: allowed.iter().any(|entry| entry.op == OperationKind::Redirect) }
    }

    /// Whether one of them covers the operation.
    pub(super) fn cover(&self, kind: OperationKind, path: &OperationPath) -> bool {
        self.paths.iter().any(|(op, pattern)| *op == kind && pattern.covers(path))
    }

    /// Whether `redirect` is on the list.
    pub(super) fn has_redirect(&self) -> bool {
        self.redirect
    }

    /// Why an operation is not on the list. What the type or the owner of an action says of it has no part here.
    pub(crate) fn check(&self, operation: &Operation) -> Result<(), String> {
        let name = operation.kind().as_str();
        let Some(text) = operation.path() else {
            return if self.has_redirect() { Ok(()) } else { Err(format!("`{name}` is not allowed")) };
        };
        let path: OperationPath = text.parse().map_err(|error| format!("{error}"))?;
        if self.cover(operation.kind(), &path) {
            return Ok(());
        }
        let path: String = text.chars().take(200).collect();
        Err(format!("`{name}` on `{path}` is not allowed; add it to `allowed-operations`, or leave it out"))
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
            ("/a/*/c", "/a/01/c"),
            ("/a/*/c", "/a/+1/c"),
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
        let touches = |path: &str| touches("/a/b", OperationKind::Replace, path);
        assert!(touches("/a") && touches("/a/b") && touches("/a/b/") && touches("/a/b/c"));
        assert!(!touches("/a/c") && !touches("/b"));
    }

    fn touches(guard: &str, kind: OperationKind, path: &str) -> bool {
        let guard: PathPattern = guard.parse().expect(guard);
        guard.touches(kind, &path.parse().expect(path), Indices::InOrder)
    }

    #[test]
    fn an_element_is_guarded_by_any_of_its_spellings() {
        use OperationKind::{Add, Remove, Replace};
        //
        for (guard, kind, path) in [
            ("/a/1", Replace, "/a[k=v]/b"),
            ("/a/1", Replace, "/a/-"),
            ("/a/1", Remove, "/a/0"),
            ("/a/10", Add, "/a/9"),
            ("/a/*", Replace, "/a[k=v]"),
            ("/a/-", Replace, "/a/3/b"),
            ("/a[k=v]", Replace, "/a/0/b"),
            ("/a[k=v]", Replace, "/a[l=w]/b"),
            ("/a[k=v]", Replace, "/a"),
            ("/a[k=v]/b", Remove, "/a/0"),
            ("/a/n", Replace, "/a[name=n]"),
            ("/a[name=n]", Replace, "/a/n"),
        ] {
            assert!(touches(guard, kind, path), "{guard} {path}");
        }
        for (guard, kind, path) in [
            ("/a/1", Replace, "/a/0"),
            ("/a/1", Replace, "/a/2/b"),
            ("/a/9", Remove, "/a/10"),
            ("/a/1", Add, "/a/-"),
            ("/a[k=v]", Add, "/a/-"),
            ("/a[k=v]", Replace, "/a[k=w]"),
            ("/a[k=v]/b", Replace, "/a/0/c"),
            ("/a/n", Replace, "/a[name=m]"),
        ] {
            assert!(!touches(guard, kind, path), "{guard} {path}");
        }
    }
}
