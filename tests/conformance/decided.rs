//! Vectors that are decided against, with the reasons: `decided.md`.

use std::collections::BTreeMap;

use anyhow::Context as _;

/// Of a hundred vectors that have a source (all but those that are `derived`), so many may be decided against.
const SOURCED_MAX_PERCENT: usize = 3;

/// Evidence that comes from somewhere.
const SOURCED: [&str; 5] = ["test", "executed", "code", "doc", "seed"];

/// The list: reasons by id. A line is `- ID: reason`; what does not begin with `- ` is for people.
#[derive(Default)]
pub(crate) struct Decided(BTreeMap<String, String>);

impl Decided {
    /// The one beside this program.
    pub(crate) fn load() -> anyhow::Result<Self> {
        let file = weir_tests::paths::root().join("tests/conformance/decided.md");
        let text = std::fs::read_to_string(&file).with_context(|| format!("{} cannot be read", file.display()))?;
        let lines = text.lines().filter_map(|line| line.strip_prefix("- "));
        let entry = |line: &str| {
            let (id, reason) =
                line.split_once(':').with_context(|| format!("decided.md: no `ID: reason` in {line:?}"))?;
            Ok((id.trim().trim_matches('`').to_owned(), reason.trim().to_owned()))
        };
        lines.map(entry).collect::<anyhow::Result<_>>().map(Self)
    }

    /// Why a vector is decided against, where it is.
    pub(crate) fn reason(&self, id: &str) -> Option<&str> {
        self.0.get(id).map(String::as_str)
    }

    /// What is wrong with the list, against all vectors that there are, by id and evidence.
    pub(crate) fn faults(&self, vectors: &BTreeMap<String, String>) -> Vec<String> {
        let unknown = self.0.keys().filter(|id| !vectors.contains_key(*id));
        let mut faults: Vec<String> = unknown.map(|id| format!("decided.md lists `{id}`, which no file has")).collect();
        let is_sourced = |evidence: &str| SOURCED.contains(&evidence);
        let sourced = vectors.values().filter(|evidence| is_sourced(evidence)).count();
        let decided = self.0.keys().filter(|id| vectors.get(*id).is_some_and(|it| is_sourced(it))).count();
        if decided * 100 > sourced * SOURCED_MAX_PERCENT {
            faults.push(format!(
                "decided.md lists {decided} of {sourced} vectors that have a source; at most {SOURCED_MAX_PERCENT} in 100 may be"
            ));
        }
        faults
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn vectors(sourced: usize) -> BTreeMap<String, String> {
        let numbered = (0..sourced).map(|number| (format!("v-{number}"), "test".to_owned()));
        numbered.chain([("d-1".to_owned(), "derived".to_owned())]).collect()
    }

    fn decided(ids: &[&str]) -> Decided {
        Decided(ids.iter().map(|&id| (id.to_owned(), "why".to_owned())).collect())
    }

    #[test]
    fn three_in_a_hundred_that_have_a_source_may_be_decided_against() {
        assert_eq!(decided(&["v-0", "v-1", "v-2", "d-1"]).faults(&vectors(100)), [""; 0]);
        let faults = decided(&["v-0", "v-1", "v-2"]).faults(&vectors(99));
        assert!(matches!(faults.as_slice(), [only] if only.contains("3 of 99")), "{faults:?}");
    }

    #[test]
    fn an_id_that_no_file_has_is_a_fault() {
        let faults = decided(&["gone"]).faults(&vectors(1));
        assert!(matches!(faults.as_slice(), [only] if only.contains("`gone`")), "{faults:?}");
    }

    #[test]
    fn the_list_can_be_read() {
        Decided::load().unwrap();
    }
}
