//! The one thread that writes. It takes what waits, calls the verbs one after the other on a draft of their common
//! changes, applies these as one batch, syncs once, and then tells every caller.
//!
//! A storage error ends trust in all that is in memory: the group is not acknowledged, the database is closed, the
//! kernel's copy of its file forgotten, and the database opened anew, checked, and proven by a write. Until that has
//! worked, reads and writes are refused; it is tried again and again, since a disk may get its space back.

use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::{Duration, Instant};

use weir_engine::ports::StoreError;

use super::database::{Database, SledError, contain};
use super::files;
use super::gauge::Gauge;
use super::job::Job;
use super::opening::OpenError;
use super::shared::Shared;
use crate::causes::with_causes;
use crate::records::{self, Changes, Draft};

/// How often the mark and the figures are refreshed.
const TICK: Duration = Duration::from_secs(1);
/// The longest pause between two tries to open anew after a storage error. The first try is made at once, the next
/// after 1 second, and each pause is twice the one before.
const REOPENING_PAUSE_MAX: Duration = Duration::from_secs(30);

/// The writer's own state.
pub(super) struct Writer {
    shared: Arc<Shared>,
    jobs: Receiver<Box<dyn Job>>,
    /// Groups that are durable.
    commits: u64,
    /// What `MARK` says.
    marked: u64,
    ticked_at: Instant,
    reopenings: u32,
    reopen_at: Option<Instant>,
}

/// Why a group did not become durable.
enum GroupError {
    /// The storage failed: what is in memory is no longer to be trusted.
    Storage(SledError),
    /// The writes were refused, and nothing has happened.
    Refused(StoreError),
}

impl Writer {
    pub(super) fn new(shared: Arc<Shared>, jobs: Receiver<Box<dyn Job>>, commits: u64) -> Self {
        let ticked_at = Instant::now();
        Self { shared, jobs, commits, marked: 0, ticked_at, reopenings: 0, reopen_at: None }
    }

    /// Works until the store is dropped and nothing waits any more.
    pub(super) fn run(mut self) {
        self.tick();
        loop {
            match self.jobs.recv_timeout(self.patience()) {
                Ok(first) => self.group(first),
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => break,
            }
            self.reopen_if_due();
            if self.ticked_at.elapsed() >= TICK {
                self.tick();
            }
        }
        self.tick();
    }

    /// How long to wait for a verb before there is something else to do.
    fn patience(&self) -> Duration {
        self.reopen_at.map_or(TICK, |at| at.saturating_duration_since(Instant::now()).min(TICK))
    }

    fn group(&mut self, first: Box<dyn Job>) {
        let mut group = vec![first];
        while group.len() < self.shared.settings.group_commits_max.max(1) {
            let Ok(job) = self.jobs.try_recv() else { break };
            group.push(job);
        }
        let outcome = self.write(&mut group);
        let (failure, trouble) = match outcome {
            Ok(()) => (None, None),
            Err(GroupError::Refused(error)) => (Some(error), None),
            Err(GroupError::Storage(error)) => (None, Some(with_causes(&error))),
        };
        for job in group {
            job.settle(match (&failure, &trouble) {
                (None, None) => Ok(()),
                (Some(StoreError::Full { free, floor }), _) => Err(StoreError::Full { free: *free, floor: *floor }),
                (Some(other), _) => Err(refused(other.to_string())),
                (None, Some(why)) => Err(StoreError::Backend { verb: "write to the disk", source: why.clone().into() }),
            });
        }
        if let Some(why) = trouble {
            self.fail(&why);
        }
    }

    /// Makes a group durable, or nothing of it.
    fn write(&mut self, group: &mut [Box<dyn Job>]) -> Result<(), GroupError> {
        if let Some(trouble) = self.shared.gauge.trouble() {
            return Err(GroupError::Refused(refused(trouble)));
        }
        let full = match self.shared.check_space(0) {
            Err(StoreError::Full { free, floor }) => Some((free, floor)),
            checked => checked.map(|()| None).map_err(GroupError::Refused)?,
        };
        let mut changes = Changes::new();
        {
            let view = self.shared.view.blocking_read();
            let database = view.as_ref().ok_or_else(|| GroupError::Refused(super::database::closed()))?;
            for job in group {
                match full {
                    Some((free, floor)) if !job.makes_room() || free < floor / 2 => {
                        job.refuse(StoreError::Full { free, floor });
                    }
                    _ => changes.extend(job.run(database, &changes).unwrap_or_default()),
                }
            }
            if changes.is_empty() {
                return Ok(());
            }
            let counted = count(database, self.commits + 1).map_err(GroupError::Refused)?;
            changes.extend(counted);
        }
        self.make_durable(changes).map_err(GroupError::Storage)?;
        self.commits += 1;
        Gauge::set(&self.shared.gauge.groups, self.commits);
        Ok(())
    }

