//! What an action's owner may name of an event: parts that the type grants, and places that it lets be changed.

use std::collections::BTreeMap;

use super::super::compile::Compiler;
use crate::action::annotation::{self, Annotation};
use crate::action::{self, ActionType, AllowedOperation, Path};
use crate::document::list_names;

/// Most paths of `expose`, and of `hidden`.
const PATHS_MAX: usize = 50;

impl Compiler<'_> {
    /// The annotations, which are cut off the paths.
    pub(super) fn annotations(
        &mut self,
        pointer: &str,
        allowed: &mut [AllowedOperation],
    ) -> BTreeMap<String, Annotation> {
        let mut annotations = BTreeMap::new();
        for (entry, allowed) in allowed.iter_mut().enumerate() {
            for (index, path) in allowed.paths.iter_mut().enumerate() {
                let place = format!("{pointer}/allowed-operations/{entry}/paths/{index}");
                match annotation::split(path) {
                    Ok((_, None)) => {}
                    Ok((cut, Some(annotation))) => {
                        if annotations.get(cut).is_some_and(|other| *other != annotation) {
                            let message = format!("another entry says that `{cut}` holds values of another type");
                            self.error_of_save(&place, "flow.path-annotation", message);
                        }
                        let cut = cut.to_owned();
                        annotations.insert(cut.clone(), annotation);
                        *path = cut;
                    }
                    Err(error) => self.error_of_save(&place, "flow.path-annotation", error.to_string()),
                }
            }
        }
        annotations
    }

    /// No path of an operation leads to what the type keeps as it is.
    pub(super) fn modifiable(&mut self, pointer: &str, allowed: &[AllowedOperation], kind: &ActionType) {
        for (entry, allowed) in allowed.iter().enumerate() {
            for (index, path) in allowed.paths.iter().enumerate() {
                if !kind.read_only.iter().any(|kept| leads_into(kept, path)) {
                    continue;
                }
                let shown: String = path.chars().take(120).collect();
                let place = format!("{pointer}/allowed-operations/{entry}/paths/{index}");
                let message = format!("Path '{shown}' cannot be marked as modifiable.");
                let kept = list_names(kind.read_only.iter().map(String::as_str));
                let help = format!("`{}` keeps {kept} as they are", kind.name);
                self.faults.error(self.document, &place, "flow.allowed-operation", message).help(help);
            }
        }
    }

    /// Each operation is one of the type, on a path; a warning for a path on which none can ever be applied.
    pub(super) fn applicable(&mut self, pointer: &str, allowed: &[AllowedOperation], kind: &ActionType) {
        for (index, entry) in allowed.iter().enumerate() {
            let place = format!("{pointer}/allowed-operations/{index}");
            for (below, problem) in action::check_allowed(entry, kind) {
                self.error(&format!("{place}{below}"), "flow.allowed-operation", problem);
            }
            for (below, problem) in action::without_place(entry, kind) {
                let there_are = list_names(kind.places.iter().map(|place| place.path.as_str()));
                let fault =
                    self.faults.warning(self.document, &format!("{place}{below}"), "flow.operation-place", problem);
                fault.help(format!("operations of `{}` change {there_are}", kind.name));
            }
        }
    }

    /// Paths of what the type grants.
    pub(super) fn granted(&mut self, pointer: &str, texts: &[String], kind: &ActionType) -> Vec<Path> {
        if texts.len() > PATHS_MAX {
            let message =
                format!("there are {} paths; at most {PATHS_MAX} are taken: name what they are in", texts.len());
            self.error_of_save(pointer, "flow.path-count", message);
        }
        let mut paths = Vec::new();
        let most = if self.is_save { PATHS_MAX } else { texts.len() };
        for (index, text) in texts.iter().enumerate().take(most) {
            let place = format!("{pointer}/{index}");
            match text.parse::<Path>() {
                Err(error) => self.error(&place, "flow.event-path", error.to_string()),
                // Of what is not granted, nothing is there to be shown or hidden.
                Ok(path) if !self.is_save || kind.grants(&path) => paths.push(path),
                Ok(path) => {
                    let members =
                        kind.event.iter().map(|member| member.from.strip_prefix("/event").unwrap_or(&member.to));
                    let help = format!("it grants {}", list_names(members));
                    let message = format!("`{path}` is nothing that a `{}` action sees", kind.name);
                    self.faults.error(self.document, &place, "flow.event-path", message).help(help);
                }
            }
        }
        paths
    }
}

