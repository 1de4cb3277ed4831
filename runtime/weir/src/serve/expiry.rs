//! Counts the stored TLS identities by where they stand in their time, so that an operator sees what is about to break.

use std::sync::Arc;
use std::time::Duration;

use metrics::gauge;
use weir_engine::ports::{PageRequest, StoreError};

use crate::api::App;
use crate::secrets::State;

/// How often they are counted.
const EVERY: Duration = Duration::from_secs(600);
/// How many tenants, or identities of one, are read at once.
const PART: usize = 200;

/// Counts at once, and then every ten minutes.
pub(super) async fn count(app: Arc<App>) {
    loop {
        match counted(&app).await {
            Ok(counts) => {
                for (state, count) in State::ALL.into_iter().zip(counts) {
                    gauge!("weir_identities", "state" => state.as_str()).set(f64::from(count));
                }
            }
            Err(error) => tracing::warn!(%error, "TLS identities could not be counted; it is tried again"),
        }
        tokio::time::sleep(EVERY).await;
    }
}

/// How many there are, in the order of [`State::ALL`].
async fn counted(app: &App) -> Result<[u32; State::ALL.len()], StoreError> {
    let mut counts = [0; State::ALL.len()];
    let mut tenants = PageRequest { limit: PART, after: None };
    loop {
        let part = app.tenants.list(&tenants).await?;
        for tenant in part.items {
            let mut identities = PageRequest { limit: PART, after: None };
            loop {
                let found = app.vault.identities(&tenant.tenant, &identities).await?;
                for identity in &found.items {
                    let state = app.vault.expiry(identity.expires_at);
                    let place = State::ALL.iter().zip(&mut counts).find(|(known, _)| **known == state);
                    place.into_iter().for_each(|(_, count)| *count += 1);
                }
                match found.next {
                    Some(next) => identities.after = Some(next),
                    None => break,
                }
            }
        }
        match part.next {
            Some(next) => tenants.after = Some(next),
            None => return Ok(counts),
        }
    }
}