    /// Readers wait meanwhile, so that nobody ever sees what a crash could undo. Where it fails, the database is closed
    /// before they go on.
    fn make_durable(&self, changes: Changes) -> Result<(), SledError> {
        let mut view = self.shared.view.blocking_write();
        let Some(database) = view.as_ref() else { return Ok(()) };
        let concerned = self.shared.tracker.concerned(&changes);
        let durable = self.apply(database, changes);
        match &durable {
            Ok(()) => self.shared.tracker.note(concerned),
            Err(_) => self.shared.tracker.disk_failed(),
        }
        if let Err(error) = &durable {
            self.shared.gauge.set_trouble(Some(format!("the disk failed ({error}); opening anew")));
            drop(view.take());
        }
        durable
    }

    fn apply(&self, database: &Database, changes: Changes) -> Result<(), SledError> {
        database.apply(changes)?;
        self.shared.faults.before_sync()?;
        Ok(database.sync()?)
    }

    fn fail(&mut self, why: &str) {
        tracing::error!(error = why, "the disk failed; the store takes no reads and writes until it has opened anew");
        self.reopenings = 0;
        self.reopen_at = Some(Instant::now());
    }

    fn reopen_if_due(&mut self) {
        if self.reopen_at.is_none_or(|at| at > Instant::now()) {
            return;
        }
        let why = match contain(|| self.reopen()) {
            Ok(()) => {
                tracing::warn!("the store has opened anew after a storage error");
                self.reopen_at = None;
                return self.shared.gauge.set_trouble(None);
            }
            Err(error) => error,
        };
        self.reopenings = self.reopenings.saturating_add(1);
        let pause = self.shared.faults.pause(reopening_pause(self.reopenings));
        let (attempt, why, seconds) = (self.reopenings, with_causes(&why), pause.as_secs());
        tracing::error!(error = why, attempt, seconds_to_next = seconds, "the store did not open anew");
        self.reopen_at = Instant::now().checked_add(pause);
        self.shared.gauge.set_trouble(Some(format!(
            "the disk failed and the store did not open anew ({why}); no reads and writes are taken; mend the disk or \
             free some space; attempt {attempt}, the next is made {seconds} s after it"
        )));
    }

    /// Opens anew from the disk alone, and proves that it holds what was acknowledged and takes writes.
    fn reopen(&mut self) -> Result<(), SledError> {
        let home = &self.shared.home;
        Database::forget_cached(&home.sled_folder());
        let failed = |error: OpenError| SledError::Io(std::io::Error::other(error));
        let trusted = home.open_database(self.shared.settings.cache_bytes).map_err(failed)?;
        if trusted.commits < self.commits {
            let (held, acknowledged) = (trusted.commits, self.commits);
            let lost = format!("{held} groups of commits on the disk, {acknowledged} were acknowledged");
            return Err(SledError::Io(std::io::Error::other(lost)));
        }
        let commits = trusted.commits + 1;
        let proof = count(&trusted.database, commits).map_err(|error| SledError::Io(std::io::Error::other(error)))?;
        self.apply(&trusted.database, proof)?;
        self.commits = commits;
        self.shared.gauge.add_repairs(trusted.repairs);
        *self.shared.view.blocking_write() = Some(trusted.database);
        Ok(())
    }

    fn tick(&mut self) {
        self.ticked_at = Instant::now();
        if self.commits != self.marked {
            self.shared.home.write_mark(self.commits);
            self.marked = self.commits;
        }
        let gauge = &self.shared.gauge;
        Gauge::set(&gauge.database_bytes, files::bytes_in(&self.shared.home.sled_folder()));
        if let Ok(free) = files::free_bytes(&self.shared.home.dir) {
            Gauge::set(&gauge.bytes_free, free);
        }
    }
}

/// How long to wait after that many tries to open anew.
fn reopening_pause(attempts: u32) -> Duration {
    let seconds = 1_u64.checked_shl(attempts.saturating_sub(1)).unwrap_or(u64::MAX);
    Duration::from_secs(seconds).min(REOPENING_PAUSE_MAX)
}

/// The change that counts a group.
fn count(database: &Database, commits: u64) -> Result<Changes, StoreError> {
    let group = Changes::new();
    let mut draft = Draft::new(database, &group);
    draft.put_record(records::own_record("commits"), &commits)?;
    draft.finish()
}

fn refused(why: String) -> StoreError {
    StoreError::Backend { verb: "write; nothing was written", source: why.into() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_pause_grows_to_its_limit_and_no_further() {
        let pauses = [1, 2, 3, 4, 5, 6, 7, 64, 65, u32::MAX].map(|attempts| reopening_pause(attempts).as_secs());
        assert_eq!(pauses, [1, 2, 4, 8, 16, 30, 30, 30, 30, 30]);
    }
}
