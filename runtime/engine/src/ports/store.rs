//! The port to what survives. Verbs of the domain, not of a key-value store; each is one atomic unit in every
//! back end, and is durable when it returns.

use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::intervention::{Intervened, Intervention};
use super::lease::{Lease, OwnerId};
use super::outbox::{CallRoom, Outbox};
use super::retention::Retention;
use super::store_error::StoreError;
use crate::digest::Digest;
use crate::ids::{FlowName, RunId, TenantId};
use crate::run::{ContextChange, JournalEntry, OutboxEntry, Run, RunContext, RunStateKind};
use crate::time::Timestamp;

/// A run that is about to begin.
#[derive(Debug, Clone)]
pub struct NewRun {
    /// Its first state, revision 0.
    pub run: Run,
    /// Its first context: the event.
    pub context: RunContext,
    /// Two starts of one tenant with the same key are one run (F-13). Any text; only its digest is kept.
    pub client_key: Option<String>,
    /// The starter works on it at once, until then; `None` leaves it to whoever claims it.
    pub lease: Option<(OwnerId, Timestamp)>,
}

/// What a start gave.
#[derive(Debug, Clone)]
pub enum Started {
    /// A new run. The lease, where one was asked for.
    New(Option<Lease>),
    /// The run that an earlier start with the same client key, or of the same id, made: a start may be repeated.
    Existing(Box<Run>),
}

/// A run that the caller now works on.
#[derive(Debug, Clone)]
pub struct ClaimedRun {
    /// Its record.
    pub run: Run,
    /// Its context.
    pub context: RunContext,
    /// The right to work on it.
    pub lease: Lease,
}

/// Everything that one step makes durable, in one atomic write.
#[derive(Debug, Clone)]
pub struct CommitStep {
    /// The record after the step. Its revision is one more than the stored one, else the commit fails.
    pub run: Run,
    /// The lease under which the step ran.
    pub lease: Lease,
    /// Context keys with their new values.
    pub changes: Vec<ContextChange>,
    /// What the step did. Its sequence number is the run's revision.
    pub entry: JournalEntry,
    /// The call that the step hands over (C-11), with the run and the sequence number of `entry`.
    pub outbox: Option<OutboxEntry>,
    /// The child runs that the step begins, each at its revision 0. One that is there already is left as it is.
    pub children: Vec<NewRun>,
    /// Most runs below the one at the top of the family, but for those that take something back. Where they would be
    /// more with `children`, the commit fails with [`StoreError::FamilyTooLarge`].
    pub family_runs_max: u64,
    /// The lease afterwards: prolonged until then, or given back.
    pub keep_until: Option<Timestamp>,
}

/// Which runs to list.
#[derive(Debug, Clone, Default)]
pub struct RunFilter {
    /// Of this flow only.
    pub flow: Option<FlowName>,
    /// In this state only.
    pub state: Option<RunStateKind>,
    /// Started at this instant or later, as its id says.
    pub since: Option<Timestamp>,
    /// Started before this instant, as its id says.
    pub until: Option<Timestamp>,
    /// Only the one that this client key began.
    pub client_key: Option<String>,
}

/// Where a listing goes on. Opaque to everyone but the store that made it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Cursor(pub String);

/// Which part of a listing.
#[derive(Debug, Clone)]
pub struct PageRequest {
    /// At most so many items; at least one.
    pub limit: usize,
    /// After the page that gave this cursor.
    pub after: Option<Cursor>,
}

/// One part of a listing.
#[derive(Debug, Clone)]
pub struct Page<T> {
    /// In the listing's order.
    pub items: Vec<T>,
    /// Where the next part begins; `None` at the end.
    pub next: Option<Cursor>,
}

/// The kinds of things that tenants and operators define.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum DefinitionKind {
    /// A tenant. Owned by the tenant `system`.
    Tenant,
    /// An API key, by its id; the body holds its hash.
    ApiKey,
    /// One version of a plugin, named `NAME@VERSION`.
    Plugin,
    /// A connector; every save is a new version.
    Connector,
    /// A credential; the body is encrypted.
    Credential,
    /// A TLS identity; its private key is encrypted.
    Identity,
    /// A saved action, named `TYPE/NAME`; every save is a new version.
    Action,
    /// A flow; every save is a new version.
    Flow,
    /// A wrapped data key of a tenant.
    DataKey,
}

