//! What was tried: printed, and written to `target/torture/report.json`.

use std::io::Write as _;

use serde::Serialize;

use crate::history::Counts;

#[derive(Debug, Default, Serialize)]
pub(crate) struct Kills {
    /// While the server served.
    pub(crate) at_work: u64,
    /// Before it listened.
    pub(crate) starting: u64,
}

#[derive(Debug, Serialize)]
pub(crate) struct Report {
    pub(crate) seed: u64,
    pub(crate) seconds: u64,
    pub(crate) kills: Kills,
    pub(crate) counts: Counts,
    /// Runs that were looked at between kills.
    pub(crate) checked_midway: usize,
    /// What was found.
    pub(crate) broken: Vec<String>,
}

impl Report {
    pub(crate) fn write(&self) {
        let json = serde_json::to_string_pretty(self).unwrap();
        let folder = weir_tests::paths::root().join("target/torture");
        std::fs::create_dir_all(&folder).unwrap();
        std::fs::write(folder.join("report.json"), &json).unwrap();
        std::io::stderr().write_all(format!("{json}\n").as_bytes()).unwrap();
    }
}
