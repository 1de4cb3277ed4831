//! What was measured.

use std::io::Write as _;
use std::path::Path;
use std::time::Duration;

use serde_json::{Value, json};

/// The rows of a report, in order.
#[derive(Default)]
pub(crate) struct Report(Vec<Row>);

struct Row {
    name: String,
    unit: &'static str,
    value: f64,
    ratio: Option<(String, f64)>,
}

impl Report {
    /// Adds a row; `against` names an earlier row that it is held against.
    pub(crate) fn add(&mut self, name: impl Into<String>, unit: &'static str, value: f64, against: Option<&str>) {
        let ratio = against.and_then(|other| {
            let base = self.0.iter().find(|row| row.name == other)?;
            Some((other.to_owned(), value / base.value))
        });
        self.0.push(Row { name: name.into(), unit, value, ratio });
    }

    /// Adds the rows of durations: half of them, and all but one in a hundred, lie below.
    pub(crate) fn add_latencies(&mut self, name: &str, durations: &[Duration]) {
        let mut durations = durations.to_vec();
        for (percentile, share) in [("p50", 0.5), ("p99", 0.99)] {
            self.add(format!("{name}, {percentile}"), "us", percentile_us(&mut durations, share), None);
        }
    }

    pub(crate) fn print(&self) {
        let mut out = std::io::stdout().lock();
        let _ = writeln!(out, "\n{:<66} {:>12}  {:<9} ratio", "what", "value", "unit");
        for row in &self.0 {
            let ratio = row.ratio.as_ref().map(|(name, ratio)| format!("{ratio:.2} x {name}")).unwrap_or_default();
            let _ = writeln!(out, "{:<66} {:>12.1}  {:<9} {ratio}", row.name, row.value, row.unit);
        }
    }

    pub(crate) fn write(&self) -> anyhow::Result<()> {
        let load = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
        let rows: Vec<Value> = self
            .0
            .iter()
            .map(|row| {
                let (to, ratio) = row.ratio.clone().unzip();
                json!({ "name": row.name, "unit": row.unit, "value": row.value, "ratio_to": to, "ratio": ratio, "load": load.trim() })
            })
            .collect();
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/bench");
        std::fs::create_dir_all(&folder)?;
        std::fs::write(folder.join("report.json"), serde_json::to_vec_pretty(&rows)?)?;
        Ok(())
    }
}

/// The value below which that share of the durations lies, in microseconds.
pub(crate) fn percentile_us(durations: &mut [Duration], share: f64) -> f64 {
    durations.sort_unstable();
    let last = durations.len().saturating_sub(1);
    let index = ((last as f64) * share).round() as usize;
    durations.get(index).map_or(0.0, |duration| duration.as_secs_f64() * 1e6)
}
