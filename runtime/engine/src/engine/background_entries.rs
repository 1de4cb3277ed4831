//! Diagnostic entries of calls in the background (C-10, C-11): made as those of a step, kept with the call.

use super::Engine;
use crate::connector::{EventLevel, PermittedRequest};
use crate::ids::RequestId;
use crate::ports::{CallContext, Exchange, StoreError};
use crate::run::{DiagnosticEntry, OutboxEntry, Run};
use crate::sensitive::SensitiveNames;
use crate::steps::Diagnostics;

/// What is told of a send.
#[derive(Default)]
pub(super) struct Told {
    /// In order.
    pub(super) entries: Vec<DiagnosticEntry>,
    /// How many could not be made.
    pub(super) dropped: u32,
}

impl Engine {
    /// Sends a call, and makes the entries that its function asks for. An entry that cannot be made never holds a call
    /// up: it is counted.
    pub(super) async fn send_and_tell(&self, entry: &OutboxEntry, permitted: &PermittedRequest) -> (Exchange, Told) {
        let context = CallContext {
            tenant: entry.tenant.clone(),
            request_id: RequestId::generate(),
            idempotency_key: entry.idempotency_key.clone(),
            budget: self.settings.background_send_max,
            attempts: crate::ports::Attempts::OfFunction,
        };
        let log = permitted.function().log;
        let is_told = [log.request, log.success, log.failure].into_iter().any(|level| level != EventLevel::Disable);
        let about = match is_told {
            true => self.about(entry, permitted).await,
            false => Ok(None),
        };
        let Ok(Some((run, names))) = &about else {
            let exchange = self.ports.connectors.send(&context, permitted).await;
            return (exchange, Told { dropped: u32::from(about.is_err()), ..Told::default() });
        };
        let diagnostics = Diagnostics::new(run, &entry.step, &*self.ports.clock, &self.settings.diagnostics);
        diagnostics.request(names, &context, permitted);
        let exchange = self.ports.connectors.send(&context, permitted).await;
        diagnostics.exchange(names, &context, permitted, &exchange);
        let (entries, dropped) = diagnostics.take();
        (exchange, Told { entries, dropped })
    }

    /// The call's run, and what nobody is shown of it; none where the run is gone.
    async fn about(
        &self,
        entry: &OutboxEntry,
        permitted: &PermittedRequest,
    ) -> Result<Option<(Run, SensitiveNames)>, StoreError> {
        let Some(run) = self.ports.store.run(&entry.tenant, entry.run).await? else { return Ok(None) };
        let mut names = self.hidden_names(&run).await?;
        // The call goes as the connector was, which may have marked more than it does now.
        names.mark(permitted.connector().document.sensitive.iter().map(String::as_str));
        Ok(Some((run, names)))
    }
}
