//! From what an author wrote of an action to what the engine runs.

use std::fmt::Display;
use std::str::FromStr;
use std::sync::Arc;

use super::super::compile::{Compiler, Parts, SHAPE};
use super::super::document::HookDocument;
use super::super::model::{StepKind, Target};
use super::document::{ActionDocument, SavedActionDocument, SetUpDocument};
use super::granted::without_refused;
use super::model::{ActionProvider, ActionSetUp, ActionStep, ActionUse, SavedAction};
use crate::action::{ActionType, ActionTypes, PathPattern, Profile, Rule};
use crate::document::{Document, Faults};
use crate::expression::{Expression, TemplateFault};

/// The longest title and description of a saved action, in characters.
const REMARK_CHARS_MAX: usize = 255;

/// Compiles a document of a saved action.
///
/// # Errors
/// Every fault at once, in the document's order.
pub fn read_action(document: &Document, types: &Arc<ActionTypes>) -> Result<SavedAction, Faults> {
    let mut faults = Faults::default();
    let saved = read_with_warnings(document, types, &mut faults);
    match saved {
        Some(saved) if !faults.has_errors() => Ok(saved),
        _ => Err(faults.sorted()),
    }
}

/// Compiles a saved action for a save; adds every fault.
pub(super) fn read_with_warnings(
    document: &Document,
    types: &Arc<ActionTypes>,
    faults: &mut Faults,
) -> Option<SavedAction> {
    Compiler::new(document, types, true, faults).saved_action()
}

/// Compiles a saved action that was checked when it was saved.
///
/// # Errors
/// What an older version of the program accepted and this one cannot run.
pub fn read_stored_action(document: &Document, types: &Arc<ActionTypes>) -> Result<SavedAction, Faults> {
    let mut faults = Faults::default();
    let saved = Compiler::new(document, types, false, &mut faults).saved_action();
    match saved {
        Some(saved) if !faults.has_errors() => Ok(saved),
        _ => Err(faults.sorted()),
    }
}

impl Compiler<'_> {
    pub(in crate::flow) fn action(&mut self, pointer: &str, following: Target) -> Option<Parts> {
        let it: ActionDocument = self.read_kind(pointer)?;
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
        Some((it.id, StepKind::Action(Box::new(action)), transitions))
    }

    fn saved_action(&mut self) -> Option<SavedAction> {
        let it: SavedActionDocument = self.read("")?;
        self.remark("/title", it.title.as_deref());
        self.remark("/description", it.description.as_deref());
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

    fn set_up(&mut self, pointer: &str, mut it: SetUpDocument, kind: &ActionType) -> Option<ActionSetUp> {
        let annotations = self.annotations(pointer, &mut it.allowed_operations);
        if self.is_save {
            self.modifiable(pointer, &it.allowed_operations, kind);
            self.applicable(pointer, &it.allowed_operations, kind);
        } else {
            // What is stored must load; what its type does not let it change is refused when it is to be changed.
            without_refused(&mut it.allowed_operations, kind);
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
        let rule_holds_together = self.rule(&format!("{pointer}/rule"), it.rule.as_ref(), kind);
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
        let expose = it.expose.as_ref().map(|paths| self.granted(&format!("{pointer}/expose"), paths, kind));
        let hidden = self.granted(&format!("{pointer}/hidden"), &it.hidden, kind);
        self.paths::<PathPattern>(&format!("{pointer}/claims/read-only"), &it.claims.read_only);
        Some(ActionSetUp {
            provider: provider.filter(|_| rule_holds_together)?,
            allowed_operations: it.allowed_operations,
            annotations,
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

    fn rule(&mut self, pointer: &str, rule: Option<&Rule>, kind: &ActionType) -> bool {
        let faults = rule.map(|rule| rule.faults(&kind.rule_fields)).unwrap_or_default();
        for it in &faults {
            let fault = self.faults.error(self.document, &format!("{pointer}{}", it.pointer), it.code, &*it.message);
            if let Some(help) = &it.help {
                fault.help(help.clone());
            }
        }
        faults.is_empty()
    }

    pub(super) fn paths<P: FromStr<Err: Display>>(&mut self, pointer: &str, texts: &[String]) -> Vec<P> {
        let mut paths = Vec::new();
        for (index, text) in texts.iter().enumerate() {
            match text.parse() {
                Ok(path) => paths.push(path),
                Err(error) => self.error(&format!("{pointer}/{index}"), "flow.event-path", format!("{error}")),
            }
        }
        paths
    }

    /// A text for people.
    fn remark(&mut self, pointer: &str, text: Option<&str>) {
        if text.is_some_and(|text| text.chars().count() > REMARK_CHARS_MAX) {
            self.error(pointer, SHAPE, format!("this text has at most {REMARK_CHARS_MAX} characters"));
        }
    }
}
