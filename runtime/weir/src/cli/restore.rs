//! `weir restore`: a store made anew from a backup; `--verify` says whether one is worth it.

use std::path::{Path, PathBuf};

use serde_json::json;
use weir_stores::{BackupError, Report, SledSettings, SledStore};

use super::Common;
use super::backup::of;
use super::error::CliError;
use crate::exit::Exit;
use crate::output::{self, Format};
use crate::{private_file, table};

/// Makes the store of a data folder that has none. It is there when everything is, and not before. A backup of any kind
/// of store will do.
#[derive(Debug, clap::Args)]
pub(super) struct Options {
    /// A backup
    file: PathBuf,

    /// The data folder in which the store shall be
    #[arg(long = "data", alias = "data-dir", value_name = "DIR", required_unless_present = "verify")]
    data_dir: Option<PathBuf>,

    /// Write nothing: read the whole file, check every checksum, every record and every large value, and count
    #[arg(long)]
    verify: bool,

    /// Take what there is of a backup that was made of a damaged store
    #[arg(long, conflicts_with = "verify")]
    despite_damage: bool,
}

/// Where the store lies in a data folder.
pub(super) fn store_folder(data: &Path) -> PathBuf {
    data.join("store")
}

pub(super) fn run(options: &Options, common: &Common) -> Result<Exit, CliError> {
    let Options { file, data_dir, verify, despite_damage } = options;
    let data = match data_dir {
        Some(data) if *verify => {
            SledStore::restorable(&store_folder(data)).map_err(|error| of(&error))?;
            None
        }
        data => data.as_deref(),
    };
    let Some(data) = data else {
        let report = weir_stores::verify(file).map_err(|error| of(&error))?;
        return Ok(show(file, &report, common));
    };
    let report = restore(file, data, *despite_damage).map_err(|error| of(&error))?;
    let exit = show(file, &report, common);
    output::remark(&format!("weir: the store is in {}; `weir serve` goes on with its runs", data.display()));
    if !data.join("master.key").exists() {
        output::remark(&format!(
            "weir: the master key is not in a backup: put the one of the server that it was made of into {} before you \
             start, or set WEIR_MASTER_KEY; `weir serve` does not start without it",
            data.display()
        ));
    }
    // Whoever accepts damage has been told of it, and has what was asked for.
    Ok(if *despite_damage { Exit::Done } else { exit })
}

fn restore(file: &Path, data: &Path, despite_damage: bool) -> Result<Report, BackupError> {
    let dir = store_folder(data);
    SledStore::restorable(&dir)?;
    let folder = |source| weir_stores::OpenError::Folder { dir: data.to_owned(), source };
    private_file::create_folder(data).map_err(folder)?;
    SledStore::restore(file, &dir, SledSettings::default(), despite_damage)
}

/// Says what is in a backup.
pub(super) fn show(file: &Path, report: &Report, common: &Common) -> Exit {
    match common.output {
        Format::Json => output::json(&json!({
            "file": file.display().to_string(),
            "made_at": report.made_at,
            "made_by": report.made_by,
            "counts": report.counts,
            "large_values": report.blobs,
            "large_value_bytes": report.blob_bytes,
            "faults": report.faults_found,
            "first_faults": report.faults,
        })),
        Format::Table => {
            let row = |what: &str, count: String| vec![what.to_owned(), count];
            let mut rows = vec![row("made at", report.made_at.to_string()), row("made by", report.made_by.clone())];
            rows.extend(report.counts.iter().map(|(kind, count)| row(kind, count.to_string())));
            rows.push(row("large values", format!("{} ({} bytes)", report.blobs, report.blob_bytes)));
            rows.push(row("faults", report.faults_found.to_string()));
            table::print(&["WHAT", "IN THE BACKUP"], rows);
        }
    }
    for fault in &report.faults {
        output::remark(&format!("weir: damaged: {}", output::printable(fault)));
    }
    if report.faults_found > 0 { Exit::Failed } else { Exit::Done }
}
