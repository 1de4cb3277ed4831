//! Lives and deaths of the server.

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::path::PathBuf;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use tempfile::TempDir;
use weir_tests::server::Server;

use crate::api::{Api, Silence};
use crate::backup::Backup;
use crate::client::Client;
use crate::dice::Dice;
use crate::door::{Door, Stage};
use crate::gather;
use crate::history::{self, History, Told};
use crate::mix;
use crate::outside::Outside;
use crate::report::{Kills, Report};

/// Clients at a time.
const CLIENTS: usize = 6;

/// Of so many kills, one falls while the server starts.
const STARTING_EVERY: u64 = 5;

/// Of so many lives, one has a backup that is being made.
const BACKUP_EVERY: u64 = 7;

/// Runs that are looked at after a kill at work.
const LOOKED_AT: usize = 4;

/// A trial in which less was told proves little.
const ENOUGH_TOLD: usize = 300;

/// After so many kills there is a word on how far the trial is.
const TELL_EVERY: u64 = 100;

/// How much of what was told is looked through for a check midway.
const LATELY: usize = 5_000;

/// The longest life, from the moment at which the server serves.
const LIFE_MAX_MS: u64 = 450;

pub(crate) struct Trial {
    folder: TempDir,
    key: PathBuf,
    operator_key: PathBuf,
    outside: Outside,
    seed: u64,
    dice: Dice,
    door: Door,
    told: Mutex<Vec<Told>>,
    kills: Kills,
    /// The time that the last start took: kills of starting servers fall anywhere in it.
    start_time: Duration,
    checked_midway: usize,
    broken: Vec<String>,
}

