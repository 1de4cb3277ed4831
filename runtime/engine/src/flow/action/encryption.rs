//! What of an action travels encrypted, checked.

use super::super::compile::Compiler;
use super::document::SetUpDocument;
use crate::action::{ActionType, MissingCertificate, Path, Profile, Segment, shown_at};
use crate::ids::IdentityName;

/// Most paths of one list: each one is work of its own at every run.
const PATHS_MAX: usize = 100;
/// The code of every fault here.
const CODE: &str = "flow.encryption";

/// What travels encrypted.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct EncryptionRules {
    /// The identity whose certificate the parts of the event are encrypted to.
    pub certificate: Option<IdentityName>,
    /// Paths of the run's event.
    pub event: Vec<Path>,
    /// The identity whose private key opens the values of operations.
    pub key: Option<IdentityName>,
    /// Paths of operations.
    pub operations: Vec<Path>,
}

impl EncryptionRules {
    /// Whether the value of an operation on that path must come encrypted: the path is listed, or lies below a listed
    /// one. Another spelling of a listed path is that path.
    pub fn is_sealed(&self, path: &str) -> bool {
        let Ok(path) = path.trim_end_matches('/').parse::<Path>() else { return false };
        self.operations.iter().any(|listed| path.segments().starts_with(listed.segments()))
    }

    /// The names under which the plaintext stands: the last of each path, or the claim's URI. An index is none: what is in
    /// a list stands under the name of the list.
    pub fn sensitive_names(&self) -> impl Iterator<Item = &str> {
        let name = |segment: &'_ Segment| match segment {
            Segment::Name(name) => name != "-" && name.parse::<usize>().is_err(),
            Segment::Filter { .. } => true,
        };
        self.event.iter().chain(&self.operations).filter_map(move |path| {
            match path.segments().iter().rfind(|segment| name(segment))? {
                Segment::Filter { value, .. } => Some(value.as_str()),
                Segment::Name(name) => Some(name.as_str()),
            }
        })
    }
}

impl Compiler<'_> {
    /// Checks `encryption`. `None` where the document has none.
    pub(super) fn encryption(
        &mut self,
        pointer: &str,
        it: &SetUpDocument,
        kind: &ActionType,
        profile: &Profile,
    ) -> Option<EncryptionRules> {
        let written = it.encryption.as_ref()?;
        let pointer = format!("{pointer}/encryption");
        for (name, list) in [("event", &written.event), ("operations", &written.operations)] {
            if list.len() > PATHS_MAX {
                let message = format!("there are {} paths; at most {PATHS_MAX} are encrypted", list.len());
                self.error_of_save(&format!("{pointer}/{name}"), CODE, message);
            }
        }
        let event: Vec<Path> = self.paths(&format!("{pointer}/event"), &written.event);
        for (index, path) in event.iter().enumerate().filter(|(_, path)| shown_at(kind, path).is_empty()) {
            let message = format!("a `{}` action is not shown `{path}`, so there is nothing to encrypt", kind.name);
            self.error_of_save(&format!("{pointer}/event/{index}"), CODE, message);
        }
        let operations: Vec<Path> = self.paths(&format!("{pointer}/operations"), &written.operations);
        for (index, path) in operations.iter().enumerate() {
            let mut allowed = it.allowed_operations.iter().flat_map(|entry| &entry.paths);
            if !allowed.any(|allowed| allowed == path.as_str()) {
                let message =
                    format!("`{path}` is not in `allowed-operations`; list it there too, or leave it out here");
                self.error_of_save(&format!("{pointer}/operations/{index}"), CODE, message);
            }
        }
        if written.certificate.is_none() && !event.is_empty() {
            let message = "there is no `certificate` to encrypt the event to; name a stored TLS identity";
            match profile.missing_certificate {
                MissingCertificate::Refuse => self.error(&pointer, CODE, message),
                MissingCertificate::LeaveOut => {
                    let message = format!("{message}, or the listed parts are left out");
                    self.faults.warning(self.document, &pointer, CODE, message);
                }
            }
        }
        if written.key.is_none() && !operations.is_empty() {
            self.error(&pointer, CODE, "there is no `key` to decrypt operations with; name a stored TLS identity");
        }
        let (certificate, key) = (written.certificate.clone(), written.key.clone());
        Some(EncryptionRules { certificate, event, key, operations })
    }
}
