//! Which functions of connectors can serve an action, and how long they may take.

use std::time::Duration;

use crate::connector::{Function, ResponseMode};
use crate::message::Method;

/// What keeps a function from serving an action, and what would mend it; nothing where it can.
pub fn keeps_from_serving(function: &Function) -> Option<String> {
    if function.method != Method::Post {
        let method = function.method.as_str();
        return Some(format!(
            "its method is {method}, and an external service is asked with POST: write `method: POST`"
        ));
    }
    if function.body.is_some() {
        return Some("it has a `body` of its own, and the action's request is the body: remove it".to_owned());
    }
    if function.mode == ResponseMode::Background {
        return Some("it is called in the background, and nobody would see the answer: write `mode: wait`".to_owned());
    }
    let nobody_gives = |argument: &&crate::connector::Argument| argument.required && argument.default.is_none();
    let argument = &function.arguments.iter().find(nobody_gives)?.name;
    Some(format!("it needs the argument `{argument}`, which an action does not give: give it a `default`"))
}

/// Most attempts of one answer.
pub(crate) const ATTEMPTS_MAX: u8 = 2;

/// What queueing, and a token that must be had first, may take besides the attempts.
const BESIDES_MAX: Duration = Duration::from_secs(2);

/// The budget of one answer with all its attempts, where one attempt may take so long. What is left of the run's
/// own time may be less.
pub fn budget_of(attempt: Duration) -> Duration {
    attempt.saturating_mul(ATTEMPTS_MAX.into()).saturating_add(BESIDES_MAX)
}
