//! Sends the calls that steps have handed over (C-11), again and again with growing pauses, until the outside system has
//! taken each of them or its time is over. What a step handed over survives the process; so does how far it has come.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore};

use super::background_entries::Told;
use super::verdict::{Verdict, judge, retry_after};
use super::{Engine, EngineSettings, Trouble};
use crate::connector::{BoundRequest, PermittedRequest, ResponseMode};
use crate::digest::Digest;
use crate::ids::TenantId;
use crate::message::Octets;
use crate::ports::{CallRoom, ClaimedCall, Exchange, StoreError};
use crate::run::{
    BackgroundCall, BackgroundProgress, BackgroundState, Ending, JournalEntry, OutboxEntry, Run, StepError,
    StepOutcome, StepRecord,
};
use crate::step::step_error;
use crate::time::Timestamp;

/// What the engine has for calls in the background.
pub(super) struct Outbound {
    /// One permit for each call that this process sends at a time.
    slots: Arc<Semaphore>,
    slots_max: usize,
    /// How many of them each tenant has.
    out: Mutex<HashMap<TenantId, usize>>,
    /// Tells the loop that there may be something to claim.
    wake: Notify,
}

impl Outbound {
    pub(super) fn new(settings: &EngineSettings) -> Self {
        let slots_max = settings.background_calls_max;
        Self { slots: Arc::new(Semaphore::new(slots_max)), slots_max, out: Mutex::default(), wake: Notify::new() }
    }

    /// Something was handed over.
    pub(super) fn wake(&self) {
        self.wake.notify_one();
    }

    fn out(&self) -> MutexGuard<'_, HashMap<TenantId, usize>> {
        self.out.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits until nothing is being sent; the number of calls that still are after that time.
    pub(super) async fn drain(&self, grace: Duration) -> usize {
        let all = u32::try_from(self.slots_max).unwrap_or(u32::MAX);
        match tokio::time::timeout(grace, self.slots.acquire_many(all)).await {
            Ok(_) => 0,
            Err(_) => self.slots_max.saturating_sub(self.slots.available_permits()),
        }
    }
}

/// Why a call could not be sent.
enum Unsent {
    /// It never can be.
    For(StepError),
    /// The store does not answer now.
    Now(StoreError),
}

impl Engine {
    /// What a step hands over with its commit: its call, where that is one in the background and the step went well.
    pub(super) fn handed_over(&self, run: &Run, entry: &JournalEntry) -> Option<OutboxEntry> {
        let StepRecord::Call(call) = &entry.record else { return None };
        let well = match &entry.outcome {
            StepOutcome::Next { caught_failure, caught_error, .. } => {
                caught_failure.is_none() && caught_error.is_none()
            }
            StepOutcome::Suspended { .. } => true,
            StepOutcome::Waiting { .. } | StepOutcome::Paused { .. } => false,
            StepOutcome::End(ending) => matches!(ending, Ending::Completed { .. }),
        };
        if call.mode != ResponseMode::Background || !well {
            return None;
        }
        Some(OutboxEntry {
            tenant: run.tenant.clone(),
            run: run.id,
            sequence: entry.sequence,
            step: entry.step.clone(),
            connector: call.connector.clone(),
            connector_version: call.connector_version,
            function: call.function.clone(),
            request: call.sent_request.clone()?,
            idempotency_key: call.idempotency_key.clone()?,
            created_at: run.updated_at,
            expires_at: run.updated_at.after(self.settings.background_ttl),
        })
    }

    /// Claims and sends calls until the process drains.
    pub(super) async fn work_in_background(self: &Arc<Self>) {
        let mut draining = self.draining.subscribe();
        loop {
            if let Err(error) = self.claim_calls().await {
                tracing::error!(
                    error = &error as &dyn std::error::Error,
                    code = error.code(),
                    "no calls in the background could be claimed"
                );
            }
            tokio::select! {
                _ = draining.wait_for(|draining| *draining) => return,
                () = self.outbound.wake.notified() => {}
                // The guarantee behind the event: what became due meanwhile, or was handed over by another process.
                () = tokio::time::sleep(self.settings.claim_interval) => {}
            }
        }
    }

    /// Claims as many calls as there are free slots, and sends them.
    async fn claim_calls(self: &Arc<Self>) -> Result<(), StoreError> {
        loop {
            let free = self.outbound.slots.available_permits();
            if free == 0 || *self.draining.borrow() {
                return Ok(());
            }
            // No send takes longer than `background-send-max`, so that no lease has to be prolonged.
            let lease = self.settings.background_send_max.saturating_add(self.settings.lease);
            let now = self.ports.clock.now();
            let per_tenant = self.settings.background_calls_per_tenant_max;
            let room = CallRoom { calls: free, per_tenant, out: self.outbound.out().clone() };
            let claimed = self.ports.store.claim_background_calls(&self.owner, now, lease, room).await?;
            if claimed.is_empty() {
                return Ok(());
            }
            for call in claimed {
                let Ok(slot) = self.outbound.slots.clone().acquire_owned().await else { return Ok(()) };
                let sending = Sending::begin(self, &call, slot);
                tokio::spawn(async move {
                    sending.engine.send_claimed(call).await;
                    drop(sending);
                });
            }
        }
    }

