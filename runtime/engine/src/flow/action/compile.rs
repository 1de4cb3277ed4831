//! From what an author wrote of an action to what the engine runs.

use std::sync::Arc;

use super::super::compile::{Compiler, SHAPE};
use super::super::document::HookDocument;
use super::super::model::{Step, StepKind, Target};
use super::document::{ActionDocument, SavedActionDocument, SetUpDocument};
use super::model::{ActionProvider, ActionSetUp, ActionStep, ActionUse, SavedAction};
use crate::action::{self, ActionType, ActionTypes, Path, Profile};
use crate::document::{Document, Faults};
use crate::expression::{Expression, TemplateFault};

/// Compiles a document of a saved action.
///
/// # Errors
/// Every fault at once, in the document's order.
pub fn read_action(document: &Document, types: &Arc<ActionTypes>) -> Result<SavedAction, Faults> {
    let mut faults = Faults::default();
    let mut compiler = Compiler { document, types, faults: &mut faults };
    let saved = compiler.saved_action();
    match saved {
        Some(saved) if !faults.has_errors() => Ok(saved),
        _ => Err(faults.sorted()),
    }
}

impl Compiler<'_> {
    pub(in crate::flow) fn action(&mut self, pointer: &str, following: Target) -> Option<Step> {
        let it: ActionDocument = self.read(pointer)?;
        let kind = self.action_type(&format!("{pointer}/action"), &it.action);
        let set_up = it.set_up();
        let uses = match (&it.uses, set_up.names_provider()) {
            (Some(_), true) => {
                let message = "`uses` names a saved action, which says itself who serves it";
                self.error(&format!("{pointer}/uses"), SHAPE, message);
                None
            }
            (Some(name), false) => Some(ActionUse::Saved(name.clone())),
            (None, false) => Some(ActionUse::OnlyOfType),
            (None, true) => {
                let kind = kind.clone()?;
                self.set_up(pointer, set_up, &kind).map(|set_up| ActionUse::Own(Arc::new(set_up)))
            }
        };
        let transitions = self.transitions(pointer, it.next, following, [it.on_failure, it.on_error]);
        let action = ActionStep { kind: kind?, uses: uses?, when_unavailable: it.when_unavailable };
        Some(Step { id: it.id, kind: StepKind::Action(Box::new(action)), transitions })
    }

    fn saved_action(&mut self) -> Option<SavedAction> {
        let it: SavedActionDocument = self.read("")?;
        let kind = self.action_type("/type", &it.kind)?;
        let set_up = self.set_up("", it.set_up(), &kind)?;
        Some(SavedAction { name: it.action, version: 0, kind, status: it.status, set_up: Arc::new(set_up) })
    }

    fn action_type(&mut self, pointer: &str, name: &str) -> Option<Arc<ActionType>> {
        if let Some(kind) = self.types.get(name) {
            return Some(Arc::clone(kind));
        }
        let known = self.types.names().join("`, `");
        let message = format!("there is no action type `{name}`");
        let fault = self.faults.error(self.document, pointer, "flow.unknown-action-type", message);
        fault.help(format!("known are `{known}`"));
        None
    }

    fn set_up(&mut self, pointer: &str, it: SetUpDocument, kind: &ActionType) -> Option<ActionSetUp> {
        for (index, allowed) in it.allowed_operations.iter().enumerate() {
            for (place, problem) in action::check_allowed(allowed, kind) {
                self.error(&format!("{pointer}/allowed-operations/{index}{place}"), "flow.allowed-operation", problem);
            }
        }
        let profile = Profile::named(it.profile).with(&it.settings);
        let encryption = self.encryption(pointer, &it, kind, &profile);
        let provider = match (it.plugin.clone(), it.service.clone()) {
            (Some(plugin), None) => {
                let SetUpDocument { input, config, grants, limits, .. } = &it;
                let (input, config, grants) = (input.clone(), config.clone(), grants.clone());
                let hook = HookDocument { plugin, input, config, grants, limits: *limits };
                self.hook(pointer, hook).map(ActionProvider::Plugin)
            }
            (None, Some(service)) => Some(ActionProvider::Service(service)),
            (Some(_), Some(_)) => {
                self.error(&format!("{pointer}/service"), SHAPE, "an action has a `plugin` or a `service`, not both");
                None
            }
            (None, None) => {
                self.error(pointer, SHAPE, "an action needs somebody who serves it: a `plugin` or a `service`");
                None
            }
        };
        let when = match &it.when {
            None => Some(None),
            Some(source) => match Expression::parse(source) {
                Ok(expression) => Some(Some(expression)),
                Err(fault) => {
                    let fault = TemplateFault { message: fault.message, offset: fault.offset };
                    self.expression_fault(&format!("{pointer}/when"), source, &fault);
                    None
                }
            },
        };
        let expose = it.expose.as_ref().map(|paths| self.paths(&format!("{pointer}/expose"), paths));
        let hidden = self.paths(&format!("{pointer}/hidden"), &it.hidden);
        Some(ActionSetUp {
            provider: provider?,
            allowed_operations: it.allowed_operations,
            profile,
            rule: it.rule,
            when: when?,
            expose,
            hidden,
            encryption,
            sharing: it.sharing,
            claims: it.claims,
            time_to_live: it.time_to_live,
        })
    }

    pub(super) fn paths(&mut self, pointer: &str, texts: &[String]) -> Vec<Path> {
        let mut paths = Vec::new();
        for (index, text) in texts.iter().enumerate() {
            match text.parse() {
                Ok(path) => paths.push(path),
                Err(error) => self.error(&format!("{pointer}/{index}"), "flow.event-path", format!("{error}")),
            }
        }
        paths
    }
}
