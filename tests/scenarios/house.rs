//! A server, an outside system and a tenant that has everything of the demo.

use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::Value;
use tempfile::TempDir;
use weir_tests::server::Server;
use weir_tests::upstream::Upstream;

pub(crate) use crate::api::Api;

/// Everything that a scenario stands on.
pub(crate) struct House {
    pub(crate) folder: TempDir,
    pub(crate) server: Server,
    pub(crate) upstream: Upstream,
    /// The file with the admin key of the tenant `demo`.
    pub(crate) key: PathBuf,
}

impl House {
    /// A server with nothing but the tenant `demo`.
    pub(crate) async fn empty() -> Self {
        Self::with_config("").await
    }

    pub(crate) async fn with_config(config: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let upstream = Upstream::start().await.unwrap();
        let server = Server::start_with(folder.path(), config).unwrap();
        let key = server.tenant("demo", "admin").unwrap();
        Self { folder, server, upstream, key }
    }

    /// The same, ready to run the demo flow.
    pub(crate) async fn demo() -> Self {
        let house = Self::empty().await;
        weir_tests::demo::set_up(&house.server, &house.key, house.folder.path(), &house.upstream).unwrap();
        house
    }

    pub(crate) fn api(&self) -> Api {
        Api::new(&self.server.url, &self.key)
    }

    pub(crate) fn data(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    /// Starts a run and waits for its end. The run.
    pub(crate) fn run(&self, flow: &str, event: &Value) -> Value {
        let body = serde_json::json!({ "event": event });
        let answer = self.api().post(&format!("/v1/flows/{flow}/runs?wait=30s"), &body);
        assert_eq!(answer.status, 200, "{}", answer.text);
        answer.json()
    }

    /// The journal of a run, oldest entry first.
    pub(crate) fn journal(&self, run: &Value) -> Vec<Value> {
        let answer = self.api().get(&format!("/v1/runs/{}/journal", run["id"].as_str().unwrap()));
        assert_eq!(answer.status, 200, "{}", answer.text);
        answer.json()["items"].as_array().unwrap().clone()
    }
}

/// The event that starts the demo.
pub(crate) fn event() -> Value {
    serde_json::from_str(&std::fs::read_to_string(weir_tests::demo::event_file()).unwrap()).unwrap()
}

/// Waits for what another process brings about; there is no event to await across processes but its answers.
pub(crate) async fn until<T>(what: &str, mut probe: impl FnMut() -> Option<T>) -> T {
    let until = tokio::time::Instant::now() + Duration::from_secs(60);
    while tokio::time::Instant::now() < until {
        if let Some(found) = probe() {
            return found;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    panic!("{what} did not come about");
}

/// Every file below a folder.
pub(crate) fn files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(files(&path));
        } else {
            found.push(path);
        }
    }
    found
}