    /// Sends a call once more, and records what has become of it.
    async fn send_claimed(&self, claimed: ClaimedCall) {
        let ClaimedCall { call, lease, claims } = claimed;
        let (mut progress, told) = self.progress_of(&call, claims).await;
        log(&call.entry, &progress);
        let Told { entries, dropped } = told;
        progress.tell(entries.clone(), dropped, self.settings.diagnostics.step_entries_max);
        let OutboxEntry { tenant, run, sequence, .. } = &call.entry;
        match self.ports.store.settle_background_call(tenant, *run, *sequence, &lease, progress).await {
            Ok(()) => self.feed.committed(tenant, &entries),
            Err(error) => {
                // It is claimed again when the lease is over, and sent with the same key.
                let error = (&error as &dyn std::error::Error, error.code());
                tracing::warn!(%run, step = %call.entry.step, error = error.0, code = error.1, "the outcome of a call in the background was not recorded");
            }
        }
    }

    /// What has become of a call after one more send, and what is told of that.
    async fn progress_of(&self, call: &BackgroundCall, claims: u64) -> (BackgroundProgress, Told) {
        let now = self.ports.clock.now();
        if let Some(error) = self.hopeless(call, claims, now) {
            return (failed(&call.progress, now, error), Told::default());
        }
        let progress = match self.permitted(&call.entry).await {
            Ok(permitted) => {
                let (exchange, told) = self.send_and_tell(&call.entry, &permitted).await;
                return (self.after_send(call, &permitted, exchange), told);
            }
            Err(Unsent::For(error)) => failed(&call.progress, now, error),
            Err(Unsent::Now(error)) => {
                let run = call.entry.run;
                tracing::warn!(%run, error = &error as &dyn std::error::Error, code = error.code(), "a call in the background has to wait for the store");
                let next_at = now.after(self.settings.background_backoff);
                BackgroundProgress { state: BackgroundState::Pending { next_at }, ..call.progress.clone() }
            }
        };
        (progress, Told::default())
    }

    /// Why a call is not sent once more.
    fn hopeless(&self, call: &BackgroundCall, claims: u64, now: Timestamp) -> Option<StepError> {
        let most = self.settings.claims_without_commit_max;
        if claims > most {
            let message = format!(
                "the call was begun {most} times without coming to an outcome; it may be what brings its process down"
            );
            return Some(step_error("run.background-abandoned", message));
        }
        (now >= call.entry.expires_at).then(|| expired(call, call.progress.sends, call.progress.exchange.as_ref()))
    }

    /// The request, checked anew: it goes where the connector's version says, and nowhere else.
    async fn permitted(&self, entry: &OutboxEntry) -> Result<PermittedRequest, Unsent> {
        let found =
            self.ports.definitions.connector_version(&entry.tenant, &entry.connector, entry.connector_version).await;
        let connector = match found {
            Ok(connector) => connector,
            Err(Trouble::Step(error)) => return Err(Unsent::For(error)),
            Err(Trouble::Store(error)) => return Err(Unsent::Now(error)),
        };
        let function = connector.document.function(&entry.function).cloned().map(Arc::new).ok_or_else(|| {
            let message = format!("connector `{}` has no function `{}`", entry.connector, entry.function);
            Unsent::For(step_error("connector.unknown", message))
        })?;
        BoundRequest::new(connector, function, entry.request.clone())
            .permit(entry.request.clone())
            .map_err(|error| Unsent::For(step_error("connector.request-not-permitted", error)))
    }

    fn after_send(
        &self,
        call: &BackgroundCall,
        permitted: &PermittedRequest,
        exchange: Exchange,
    ) -> BackgroundProgress {
        let now = self.ports.clock.now();
        let sends = call.progress.sends.saturating_add(1);
        let state = match judge(permitted.function(), &exchange) {
            Verdict::Taken => BackgroundState::Succeeded { finished_at: now },
            Verdict::Refused(error) => BackgroundState::Failed { finished_at: now, error },
            Verdict::Again => {
                let pause = self.pause(&call.entry, sends).max(self.asked_pause(&exchange));
                let next_at = now.after(pause);
                match next_at < call.entry.expires_at {
                    true => BackgroundState::Pending { next_at },
                    false => BackgroundState::Failed { finished_at: now, error: expired(call, sends, Some(&exchange)) },
                }
            }
        };
        let (exchange, body_bytes_left_out) = bounded(exchange, self.settings.background_body_bytes_max);
        BackgroundProgress { sends, state, exchange: Some(exchange), body_bytes_left_out, ..call.progress.clone() }
    }

