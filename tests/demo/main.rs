//! `make demo` and `make run`: the main job, by the command line, as a tenant would do it.

use std::io::Write as _;
use std::path::Path;
use std::process::ExitCode;
use std::time::Instant;

use weir_tests::demo::{self, Act, PLUGINS};
use weir_tests::server::Server;
use weir_tests::upstream::Upstream;

fn main() -> ExitCode {
    let keep = std::env::args().any(|argument| argument == "--keep");
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build();
    let shown = runtime.map_err(anyhow::Error::from).and_then(|runtime| {
        runtime.block_on(async {
            let upstream = Upstream::start().await?;
            // The command line blocks; the upstream answers from the runtime's own thread.
            tokio::task::block_in_place(|| show(&upstream, keep))
        })
    });
    match shown {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            say(&format!("\nThe demo failed: {error:#}"));
            ExitCode::FAILURE
        }
    }
}

fn show(upstream: &Upstream, keep: bool) -> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    title("A runtime, a tenant, three plugins");
    let started = Instant::now();
    let server = Server::start(folder.path())?;
    say(&format!(
        "The runtime serves on {} after {} ms, with its store in a temporary folder.",
        server.url,
        started.elapsed().as_millis()
    ));
    say(&format!("An upstream that answers like the random-user API listens on {}.", upstream.url()));
    let key = server.tenant("demo", "admin")?;
    say("An operator has made the tenant `demo` and a key for it.\n");
    for (name, does) in PLUGINS {
        say(&format!("  {name:<10} {does}"));
    }
    for act in demo::acts(folder.path(), upstream)? {
        perform(&act, &server, &key)?;
    }

    title("The run");
    let start = Act {
        why: "start a run and wait for its end",
        arguments: ["run", "start", "registration", "--event", &demo::event_file(), "--wait", "30s"]
            .map(str::to_owned)
            .to_vec(),
        input: String::new(),
    };
    let output = perform(&start, &server, &key)?;
    let run = run_id(&server, &key)?;
    title("What happened, step by step");
    let show = Act {
        why: "read the run's journal",
        arguments: vec!["run".to_owned(), "show".to_owned(), run.clone()],
        input: String::new(),
    };
    perform(&show, &server, &key)?;
    proofs(upstream, &output)?;
    if keep {
        return serve_on(&server, &key, &run);
    }
    let code = server.stop()?;
    say(&format!("\nThe runtime was asked to stop and did, with status {}.", code.unwrap_or(-1)));
    Ok(())
}

/// Runs a command as a person would, and shows it with what it printed.
fn perform(act: &Act, server: &Server, key: &Path) -> anyhow::Result<String> {
    let pipe = if act.input.is_empty() { "" } else { "… | " };
    say(&format!("\n# {}\n$ {pipe}weir {}", act.why, act.arguments.join(" ")));
    let output = act.run(server, key)?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    say(text.trim_end());
    say(String::from_utf8_lossy(&output.stderr).trim_end());
    anyhow::ensure!(output.status.success(), "`weir {}` ended with {}", act.arguments.join(" "), output.status);
    Ok(text)
}

fn run_id(server: &Server, key: &Path) -> anyhow::Result<String> {
    let runs: serde_json::Value = serde_json::from_str(&server.cli(key, &["run", "list", "--output", "json"])?)?;
    let id = runs.pointer("/0/id").and_then(serde_json::Value::as_str);
    id.map(str::to_owned).ok_or_else(|| anyhow::anyhow!("the run is not listed"))
}

/// What the upstream saw, in its own words.
fn proofs(upstream: &Upstream, output: &str) -> anyhow::Result<()> {
    title("What the upstream saw");
    let received = upstream.received();
    let [request] = received.as_slice() else {
        anyhow::bail!("the upstream was called {} times, not once", received.len());
    };
    say(&format!("{} {}", request.method, request.uri));
    for name in ["x-correlation-id", "idempotency-key", "authorization"] {
        let value = request.header(name).unwrap_or("(none)");
        let shown = if name == "authorization" { "Bearer *** (added by the host, after the last hook)" } else { value };
        say(&format!("{name}: {shown}"));
    }
    say(&format!("\n{}", serde_json::to_string_pretty(&request.json())?));
    let body = request.json().to_string();
    anyhow::ensure!(!body.contains("Lovelace@example"), "personal data left the house");
    anyhow::ensure!(!output.contains(weir_tests::upstream::TOKEN), "the credential was shown");
    Ok(())
}

fn serve_on(server: &Server, key: &Path, run: &str) -> anyhow::Result<()> {
    title("Try next (Ctrl-C ends it)");
    say(&format!("export WEIR_URL={} WEIR_API_KEY_FILE={}", server.url, key.display()));
    let weir = weir_tests::paths::weir();
    let weir = weir.display();
    say(&format!(
        "{weir} run start registration --wait 10s --event '{{\"user\":{{\"id\":\"young-1\",\"email\":\"a@example.org\",\"consent\":true}}}}'"
    ));
    say(&format!("{weir} run show {run}"));
    say(&format!("curl -H \"Authorization: Bearer $(cat {})\" {}/v1/runs", key.display(), server.url));
    let runtime = tokio::runtime::Handle::current();
    runtime.block_on(tokio::signal::ctrl_c())?;
    Ok(())
}

fn title(text: &str) {
    say(&format!("\n\n== {text} =="));
}

fn say(text: &str) {
    if text.is_empty() {
        return;
    }
    let _ = writeln!(std::io::stdout().lock(), "{text}");
}
