//! What the type of an action says of an answer that is served: the same as in a run. What the caller
//! allows is another matter.

use crate::action::{
    ActionAnswer, ActionType, Operation, OperationKind, Profile, ProfileName, check_answered_failure,
    check_redirect_url,
};
use crate::run::StepError;
use crate::step::step_error;

/// Why an answer does not go out.
#[derive(Debug)]
pub(super) struct Unfit {
    pub(super) error: StepError,
    /// The operation to blame, where one is.
    pub(super) index: Option<usize>,
}

impl Unfit {
    fn of(code: &str, index: Option<usize>, reason: impl ToString) -> Self {
        Self { error: step_error(code, reason), index }
    }
}

/// Whether the type allows the answer.
///
/// # Errors
/// Why not.
pub(super) fn fits(answer: &ActionAnswer, kind: &ActionType) -> Result<(), Unfit> {
    match answer {
        ActionAnswer::Success { operations, .. } => changes(operations, kind),
        ActionAnswer::Incomplete { operations } => one_redirect(operations, kind),
        ActionAnswer::Failed(failure) => {
            // Nobody knows what this caller reads: these texts every one does.
            let profile = Profile::named(ProfileName::Wso2);
            check_answered_failure(failure, kind, &profile).map_err(|unusable| {
                let mut unfit = Unfit::of(unusable.code, None, format!("the plugin {unusable}"));
                if unusable.code == "action.unusable-answer" {
                    unfit.error.detail = Some("no setting changes that for an answer that is served".to_owned());
                }
                unfit
            })
        }
        ActionAnswer::Error(_) => Ok(()),
    }
}

fn changes(operations: &[Operation], kind: &ActionType) -> Result<(), Unfit> {
    for (index, operation) in operations.iter().map(Operation::kind).enumerate() {
        if operation == OperationKind::Redirect {
            let reason = "a `redirect` belongs into an answer that is incomplete";
            return Err(Unfit::of("action.operation-impossible", Some(index), reason));
        }
        if !kind.operations.contains(&operation) {
            let reason = format!("a `{}` action may not `{}`", kind.name, operation.as_str());
            return Err(Unfit::of("action.operation-not-allowed", Some(index), reason));
        }
    }
    Ok(())
}

fn one_redirect(operations: &[Operation], kind: &ActionType) -> Result<(), Unfit> {
    if kind.redirect.is_none() {
        let reason = format!("a `{}` action cannot send the end user away; answer `success` or `failed`", kind.name);
        return Err(Unfit::of("action.incomplete-not-allowed", None, reason));
    }
    let [Operation::Redirect { url }] = operations else {
        let index = operations.iter().position(|it| it.kind() != OperationKind::Redirect);
        let index = index.or((operations.len() > 1).then_some(1));
        let reason = "an answer that is incomplete has exactly one operation, a `redirect`";
        return Err(Unfit::of("action.one-redirect", index, reason));
    };
    match check_redirect_url(url) {
        Ok(_) => Ok(()),
        Err(reason) => Err(Unfit::of("action.redirect-url", Some(0), reason)),
    }
}
