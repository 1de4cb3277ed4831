//! The demo's tenant: its plugins, connector, credential and flow, set up as a person would, by the command line.

use std::path::{Path, PathBuf};
use std::process::Output;

use anyhow::bail;

use crate::paths;
use crate::server::Server;
use crate::upstream::{TOKEN, Upstream};

/// The plugins of the demo, with what each is for.
pub const PLUGINS: [(&str, &str); 3] = [
    ("correlate", "a pre-call hook: adds a query parameter and a correlation header, drops personal fields"),
    ("normalise", "a post-response hook: makes plain data of the upstream's answer"),
    ("tier", "an action: decides on a tier and asks to set it as a claim"),
];

/// One thing that a person does.
pub struct Act {
    /// Why.
    pub why: &'static str,
    /// The command line, without `weir`.
    pub arguments: Vec<String>,
    /// What goes into its standard input.
    pub input: String,
}

impl Act {
    /// Does it.
    ///
    /// # Errors
    /// The binary cannot be run.
    pub fn run(&self, server: &Server, key: &Path) -> anyhow::Result<Output> {
        let arguments: Vec<&str> = self.arguments.iter().map(String::as_str).collect();
        server.try_cli(key, &arguments, &self.input)
    }
}

/// The connector's document, with the outside system's address in it. Beside the other demo documents in `folder`.
///
/// # Errors
/// The folder cannot be written.
pub fn connector_file(folder: &Path, upstream: &Upstream) -> anyhow::Result<PathBuf> {
    let text = std::fs::read_to_string(paths::root().join("tests/demo/connector.yaml"))?;
    let file = folder.join("connector.yaml");
    std::fs::write(&file, text.replace("http://127.0.0.1:18090", &upstream.url()))?;
    Ok(file)
}

/// What a tenant does before the first run, in order.
///
/// # Errors
/// The folder cannot be written.
pub fn acts(folder: &Path, upstream: &Upstream) -> anyhow::Result<Vec<Act>> {
    let text = |path: &Path| path.display().to_string();
    let mut acts = Vec::new();
    for (name, _) in PLUGINS {
        acts.push(Act {
            why: "upload a plugin",
            arguments: ["plugin", "push", &format!("{name}@1.0.0"), &text(&paths::guest(name))]
                .map(str::to_owned)
                .to_vec(),
            input: String::new(),
        });
    }
    acts.push(Act {
        why: "store the credential that no plugin and no answer of the API ever shows",
        arguments: ["credential", "set", "random-user-token", "--type", "bearer"].map(str::to_owned).to_vec(),
        input: TOKEN.to_owned(),
    });
    acts.push(Act {
        why: "configure the outside system",
        arguments: ["connector", "apply", &text(&connector_file(folder, upstream)?)].map(str::to_owned).to_vec(),
        input: String::new(),
    });
    acts.push(Act {
        why: "save the flow; every fault in it would be named here",
        arguments: ["flow", "apply", &text(&paths::root().join("tests/demo/flow.yaml"))].map(str::to_owned).to_vec(),
        input: String::new(),
    });
    Ok(acts)
}

/// Does all of it.
///
/// # Errors
/// What the command line said.
pub fn set_up(server: &Server, key: &Path, folder: &Path, upstream: &Upstream) -> anyhow::Result<()> {
    for act in acts(folder, upstream)? {
        let output = act.run(server, key)?;
        if !output.status.success() {
            bail!("`weir {}`: {}", act.arguments.join(" "), String::from_utf8_lossy(&output.stderr));
        }
    }
    Ok(())
}

/// The event that starts the demo's run.
pub fn event_file() -> String {
    paths::root().join("tests/demo/event.json").display().to_string()
}
