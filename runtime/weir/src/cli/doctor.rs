//! `weir doctor`: looks for what is wrong, and says how to mend it. Changes nothing.

use std::path::Path;

use serde_json::{Value, json};
use weir_engine::duration_text;

use super::Common;
use super::error::CliError;
use super::serve::ConfigOptions;
use crate::client::{Client, ClientError};
use crate::config::{Config, StoreKind};
use crate::exit::Exit;
use crate::output::{self, Colours, Format, Style};
use crate::private_file;
use crate::secrets::{MASTER_KEY_MISSING, MASTER_KEY_VARIABLE};
use crate::templates::Templates;

#[derive(Debug, clap::Args)]
pub(super) struct Options {
    #[command(flatten)]
    config: ConfigOptions,
}

/// How one check went.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Verdict {
    Ok,
    Warn,
    Fail,
}

/// One check and what to do.
#[derive(Debug)]
struct Finding {
    what: &'static str,
    verdict: Verdict,
    text: String,
}

impl Finding {
    fn ok(what: &'static str, text: impl Into<String>) -> Self {
        Self { what, verdict: Verdict::Ok, text: text.into() }
    }

    fn warn(what: &'static str, text: impl Into<String>) -> Self {
        Self { what, verdict: Verdict::Warn, text: text.into() }
    }

    fn fail(what: &'static str, text: impl Into<String>) -> Self {
        Self { what, verdict: Verdict::Fail, text: text.into() }
    }
}

pub(super) fn run(options: &Options, common: &Common) -> Result<Exit, CliError> {
    let mut findings = Vec::new();
    match options.config.read() {
        Ok(config) => {
            findings.push(Finding::ok("configuration", "every setting can be read"));
            findings.extend(machine(&config));
        }
        Err(error) => findings.push(Finding::fail("configuration", error.message)),
    }
    findings.extend(server(common));
    show(&findings, common);
    let failed = findings.iter().any(|finding| finding.verdict == Verdict::Fail);
    Ok(if failed { Exit::Failed } else { Exit::Done })
}

/// What can be seen without a server.
fn machine(config: &Config) -> Vec<Finding> {
    let mut findings = vec![data_folder(config), free_space(config), master_key(config)];
    if config.data.store == StoreKind::Memory {
        findings
            .push(Finding::warn("store", "`data.store` is `memory`: nothing survives a stop; write `sled` to keep it"));
    }
    findings.extend(store_space(config));
    findings.extend(store_folder(config));
    findings.extend(config.templates_dir.as_deref().map(templates));
    findings.extend(config.types_dir.as_deref().map(action_types));
    if !config.server.listen.ip().is_loopback() {
        let text = "`server.listen` is not loopback and there is no TLS here: put a proxy with TLS before it";
        findings.push(Finding::warn("listening", text));
    }
    findings
}

/// What a restore or a repair has left in the data folder.
fn store_folder(config: &Config) -> Vec<Finding> {
    let store = super::restore::store_folder(&config.data.dir);
    let unfinished = weir_stores::unfinished_restore(&store);
    let mut findings = Vec::new();
    if unfinished.exists() {
        let shown = unfinished.display();
        let text = format!("{shown} is what a restore has not finished; run `weir restore` again, or remove it");
        let finding = if store.exists() { Finding::warn } else { Finding::fail };
        findings.push(finding("restore", text));
    }
    if is_repaired(&store) {
        let text = format!(
            "{} was damaged and was mended when it opened, which left files `aside.*`; make a backup, read it through \
             with `weir restore --verify`, and look at the disk",
            store.display()
        );
        findings.push(Finding::warn("store", text));
    } else if store.join("FORMAT").exists() {
        let text = "back it up with `weir backup`, while the server runs; the master key is not in a backup";
        findings.push(Finding::ok("store", text));
    }
    findings
}

/// Whether an opening of the store has set a damaged file aside.
fn is_repaired(store: &Path) -> bool {
    let Ok(entries) = std::fs::read_dir(store.join("sled")) else { return false };
    entries.flatten().any(|entry| entry.file_name().to_string_lossy().starts_with("aside."))
}

/// The operator's own connector templates.
fn templates(dir: &Path) -> Finding {
    let shown = dir.display();
    match Templates::new(Some(dir.to_owned())).faulty_files() {
        Err(error) => Finding::fail("templates", format!("{shown} cannot be read ({error}); name another folder")),
        Ok(faulty) if faulty.is_empty() => Finding::ok("templates", format!("{shown} has no faults")),
        Ok(faulty) => {
            let files: Vec<String> = faulty.iter().map(|path| path.display().to_string()).collect();
            let text = format!("faults are in {}; `weir connector check-template FILE` shows them", files.join(", "));
            Finding::warn("templates", text)
        }
    }
}

