//! `weir backup`: everything that is stored, in one file.

use std::fs::{File, Metadata, OpenOptions};
use std::io;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use rustix::fs::{CWD, FlockOperation, OFlags, RenameFlags, flock, renameat_with};
use rustix::process::geteuid;
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
        let create = || OpenOptions::new().read(true).write(true).create_new(true).mode(0o600).open(&path);
        // What one that was killed has left is held until its place is taken.
        let (file, _leftover) = match create() {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                let leftover = remove_leftover(&path)?;
                (create().map_err(cannot)?, Some(leftover))
            }
            created => (created.map_err(cannot)?, None),
        };
        lock(&file, &path)?;
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

fn lock(file: &File, path: &Path) -> Result<(), CliError> {
    flock(file, FlockOperation::NonBlockingLockExclusive)
        .map_err(|_| CliError::failed(format!("another backup is being written to `{}`", path.display())))
}

/// Removes what a backup has left that was killed. In a folder where others write, something else may lie there that
/// leads to a file of ours.
fn remove_leftover(path: &Path) -> Result<File, CliError> {
    let foreign = || {
        let name = path.display();
        CliError::usage(format!("`{name}` is not what a backup has left; look at it, remove it, or name another file"))
    };
    let ours = |found: &Metadata| found.is_file() && found.nlink() == 1 && found.uid() == geteuid().as_raw();
    // Before it is opened too: opening a device or a pipe may do something.
    if !std::fs::symlink_metadata(path).is_ok_and(|found| ours(&found)) {
        return Err(foreign());
    }
    let flags = OFlags::NOFOLLOW.bits().cast_signed();
    let leftover = OpenOptions::new().read(true).write(true).custom_flags(flags).open(path).map_err(|_| foreign())?;
    lock(&leftover, path)?;
    if !leftover.metadata().is_ok_and(|found| ours(&found)) {
        return Err(foreign());
    }
    std::fs::remove_file(path).map_err(|_| foreign())?;
    Ok(leftover)
}

impl Drop for Unfinished {
    fn drop(&mut self) {
        // Once it has its name there is no such file.
        let _ = std::fs::remove_file(&self.path);
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn nothing_is_written_to_where_an_unfinished_file_leads() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        std::fs::write(at("precious"), "kept").unwrap();
        symlink(at("precious"), at("a.unfinished")).unwrap();
        std::fs::hard_link(at("precious"), at("b.unfinished")).unwrap();
        std::fs::create_dir(at("c.unfinished")).unwrap();
        for name in ["a", "b", "c"] {
            let refused = Unfinished::create(&at(name)).err().unwrap();
            assert!(refused.message.contains("not what a backup has left"), "{name}: {}", refused.message);
        }
        assert_eq!(std::fs::read_to_string(at("precious")).unwrap(), "kept");
        assert!(at("a.unfinished").is_symlink() && at("c.unfinished").is_dir());

        std::fs::write(at("d.unfinished"), "left").unwrap();
        let unfinished = Unfinished::create(&at("d")).unwrap();
        assert_eq!(unfinished.file.metadata().unwrap().len(), 0);
        assert!(Unfinished::create(&at("d")).err().unwrap().message.contains("another backup"));
    }
}
