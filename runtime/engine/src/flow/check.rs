//! The whole check of a flow at its save (F-03), and its reading at a run's start.

use std::sync::Arc;

use serde_json::Value;

use super::compile::Compiled;
use super::model::Flow;
use super::{background_check, catalogue_check, compile, graph};
use crate::action::ActionTypes;
use crate::catalogue::Catalogue;
use crate::document::{Document, Faults, Format};

/// Checks a text against everything that its tenant has, and compiles it. The faults that come with a flow are
/// warnings.
///
/// # Errors
/// Every fault at once, in the document's order.
pub fn check(text: &str, format: Format, catalogue: &Catalogue) -> Result<(Flow, Document, Faults), Faults> {
    let document = Document::parse(text, format)?;
    let mut faults = Faults::default();
    let compiled = compile::compile(&document, &catalogue.types, true, &mut faults);
    if let Some(Compiled { flow, is_whole }) = &compiled {
        catalogue_check::check(flow, &document, catalogue, &mut faults);
        // A step that could not be read would make its neighbours seem unreachable.
        if *is_whole {
            background_check::check(flow, &document, catalogue, &mut faults);
            graph::check(flow, &document, &mut faults);
        }
    }
    let faults = faults.sorted();
    match compiled {
        Some(Compiled { flow, .. }) if !faults.has_errors() => Ok((flow, document, faults)),
        _ => Err(faults),
    }
}

/// Compiles a flow that was checked when it was saved.
///
/// # Errors
/// What an older version of the program accepted and this one does not.
pub fn read_stored(document: &Value, types: &Arc<ActionTypes>) -> Result<Arc<Flow>, Faults> {
    let document = Document::of_value(document.clone());
    let mut faults = Faults::default();
    match compile::compile(&document, types, false, &mut faults) {
        Some(Compiled { flow, .. }) if !faults.has_errors() => Ok(Arc::new(flow)),
        _ => Err(faults),
    }
}
