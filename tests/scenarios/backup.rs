//! Backup of a server at work, restore elsewhere, and what is refused. covers T-07, keeps D5

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::Duration;

use axum::Json;
use serde_json::{Value, json};
use weir_tests::paths;
use weir_tests::server::Server;

use crate::house::{Api, House, until};

const CONFIG: &str = "[engine]\nclaim-interval = '20ms'\n";
const TOKEN: &str = "c4nary-of-the-backup";
const FLOW: &str = "flow: login\ntrigger: LOGIN\nsteps:\n  - id: pin\n    action: AUTHENTICATION\n    service: pins.check\n    allowed-operations: [{ op: redirect }]\n    time-to-live: 10m\n  - id: said\n    claims: [{ key: came, type: dynamic, value: '${event.application.id}' }]\n";

/// A tenant whose flow waits for an end user, and whose connector has a credential.
async fn house() -> House {
    let house = House::with_config(CONFIG).await;
    let api = house.api();
    let set =
        house.server.try_cli(&house.key, &["credential", "set", "pins-token", "--type", "bearer"], TOKEN).unwrap();
    assert!(set.status.success(), "{set:?}");
    let connector = format!(
        "connector: pins\nbase-url: {}\nauthentication: {{ type: bearer, credential: pins-token }}\nfunctions:\n  - {{ name: check, method: POST, endpoint: /check }}\n",
        house.upstream.url()
    );
    for (path, body) in [("/v1/connectors/pins", connector.as_str()), ("/v1/flows/login", FLOW)] {
        let put = api.put(path, "application/yaml", body.as_bytes());
        assert_eq!(put.status, 201, "{path}: {}", put.text);
    }
    house
}

fn start(api: &Api, wait: &str) -> Value {
    let started =
        api.post(&format!("/v1/flows/login/runs{wait}"), &json!({ "event": { "application": { "id": "a" } } }));
    assert_eq!(started.status, 202, "{}", started.text);
    started.json()
}

/// The command line without a server.
fn weir(arguments: &[&str]) -> Output {
    let mut command = Command::new(paths::weir());
    command.args(arguments).env("NO_COLOR", "1").env_remove("WEIR_API_KEY").env_remove("WEIR_API_KEY_FILE");
    command.stdin(Stdio::null()).output().unwrap()
}

