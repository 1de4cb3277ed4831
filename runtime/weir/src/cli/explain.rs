//! `weir explain CODE`: what a code means and how to mend it. The pages are those of [`crate::codes`].

use super::error::CliError;
use crate::codes::pages;
use crate::exit::Exit;
use crate::output;

#[derive(Debug, clap::Args)]
pub(super) struct Options {
    /// The code, such as plugin.fuel-exhausted; every code without one
    code: Option<String>,
}

pub(super) fn run(options: &Options) -> Result<Exit, CliError> {
    let Some(code) = &options.code else {
        pages().for_each(|(code, _)| output::line(code));
        return Ok(Exit::Done);
    };
    let code = code.strip_prefix("urn:weir:problem:").unwrap_or(code);
    let found = pages().find(|(name, _)| *name == code);
    let (name, text) = found.ok_or_else(|| {
        let area = code.split('.').next().unwrap_or_default();
        let near: Vec<&str> = pages().map(|(name, _)| name).filter(|name| name.starts_with(area)).collect();
        let near = if near.is_empty() { "`weir explain` lists every code".to_owned() } else { near.join(", ") };
        CliError::usage(format!("there is no code `{code}`; there is: {near}"))
    })?;
    output::line(&format!("{name}\n\n{text}"));
    Ok(Exit::Done)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;
    use std::path::Path;

    /// What stands before the dot of our codes.
    const AREAS: [&str; 21] = [
        "action",
        "action-type",
        "auth",
        "backup",
        "component",
        "connector",
        "document",
        "expression",
        "flow",
        "identity",
        "limit",
        "object",
        "plugin",
        "prompt",
        "replay",
        "request",
        "run",
        "server",
        "signing",
        "step",
        "store",
    ];

    /// Settings and file names that look like codes.
    const NOT_CODES: [&str; 5] =
        ["action.wit", "server.listen", "server.metrics-listen", "server.public-url", "server.shutdown-grace"];

    fn is_code(text: &str) -> bool {
        let plain =
            |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_lowercase() || b == b'-' || b == b'8');
        let mut parts = text.split('.');
        !NOT_CODES.contains(&text)
            && parts.next().is_some_and(|area| AREAS.contains(&area))
            && text.contains('.')
            && parts.all(plain)
    }

    /// Texts between quotation marks that follow something which makes them a code.
    fn codes_of(source: &str) -> BTreeSet<String> {
        let source = source.split("#[cfg(test)]\nmod ").next().unwrap_or_default();
        let mut codes = BTreeSet::new();
        for (index, _) in source.match_indices('"') {
            let Some((text, after)) = source[index + 1..].split_once('"') else { continue };
            let before = source[..index].trim_end();
            let makes_a_code = [" =>", " =", "(", ",", "{", "code:"].iter().any(|mark| before.ends_with(mark.trim()));
            if makes_a_code && is_code(text) && !after.starts_with(':') {
                codes.insert(text.to_owned());
            }
        }
        codes
    }

    fn sources(folder: &Path, into: &mut Vec<String>) {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            let name = path.file_name().unwrap().to_string_lossy().into_owned();
            if path.is_dir() && name != "tests" {
                sources(&path, into);
            } else if name.ends_with(".rs") && name != "tests.rs" {
                into.push(std::fs::read_to_string(&path).unwrap());
            }
        }
    }

    #[test]
    fn every_code_has_a_page_and_every_page_a_code() {
        let mut texts = Vec::new();
        for part in ["engine", "plugins", "connectors", "stores", "weir"] {
            sources(&Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(part).join("src"), &mut texts);
        }
        let defined: BTreeSet<String> = texts.iter().flat_map(|text| codes_of(text)).collect();
        let described: BTreeSet<String> = pages().map(|(code, _)| code.to_owned()).collect();
        let missing: Vec<_> = defined.difference(&described).collect();
        let stale: Vec<_> = described.difference(&defined).collect();
        assert_eq!(
            (missing, stale),
            (Vec::new(), Vec::new()),
            "write the missing pages in codes.md, remove the stale ones"
        );
    }

    #[test]
    fn every_page_says_something() {
        for (code, text) in pages() {
            assert!(text.len() > 40 && text.lines().all(|line| line.len() <= 120), "{code}");
        }
    }
}