    /// The pause after so many sends. A part of up to a quarter is taken off by the call's own key, so that calls which
    /// failed together do not come back together.
    fn pause(&self, entry: &OutboxEntry, sends: u64) -> Duration {
        let doublings = u32::try_from(sends.saturating_sub(1)).unwrap_or(u32::MAX).min(31);
        let EngineSettings { background_backoff, background_backoff_max, .. } = &self.settings;
        let whole = background_backoff.saturating_mul(1 << doublings).min(*background_backoff_max);
        let digest = Digest::of(format!("{} {sends}", entry.idempotency_key).as_bytes());
        let part = u32::from(digest.as_bytes().first().copied().unwrap_or_default());
        whole - (whole / 4 / 256) * part
    }

    /// The pause that the outside system asks for, where that is not longer than any of ours.
    fn asked_pause(&self, exchange: &Exchange) -> Duration {
        retry_after(exchange).unwrap_or_default().min(self.settings.background_backoff_max)
    }
}

fn failed(before: &BackgroundProgress, now: Timestamp, error: StepError) -> BackgroundProgress {
    BackgroundProgress { state: BackgroundState::Failed { finished_at: now, error }, ..before.clone() }
}

fn expired(call: &BackgroundCall, sends: u64, last: Option<&Exchange>) -> StepError {
    let ttl = crate::duration_text::to_text(call.entry.expires_at.since(call.entry.created_at));
    let last = match last.map(|exchange| &exchange.outcome) {
        None => "it was never sent".to_owned(),
        Some(Ok(response)) => format!("the last answer had the status {}", response.status),
        Some(Err(error)) => format!("the last time, {}: {error}", error.kind.code()),
    };
    let message =
        format!("the call was sent {sends} times and not taken within {ttl} (`engine.background-ttl`); {last}");
    step_error("run.background-expired", message)
}

/// The exchange with at most so many bytes of its body, and how many were left out.
fn bounded(mut exchange: Exchange, most: usize) -> (Exchange, u64) {
    let Ok(response) = &mut exchange.outcome else { return (exchange, 0) };
    let whole = std::mem::take(&mut response.body).into_bytes();
    // A text stays one.
    let end = match std::str::from_utf8(&whole) {
        Ok(text) => text.floor_char_boundary(most),
        Err(_) => most.min(whole.len()),
    };
    response.body = Octets::from(whole.slice(..end));
    (exchange, (whole.len() - end) as u64)
}

fn log(entry: &OutboxEntry, progress: &BackgroundProgress) {
    let OutboxEntry { tenant, run, step, connector, function, .. } = entry;
    let sends = progress.sends;
    match &progress.state {
        BackgroundState::Succeeded { .. } => {
            tracing::debug!(%tenant, %run, %step, %connector, %function, sends, "a call in the background was taken");
        }
        BackgroundState::Pending { next_at } => {
            tracing::info!(%tenant, %run, %step, %connector, %function, sends, %next_at, "a call in the background is to be sent again");
        }
        BackgroundState::Failed { error, .. } => {
            tracing::warn!(%tenant, %run, %step, %connector, %function, sends, code = error.code, %error, "a call in the background was given up");
        }
    }
}

/// A call that this process sends, and the slot that it takes. However the sending ends, a panic included, the slot is
/// free again, and the loop looks for the next call.
struct Sending {
    engine: Arc<Engine>,
    tenant: TenantId,
    slot: Option<OwnedSemaphorePermit>,
}

impl Sending {
    fn begin(engine: &Arc<Engine>, claimed: &ClaimedCall, slot: OwnedSemaphorePermit) -> Self {
        let tenant = claimed.call.entry.tenant.clone();
        let mut out = engine.outbound.out();
        let of_tenant = out.entry(tenant.clone()).or_default();
        *of_tenant = of_tenant.saturating_add(1);
        Self { engine: Arc::clone(engine), tenant, slot: Some(slot) }
    }
}

impl Drop for Sending {
    fn drop(&mut self) {
        let mut out = self.engine.outbound.out();
        if let Entry::Occupied(mut of_tenant) = out.entry(self.tenant.clone()) {
            *of_tenant.get_mut() -= 1;
            if *of_tenant.get() == 0 {
                of_tenant.remove();
            }
        }
        drop(out);
        drop(self.slot.take());
        self.engine.outbound.wake();
    }
}