fn said(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

/// A folder like that of another machine, with the keys that a backup does not hold.
fn elsewhere(house: &House, file: &Path) -> PathBuf {
    let folder = house.folder.path().join("elsewhere");
    let data = folder.join("data");
    let restored = weir(&["restore", text(file), "--data", text(&data)]);
    assert!(restored.status.success() && said(&restored).contains("master key"), "{}", said(&restored));
    // No other key is made, which would end each run that needs a credential.
    refuses(&folder, "server.master-key-missing");
    assert!(!data.join("master.key").exists());
    let (doctored, url) = (text(&data), "http://127.0.0.1:9");
    let doctor = weir(&["doctor", "--data", doctored, "--url", url]);
    assert!(!doctor.status.success() && said(&doctor).contains("server.master-key-missing"), "{}", said(&doctor));
    let other = data.join("master.key");
    std::fs::write(&other, "ab".repeat(32)).unwrap();
    std::fs::set_permissions(&other, std::fs::Permissions::from_mode(0o600)).unwrap();
    refuses(&folder, "server.other-master-key");
    std::fs::copy(house.data().join("master.key"), data.join("master.key")).unwrap();
    folder
}

fn refuses(folder: &Path, code: &str) {
    let Err(error) = Server::start_with(folder, CONFIG) else { panic!("it serves without the key of its store") };
    assert!(error.to_string().contains(code), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_at_work_is_backed_up_and_its_runs_go_on_elsewhere() {
    // covers F-06, T-03: suspended, queued and in flight; what was encrypted opens with the master key
    let house = house().await;
    let redirect = json!({ "op": "redirect", "url": "https://pin.test/enter?flowId=f1" });
    let away = json!({ "actionStatus": "INCOMPLETE", "operations": [redirect] });
    house.upstream.answer_next(Json(away));
    let suspended = start(&house.api(), "?wait=30s");
    assert_eq!(suspended["state"], "suspended", "{suspended:#}");
    house.upstream.hold();
    let in_flight = start(&house.api(), "");
    house.upstream.arrived(2).await;
    let file = house.folder.path().join("weir.backup");
    let operator = house.server.operator_key();
    let printed = house.server.cli(&operator, &["backup", text(&file), "--output", "json"]).unwrap();
    let report: Value = serde_json::from_str(&printed).unwrap();
    assert_eq!((&report["counts"]["runs"], &report["faults"]), (&json!(2), &json!(0)), "{report:#}");
    assert_eq!(std::fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
    let bytes = std::fs::read(&file).unwrap();
    assert!(!bytes.windows(TOKEN.len()).any(|part| part == TOKEN.as_bytes()), "a credential is in the clear");
    // The server goes on; what it does from here on is not in the backup.
    start(&house.api(), "");
    let folder = elsewhere(&house, &file);
    house.server.kill().unwrap();
    house.upstream.release();
    // What was held takes some of them, though nobody listens any more.
    for _ in 0..8 {
        house.upstream.answer_next(Json(json!({ "actionStatus": "SUCCESS" })));
    }
    let server = Server::start_with(&folder, CONFIG).unwrap();
    let api = Api::new(&server.url, &house.key);
    let id = |run: &Value| run["id"].as_str().unwrap().to_owned();
    let ended = until("the end of the run in flight", || {
        let run = api.get(&format!("/v1/runs/{}", id(&in_flight))).json();
        (run["state"] != "ready").then_some(run)
    })
    .await;
    assert_eq!(ended["state"], "completed", "{ended:#}");
    let resumed =
        api.post(&format!("/v1/runs/{}/resume?wait=30s", id(&suspended)), &json!({ "input": { "pin": "1" } }));
    assert_eq!((resumed.status, &resumed.json()["state"]), (200, &json!("completed")), "{}", resumed.text);
    assert_eq!(api.get("/v1/runs").json()["items"].as_array().unwrap().len(), 2);
    let heard = house.upstream.received();
    let key = |at: usize| heard[at].header("idempotency-key").unwrap().to_owned();
    let repeated = heard.iter().filter(|request| request.header("idempotency-key") == Some(&key(1))).count();
    assert_eq!(repeated, 2, "the call in flight was made again with its key");
    assert_eq!(heard.last().unwrap().header("authorization"), Some(format!("Bearer {TOKEN}").as_str()));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_refused_says_what_to_do() {
    let House { folder, server, upstream: _upstream, key } = house().await;
    let file = folder.path().join("weir.backup");
    let operator = server.operator_key();
    let tenant = server.try_cli(&key, &["backup", text(&file)], "").unwrap();
    assert_eq!(tenant.status.code(), Some(77), "{}", said(&tenant));
    assert!(!file.exists(), "an admin of a tenant makes no backup");
    server.cli(&operator, &["backup", text(&file)]).unwrap();
    let again = server.try_cli(&operator, &["backup", text(&file)], "").unwrap();
    assert_eq!(again.status.code(), Some(64), "{}", said(&again));
    let data = folder.path().join("data");
    let running = weir(&["backup", text(folder.path()), "--data", text(&data)]);
    assert!(said(&running).contains("another process"), "{}", said(&running));
    server.kill().unwrap();
    // Without a server, from its folder, into a folder.
    let offline = weir(&["export", text(folder.path()), "--data-dir", text(&data)]);
    assert!(offline.status.success(), "{}", said(&offline));
    let none = weir(&["backup", text(folder.path()), "--data", text(folder.path())]);
    assert_eq!(none.status.code(), Some(64), "{}", said(&none));
    let over = weir(&["restore", text(&file), "--data", text(&data)]);
    assert!(over.status.code() == Some(64) && said(&over).contains("backup.target-in-use"), "{}", said(&over));
    let whole = weir(&["restore", "--verify", text(&file)]);
    assert!(whole.status.success() && said(&whole).contains("versions of definitions"), "{}", said(&whole));
    let cut = folder.path().join("cut.backup");
    let bytes = std::fs::read(&file).unwrap();
    std::fs::write(&cut, &bytes[..bytes.len() - 1]).unwrap();
    let fresh = folder.path().join("fresh");
    for arguments in [&["restore", "--verify", text(&cut)][..], &["restore", text(&cut), "--data", text(&fresh)]] {
        let refused = weir(arguments);
        assert!(refused.status.code() == Some(1) && said(&refused).contains("cut short"), "{}", said(&refused));
        assert!(!fresh.join("store").exists());
    }
    // A server does not begin anew beside a restore that was cut short.
    std::fs::create_dir_all(fresh.join("store.restoring")).unwrap();
    let Err(error) = Server::start(&fresh_home(&fresh)) else { panic!("an empty store was begun") };
    assert!(error.to_string().contains("weir restore"), "{error}");
}

/// The folder whose data folder is `fresh`.
fn fresh_home(fresh: &Path) -> PathBuf {
    let home = fresh.with_file_name("home");
    std::fs::create_dir_all(&home).unwrap();
    std::fs::rename(fresh, home.join("data")).unwrap();
    home
}

#[tokio::test(flavor = "multi_thread")]
async fn a_backup_that_is_killed_leaves_the_store_as_it_was_and_no_backup() {
    // keeps D2
    let House { folder, server, key, upstream: _upstream } = house().await;
    let data = folder.path().join("data");
    server.kill().unwrap();
    let file = folder.path().join("weir.backup");
    let arguments = ["backup", text(&file), "--data", text(&data)];
    for number in 0..8 {
        let mut child = Command::new(paths::weir()).args(arguments).stderr(Stdio::null()).spawn().unwrap();
        // The moment of the kill is the test's input, not something to wait for.
        std::thread::sleep(Duration::from_millis(number * 7));
        child.kill().unwrap();
        child.wait().unwrap();
        if file.exists() {
            let whole = weir(&["restore", "--verify", text(&file)]);
            assert!(whole.status.success(), "what has the name is whole: {}", said(&whole));
            std::fs::remove_file(&file).unwrap();
        }
    }
    let server = Server::start(folder.path()).unwrap();
    assert_eq!(Api::new(&server.url, &key).get("/v1/flows/login").status, 200);
    // Also while it serves: the one who takes the backup is killed.
    for number in 0..4 {
        let mut child = Command::new(paths::weir())
            .args(["backup", text(&file)])
            .env("WEIR_URL", &server.url)
            .env("WEIR_API_KEY_FILE", server.operator_key())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        std::thread::sleep(Duration::from_millis(5 + number * 9));
        child.kill().unwrap();
        child.wait().unwrap();
        let _ = std::fs::remove_file(&file);
    }
    let made = until("a backup after those that were killed", || {
        let made = server.try_cli(&server.operator_key(), &["backup", text(&file)], "").unwrap();
        made.status.success().then_some(made)
    })
    .await;
    assert!(said(&made).contains("read through"));
}
