//! Where a `set` step assigns.

use crate::ids::StepId;
use crate::run::ContextKey;

/// The most names in a path.
const NAMES_MAX: usize = 16;

/// The longest name, in bytes.
const NAME_BYTES_MAX: usize = 128;

/// A place in the context: a key, and the names of the objects below it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SetPath {
    /// What is written anew.
    pub key: ContextKey,
    /// The way down from there; empty for the whole value.
    pub members: Vec<String>,
}

impl SetPath {
    /// Reads the text of a step's path: a bare name is one of the step's own, `steps.ID.NAME`.
    ///
    /// # Errors
    /// Why it is none.
    pub(super) fn read(text: &str, step: &StepId) -> Result<Self, String> {
        let names: Vec<&str> = text.split('.').collect();
        let is_name = |name: &&str| (1..=NAME_BYTES_MAX).contains(&name.len()) && !name.contains(char::is_control);
        if names.len() > NAMES_MAX || !names.iter().all(is_name) {
            return Err(format!(
                "a path has 1 to {NAMES_MAX} names with dots between them, each of 1 to {NAME_BYTES_MAX} bytes without \
                 control characters"
            ));
        }
        let members = |rest: &[&str]| rest.iter().map(|name| (*name).to_owned()).collect();
        match names.as_slice() {
            [root @ ("event" | "connectors" | "steps" | "claims" | "args" | "run")] => {
                Err(format!("`{root}` names all of it; write a path below `event`, `connectors.NAME` or `steps.ID`"))
            }
            [name] => Ok(Self { key: ContextKey::step(step), members: members(&[name]) }),
            ["event", rest @ ..] => Ok(Self { key: ContextKey::event(), members: members(rest) }),
            [root @ ("connectors" | "steps"), name, rest @ ..] => {
                let key = format!("{root}.{name}").parse().map_err(|_| {
                    format!("`{name}` is no name below `{root}`; it has 1 to 128 letters, digits, `-` and `_`")
                })?;
                Ok(Self { key, members: members(rest) })
            }
            [] => Err("a path has at least one name".to_owned()),
            [root, ..] => Err(format!(
                "nothing is set below `{root}`; write a path below `event`, `connectors.NAME` or `steps.ID`, or a bare name"
            )),
        }
    }

    /// Whether one of the two lies in the other, or is the same.
    pub(super) fn clashes(&self, other: &Self) -> bool {
        self.key == other.key && self.members.iter().zip(&other.members).all(|(one, other)| one == other)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<(String, Vec<String>), String> {
        let path = SetPath::read(text, &"own".parse().expect("an id"))?;
        Ok((path.key.to_string(), path.members))
    }

    #[test]
    fn where_a_path_leads() {
        // covers F-02
        let at =
            |key: &str, members: &[&str]| Ok((key.to_owned(), members.iter().map(|it| (*it).to_owned()).collect()));
        assert_eq!(read("tier"), at("steps.own", &["tier"]));
        assert_eq!(read("event.user.tier"), at("event", &["user", "tier"]));
        assert_eq!(read("connectors.risk"), at("connectors.risk", &[]));
        assert_eq!(read("steps.other.a.b"), at("steps.other", &["a", "b"]));
        for bad in
            ["", ".", "a.b", "event", "event.", "event..x", "claims.x", "run.id", "steps.a b.c", "connectors", "x\n"]
        {
            assert!(read(bad).is_err(), "{bad:?}");
        }
        assert!(read(&["event"].repeat(17).join(".")).is_err());
    }

    #[test]
    fn what_lies_in_one_another_clashes() {
        let path = |text: &str| SetPath::read(text, &"own".parse().expect("an id")).expect("a path");
        for (one, other, clash) in [
            ("event.a", "event.a.b", true),
            ("event.a.b", "event.a", true),
            ("event.a", "event.ab", false),
            ("tier", "steps.own.tier", true),
            ("steps.own", "tier", true),
            ("steps.other.tier", "tier", false),
        ] {
            assert_eq!(path(one).clashes(&path(other)), clash, "{one} {other}");
        }
    }

    proptest::proptest! {
        #[test]
        fn never_panics(text in "\\PC{0,40}") {
            let _ = read(&text);
        }
    }
}