/// A stored definition: one immutable version.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Definition {
    /// Whose.
    pub tenant: TenantId,
    /// What.
    pub kind: DefinitionKind,
    /// Its name within tenant and kind. 1 to 200 bytes, no control characters.
    pub name: String,
    /// 1 for the first save, one more for each later one, also after the name was removed in between: what a
    /// number once meant, nothing else ever means.
    pub version: u32,
    /// When this version was saved.
    pub created_at: Timestamp,
    /// What it says.
    pub body: Value,
}

/// A definition about to be saved.
#[derive(Debug, Clone)]
pub struct NewDefinition {
    /// Whose.
    pub tenant: TenantId,
    /// What.
    pub kind: DefinitionKind,
    /// Its name.
    pub name: String,
    /// The present instant.
    pub created_at: Timestamp,
    /// What it says.
    pub body: Value,
}

/// What a save expects to find.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Expectation {
    /// Anything.
    Any,
    /// Nothing of that name.
    Absent,
    /// This newest version.
    Version(u32),
}

/// How the store is.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Health {
    /// The back end's name.
    pub backend: String,
    /// Whether writes are taken.
    pub writable: bool,
    /// Why not, or what an operator should know.
    pub notes: Vec<String>,
    /// Bytes on disk, where there is one.
    pub bytes_on_disk: Option<u64>,
    /// Bytes free on that disk.
    pub bytes_free: Option<u64>,
}

/// What survives. Nothing of one tenant is ever returned for another, and nothing is ever returned that a crash could
/// still undo. Dropping the future of a verb does not stop the verb.
#[async_trait]
pub trait Store: Outbox + Retention + Send + Sync {
    /// Begins a run, or finds the one that the same client key began. Without a lease the run is queued.
    async fn start_run(&self, new: NewRun) -> Result<Started, StoreError>;

    /// Claims up to `limit` unfinished runs whose lease is over at `now`, for `lease` from `now`; up to 1,024 at once.
    /// A run that rests is among them when its time is over at `now` ([`Run::rests_until`]), and as soon as a child run
    /// of its has ended.
    /// Fair to tenants: one tenant's queue does not stand before another's single run.
    /// A run whose record or context cannot be read, for whatever reason, is left out and logged, [`Store::health`]
    /// says so, and it is looked at again after as long as a lease.
    async fn claim_runs(
        &self,
        owner: &OwnerId,
        now: Timestamp,
        lease: Duration,
        limit: usize,
    ) -> Result<Vec<ClaimedRun>, StoreError> {
        self.claim_runs_within(owner, now, lease, CallRoom::of(limit)).await
    }

    /// The same, as far as there is `room` (of runs, here): runs of a tenant that has as many out as it may wait,
    /// without standing before those of others.
    async fn claim_runs_within(
        &self,
        owner: &OwnerId,
        now: Timestamp,
        lease: Duration,
        room: CallRoom,
    ) -> Result<Vec<ClaimedRun>, StoreError>;

    /// Ends every lease, also those of calls in the background. For a back end that one process owns alone, at its start: no other owner can be alive.
    /// Others do nothing.
    async fn end_orphaned_leases(&self) -> Result<(), StoreError>;

    /// Commits a step: record, context changes, journal entry, lease, queue row, the call that it hands
    /// over, the child runs that it begins, all or nothing. A step after which its run rests gives the lease back in any
    /// case: nobody works on the run until its time is over or something happens that concerns it. The end of a child
    /// run tells its parent in the same write; one that is told while somebody works on it does not come to rest
    /// before somebody has looked again.
    async fn commit_step(&self, commit: CommitStep) -> Result<(), StoreError>;

    /// Gives back the lease of a run that has nothing to do yet: it rests until its time is over
    /// ([`Run::rests_until`]), or queues where something has happened since it was claimed.
    async fn release_run(&self, run: &Run, lease: &Lease) -> Result<(), StoreError>;

