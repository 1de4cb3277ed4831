//! Suspends the run with a redirect, where the action's type allows it.

use serde_json::Value;
use url::Url;

use super::Acting;
use super::origin::Origin;
use crate::action::{
    AllowedPaths, Enforcement, Operation, OperationKind, REDIRECT_BYTES_MAX, RedirectOffer, RedirectRule,
    check_redirect_url,
};
use crate::duration_text;
use crate::engine::Trouble;
use crate::run::{ActionRecord, Awaits, OperationRecord, OperationResult};
use crate::step::{Way, step_error};

/// Why an answer does not suspend the run, and which operation is to blame, where one is.
struct Refused {
    code: &'static str,
    index: Option<usize>,
    reason: String,
}

impl Acting<'_> {
    /// One redirect suspends the run.
    pub(super) fn suspend(&self, operations: Vec<Operation>, record: &mut ActionRecord) -> Result<Way, Trouble> {
        let Some(rule) = &self.kind.redirect else {
            let message = format!("a `{}` action cannot suspend the run; answer `success` or `failed`", self.kind.name);
            let index = operations.iter().position(|operation| operation.kind() == OperationKind::Redirect);
            let refused = Refused { code: "action.incomplete-not-allowed", index, reason: message };
            return Ok(refuse(&operations, refused, record));
        };
        // A redirect that is not followed is not `applied`.
        let found = self.redirect(&operations, rule).and_then(|(index, redirect)| {
            self.may_suspend_again(index)?;
            Ok((index, redirect))
        });
        let redirect = match found {
            Ok((index, redirect)) => {
                record.operations = records(&operations, |at| match at {
                    at if at == index => (OperationResult::Applied, None),
                    _ => (OperationResult::Dropped, Some("the step does not allow it".to_owned())),
                });
                redirect
            }
            Err(refused) => return Ok(refuse(&operations, refused, record)),
        };
        let waits = self.set_up.time_to_live.min(self.attempt.suspensions.longest);
        tracing::debug!(run = %self.attempt.run.id, waits = duration_text::to_text(waits), "the run is suspended");
        let until = self.attempt.outside.after("until", waits);
        Ok(Way::Suspend { awaits: Awaits::Redirect(redirect), remind: None, until })
    }

    fn may_suspend_again(&self, index: usize) -> Result<(), Refused> {
        let most = self.attempt.suspensions.per_step_max;
        if self.attempt.run.resumptions < most {
            return Ok(());
        }
        let reason = format!(
            "the action has suspended the run {most} times, as often as one step may \
             (`engine.suspensions-per-step-max`)"
        );
        Err(Refused { code: "action.too-many-suspensions", index: Some(index), reason })
    }

    /// The only redirect of the answer: which operation it is, and the URL with what the type adds.
    fn redirect(&self, operations: &[Operation], rule: &RedirectRule) -> Result<(usize, String), Refused> {
        let allowed = AllowedPaths::read(&self.set_up.allowed_operations);
        let mut redirects = Vec::new();
        for (index, operation) in operations.iter().enumerate() {
            match (operation, self.allows(operation, &allowed), self.set_up.profile.enforcement) {
                (Operation::Redirect { url }, true, _) => redirects.push((index, url)),
                (_, true, _) => {
                    let reason = "an answer that suspends the run has one `redirect` and changes nothing".to_owned();
                    return Err(Refused { code: "action.one-redirect", index: Some(index), reason });
                }
                (_, false, Enforcement::Drop) => {}
                (_, false, Enforcement::Reject) => {
                    let reason = format!("the step does not allow `{}` here", operation.kind().as_str());
                    return Err(Refused { code: "action.operation-not-allowed", index: Some(index), reason });
                }
            }
        }
        let [(index, url)] = redirects.as_slice() else {
            let found = redirects.len();
            let reason = format!("an answer that suspends the run needs one allowed `redirect`; it has {found}");
            return Err(Refused { code: "action.one-redirect", index: redirects.get(1).map(|(at, _)| *at), reason });
        };
        let sent = check_redirect_url(url).and_then(|url| self.with_query(url, rule));
        match sent {
            Ok(sent) => Ok((*index, sent)),
            Err(reason) => Err(Refused { code: "action.redirect-url", index: Some(*index), reason }),
        }
    }

    fn allows(&self, operation: &Operation, allowed: &AllowedPaths) -> bool {
        let always =
            operation.kind() == OperationKind::Redirect && self.set_up.profile.redirect == RedirectOffer::Always;
        always || allowed.check(operation).is_ok()
    }

    /// The URL with the parameters of the type. One of the same name that the action wrote itself gives way: whoever
    /// reads it must be able to trust it.
    fn with_query(&self, (text, mut url): (&str, Url), rule: &RedirectRule) -> Result<String, String> {
        let origin = Origin::of(self.attempt);
        let added: Vec<(&str, String)> =
            rule.query.iter().filter_map(|(name, from)| Some((name.as_str(), shown(origin.at(from))?))).collect();
        if added.is_empty() {
            return Ok(text.to_owned());
        }
        let is_own = |name: &str| added.iter().any(|(own, _)| *own == name);
        if url.query_pairs().any(|(name, _)| is_own(&name)) {
            let kept: Vec<(String, String)> =
                url.query_pairs().into_owned().filter(|(name, _)| !is_own(name)).collect();
            url.query_pairs_mut().clear().extend_pairs(kept);
        }
        url.query_pairs_mut().extend_pairs(added);
        if url.as_str().len() > REDIRECT_BYTES_MAX {
            return Err(format!("with the parameters that are added to it the URL is over {REDIRECT_BYTES_MAX} bytes"));
        }
        Ok(url.into())
    }
}

/// A scalar as a parameter says it.
fn shown(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(_) | Value::Bool(_) => Some(value.to_string()),
        Value::Null | Value::Array(_) | Value::Object(_) => None,
    }
}

fn refuse(operations: &[Operation], refused: Refused, record: &mut ActionRecord) -> Way {
    let Refused { code, index, reason } = refused;
    record.operations = records(operations, |at| match index {
        Some(index) if at == index => (OperationResult::Rejected, Some(reason.clone())),
        _ => (OperationResult::Dropped, Some("the whole answer is refused".to_owned())),
    });
    Way::Error(step_error(code, reason))
}

fn records(
    operations: &[Operation],
    became: impl Fn(usize) -> (OperationResult, Option<String>),
) -> Vec<OperationRecord> {
    let record = |(index, operation): (usize, &Operation)| {
        let (result, reason) = became(index);
        OperationRecord { operation: operation.clone(), result, code: None, reason }
    };
    operations.iter().enumerate().take(RECORDS_MAX).map(record).collect()
}

/// Most operations whose fate is kept.
const RECORDS_MAX: usize = 200;