/// Takes out what could not be saved for the type: it allows nothing.
pub(super) fn without_refused(allowed: &mut Vec<AllowedOperation>, kind: &ActionType) {
    allowed.retain_mut(|entry| {
        let is_pathless = entry.paths.is_empty();
        entry.paths.retain(|path| !kind.read_only.iter().any(|kept| leads_into(kept, path)));
        action::is_of_type(entry.op, kind) && (is_pathless || !entry.paths.is_empty())
    });
}

/// Whether a path is that of a place, or of something in it.
fn leads_into(place: &str, path: &str) -> bool {
    path.strip_prefix(place).is_some_and(|rest| rest.is_empty() || rest.starts_with(['/', '[']))
}

#[cfg(test)]
mod tests {
    use super::super::read_action;
    use crate::action::ActionTypes;
    use crate::document::{Document, Faults, Format, Severity};

    /// Code and place of each fault of a saved action with these members.
    fn faults(members: &str) -> Vec<(String, String)> {
        let text = format!("action: a\ntype: FLOW_EXTENSION\nservice: c.f\n{members}");
        let document = Document::parse(&text, Format::Yaml).expect("YAML");
        let faults = read_action(&document, &ActionTypes::shipped()).err().unwrap_or_default();
        faults
            .0
            .into_iter()
            .filter(|fault| fault.severity == Severity::Error)
            .map(|fault| (fault.code, fault.pointer))
            .collect()
    }

    fn fault(code: &str, pointer: &str) -> Vec<(String, String)> {
        vec![(code.to_owned(), pointer.to_owned())]
    }

    fn none() -> Vec<(String, String)> {
        Vec::new()
    }

    #[test]
    fn an_owner_names_what_the_type_grants() {
        //
        assert_eq!(
            faults("expose: ['/user/claims[uri=a]', /user/username]\nhidden: [/user/id, /flow/flowType]\n"),
            none()
        );
        assert_eq!(faults("expose: [/user/name]\n"), fault("flow.event-path", "/expose/0"));
        assert_eq!(faults("hidden: [/user/nme]\n"), fault("flow.event-path", "/hidden/0"));
        assert_eq!(faults("expose: [user/username]\n"), fault("flow.event-path", "/expose/0"));
        assert_eq!(faults("expose: [/user/]\n"), fault("flow.event-path", "/expose/0"));
        let many: Vec<String> = (0..=50).map(|index| format!("'/user/claims[uri={index}]'")).collect();
        assert_eq!(faults(&format!("expose: [{}]\n", many.join(", "))), fault("flow.path-count", "/expose"));
    }

    #[test]
    fn what_a_type_keeps_is_not_modifiable_and_annotations_are_types() {
        //
        let replace = |path: &str| faults(&format!("allowed-operations: [{{ op: replace, paths: ['{path}'] }}]\n"));
        let place = "/allowed-operations/0/paths/0";
        assert_eq!(replace("/flow/flowType"), fault("flow.allowed-operation", place));
        assert_eq!(replace("/flowers"), none());
        assert_eq!(replace("/properties/score{Float}"), none());
        assert_eq!(replace("/properties/score{Flot}"), fault("flow.path-annotation", place));
        let twice = "allowed-operations: [{ op: replace, paths: ['/p/a{Float}', '/p/a{String}'] }]\n";
        assert_eq!(faults(twice), fault("flow.path-annotation", "/allowed-operations/0/paths/1"));
    }

    #[test]
    fn a_path_on_which_nothing_can_be_applied_is_warned_of() {
        //
        let warned = |path: &str| {
            let text = format!(
                "action: a\ntype: FLOW_EXTENSION\nservice: c.f\nallowed-operations:\n  - {{ op: replace, paths: ['{path}'] }}\n"
            );
            let document = Document::parse(&text, Format::Yaml).expect("YAML");
            let mut faults = Faults::default();
            super::super::compile::read_with_warnings(&document, &ActionTypes::shipped(), &mut faults).expect(path);
            assert!(!faults.has_errors(), "{faults}");
            faults.0.into_iter().any(|fault| fault.code == "flow.operation-place")
        };
        assert!(warned("/user/tier") && warned("/user/claimsx") && warned("/usr/"));
        for path in ["/user/claims[uri=tier]", "/user/claims/", "/user/", "/user", "/user/claims/*/value"] {
            assert!(!warned(path), "{path}");
        }
    }
}
