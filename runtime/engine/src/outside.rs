//! Whatever time and chance give a step goes through here, and so do the versions of what it looks up and what keys
//! make for it: live it is noted for the journal, in a replay it comes from there (F-11). No step asks a clock or makes
//! an id in another way.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use crate::digest::Digest;
use crate::engine::Versions;
use crate::ids::{RequestId, RunId, TenantId};
use crate::ports::{Clock, InvocationLimits, Store, StoreError};
use crate::run::{DONE, Given, JournalEntry, Recorded, Run, RunContext};
use crate::time::Timestamp;

/// Why a key of the outside made nothing.
pub(crate) trait Refusal: Sized + Send {
    /// The stable code, and what happened.
    fn parts(self) -> (&'static str, String);

    /// The same as the journal has it.
    fn again(code: &str, message: String) -> Self;
}

/// The outside of one step.
pub(crate) struct Outside<'a> {
    clock: &'a dyn Clock,
    began: Timestamp,
    replayed: Option<Replayed<'a>>,
    versions: Versions,
    drawn: Mutex<Drawn>,
}

/// Where a replay takes from.
struct Replayed<'a> {
    recorded: &'a Recorded,
    limits: InvocationLimits,
    family: &'a Family,
}

/// Child runs that are over, with their contexts: what a join reads.
pub(crate) type Family = BTreeMap<RunId, (Run, RunContext)>;

#[derive(Default)]
struct Drawn {
    recorded: Recorded,
    /// How often each thing was asked for.
    asked: BTreeMap<String, u32>,
}

impl Drawn {
    /// The name under which this time it is noted.
    fn name(&mut self, what: &str) -> String {
        let times = self.asked.entry(what.to_owned()).or_default();
        *times += 1;
        if *times == 1 { what.to_owned() } else { format!("{what}~{times}") }
    }
}

impl<'a> Outside<'a> {
    /// The real one, from now on.
    pub(crate) fn live(clock: &'a dyn Clock) -> Self {
        let versions = Versions::default();
        Self { clock, began: clock.now(), replayed: None, versions, drawn: Mutex::default() }
    }

    /// The one that an entry had, with the most that its hooks were allowed, and the child runs of its run.
    pub(crate) fn replayed(
        clock: &'a dyn Clock,
        entry: &'a JournalEntry,
        limits: InvocationLimits,
        family: &'a Family,
    ) -> Self {
        let recorded = &entry.recorded;
        Self {
            clock,
            began: entry.started_at,
            replayed: Some(Replayed { recorded, limits, family }),
            versions: Versions::pinned(recorded.used.clone()),
            drawn: Mutex::default(),
        }
    }

    /// When the step began.
    pub(crate) fn began(&self) -> Timestamp {
        self.began
    }

    /// Whether the step is executed again.
    pub(crate) fn is_replay(&self) -> bool {
        self.replayed.is_some()
    }

    /// The versions of what the step uses.
    pub(crate) fn versions(&self) -> &Versions {
        &self.versions
    }

    /// The most that a hook may use up: of the host, or of the host that the entry is from.
    pub(crate) fn limits(&self, of_host: &'a InvocationLimits) -> &InvocationLimits {
        self.replayed.as_ref().map_or(of_host, |replayed| &replayed.limits)
    }

    /// A child run that is over.
    pub(crate) async fn child(&self, store: &dyn Store, tenant: &TenantId, id: RunId) -> Result<Run, StoreError> {
        let found = match &self.replayed {
            Some(replayed) => replayed.family.get(&id).map(|(run, _)| run.clone()),
            None => store.run(tenant, id).await?,
        };
        found.ok_or(StoreError::NotFound("child run"))
    }

    /// The context of a child run that is over.
    pub(crate) async fn context_of(&self, store: &dyn Store, child: &Run) -> Result<RunContext, StoreError> {
        let found = match &self.replayed {
            Some(replayed) => replayed.family.get(&child.id).map(|(_, context)| context.clone()),
            None => store.run_context(&child.tenant, child.id).await?,
        };
        found.ok_or(StoreError::NotFound("context of a child run"))
    }

    /// The present instant, for something of the step that has a name there.
    pub(crate) fn now(&self, what: &str) -> Timestamp {
        self.after(what, Duration::ZERO)
    }

