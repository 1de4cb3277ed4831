//! `prompt` asks somebody and waits for the answer. The run's resume brings it, and then the step is done.

use crate::expression::to_text;
use crate::flow::PromptStep;
use crate::run::{Awaits, Prompt, StepError, StepRecord};
use crate::step::{Attempt, Done, Way};

/// The longest text of a prompt, in characters.
const TEXT_CHARS_MAX: usize = 4000;

pub(crate) fn run_prompt(attempt: &Attempt<'_>, prompt: &PromptStep) -> Done {
    let answered = attempt.run.resumptions > 0;
    let way = match answered {
        true => Way::Next,
        false => ask(attempt, prompt).unwrap_or_else(Way::Error),
    };
    Done { record: StepRecord::Prompt { answered }, way, changes: Vec::new() }
}

fn ask(attempt: &Attempt<'_>, prompt: &PromptStep) -> Result<Way, StepError> {
    let text = match &prompt.text {
        Some(text) => Some(to_text(&text.evaluate(&attempt.scope)?).chars().take(TEXT_CHARS_MAX).collect()),
        None => None,
    };
    let now = attempt.outside.now("prompt");
    let until = now.after(prompt.time_to_live.min(attempt.suspensions.longest));
    let awaits = Awaits::Prompt(Box::new(Prompt { form: prompt.form.clone(), text }));
    Ok(Way::Suspend { awaits, remind: prompt.first_reminder(now, until), until })
}
