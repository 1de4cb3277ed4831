//! `redirect` sends the end user elsewhere; the run goes on when somebody resumes it, or ends with it.

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::Value;

use crate::action::check_redirect_url;
use crate::expression::to_text;
use crate::flow::{RedirectStep, Target};
use crate::run::{Awaits, RedirectRecord, StepError, StepRecord};
use crate::step::{Attempt, Done, Way, step_error};

/// All but the unreserved characters (RFC 3986, section 2.3).
const VALUE: AsciiSet = NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

pub(crate) fn run_redirect(attempt: &Attempt<'_>, redirect: &RedirectStep) -> Done {
    let done = |url, way| {
        let record = StepRecord::Redirect(RedirectRecord { url, ends: redirect.ends });
        Done { record, way, changes: Vec::new() }
    };
    // What came back is in the context already.
    if attempt.run.resumptions > 0 {
        return done(None, Way::Next);
    }
    let url = match url(attempt, redirect) {
        Ok(url) => url,
        Err(error) => return done(None, Way::Error(error)),
    };
    if redirect.ends {
        return done(Some(url), Way::Branch(Target::End));
    }
    let waits = redirect.time_to_live.min(attempt.suspensions.longest);
    let until = attempt.outside.now("redirect").after(waits);
    done(Some(url.clone()), Way::Suspend { awaits: Awaits::Redirect(url), remind: None, until })
}

fn url(attempt: &Attempt<'_>, redirect: &RedirectStep) -> Result<String, StepError> {
    let url = redirect.url.render(&attempt.scope, |before, value| match value {
        Value::Array(_) | Value::Object(_) => Err("gives a list or an object, which a URL does not hold".to_owned()),
        // What the URL begins with may be one itself.
        value if before.is_empty() => Ok(to_text(value)),
        value => Ok(utf8_percent_encode(&to_text(value), &VALUE).to_string()),
    })?;
    match check_redirect_url(&url) {
        Ok(_) => Ok(url),
        Err(reason) => Err(step_error("flow.redirect-url", reason)),
    }
}
