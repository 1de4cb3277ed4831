//! Saved actions against what their tenant has: at their own save, and again where a flow uses one.

use super::super::catalogue_check::check_provider;
use super::compile::read_with_warnings;
use super::model::{ActionStep, ActionUse, SavedAction};
use crate::catalogue::Catalogue;
use crate::document::{Document, Faults, Format, list_names};

/// Checks a document of a saved action against what its tenant has.
///
/// # Errors
/// Every fault at once, in the document's order.
pub fn check_action(
    text: &str,
    format: Format,
    catalogue: &Catalogue,
) -> Result<(SavedAction, Document, Faults), Faults> {
    let document = Document::parse(text, format)?;
    let mut faults = Faults::default();
    let action = read_with_warnings(&document, &catalogue.types, &mut faults);
    let Some(action) = action.filter(|_| !faults.has_errors()) else { return Err(faults.sorted()) };
    check_provider(&action.set_up.provider, &document, catalogue, &mut faults);
    let faults = faults.sorted();
    if faults.has_errors() { Err(faults) } else { Ok((action, document, faults)) }
}

/// Adds a fault where a step names a saved action that there is not, and a warning for all that may be mended without
/// the flow: an action can be saved, switched on or removed at any time.
pub(in crate::flow) fn check_saved(
    step: &ActionStep,
    pointer: &str,
    document: &Document,
    catalogue: &Catalogue,
    faults: &mut Faults,
) {
    let kind = step.kind.name.as_str();
    let there_are = catalogue.actions_of(kind);
    let names = || list_names(there_are.iter().map(|action| action.name.as_str()));
    let meant = match &step.uses {
        ActionUse::Own(_) => return,
        ActionUse::Saved(name) => there_are.iter().find(|action| action.name == *name),
        ActionUse::OnlyOfType => match there_are.as_slice() {
            [] => None,
            [only] => Some(only),
            several => {
                let message = format!("there are {} saved actions of type `{kind}`: {}", several.len(), names());
                let fault = faults.warning(document, &format!("{pointer}/action"), "flow.ambiguous-action", message);
                fault.help("write `uses: NAME`, or remove all but one; the step ends in an error as it is");
                return;
            }
        },
    };
    let unreadable = catalogue.unreadable_actions_of(kind).into_iter().find(|(name, _)| match &step.uses {
        ActionUse::Saved(meant) => meant.as_str() == *name,
        _ => true,
    });
    if let Some((name, why)) = unreadable {
        let place = if matches!(step.uses, ActionUse::Saved(_)) { "uses" } else { "action" };
        let message = format!("the saved action `{name}` of type `{kind}` cannot be read any more: {why}");
        let fault = faults.error(document, &format!("{pointer}/{place}"), "flow.unreadable-action", message);
        fault.help("save it again with `weir action apply FILE`, or remove it");
        return;
    }
    match (meant, &step.uses) {
        (Some(action), _) => {
            let place = if matches!(step.uses, ActionUse::Saved(_)) { "uses" } else { "action" };
            provider_of(action, &format!("{pointer}/{place}"), document, catalogue, faults);
        }
        (None, ActionUse::Saved(name)) => {
            let message = format!("there is no saved action `{name}` of type `{kind}`");
            let fault = faults.error(document, &format!("{pointer}/uses"), "flow.unknown-action", message);
            fault.help(if there_are.is_empty() {
                "there is none of the type yet; save one with `weir action apply FILE`".to_owned()
            } else {
                format!("there are {}; save another with `weir action apply FILE`", names())
            });
        }
        (None, _) => {
            let message = format!("there is no saved action of type `{kind}` yet");
            let fault = faults.warning(document, &format!("{pointer}/action"), "flow.no-action", message);
            fault.help("save one with `weir action apply FILE`, or give the step a `plugin` or a `service` of its own");
        }
    }
}

/// What is wrong with who serves a saved action, as a warning of the flow.
fn provider_of(action: &SavedAction, pointer: &str, document: &Document, catalogue: &Catalogue, faults: &mut Faults) {
    let mut of_action = Faults::default();
    check_provider(&action.set_up.provider, document, catalogue, &mut of_action);
    for fault in of_action.0 {
        let message = format!("the saved action `{}` cannot be served: {}", action.name, fault.message);
        let warning = faults.warning(document, pointer, &fault.code, message);
        if let Some(help) = fault.help {
            warning.help(help);
        }
    }
}
