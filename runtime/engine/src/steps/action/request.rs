//! What an action is asked: the event that its type and its owner let it see, and what it may do.

use super::origin::Origin;
use super::{Acting, seal};
use crate::action::{ActionType, AllowedOperation, OperationKind, Path, RedirectOffer, Shown};
use crate::engine::Trouble;
use crate::flow::ActionSetUp;
use crate::ports::ActionEvent;
use crate::step::step_error;

pub(super) async fn event(acting: &Acting<'_>) -> Result<ActionEvent, Trouble> {
    let origin = Origin::of(acting.attempt);
    let encrypted: Vec<Path> = acting.set_up.encryption.iter().flat_map(|it| &it.event).cloned().collect();
    let shown = Shown {
        expose: acting.set_up.expose.as_deref(),
        hidden: &acting.set_up.hidden,
        encrypted: &encrypted,
        claims: &acting.set_up.claims,
    };
    let payload = acting.kind.payload(origin.sources(), shown);
    let payload = payload.map_err(|error| step_error(error.code(), &error))?;
    Ok(ActionEvent {
        action_type: acting.kind.name.clone(),
        payload: seal::seal(acting, payload).await?,
        allowed_operations: offered(acting.kind, acting.set_up),
    })
}

/// What the action is told that it may do: what its owner lists, and `redirect` where the profile always offers it.
pub(super) fn offered(kind: &ActionType, set_up: &ActionSetUp) -> Vec<AllowedOperation> {
    let mut offered = set_up.allowed_operations.clone();
    let is_listed = offered.iter().any(|allowed| allowed.op == OperationKind::Redirect);
    if kind.redirect.is_some() && set_up.profile.redirect == RedirectOffer::Always && !is_listed {
        offered.push(AllowedOperation { op: OperationKind::Redirect, paths: Vec::new() });
    }
    offered
}
