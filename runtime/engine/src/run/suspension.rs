//! What a suspended run waits for.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::record::Run;
use super::state::RunState;
use crate::time::Timestamp;

/// What a suspended run waits for.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Awaits {
    /// That its end user, who was sent to this URL, comes back.
    Redirect(String),
    /// An answer.
    Prompt(Box<Prompt>),
}

/// A question to somebody.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Prompt {
    /// The JSON Schema that an answer is held against.
    pub form: Value,
    /// What is asked, for people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub text: Option<String>,
}

/// A call that reminds somebody of a suspended run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reminder {
    /// Its number among those of the step, from 0.
    pub index: u32,
    /// When it is made.
    pub at: Timestamp,
}

/// One suspension of a run, which an answer is for.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Suspension<'a> {
    /// The revision of the run that began it: it stays the same while reminders are sent.
    pub id: u64,
    /// What the run waits for.
    pub awaits: &'a Awaits,
    /// How long.
    pub until: Timestamp,
}

impl Run {
    /// Its suspension, where it is suspended.
    pub fn suspension(&self) -> Option<Suspension<'_>> {
        match &self.state {
            RunState::Suspended { awaits, since, until, .. } => {
                // A record of before suspensions had ids: nothing has been committed since.
                let id = if *since == 0 { self.revision } else { *since };
                Some(Suspension { id, awaits, until: *until })
            }
            _ => None,
        }
    }
}

impl Suspension<'_> {
    /// The question, where it is one.
    pub fn prompt(&self) -> Option<&Prompt> {
        match self.awaits {
            Awaits::Prompt(prompt) => Some(prompt),
            Awaits::Redirect(_) => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ids::RunId;
    use crate::run::{Event, RunStateKind};

    #[test]
    fn a_suspension_keeps_its_id_while_reminders_are_sent() {
        // covers F-02
        let at = Timestamp::from_millis;
        let step: crate::ids::StepId = "ask".parse().expect("a step");
        let pinned = ("f".parse().expect("a flow"), 1);
        let tenant = "acme".parse().expect("a tenant");
        let run = Run::new(tenant, RunId::generate(), pinned, step.clone(), at(0), at(100));
        let awaits = Awaits::Prompt(Box::new(Prompt { form: Value::Bool(true), text: None }));
        let remind = Some(Reminder { index: 0, at: at(20) });
        let run = run.apply(Event::Suspended { step, awaits, remind, until: at(50) }, at(10));
        assert_eq!((run.suspension().map(|it| it.id), run.rests_until()), (Some(1), Some(at(20))));
        let run = run.apply(Event::Reminded { remind: None }, at(20));
        assert_eq!((run.revision, run.suspension().map(|it| it.id), run.rests_until()), (2, Some(1), Some(at(50))));
        assert_eq!(run.deadline, at(110), "the deadline stands still");
        let json = serde_json::to_value(&run).expect("JSON");
        assert_eq!(serde_json::from_value::<Run>(json).expect("a run"), run);
    }

    #[test]
    fn a_record_of_before_suspensions_had_ids_is_read() {
        let old = serde_json::json!({ "state": "suspended", "step": "a", "redirect": "https://pin.test/", "until": Timestamp::from_millis(5) });
        let state: RunState = serde_json::from_value(old).expect("a state");
        assert_eq!(state.kind(), RunStateKind::Suspended);
        let RunState::Suspended { awaits, since: 0, remind: None, .. } = state else { panic!("{state:?}") };
        assert_eq!(awaits, Awaits::Redirect("https://pin.test/".to_owned()));
    }
}