    /// The instant that is so far away now.
    pub(crate) fn after(&self, what: &str, duration: Duration) -> Timestamp {
        let mut drawn = self.lock();
        let name = drawn.name(what);
        let recorded = self.replayed.as_ref().map(|replayed| replayed.recorded.instants.get(&name).copied());
        let millis = match recorded {
            Some(recorded) => recorded.unwrap_or_default(),
            None => self.clock.now().after(duration).as_millis().saturating_sub(self.began.as_millis()),
        };
        drawn.recorded.instants.insert(name, millis);
        Timestamp::from_millis(self.began.as_millis().saturating_add(millis))
    }

    /// Whether it is too late for something of the step.
    pub(crate) fn is_late(&self, what: &str, until: Instant) -> bool {
        let mut drawn = self.lock();
        let name = drawn.name(what);
        let millis = match &self.replayed {
            Some(replayed) => replayed.recorded.instants.get(&name).copied(),
            None => {
                (Instant::now() >= until).then(|| self.clock.now().as_millis().saturating_sub(self.began.as_millis()))
            }
        };
        if let Some(millis) = millis {
            drawn.recorded.instants.insert(name, millis);
        }
        millis.is_some()
    }

    /// A new request id, for something of the step that has a name there.
    pub(crate) fn request_id(&self, what: &str) -> RequestId {
        let mut drawn = self.lock();
        let name = drawn.name(what);
        let recorded = self.replayed.as_ref().and_then(|replayed| replayed.recorded.nonce);
        let nonce = *drawn.recorded.nonce.get_or_insert_with(|| recorded.unwrap_or_else(uuid::Uuid::now_v7));
        RequestId::derived(nonce, &name)
    }

    /// What a key of the outside makes: asked for live, and only then.
    pub(crate) async fn given<E: Refusal>(
        &self,
        what: &str,
        ask: impl Future<Output = Result<String, E>> + Send,
    ) -> Result<String, E> {
        let name = self.lock().name(what);
        let given = match &self.replayed {
            Some(replayed) => replayed.recorded.given.get(&name).cloned().unwrap_or_else(|| Given::Refused {
                code: "replay.nothing-recorded".to_owned(),
                message: format!("the journal has nothing for `{name}`"),
            }),
            None => match ask.await {
                Ok(text) => Given::Text(text),
                Err(error) => {
                    let (code, message) = error.parts();
                    Given::Refused { code: code.to_owned(), message }
                }
            },
        };
        self.lock().recorded.given.insert(name, given.clone());
        match given {
            Given::Text(text) => Ok(text),
            Given::Refused { code, message } => Err(E::again(&code, message)),
        }
    }

    /// All that was drawn, once the step is done, and when that is.
    pub(crate) fn conclude(&self, sensitive_names: &[String]) -> (Recorded, Timestamp) {
        let done = self.now(DONE);
        let drawn = std::mem::take(&mut *self.lock());
        let used = self.versions.used();
        (Recorded { used, sensitive_names: sensitive_names.to_vec(), ..drawn.recorded }, done)
    }

    fn lock(&self) -> MutexGuard<'_, Drawn> {
        self.drawn.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl RequestId {
    /// The id for something of a step whose ids are made of a nonce: as unique as the nonce, and of its instant.
    pub(crate) fn derived(nonce: uuid::Uuid, what: &str) -> Self {
        let text = [nonce.as_bytes().as_slice(), what.as_bytes()].concat();
        let digest = Digest::of(&text);
        let mut chance = [0; 10];
        chance.iter_mut().zip(digest.as_bytes()).for_each(|(byte, from)| *byte = *from);
        let millis = nonce.as_bytes().iter().take(6).fold(0, |millis, byte| (millis << 8) | u64::from(*byte));
        Self::of_uuid(uuid::Builder::from_unix_timestamp_millis(millis, &chance).into_uuid())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn request_ids_of_a_step_differ_and_come_back() {
        // covers F-11
        let nonce = uuid::Uuid::now_v7();
        let id = |nonce, what| RequestId::derived(nonce, what).to_string();
        assert_eq!(id(nonce, "pre-call.0"), id(nonce, "pre-call.0"));
        assert_ne!(id(nonce, "pre-call.0"), id(nonce, "pre-call.1"));
        assert_ne!(id(nonce, "pre-call.0"), id(uuid::Uuid::now_v7(), "pre-call.0"));
        let made: uuid::Uuid = id(nonce, "x").parse().unwrap();
        assert_eq!(made.get_version_num(), 7);
        assert_eq!(made.as_bytes()[..6], nonce.as_bytes()[..6], "sorted with its step");
    }
}
