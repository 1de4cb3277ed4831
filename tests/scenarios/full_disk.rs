//! A disk that is full, under the real binary: nothing acknowledged is lost, the server says that it takes no work, and
//! goes on by itself when there is space. keeps D1, D3; covers F-06, T-06

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::json;
use weir_tests::preload::Preload;
use weir_tests::server::Server;
use weir_tests::upstream::Upstream;

use crate::house::{Api, until};

/// A lease ends soon enough for a test; a run whose commit found no space waits for that.
const CONFIG: &str = "[engine]\nclaim-interval = '20ms'\nlease = '2s'\n[store]\nfree-bytes-min = 0\n";

/// A disk that can be filled.
enum Disk {
    /// A small file system of its own, where the machine allows it.
    Small(Mount),
    /// One that says it is full while there is this file.
    Refusing { folder: PathBuf, switch: PathBuf, variables: Vec<(String, String)> },
}

/// A file system in memory, of 48 MiB.
struct Mount(PathBuf);

impl Mount {
    fn new(folder: &Path) -> Option<Self> {
        let mount = Command::new("mount").args(["-t", "tmpfs", "-o", "size=48m", "tmpfs"]).arg(folder).output();
        mount.is_ok_and(|output| output.status.success()).then(|| Self(folder.to_owned()))
    }

    fn ballast(&self) -> PathBuf {
        self.0.join("ballast")
    }
}

impl Drop for Mount {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("--lazy").arg(&self.0).status();
    }
}

impl Disk {
    /// The one that the machine allows.
    fn small(scratch: &Path) -> Self {
        let folder = scratch.join("disk");
        fs::create_dir(&folder).unwrap();
        Mount::new(&folder).map_or_else(|| Self::refusing(scratch), Self::Small)
    }

    fn refusing(scratch: &Path) -> Self {
        let folder = scratch.join("refusing");
        fs::create_dir(&folder).unwrap();
        let switch = scratch.join("full");
        let mut variables = Preload::compile(scratch).unwrap().variables(&folder);
        variables.push(("DISK_TRIAL_FULL".to_owned(), switch.display().to_string()));
        Self::Refusing { folder, switch, variables }
    }

    fn folder(&self) -> &Path {
        match self {
            Self::Small(mount) => &mount.0,
            Self::Refusing { folder, .. } => folder,
        }
    }

    fn variables(&self) -> &[(String, String)] {
        match self {
            Self::Small(_) => &[],
            Self::Refusing { variables, .. } => variables,
        }
    }

    fn fill(&self) {
        match self {
            Self::Small(mount) => {
                // Until the last byte is gone.
                let mut ballast = fs::File::create(mount.ballast()).unwrap();
                std::io::copy(&mut std::io::repeat(7), &mut ballast).unwrap_err();
            }
            Self::Refusing { switch, .. } => fs::write(switch, "").unwrap(),
        }
    }

    fn empty(&self) {
        match self {
            Self::Small(mount) => fs::remove_file(mount.ballast()),
            Self::Refusing { switch, .. } => fs::remove_file(switch),
        }
        .unwrap();
    }
}

/// A call, and then claims.
fn flow() -> &'static str {
    "flow: asks\nsteps:\n  - id: ask\n    call: api.get\n  - id: done\n    claims: [{ key: body, type: dynamic, value: \"${connectors.ask.status}\" }]\n"
}