    /// Changes a run from outside: record, context changes, journal entry, lease or queue row, client key, all or
    /// nothing. Of two interventions at one revision one wins; the other fails with [`StoreError::RevisionConflict`].
    /// Whoever has claimed the run has a stale lease afterwards.
    async fn intervene(&self, intervention: Intervention) -> Result<Intervened, StoreError>;

    /// Whether there was an intervention in the run with this client key.
    async fn intervened_with(&self, tenant: &TenantId, run: RunId, client_key: &str) -> Result<bool, StoreError>;

    /// Prolongs a lease, also one that is over, as long as nobody has claimed the run since and its owner has not given
    /// it back: an owner that was slow goes on. A claim by the same owner counts as any other: it gives a new fence, and
    /// the older lease fails with [`StoreError::StaleLease`] from then on. An owner that finds a run among its claims
    /// which it already drives therefore goes on under the claimed lease, not under the one it had.
    async fn renew_lease(
        &self,
        tenant: &TenantId,
        run: RunId,
        lease: &Lease,
        until: Timestamp,
    ) -> Result<Lease, StoreError>;

    /// A run's record.
    async fn run(&self, tenant: &TenantId, run: RunId) -> Result<Option<Run>, StoreError>;

    /// A run's context.
    async fn run_context(&self, tenant: &TenantId, run: RunId) -> Result<Option<RunContext>, StoreError>;

    /// Journal entries with a sequence number greater than `after`, oldest first.
    async fn journal(
        &self,
        tenant: &TenantId,
        run: RunId,
        after: u64,
        limit: usize,
    ) -> Result<Vec<JournalEntry>, StoreError>;

    /// Runs of a tenant that somebody started, newest first; child runs are not among them. One that cannot be read is left out and logged, and [`Store::health`] says so;
    /// a page can so have fewer items than its limit though another follows.
    async fn runs(&self, tenant: &TenantId, filter: &RunFilter, page: &PageRequest) -> Result<Page<Run>, StoreError>;

    /// Keeps bytes under their digest. Keeping the same bytes twice is once.
    async fn put_artifact(&self, tenant: &TenantId, bytes: Bytes) -> Result<Digest, StoreError>;

    /// The bytes of that digest, where this tenant has kept them; checked against the digest.
    async fn artifact(&self, tenant: &TenantId, digest: &Digest) -> Result<Option<Bytes>, StoreError>;

    /// A number that grows with every change of a definition, of any tenant, no later than the change's verb returns:
    /// what was read while it stayed the same is as it was. It grows also where a listing leaves something out. `None`
    /// where others than this process may change them.
    fn definitions_edition(&self) -> Option<u64>;

    /// Saves a new version, if the expectation holds. It becomes the live one.
    async fn put_definition(&self, new: NewDefinition, expected: Expectation) -> Result<Definition, StoreError>;

    /// One version; the live one without `version`.
    async fn definition(
        &self,
        tenant: &TenantId,
        kind: DefinitionKind,
        name: &str,
        version: Option<u32>,
    ) -> Result<Option<Definition>, StoreError>;

    /// The live versions of a kind whose name begins with `prefix`, by name. What cannot be read is left out as in
    /// [`Store::runs`]: that a name is not listed does not prove that there is none, [`Store::definition`] does.
    async fn definitions(
        &self,
        tenant: &TenantId,
        kind: DefinitionKind,
        prefix: &str,
        page: &PageRequest,
    ) -> Result<Page<Definition>, StoreError>;

    /// All versions of one name, newest first. What cannot be read is left out as in [`Store::runs`].
    async fn definition_versions(
        &self,
        tenant: &TenantId,
        kind: DefinitionKind,
        name: &str,
        page: &PageRequest,
    ) -> Result<Page<Definition>, StoreError>;

    /// Makes an older version the live one again; gives it back.
    async fn set_live(
        &self,
        tenant: &TenantId,
        kind: DefinitionKind,
        name: &str,
        version: u32,
    ) -> Result<Definition, StoreError>;

    /// Removes a name with all of its versions. `false` where there was none. Their numbers are not given again.
    async fn delete_definition(&self, tenant: &TenantId, kind: DefinitionKind, name: &str) -> Result<bool, StoreError>;

    /// How the store is.
    async fn health(&self) -> Health;
}