/// The operator's own types of actions.
fn action_types(dir: &Path) -> Finding {
    let shown = dir.display();
    match crate::action_types::faulty_files(dir) {
        Err(error) => Finding::fail("action types", format!("{shown} cannot be read ({error}); name another folder")),
        Ok(faulty) if faulty.is_empty() => Finding::ok("action types", format!("{shown} has no faults")),
        Ok(faulty) => {
            let files: Vec<String> = faulty.iter().map(|path| path.display().to_string()).collect();
            let text = format!("faults are in {}; `weir action check-type FILE` shows them", files.join(", "));
            Finding::warn("action types", text)
        }
    }
}

fn data_folder(config: &Config) -> Finding {
    let dir = &config.data.dir;
    let shown = dir.display();
    match dir.metadata() {
        Err(_) => Finding::ok("data folder", format!("{shown} is not there yet; the first start makes it")),
        Ok(metadata) if !metadata.is_dir() => {
            Finding::fail("data folder", format!("{shown} is not a folder; name another one with --data"))
        }
        Ok(_) => match tempfile_in(dir) {
            Ok(()) => Finding::ok("data folder", format!("{shown} can be written")),
            Err(error) => {
                Finding::fail("data folder", format!("{shown} cannot be written ({error}); give it to this user"))
            }
        },
    }
}

/// Makes and removes a file: the only sure way to know.
fn tempfile_in(dir: &Path) -> std::io::Result<()> {
    let path = dir.join(format!(".doctor-{}", std::process::id()));
    private_file::create(&path, b"")?;
    std::fs::remove_file(path)
}

/// What the store takes, where there is one.
fn store_space(config: &Config) -> Option<Finding> {
    let folder = config.data.dir.join("store");
    if config.data.store == StoreKind::Memory || !folder.is_dir() {
        return None;
    }
    let [database, values] = ["sled", "blobs"].map(|name| bytes_in(&folder.join(name)) >> 20);
    let (keep_for, keep_max) = (duration_text::to_text(config.engine.keep_ended_for), config.engine.keep_ended_max);
    let text = format!(
        "the database takes {database} MiB, large values {values} MiB; ended runs are kept for {keep_for}, at most \
         {keep_max} of a tenant"
    );
    Some(Finding::ok("store space", text))
}

/// Bytes of the files in a folder and below; what cannot be read counts nothing.
fn bytes_in(folder: &Path) -> u64 {
    let Ok(entries) = std::fs::read_dir(folder) else { return 0 };
    let bytes = |entry: std::fs::DirEntry| match entry.metadata() {
        Ok(metadata) if metadata.is_dir() => bytes_in(&entry.path()),
        Ok(metadata) => metadata.len(),
        Err(_) => 0,
    };
    entries.flatten().map(bytes).sum()
}

fn free_space(config: &Config) -> Finding {
    // The folder itself may not be there yet: its nearest ancestor is on the same disk.
    let dir = &config.data.dir;
    let there = dir.ancestors().find(|dir| dir.exists()).unwrap_or(Path::new("."));
    match rustix::fs::statvfs(there) {
        Err(error) => Finding::warn("disk space", format!("cannot be seen ({error})")),
        Ok(disk) => {
            let free = disk.f_bavail.saturating_mul(disk.f_frsize);
            let floor = config.store.free_bytes_min;
            let text = format!("{} MiB free", free >> 20);
            if free < floor {
                let floor = floor >> 20;
                Finding::fail(
                    "disk space",
                    format!("{text}, but the store takes no writes below {floor} MiB; free some"),
                )
            } else if free < floor.saturating_mul(8) {
                Finding::warn("disk space", format!("{text}; the store may take many times its live data for a moment"))
            } else {
                Finding::ok("disk space", text)
            }
        }
    }
}

/// Whether an earlier start has made a store.
fn has_store(config: &Config) -> bool {
    config.data.store != StoreKind::Memory && super::restore::store_folder(&config.data.dir).join("FORMAT").exists()
}

fn master_key(config: &Config) -> Finding {
    let path = &config.secrets.master_key_file;
    let shown = path.display();
    if std::env::var_os(MASTER_KEY_VARIABLE).is_some() {
        return Finding::ok("master key", format!("{MASTER_KEY_VARIABLE} gives it; keep a copy apart from the data"));
    }
    match private_file::is_open_to_others(path) {
        Err(_) if has_store(config) => {
            let text = format!(
                "there is a store, and its master key {shown} is missing; put that file back from its copy, or set \
                 {MASTER_KEY_VARIABLE} (`weir explain {MASTER_KEY_MISSING}` tells more)"
            );
            Finding::fail("master key", text)
        }
        Err(_) => Finding::ok("master key", format!("{shown} is not there yet; the first start makes it")),
        Ok(false) => {
            Finding::ok("master key", format!("only its owner can read {shown}; keep a copy apart from the data"))
        }
        Ok(true) => Finding::fail("master key", format!("others can read {shown}; run `chmod 600 {shown}`")),
    }
}

