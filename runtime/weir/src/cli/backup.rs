//! `weir backup`: everything that is stored, in one file.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use rustix::fs::{CWD, FlockOperation, RenameFlags, flock, renameat_with};
use weir_engine::ports::Clock;
use weir_stores::{BackupError, Backups, SledSettings, SledStore};

use super::Common;
use super::error::CliError;
use super::restore::show;
use crate::client::Client;
use crate::clock::SystemClock;
use crate::exit::Exit;
use crate::output;

/// Takes the backup from the running server, with an operator's key; with `--data`, from the folder of a server
/// that does not run. It gets its name when it was read through and found whole; until then it has `.unfinished` after
/// it. The master key is not in it.
#[derive(Debug, clap::Args)]
pub(super) struct Options {
    /// The file to make, which must not be there yet, or a folder to make one in
    #[arg(value_name = "FILE|DIR")]
    to: PathBuf,

    /// The data folder of a server that does not run
    #[arg(long = "data", alias = "data-dir", value_name = "DIR")]
    data_dir: Option<PathBuf>,
}

pub(super) fn run(options: &Options, common: &Common) -> Result<Exit, CliError> {
    let file = target(&options.to);
    if file.exists() {
        return Err(CliError::usage(format!(
            "`{}` is there already, and a backup is never written over anything; name another file",
            file.display()
        )));
    }
    let unfinished = Unfinished::create(&file)?;
    match &options.data_dir {
        Some(dir) => from_folder(dir, &unfinished)?,
        None => from_server(common, &unfinished)?,
    }
    unfinished.file.sync_all().map_err(|error| unfinished.failed(&error))?;
    let report = weir_stores::verify(&unfinished.path).map_err(|error| of(&error))?;
    unfinished.settle(&file)?;
    output::remark(&format!(
        "weir: {} was made and read through; the master key is not in it: keep a copy of that elsewhere",
        file.display()
    ));
    Ok(show(&file, &report, common))
}

fn target(to: &Path) -> PathBuf {
    if to.is_dir() {
        // No colons: not every system takes them in names.
        let now = SystemClock.now().to_string().replace(':', "-");
        return to.join(format!("weir-{now}.backup"));
    }
    to.to_owned()
}

fn from_server(common: &Common, to: &Unfinished) -> Result<(), CliError> {
    let mut backup = Client::new(&common.server)?.stream("/v1/backup", Vec::new())?;
    io::copy(&mut backup, &mut &to.file).map(drop).map_err(|error| {
        CliError::failed(format!("the backup broke off ({error}); the server's log says more if it was the server"))
    })
}

fn from_folder(data: &Path, to: &Unfinished) -> Result<(), CliError> {
    let dir = super::restore::store_folder(data);
    if !dir.join("sled").exists() {
        return Err(CliError::usage(format!(
            "there is no store in `{}`; name a data folder that has one",
            data.display()
        )));
    }
    // A full disk is a reason to make a backup, not to refuse one.
    let settings = SledSettings { free_bytes_min: 0, ..SledSettings::default() };
    let store = SledStore::open(&dir, settings).map_err(|error| of(&error.into()))?;
    store.back_up(&mut &to.file, SystemClock.now()).map(drop).map_err(|error| of(&error))
}

/// The error with its code.
pub(super) fn of(error: &BackupError) -> CliError {
    let exit = if matches!(error, BackupError::Target { .. }) { Exit::Usage } else { Exit::Failed };
    CliError::of(exit, error).with_code(error.code())
}

/// A backup without its name; removed where it does not get it.
struct Unfinished {
    path: PathBuf,
    file: File,
}

impl Unfinished {
    fn create(target: &Path) -> Result<Self, CliError> {
        let mut path = target.as_os_str().to_owned();
        path.push(".unfinished");
        let path = PathBuf::from(path);
        let cannot = |error: io::Error| CliError::usage(format!("`{}` cannot be written: {error}", path.display()));
        let opened = OpenOptions::new().read(true).write(true).create(true).truncate(false).mode(0o600).open(&path);
        let file = opened.map_err(cannot)?;
        if flock(&file, FlockOperation::NonBlockingLockExclusive).is_err() {
            return Err(CliError::failed(format!("another backup is being written to `{}`", path.display())));
        }
        // What one that was killed has left.
        file.set_len(0).map_err(cannot)?;
        Ok(Self { path, file })
    }

    fn failed(&self, error: &io::Error) -> CliError {
        CliError::failed(format!("`{}` cannot be written: {error}", self.path.display()))
    }

    /// Gives it its name, durably.
    fn settle(&self, target: &Path) -> Result<(), CliError> {
        let named = renameat_with(CWD, &self.path, CWD, target, RenameFlags::NOREPLACE).map_err(io::Error::from);
        let folder = target.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
        let durable = named.and_then(|()| File::open(folder)?.sync_all());
        durable.map_err(|error| CliError::failed(format!("`{}` cannot be named: {error}", target.display())))
    }
}

impl Drop for Unfinished {
    fn drop(&mut self) {
        // Once it has its name there is no such file.
        let _ = std::fs::remove_file(&self.path);
    }
}
