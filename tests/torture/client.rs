//! A client of the load: starts, resumes, looks, and notes whatever it is told. What it was told nothing of, it asks
//! again with the same client key.

use std::sync::Mutex;
use std::time::Duration;

use serde_json::{Value, json};

use crate::api::{Answer, Api, Silence};
use crate::dice::Dice;
use crate::door::{Door, Stage};
use crate::history::Told;
use crate::mix;

/// How long a client rests where it has nothing to do.
const REST: Duration = Duration::from_millis(5);

pub(crate) struct Client<'a> {
    pub(crate) name: usize,
    pub(crate) dice: Dice,
    pub(crate) door: &'a Door,
    pub(crate) told: &'a Mutex<Vec<Told>>,
    /// What it must do again, since no answer came.
    unanswered: Vec<Wish>,
    /// Its runs that may still go on.
    open: Vec<String>,
    /// Suspended runs, with the revision at which they were seen so.
    suspended: Vec<(String, u64)>,
    number: u64,
}

/// What a client wants, under one client key.
enum Wish {
    Start { ticket: String, flow: &'static str, event: Value, wait: bool },
    Resume { run: String, revision: u64, mark: String },
}

impl<'a> Client<'a> {
    pub(crate) fn new(name: usize, seed: u64, door: &'a Door, told: &'a Mutex<Vec<Told>>) -> Self {
        let dice = Dice::new(seed.wrapping_mul(31).wrapping_add(name as u64));
        Self { name, dice, door, told, unanswered: Vec::new(), open: Vec::new(), suspended: Vec::new(), number: 0 }
    }

    /// Works until the load is over and it knows what became of everything that it asked for.
    pub(crate) fn work(mut self) {
        while let Some((api, life, stage)) = self.door.enter() {
            match self.turn(&api, stage) {
                Ok(true) => {}
                Ok(false) if stage == Stage::Finish && self.is_done() => return,
                Ok(false) => std::thread::sleep(REST),
                Err(Silence) => self.door.wait_for_another(life),
            }
        }
    }

    fn is_done(&self) -> bool {
        self.unanswered.is_empty() && self.open.is_empty() && self.suspended.is_empty()
    }

    /// Does one thing. Whether there was one.
    fn turn(&mut self, api: &Api, stage: Stage) -> Result<bool, Silence> {
        if let Some(wish) = self.unanswered.pop() {
            self.ask(api, wish)?;
            return Ok(true);
        }
        match self.dice.below(4) {
            0 | 1 if stage == Stage::Load && self.door.may_start() => {
                let wish = self.new_start();
                self.ask(api, wish)?;
            }
            2 if !self.suspended.is_empty() => {
                let (run, revision) = self.suspended.swap_remove(0);
                self.number += 1;
                let mark = format!("m{}-{}", self.name, self.number);
                self.ask(api, Wish::Resume { run, revision, mark })?;
            }
            _ if !self.open.is_empty() => {
                let index = self.dice.below(self.open.len() as u64) as usize;
                let run = self.open.swap_remove(index);
                self.look(api, run)?;
            }
            _ => return Ok(!self.suspended.is_empty()),
        }
        Ok(true)
    }

    fn new_start(&mut self) -> Wish {
        self.number += 1;
        let kind = mix::kind(self.dice.next());
        let ticket = format!("t{}-{}", self.name, self.number);
        let bytes = if self.dice.below(mix::LARGE_EVERY) == 0 { mix::LARGE_BYTES } else { 20 };
        let event = json!({ "ticket": ticket, "amount": self.dice.below(100), "text": "x".repeat(bytes) });
        Wish::Start { ticket, flow: kind.flow, event, wait: self.dice.below(3) == 0 }
    }

    fn ask(&mut self, api: &Api, wish: Wish) -> Result<(), Silence> {
        let sent = match &wish {
            Wish::Start { ticket, flow, event, wait } => {
                let wait = if *wait { "?wait=2s" } else { "" };
                api.post(&format!("/v1/flows/{flow}/runs{wait}"), ticket, &json!({ "event": event }))
            }
            Wish::Resume { run, revision, mark } => {
                let body = json!({ "input": { "mark": mark }, "revision": revision });
                api.post(&format!("/v1/runs/{run}/resume"), mark, &body)
            }
        };
        match sent {
            Err(silence) => {
                self.unanswered.push(wish);
                Err(silence)
            }
            Ok(Answer { status: 200 | 202, body }) => {
                let run = body["id"].as_str().unwrap().to_owned();
                self.note(match wish {
                    Wish::Start { ticket, .. } => Told::Started { ticket, run },
                    Wish::Resume { mark, .. } => Told::Resumed { run, mark },
                });
                self.see(&body);
                Ok(())
            }
            Ok(Answer { status, body }) => {
                let (Wish::Start { ticket: whose, .. } | Wish::Resume { run: whose, .. }) = wish;
                self.note(Told::Refused { whose, what: format!("{status}: {body}") });
                Ok(())
            }
        }
    }

    /// Looks at a run, every second time at its journal too.
    fn look(&mut self, api: &Api, run: String) -> Result<(), Silence> {
        let view = match api.get(&format!("/v1/runs/{run}")) {
            Ok(answer) => answer,
            Err(silence) => {
                self.open.push(run);
                return Err(silence);
            }
        };
        if view.status != 200 {
            // It was acknowledged.
            self.note(Told::Refused { whose: run, what: format!("{}: {}", view.status, view.body) });
            return Ok(());
        }
        self.see(&view.body);
        if self.open.last() == Some(&run) {
            std::thread::sleep(REST);
        }
        if self.dice.below(2) == 0 {
            let entries = api.items(&format!("/v1/runs/{run}/journal"))?;
            self.note(Told::Read { run, entries });
        }
        Ok(())
    }

    /// Notes how a run is, and what there is to do with it.
    fn see(&mut self, view: &Value) {
        let (run, state) = (view["id"].as_str().unwrap().to_owned(), view["state"].as_str().unwrap().to_owned());
        let revision = view["revision"].as_u64().unwrap();
        match state.as_str() {
            "ready" | "waiting" => self.open.push(run.clone()),
            "suspended" => self.suspended.push((run.clone(), revision)),
            _ => {}
        }
        self.note(Told::Seen { run, revision, state });
    }

    fn note(&self, told: Told) {
        self.told.lock().unwrap().push(told);
    }
}