/// What can be seen of a server.
fn server(common: &Common) -> Vec<Finding> {
    let client = match Client::with_key_if_any(&common.server) {
        Ok(client) => client,
        Err(error) => return vec![Finding::fail("key", error.to_string())],
    };
    let version = match client.get("/healthz") {
        Ok(health) => health.get("version").and_then(Value::as_str).unwrap_or_default().to_owned(),
        Err(error) => return vec![Finding::warn("server", error.to_string())],
    };
    let mut findings = vec![Finding::ok("server", format!("{} runs version {version}", client.url()))];
    if version != env!("CARGO_PKG_VERSION") {
        let text = format!("this program is {}; use the same version on both sides", env!("CARGO_PKG_VERSION"));
        findings.push(Finding::warn("version", text));
    }
    findings.push(readiness(&client));
    findings.push(own_key(&client));
    findings.extend(identities(&client));
    findings
}

/// TLS identities of the key's tenant that have expired or soon will. A key that may not see them sees nothing here.
fn identities(client: &Client) -> Vec<Finding> {
    let Ok(identities) = client.list("/v1/identities") else { return Vec::new() };
    let warnings = identities.iter().flat_map(|identity| {
        let name = identity.get("name").and_then(Value::as_str).unwrap_or_default();
        let warnings = identity.get("warnings").and_then(Value::as_array).into_iter().flatten();
        warnings.filter_map(Value::as_str).map(move |text| Finding::warn("TLS identity", format!("{name}: {text}")))
    });
    let findings: Vec<Finding> = warnings.collect();
    match (identities.len(), findings.is_empty()) {
        (0, _) => findings,
        (count, true) => vec![Finding::ok("TLS identities", format!("{count}, none of which expires within 30 days"))],
        (_, false) => findings,
    }
}

fn readiness(client: &Client) -> Finding {
    match client.readiness() {
        Ok(reasons) if reasons.is_empty() => Finding::ok("readiness", "the server takes work"),
        Ok(reasons) => Finding::fail("readiness", reasons.join("; ")),
        Err(error) => Finding::fail("readiness", error.to_string()),
    }
}

fn own_key(client: &Client) -> Finding {
    if !client.has_key() {
        return Finding::warn("key", "there is none; set WEIR_API_KEY or name a file with --key-file");
    }
    match client.get("/v1/whoami") {
        Ok(own) => {
            let member = |name: &str| own.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
            Finding::ok("key", format!("a key of role {} of tenant {}", member("role"), member("tenant")))
        }
        Err(ClientError::Problem(problem)) => Finding::fail("key", problem.detail),
        Err(error) => Finding::fail("key", error.to_string()),
    }
}

fn show(findings: &[Finding], common: &Common) {
    match common.output {
        Format::Json => {
            let row = |finding: &Finding| json!({ "check": finding.what, "verdict": word(finding.verdict), "text": finding.text });
            output::json(&findings.iter().map(row).collect());
        }
        Format::Table => {
            let colours = Colours::of_stdout();
            for Finding { what, verdict, text } in findings {
                let style = match verdict {
                    Verdict::Ok => Style::Good,
                    Verdict::Warn => Style::Warning,
                    Verdict::Fail => Style::Bad,
                };
                let verdict = colours.paint(style, &format!("{:4}", word(*verdict)));
                output::line(&format!("{verdict}  {what}: {}", output::printable(text)));
            }
        }
    }
}

fn word(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Ok => "ok",
        Verdict::Warn => "warn",
        Verdict::Fail => "fail",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn each_finding_says_how_to_mend_it() {
        let dir = tempfile::tempdir().unwrap();
        let config = Config::for_tests(dir.path());
        assert_eq!(data_folder(&config).verdict, Verdict::Ok);
        assert_eq!(master_key(&config).verdict, Verdict::Ok);
        std::fs::write(&config.secrets.master_key_file, "x").unwrap();
        std::fs::set_permissions(&config.secrets.master_key_file, std::fs::Permissions::from_mode(0o644)).unwrap();
        let finding = master_key(&config);
        assert_eq!(finding.verdict, Verdict::Fail);
        assert!(finding.text.contains("chmod 600"));
        let store = crate::cli::restore::store_folder(dir.path());
        std::fs::create_dir_all(weir_stores::unfinished_restore(&store)).unwrap();
        assert_eq!(store_folder(&config).first().map(|finding| finding.verdict), Some(Verdict::Fail));
        std::fs::create_dir_all(dir.path().join("store/sled")).unwrap();
        std::fs::write(dir.path().join("store/FORMAT"), "weir store, format 1\n").unwrap();
        std::fs::remove_file(&config.secrets.master_key_file).unwrap();
        let finding = master_key(&config);
        assert!(finding.verdict == Verdict::Fail && finding.text.contains(MASTER_KEY_MISSING), "{}", finding.text);
        let verdicts = || store_folder(&config).into_iter().map(|finding| finding.verdict).collect::<Vec<_>>();
        assert_eq!(verdicts(), [Verdict::Warn, Verdict::Ok]);
        std::fs::write(dir.path().join("store/sled/aside.conf"), "").unwrap();
        assert_eq!(verdicts(), [Verdict::Warn, Verdict::Warn]);
        let file = dir.path().join("file");
        std::fs::write(&file, "x").unwrap();
        assert_eq!(data_folder(&Config::for_tests(&file)).verdict, Verdict::Fail);
    }
}
