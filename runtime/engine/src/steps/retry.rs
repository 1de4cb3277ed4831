//! What comes after a technical error of a step that is tried again (F-10).

use std::time::Duration;

use crate::digest::Digest;
use crate::flow::{Exhausted, StepRetry};
use crate::ids::{RunId, StepId};
use crate::run::{StepError, StepOutcome, Waits};
use crate::step::Attempt;

/// Errors of a flow's own making: another attempt meets them again. A step whose `codes` name them is tried again
/// nevertheless.
const OWN: [&str; 7] = [
    "expression.*",
    "flow.*",
    "connector.invalid-argument",
    "connector.interpolation",
    "connector.request-not-permitted",
    "run.step-too-large",
    "prompt.*",
];

/// How the run rests after an error of the step: until the next attempt, or until somebody lets it go on. `None` where
/// the error counts.
pub(crate) fn rest_after(attempt: &Attempt<'_>, error: &StepError) -> Option<StepOutcome> {
    let retry = attempt.step.common.retry.as_ref().filter(|retry| is_tried_again(retry, &error.code))?;
    let now = attempt.outside.now("retry");
    let made = attempt.run.attempts.saturating_add(1);
    if made < retry.attempts {
        let pause = pause(retry, attempt.run.id, &attempt.step.id, made);
        // The run's deadline does not stand still meanwhile.
        let until = now.after(pause).min(attempt.run.deadline);
        return Some(StepOutcome::Waiting { on: Waits::Retry, until, error: Some(error.clone()) });
    }
    match retry.exhausted {
        Exhausted::Error => None,
        Exhausted::Pause => {
            Some(StepOutcome::Paused { error: error.clone(), until: now.after(attempt.suspensions.pause) })
        }
    }
}

fn is_tried_again(retry: &StepRetry, code: &str) -> bool {
    match retry.codes.as_slice() {
        [] => !OWN.iter().any(|wanted| is_code(wanted, code)),
        codes => codes.iter().any(|wanted| is_code(wanted, code)),
    }
}

/// Whether a code is the wanted one, or one of the wanted family: `connector.*`.
fn is_code(wanted: &str, code: &str) -> bool {
    match wanted.strip_suffix('*') {
        Some(family) => code.starts_with(family),
        None => wanted == code,
    }
}

/// The pause after that many attempts. It is the same after a crash: what varies it by up to a quarter is of the run,
/// the step and the attempt alone, so that runs which failed together are not tried again together.
fn pause(retry: &StepRetry, run: RunId, step: &StepId, made: u32) -> Duration {
    let doubled = 2_u32.saturating_pow(made.saturating_sub(1).min(31));
    let pause = retry.backoff.saturating_mul(doubled).min(retry.backoff_max);
    let digest = Digest::of(format!("{run}.{step}.{made}").as_bytes());
    let chance = digest.as_bytes().iter().take(2).fold(0_u32, |chance, byte| (chance << 8) | u32::from(*byte));
    // From 3/4 to 5/4, in 1/131072.
    pause.saturating_mul(98_304_u32.saturating_add(chance)) / 131_072
}

#[cfg(test)]
mod tests {
    use super::*;

    fn retry(codes: &[&str]) -> StepRetry {
        StepRetry {
            attempts: 3,
            backoff: Duration::from_secs(1),
            backoff_max: Duration::from_secs(60),
            codes: codes.iter().map(|code| (*code).to_owned()).collect(),
            exhausted: Exhausted::Error,
        }
    }

    #[test]
    fn pauses_double_up_to_the_longest_and_are_always_the_same() {
        // covers F-10
        let (run, step) = (RunId::from_bytes([7; 16]), "a".parse().expect("a step"));
        let mut seen = std::collections::HashSet::new();
        for made in 1..200 {
            let whole = Duration::from_secs(1 << (made - 1).min(6)).min(Duration::from_secs(60));
            let found = pause(&retry(&[]), run, &step, made);
            assert!(found >= whole * 3 / 4 && found <= whole * 5 / 4, "{made}: {found:?}");
            assert_eq!(found, pause(&retry(&[]), run, &step, made));
            seen.insert(found);
        }
        assert!(seen.len() > 150, "they vary");
    }

    #[test]
    fn codes_say_what_is_tried_again() {
        // covers F-10
        let none = retry(&[]);
        for (code, again) in [
            ("connector.connect", true),
            ("plugin.trap", true),
            ("step.deadline", true),
            ("connector.unknown", true),
            ("expression.evaluation", false),
            ("flow.claim-type", false),
            ("connector.invalid-argument", false),
        ] {
            assert_eq!(is_tried_again(&none, code), again, "{code}");
        }
        let some = retry(&["connector.connect", "expression.*"]);
        for (code, again) in [
            ("connector.connect", true),
            ("connector.connect-timeout", false),
            ("expression.evaluation", true),
            ("plugin.trap", false),
        ] {
            assert_eq!(is_tried_again(&some, code), again, "{code}");
        }
    }
}
