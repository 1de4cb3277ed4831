//! What happens to a run besides its steps: reminders, answers, pauses.

use serde_json::Value;
use weir_engine::run::{Awaits, ReminderRecord, StepOutcome, Waits};

use super::{Page, Style};
use crate::table;

impl Page {
    /// What a suspended run asks, and why a paused one is.
    pub(super) fn prompt_of(&mut self, run: &Value) {
        if let Some(prompt) = run.get("prompt") {
            let [text, url, until] = ["text", "url", "until"].map(|member| table::text(prompt, member));
            self.put(1, Some(Style::Warning), &format!("waits until {until} for an answer: {text}"));
            if !url.is_empty() {
                self.put(1, None, &format!("who has this address may answer: {url}"));
            }
        }
        if run.get("paused_until").is_some() {
            let (id, until) = (table::text(run, "id"), table::text(run, "paused_until"));
            self.put(1, Some(Style::Warning), &format!("paused until {until}; `weir run continue {id}` lets it go on"));
        }
    }

    pub(super) fn reminder(&mut self, reminder: &ReminderRecord) {
        reminder.call.iter().for_each(|call| self.call(call));
        if let Some(error) = &reminder.error {
            self.put(1, Some(Style::Bad), &format!("{}: {error}", error.code));
        }
    }

    pub(super) fn rests(&mut self, outcome: &StepOutcome) {
        match outcome {
            StepOutcome::Suspended { awaits, remind, until } => {
                let for_what = match awaits {
                    Awaits::Redirect(url) => format!("for the end user, who is sent to {url}"),
                    Awaits::Prompt(prompt) => match &prompt.text {
                        Some(text) => format!("for an answer: {text}"),
                        None => "for an answer".to_owned(),
                    },
                };
                self.put(1, Some(Style::Warning), &format!("→ waits until {until} {for_what}"));
                if let Some(reminder) = remind {
                    self.put(1, Some(Style::Dim), &format!("tells somebody at {}", reminder.at));
                }
            }
            StepOutcome::Waiting { on, until, error } => {
                if let Some(error) = error {
                    self.put(1, Some(Style::Warning), &format!("{}: {error}", error.code));
                }
                let text = match on {
                    // Their end wakes it; the instant is only when the engine looks again.
                    Waits::Children => "→ waits for its child runs".to_owned(),
                    Waits::Timer | Waits::Retry => format!("→ waits until {until} at the latest"),
                };
                self.put(1, Some(Style::Dim), &text);
            }
            StepOutcome::Paused { error, until } => {
                self.put(1, Some(Style::Bad), &format!("{}: {error}", error.code));
                self.put(1, Some(Style::Warning), &format!("→ paused until {until}"));
            }
            StepOutcome::Next { .. } | StepOutcome::End(_) => {}
        }
    }
}
