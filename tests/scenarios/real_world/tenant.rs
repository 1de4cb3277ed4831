//! A tenant at the command line: applies connectors, sets credentials, tries functions.

use std::path::PathBuf;

use serde_json::Value;
use tempfile::TempDir;
use weir_tests::server::Server;

/// A server with one tenant.
pub(super) struct Tenant {
    server: Server,
    key: PathBuf,
    folder: TempDir,
}

/// What trying a function gave.
#[derive(Debug)]
pub(super) struct Tried {
    /// `success`, `failure` or `error`.
    pub(super) outcome: String,
    /// All that was shown.
    pub(super) shown: Value,
}

impl Tried {
    /// What a step would have put into the context: `{status, headers, body, …}`.
    #[track_caller]
    pub(super) fn result(&self) -> &Value {
        self.shown.get("result").unwrap_or_else(|| panic!("there is no result: {self:?}"))
    }

    /// The body of a call that went well.
    #[track_caller]
    pub(super) fn body(&self) -> &Value {
        assert_eq!(self.outcome, "success", "{self:?}");
        &self.result()["body"]
    }

    pub(super) fn status(&self) -> Option<u64> {
        self.result()["status"].as_u64()
    }

    /// The code of a call that ended in an error.
    #[track_caller]
    pub(super) fn code(&self) -> &str {
        assert_eq!(self.outcome, "error", "{self:?}");
        self.shown["error"]["code"].as_str().unwrap()
    }

    pub(super) fn message(&self) -> &str {
        self.shown["error"]["message"].as_str().unwrap_or_default()
    }
}

impl Tenant {
    pub(super) fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let server = Server::start(folder.path()).unwrap();
        let key = server.tenant("acme", "admin").unwrap();
        Self { server, key, folder }
    }

    /// Runs the command line; it must succeed.
    #[track_caller]
    pub(super) fn cli(&self, arguments: &[&str], input: &str) -> String {
        self.cli_with(arguments, input, &[])
    }

    /// The same with further variables.
    #[track_caller]
    pub(super) fn cli_with(&self, arguments: &[&str], input: &str, variables: &[(&str, &str)]) -> String {
        let output = self.server.try_cli_with(&self.key, arguments, input, variables).unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "`weir {}`: {said}", arguments.join(" "));
        String::from_utf8_lossy(&output.stdout).into_owned()
    }

    /// Applies a connector's document.
    #[track_caller]
    pub(super) fn apply(&self, document: &str) {
        self.cli(&["connector", "apply", "-"], document);
    }

    /// A file of the tenant's own machine.
    pub(super) fn file(&self, name: &str, content: &str) -> String {
        let path = self.folder.path().join(name);
        std::fs::write(&path, content).unwrap();
        path.display().to_string()
    }

    /// Tries a function: `NAME.FUNCTION` and `k=v` for each argument.
    #[track_caller]
    pub(super) fn test(&self, function: &str, arguments: &[&str]) -> Tried {
        let mut line = vec!["connector", "test", function, "-o", "json"];
        line.extend(arguments.iter().flat_map(|argument| ["--arg", *argument]));
        let output = self.server.try_cli(&self.key, &line, "").unwrap();
        let shown = String::from_utf8_lossy(&output.stdout);
        let said = String::from_utf8_lossy(&output.stderr);
        let shown: Value = serde_json::from_str(&shown).unwrap_or_else(|error| panic!("{error}: {shown}{said}"));
        let outcome = shown["outcome"].as_str().unwrap_or_default().to_owned();
        assert_eq!(output.status.success(), outcome == "success", "{shown}");
        Tried { outcome, shown }
    }
}
