//! What a flow signs with, against the identities that its tenant has (F-08). Warnings alone: an identity may be stored
//! after the flow that needs it.

use weir_engine::connector::SigningAlgorithm;
use weir_engine::document::{Document, Faults};
use weir_engine::flow::{Flow, Signing};
use weir_engine::ids::TenantId;

use super::app::App;
use crate::problem::Problem;
use crate::secrets::{IdentityMetadata, State};

/// Adds a warning for each signature that could not be made now.
pub(super) async fn check(
    app: &App,
    tenant: &TenantId,
    flow: &Flow,
    document: &Document,
    warnings: Faults,
) -> Result<Faults, Problem> {
    let mut warnings = warnings;
    for (step, signing) in flow.signings() {
        let found = app.vault.identity(tenant, &signing.key).await?;
        let expiry = app.vault.expiry(found.as_ref().and_then(|found| found.expires_at));
        if let Some((code, message)) = problem(signing, found.as_ref(), expiry) {
            warnings.warning(document, &format!("{}/sign/key", step.pointer), code, message);
        }
    }
    Ok(warnings.sorted())
}

fn problem(signing: &Signing, found: Option<&IdentityMetadata>, expiry: State) -> Option<(&'static str, String)> {
    let name = &signing.key;
    let Some(key) = found.and_then(|found| found.key.as_deref()) else {
        let message = format!("there is no identity `{name}` with a private key yet");
        return Some(("signing.no-private-key", message));
    };
    if expiry == State::Expired {
        return Some(("signing.expired", format!("identity `{name}` has expired; nothing is signed with it")));
    }
    let fits = match signing.algorithm {
        SigningAlgorithm::Rs256 => key.starts_with("RSA"),
        SigningAlgorithm::Es256 => key == "ECDSA, 256 bits",
        SigningAlgorithm::EdDsa => key == "Ed25519",
    };
    let message = || format!("`{}` does not go with the key of identity `{name}` ({key})", signing.algorithm.as_str());
    (!fits).then(|| ("signing.key-kind", message()))
}