async fn goes_on_when_there_is_space(disk: &Disk) {
    let upstream = Upstream::start().await.unwrap();
    let server = Server::start_among(disk.folder(), CONFIG, disk.variables()).unwrap();
    let api = Api::new(&server.url, &server.tenant("demo", "admin").unwrap());
    let connector =
        format!("connector: api\nbase-url: {}\nfunctions:\n  - {{ name: get, endpoint: / }}\n", upstream.url());
    for (path, body) in [("/v1/connectors/api", connector.as_str()), ("/v1/flows/asks", flow())] {
        let put = api.put(path, "application/yaml", body.as_bytes());
        assert_eq!(put.status, 201, "{path}: {}", put.text);
    }
    let start = || api.post("/v1/flows/asks/runs", &json!({ "event": { "text": "x".repeat(3_000) } }));
    upstream.hold();
    let mut runs: Vec<String> = Vec::new();
    let mut started = |answer: crate::api::Answer| runs.push(answer.json()["id"].as_str().unwrap().to_owned());
    for _ in 0..4 {
        let answer = start();
        assert_eq!(answer.status, 202, "{}", answer.text);
        started(answer);
    }
    upstream.arrived(4).await;
    disk.fill();
    // What is refused is refused with words; what is acknowledged must be there at the end, also if it came so late.
    let refused = until("a start that is refused", || {
        let answer = start();
        if answer.status == 202 {
            started(answer);
            return None;
        }
        Some(answer)
    })
    .await;
    assert!(["server.internal", "store.full"].contains(&refused.problem().as_str()), "{}", refused.text);
    until("a server that takes no work", || (api.get("/readyz").status == 503).then_some(())).await;
    assert_eq!(api.get("/healthz").status, 200, "it lives");
    // Steps in flight come to their commit now, and find no space.
    upstream.release();
    disk.empty();
    until("a server that takes work again", || (api.get("/readyz").status == 200).then_some(())).await;
    let answer = start();
    assert_eq!(answer.status, 202, "{}", answer.text);
    started(answer);
    for id in &runs {
        let run = until("the end of a run", || {
            let run = api.get(&format!("/v1/runs/{id}")).json();
            (run["state"] != "ready").then_some(run)
        })
        .await;
        assert_eq!(run["state"], "completed", "{run:#}");
        let journal = api.get(&format!("/v1/runs/{id}/journal")).json();
        let steps: Vec<_> = journal["items"].as_array().unwrap().iter().map(|entry| entry["step"].clone()).collect();
        assert_eq!(steps, ["ask", "done"], "each step is committed once");
    }
    let mut keys: Vec<_> =
        upstream.received().iter().map(|it| it.header("idempotency-key").unwrap().to_owned()).collect();
    keys.sort_unstable();
    keys.dedup();
    assert!(runs.iter().all(|id| keys.iter().any(|key| key.contains(id.as_str()))), "{keys:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_small_disk_that_fills_up() {
    let scratch = tempfile::tempdir().unwrap();
    goes_on_when_there_is_space(&Disk::small(scratch.path())).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_disk_that_refuses_every_write() {
    let scratch = tempfile::tempdir().unwrap();
    goes_on_when_there_is_space(&Disk::refusing(scratch.path())).await;
}

/// A backup whose writes fail, each in turn: there is a whole one, or none and a word of it.
#[test]
fn a_backup_whose_calls_fail_is_whole_or_is_not_there() {
    // covers T-07
    let scratch = tempfile::tempdir().unwrap();
    let home = scratch.path().join("home");
    drop(Server::start(&home).unwrap());
    let preload = Preload::compile(scratch.path()).unwrap();
    let to = scratch.path().join("to");
    fs::create_dir(&to).unwrap();
    let back_up = |name: &str, variable: (&str, &str)| {
        let mut command = Command::new(weir_tests::paths::weir());
        command.arg("backup").arg(to.join(name)).arg("--data-dir").arg(home.join("data"));
        command.envs(preload.variables(&to)).env(variable.0, variable.1).output().unwrap()
    };
    let counted = scratch.path().join("count");
    assert!(back_up("first", ("DISK_TRIAL_COUNT", counted.to_str().unwrap())).status.success());
    let calls: usize = fs::read_to_string(counted).unwrap().parse().unwrap();
    assert!(calls > 3, "{calls}");
    let mut refused = 0;
    for first in 0..calls {
        let with = [28, 5][first % 2];
        let output = back_up(&format!("b-{first}"), ("DISK_TRIAL_FAIL", &format!("{first} 1 {with}")));
        let file = to.join(format!("b-{first}"));
        if output.status.success() {
            assert!(fs::read(&file).unwrap().starts_with(b"weir backup\n"));
        } else {
            refused += 1;
            let said = String::from_utf8_lossy(&output.stderr);
            assert!(said.contains("error:"), "{said}");
        }
        if file.exists() {
            let verified = Command::new(weir_tests::paths::weir()).args(["restore", "--verify"]).arg(&file).output();
            assert!(verified.unwrap().status.success(), "call {first}: what has the name is whole");
        }
    }
    assert!(refused > 1, "{refused}");
}
