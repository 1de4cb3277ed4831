//! Where the server is at the moment, for clients that outlive it.

use std::sync::{Condvar, Mutex};

use crate::api::Api;

/// Runs that are started in one life of the server: so many that all have ended before the trial's end.
const STARTS_PER_LIFE: u32 = 24;

/// What the clients do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stage {
    /// Whatever comes to mind.
    Load,
    /// Only what is left to do.
    Finish,
}

#[derive(Default)]
pub(crate) struct Door {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    /// The present server.
    api: Option<Api>,
    life: u64,
    starts_left: u32,
    finishes: bool,
}

impl Door {
    pub(crate) fn open(&self, api: Api, stage: Stage) {
        let mut state = self.state.lock().unwrap();
        state.api = Some(api);
        state.life += 1;
        state.starts_left = STARTS_PER_LIFE;
        state.finishes = stage == Stage::Finish;
        self.changed.notify_all();
    }

    pub(crate) fn close(&self) {
        self.state.lock().unwrap().api = None;
    }

    /// The present server, once there is one, with the number of its life.
    pub(crate) fn enter(&self) -> Option<(Api, u64, Stage)> {
        let state = self.changed.wait_while(self.state.lock().unwrap(), |state| state.api.is_none()).unwrap();
        let stage = if state.finishes { Stage::Finish } else { Stage::Load };
        state.api.clone().map(|api| (api, state.life, stage))
    }

    /// Waits until the server of that life is not the present one. The last one stays.
    pub(crate) fn wait_for_another(&self, life: u64) {
        let is_same = |state: &mut State| state.life == life && !state.finishes;
        drop(self.changed.wait_while(self.state.lock().unwrap(), is_same).unwrap());
    }

    /// Takes one of the starts of this life, where there is one left.
    pub(crate) fn may_start(&self) -> bool {
        let mut state = self.state.lock().unwrap();
        match state.starts_left.checked_sub(1) {
            Some(left) => {
                state.starts_left = left;
                true
            }
            None => false,
        }
    }
}