impl Trial {
    /// A server's folder with a tenant that has everything of the mix.
    pub(crate) fn new(seed: u64) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let outside = Outside::start();
        let begun = Instant::now();
        let server = Server::start_with(folder.path(), mix::CONFIG).unwrap();
        let start_time = begun.elapsed();
        let key = server.tenant("torture", "admin").unwrap();
        let api = Api::new(&server.url, &key);
        let flows = mix::KINDS.iter().map(|kind| (format!("/v1/flows/{}", kind.flow), kind.document.to_owned()));
        let connector = ("/v1/connectors/outside".to_owned(), mix::connector(&outside.url));
        for (path, document) in [connector].into_iter().chain(flows) {
            let saved = api.put(&path, &document).unwrap();
            assert_eq!(saved.status, 201, "{path}: {}", saved.body);
        }
        let operator_key = server.operator_key();
        server.kill().unwrap();
        Self {
            folder,
            key,
            operator_key,
            outside,
            seed,
            dice: Dice::new(seed),
            door: Door::default(),
            told: Mutex::default(),
            kills: Kills::default(),
            start_time,
            checked_midway: 0,
            broken: Vec::new(),
        }
    }

    /// Where it fails, its folder stays.
    pub(crate) fn run(mut self, kills: u64) -> Report {
        self.folder.disable_cleanup(true);
        let begun = Instant::now();
        let (door, told) = (std::mem::take(&mut self.door), std::mem::take(&mut self.told));
        let server = std::thread::scope(|scope| {
            let clients = (0..CLIENTS).map(|name| Client::new(name, self.seed, &door, &told));
            let clients: Vec<_> = clients.map(|client| scope.spawn(|| client.work())).collect();
            // More of them where the machine is so busy that the clients hardly get to work.
            for kill in 1..=4 * kills {
                if kill > kills && told.lock().unwrap().len() > ENOUGH_TOLD {
                    break;
                }
                self.life(kill, &door, &told);
                if kill.is_multiple_of(TELL_EVERY) {
                    crate::report::tell(&format!("{kill} kills in {} s", begun.elapsed().as_secs()));
                }
            }
            let server = self.start();
            door.open(Api::new(&server.url, &self.key), Stage::Finish);
            for client in clients {
                client.join().unwrap();
            }
            server
        });
        let api = Api::new(&server.url, &self.key);
        gather::settle(&api, &Api::new(&server.url, &self.operator_key));
        let kept = catch_unwind(AssertUnwindSafe(|| gather::everything(&api)));
        let kept = kept.unwrap_or_else(|panic| {
            crate::report::tell(&server.log());
            resume_unwind(panic)
        });
        let history = History { told: told.into_inner().unwrap(), served: self.outside.served(), kept };
        let broken = history::check(&history, history::Stage::End);
        self.broken.extend(broken.iter().map(ToString::to_string));
        self.folder.disable_cleanup(!self.broken.is_empty());
        Report {
            seed: self.seed,
            seconds: begun.elapsed().as_secs(),
            kills: self.kills,
            counts: history::count(&history),
            checked_midway: self.checked_midway,
            broken: self.broken,
        }
    }

    fn start(&mut self) -> Server {
        let begun = Instant::now();
        let server = Server::start_with(self.folder.path(), mix::CONFIG).unwrap();
        self.start_time = begun.elapsed();
        server
    }

    /// Starts the server, and kills it.
    fn life(&mut self, kill: u64, door: &Door, told: &Mutex<Vec<Told>>) {
        if kill.is_multiple_of(STARTING_EVERY) {
            let starting = Server::spawn(self.folder.path(), mix::CONFIG).unwrap();
            let most = u64::try_from(self.start_time.as_micros()).unwrap();
            // The first at once, so that there is one in each trial.
            let most = if kill == STARTING_EVERY { 1 } else { most.max(1) };
            // The moment of the kill is the trial's input, not something to wait for.
            std::thread::sleep(Duration::from_micros(self.dice.below(most)));
            match starting.kill().unwrap() {
                true => self.kills.at_work += 1,
                false => self.kills.starting += 1,
            }
            return;
        }
        let server = self.start();
        let api = Api::new(&server.url, &self.key);
        // What the last kill may have hurt: what was told of last.
        let last = last_runs(&told.lock().unwrap());
        door.open(api.clone(), Stage::Load);
        self.look(&api, told, last).unwrap();
        let backup = kill.is_multiple_of(BACKUP_EVERY).then(|| Backup::begin(self.folder.path(), &server));
        std::thread::sleep(Duration::from_millis(self.dice.below(LIFE_MAX_MS)));
        let is_backing_up = backup.as_ref().is_some_and(Backup::is_at_work);
        server.kill().unwrap();
        door.close();
        self.kills.at_work += 1;
        self.kills.backing_up += u64::from(is_backing_up);
        self.broken.extend(backup.and_then(|backup| backup.end().err()));
    }

    /// Checks some runs while the load goes on.
    fn look(&mut self, api: &Api, told: &Mutex<Vec<Told>>, runs: Vec<String>) -> Result<(), Silence> {
        let mut kept = BTreeMap::new();
        for run in runs {
            // What is told meanwhile may be newer than what is read.
            let told = told.lock().unwrap();
            let lately = told.iter().rev().take(LATELY);
            let before: Vec<Told> = lately.filter(|told| told.run() == Some(&run)).cloned().collect();
            drop(told);
            if let Some(read) = gather::kept_midway(api, &run)? {
                kept.insert(run, (read, before));
            }
        }
        self.checked_midway += kept.len();
        let served = self.outside.served();
        for (run, (kept, told)) in kept {
            let history = History { told, served: served.clone(), kept: [(run, kept)].into() };
            self.broken.extend(history::check(&history, history::Stage::Midway).iter().map(ToString::to_string));
        }
        Ok(())
    }
}

fn last_runs(told: &[Told]) -> Vec<String> {
    let mut runs: Vec<String> = Vec::new();
    for run in told.iter().rev().take(20 * LOOKED_AT).filter_map(Told::run) {
        if runs.len() < LOOKED_AT && !runs.iter().any(|other| other == run) {
            runs.push(run.to_owned());
        }
    }
    runs
}
