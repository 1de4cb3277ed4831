//! The check of connector documents, for the API and for the command line alike.

use weir_connectors::Ceilings;
use weir_engine::connector::ConnectorDocument;
use weir_engine::document::{Document, Faults, Format, read};

/// Checks a connector document: its shape, and what no schema can say.
///
/// # Errors
/// Every fault at once, in the document's order.
pub(crate) fn check_connector(
    text: &str,
    format: Format,
    ceilings: &Ceilings,
) -> Result<(ConnectorDocument, Document), Faults> {
    let document = Document::parse(text, format)?;
    let mut faults = Faults::default();
    let connector: Option<ConnectorDocument> = read(&document, "", "connector.shape", &mut faults);
    for fault in connector.iter().flat_map(|connector| weir_connectors::validate(connector, ceilings)) {
        faults.error(&document, &fault.pointer, fault.code, fault.message);
    }
    match connector {
        Some(connector) if !faults.has_errors() => Ok((connector, document)),
        _ => Err(faults.sorted()),
    }
}
