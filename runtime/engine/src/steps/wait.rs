//! `wait` lets the run rest until an instant. Its timer is the run's own record: it survives whatever the process does.

use serde_json::Value;

use crate::duration_text;
use crate::flow::WaitStep;
use crate::run::{RunState, StepError, StepRecord, WaitRecord, Waits};
use crate::step::{Attempt, Done, Way, step_error};
use crate::time::Timestamp;

pub(crate) fn run_wait(attempt: &Attempt<'_>, wait: &WaitStep) -> Done {
    let done = |until, over, way| {
        let record = StepRecord::Wait(WaitRecord { until, over });
        Done { record, way, changes: Vec::new() }
    };
    if let RunState::Waiting { on: Waits::Timer, until, .. } = &attempt.run.state {
        return done(Some(*until), true, Way::Next);
    }
    let now = attempt.outside.now("wait");
    match instant(attempt, wait, now) {
        Err(error) => done(None, false, Way::Error(error)),
        Ok(until) if until <= now => done(Some(until), true, Way::Next),
        Ok(until) => done(Some(until), false, Way::Wait { on: Waits::Timer, until }),
    }
}

fn instant(attempt: &Attempt<'_>, wait: &WaitStep, now: Timestamp) -> Result<Timestamp, StepError> {
    let until = match wait {
        WaitStep::For(duration) => now.after(*duration),
        WaitStep::Until(template) => {
            let value = template.evaluate(&attempt.scope)?;
            read(&value).ok_or_else(|| {
                let message = "`until` is no instant; give RFC 3339 text such as `2026-01-31T12:00:00Z`, or seconds since \
                               1970-01-01T00:00:00Z";
                step_error("flow.wait-until", message)
            })?
        }
    };
    let (asked, most) = (until.since(now), attempt.suspensions.wait_max);
    if asked <= most {
        return Ok(until);
    }
    let message = format!(
        "the step would wait until {until}; a wait takes at most {} (`engine.wait-max`)",
        duration_text::to_text(most)
    );
    Err(step_error("flow.wait-too-long", message))
}

/// Instants before 1970 are long past.
fn read(value: &Value) -> Option<Timestamp> {
    match value {
        Value::String(text) => match chrono::DateTime::parse_from_rfc3339(text) {
            Ok(instant) => Some(Timestamp::from_millis(u64::try_from(instant.timestamp_millis()).unwrap_or(0))),
            Err(_) => None,
        },
        Value::Number(number) => match (number.as_u64(), number.as_f64()) {
            (Some(seconds), _) => Some(Timestamp::from_millis(seconds.saturating_mul(1000))),
            (None, Some(seconds)) => {
                Some(Timestamp::from_millis(0).after(std::time::Duration::try_from_secs_f64(seconds.max(0.0)).ok()?))
            }
            (None, None) => None,
        },
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn instants_in_each_form() {
        // covers F-02
        for (value, millis) in [
            (json!("2023-11-14T22:13:20Z"), Some(1_700_000_000_000)),
            (json!("2023-11-15T00:13:20.5+02:00"), Some(1_700_000_000_500)),
            (json!(1_700_000_000), Some(1_700_000_000_000)),
            (json!(1.5), Some(1500)),
            (json!(-1), Some(0)),
            (json!("1960-01-01T00:00:00Z"), Some(0)),
            (json!(u64::MAX), Some(u64::MAX)),
            (json!(1e300), None),
            (json!("tomorrow"), None),
            (json!("1700000000"), None),
            (json!(null), None),
            (json!([1]), None),
        ] {
            assert_eq!(read(&value).map(Timestamp::as_millis), millis, "{value}");
        }
    }
}
