//! The layout of keys: one byte for the table, then what its order needs. Numbers are big endian; a text ends with a
//! zero byte, which no name contains; of a run's id, listings keep the complement, so that the newest comes first.
//!
//! | table | then | value |
//! | --- | --- | --- |
//! | `M` | name | the store's own records |
//! | `R` | tenant, run | the run's record |
//! | `O` | tenant, run | its standing: revision, lease, place in the queue |
//! | `X` | tenant, run, context key | one value of its context |
//! | `J` | tenant, run, sequence | one journal entry |
//! | `Q` | pass, since, tenant, run | nothing: the run waits to be claimed |
//! | `W` | until, tenant, run | nothing: the run is leased until then |
//! | `Z` | until, tenant, run | nothing: the run rests until then |
//! | `C` | tenant, run, SHA-256 of the client key | the revision of the run that this intervention made |
//! | `P` | tenant | the tenant's last pass |
//! | `B` | tenant, run, sequence | a call in the background, as its step handed it over |
//! | `E` | tenant, run, sequence | what has become of it |
//! | `G` | tenant, run, sequence | its standing: lease, place in the queue |
//! | `H` | pass, since, tenant, run, sequence | nothing: it is due and waits to be claimed |
//! | `L` | until, tenant, run, sequence | nothing: it is leased until then |
//! | `Y` | until, tenant, run, sequence | nothing: it is not due before then |
//! | `V` | since, tenant, run, sequence | nothing: it is not done |
//! | `U` | tenant | the tenant's last pass of such calls |
//! | `S` | tenant, state, run | nothing: listing by state |
//! | `F` | tenant, flow, state, run | nothing: listing by flow and state |
//! | `K` | tenant, SHA-256 of the client key | the run that it started |
//! | `A` | tenant, SHA-256 | an artifact that the tenant has kept |
//! | `N` | tenant, kind, name | newest and live version of a definition |
//! | `D` | tenant, kind, name, version | one version of a definition |
//! | `T` | tenant, kind, name | the last version of a removed definition |
//! | `b` | SHA-256 | how many rows name this large value |
//! | `c` | tenant, run, child run | nothing: the child goes with the run |
//! | `d` | tenant, run | nothing: the run was removed, and some of its rows may be left |
//! | `e` | tenant, end, run | nothing: a run that somebody started has ended then |
//! | `n` | tenant | how many of them there are |
//!
//! Ids of runs begin with the time of their start, so that the runs at work lie side by side, and what they cost does not
//! grow with those that are stored. A partition of a run, such as `hash(tenant, run) % 4096`, by which work could be divided
//! among machines, can be computed from each of these keys; in front of them it would spread the runs at work over the
//! whole tree. The queue is ordered by pass before that, so that the next run to claim is one read away.

use weir_engine::digest::Digest;
use weir_engine::ids::{FlowName, RunId, TenantId};
use weir_engine::ports::{DefinitionKind, StoreError};
use weir_engine::run::{ContextKey, RunStateKind};
use weir_engine::time::Timestamp;

use super::frame::damaged;
pub(crate) use super::retention_keys::{
    ENDED, REMOVED, REMOVED_SKIP, child_run, ended_count, ended_of, ended_run, references,
};

/// Every state; its number in keys is [`state_number`]'s.
pub(crate) const STATES: [RunStateKind; 8] = RunStateKind::ALL;

/// A run of a tenant: the subject of most keys.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct RunKey {
    /// Whose.
    pub tenant: TenantId,
    /// Which.
    pub run: RunId,
}

impl RunKey {
    pub(crate) fn new(tenant: &TenantId, run: RunId) -> Self {
        Self { tenant: tenant.clone(), run }
    }

    pub(crate) fn write(&self, key: &mut Vec<u8>) {
        text(key, self.tenant.as_str());
        key.extend(self.run.as_bytes());
    }

    /// The run at the end of a key of the queue or of the waiting runs, after `skip` bytes.
    pub(crate) fn at_end(key: &[u8], skip: usize) -> Result<Self, StoreError> {
        let parse = || {
            let (tenant, run) = key.get(skip..)?.split_last_chunk::<16>()?;
            let tenant = std::str::from_utf8(tenant.strip_suffix(&[0])?).ok()?;
            Some(Self { tenant: tenant.parse().ok()?, run: RunId::from_bytes(*run) })
        };
        parse().ok_or_else(|| damaged(key, "the key does not name a run; restore the store from a backup"))
    }

    pub(crate) fn of(&self, table: u8) -> Vec<u8> {
        let mut key = vec![table];
        self.write(&mut key);
        key
    }

    pub(crate) fn record(&self) -> Vec<u8> {
        self.of(b'R')
    }

    pub(crate) fn standing(&self) -> Vec<u8> {
        self.of(b'O')
    }

    pub(crate) fn context(&self) -> Vec<u8> {
        self.of(b'X')
    }

    pub(crate) fn context_value(&self, name: &ContextKey) -> Vec<u8> {
        let mut key = self.context();
        key.extend(name.as_str().as_bytes());
        key
    }

    pub(crate) fn journal(&self) -> Vec<u8> {
        self.of(b'J')
    }

    pub(crate) fn journal_entry(&self, sequence: u64) -> Vec<u8> {
        let mut key = self.journal();
        key.extend(sequence.to_be_bytes());
        key
    }

    pub(crate) fn queued(&self, pass: u64, since: Timestamp) -> Vec<u8> {
        let mut key = QUEUE.to_vec();
        key.extend(pass.to_be_bytes());
        key.extend(since.as_millis().to_be_bytes());
        self.write(&mut key);
        key
    }

    pub(crate) fn leased(&self, until: Timestamp) -> Vec<u8> {
        let mut key = leased_until(until);
        self.write(&mut key);
        key
    }

    pub(crate) fn resting(&self, until: Timestamp) -> Vec<u8> {
        let mut key = resting_until(until);
        self.write(&mut key);
        key
    }

    pub(crate) fn intervened_with(&self, client_key: &str) -> Vec<u8> {
        let mut key = self.of(b'C');
        key.extend(Digest::of(client_key.as_bytes()).as_bytes());
        key
    }

    pub(crate) fn by_state(&self, state: RunStateKind) -> Vec<u8> {
        self.listed(runs_by_state(&self.tenant, state))
    }

    pub(crate) fn by_flow(&self, flow: &FlowName, state: RunStateKind) -> Vec<u8> {
        self.listed(runs_by_flow(&self.tenant, flow, state))
    }

    fn listed(&self, mut prefix: Vec<u8>) -> Vec<u8> {
        prefix.extend(newest_first(self.run));
        prefix
    }
}

/// All runs that wait to be claimed.
pub(crate) const QUEUE: &[u8] = b"Q";
/// Bytes of a queue key before the run.
pub(crate) const QUEUE_SKIP: usize = 17;
/// All runs that are leased.
pub(crate) const LEASED: &[u8] = b"W";
/// Bytes of a lease key before the run.
pub(crate) const LEASED_SKIP: usize = 9;
/// All runs that rest.
pub(crate) const RESTING: &[u8] = b"Z";
/// Bytes of such a key before the run.
pub(crate) const RESTING_SKIP: usize = LEASED_SKIP;

/// The leases that end at that instant, and the end of all earlier ones.
pub(crate) fn leased_until(until: Timestamp) -> Vec<u8> {
    let mut key = LEASED.to_vec();
    key.extend(until.as_millis().to_be_bytes());
    key
}

/// The runs that rest until that instant, and the end of all earlier ones.
pub(crate) fn resting_until(until: Timestamp) -> Vec<u8> {
    let mut key = RESTING.to_vec();
    key.extend(until.as_millis().to_be_bytes());
    key
}

/// The pass in a key of the queue.
pub(crate) fn pass(key: &[u8]) -> u64 {
    u64::from_be_bytes(key.get(1..).and_then(|rest| rest.first_chunk::<8>()).copied().unwrap_or_default())
}

/// The instant that a key begins with.
pub(crate) fn lease_end(key: &[u8]) -> Timestamp {
    let millis = key.get(1..).and_then(|rest| rest.first_chunk::<8>()).copied().unwrap_or_default();
    Timestamp::from_millis(u64::from_be_bytes(millis))
}

/// The complement of a run's id; also turns it back.
pub(crate) fn newest_first(run: RunId) -> [u8; 16] {
    run.as_bytes().map(|byte| !byte)
}

/// The run at the end of a listing's key.
pub(crate) fn listed_run(key: &[u8]) -> Result<RunId, StoreError> {
    key.last_chunk::<16>()
        .map(|bytes| RunId::from_bytes(bytes.map(|byte| !byte)))
        .ok_or_else(|| damaged(key, "the key does not name a run; restore the store from a backup"))
}

pub(crate) fn runs_by_state(tenant: &TenantId, state: RunStateKind) -> Vec<u8> {
    let mut key = of_tenant(b'S', tenant);
    key.push(state_number(state));
    key
}

pub(crate) fn runs_by_flow(tenant: &TenantId, flow: &FlowName, state: RunStateKind) -> Vec<u8> {
    let mut key = of_tenant(b'F', tenant);
    text(&mut key, flow.as_str());
    key.push(state_number(state));
    key
}

pub(crate) fn client_key(tenant: &TenantId, client_key: &Digest) -> Vec<u8> {
    let mut key = of_tenant(b'K', tenant);
    key.extend(client_key.as_bytes());
    key
}

pub(crate) fn artifact(tenant: &TenantId, digest: &Digest) -> Vec<u8> {
    let mut key = of_tenant(b'A', tenant);
    key.extend(digest.as_bytes());
    key
}

pub(crate) fn tenant_pass(tenant: &TenantId) -> Vec<u8> {
    of_tenant(b'P', tenant)
}

/// One of the store's own records.
pub(crate) fn own(name: &str) -> Vec<u8> {
    let mut key = vec![b'M'];
    key.extend(name.as_bytes());
    key
}

/// The name of a definition.
#[derive(Debug, Clone)]
pub(crate) struct DefinitionKey {
    /// Whose.
    pub tenant: TenantId,
    /// What.
    pub kind: DefinitionKind,
    /// Its name.
    pub name: String,
}

impl DefinitionKey {
    fn of(&self, table: u8) -> Vec<u8> {
        let mut key = definitions_from(table, &self.tenant, self.kind);
        text(&mut key, &self.name);
        key
    }

    pub(crate) fn head(&self) -> Vec<u8> {
        self.of(b'N')
    }

    pub(crate) fn removed(&self) -> Vec<u8> {
        self.of(b'T')
    }

    pub(crate) fn versions(&self) -> Vec<u8> {
        self.of(b'D')
    }

    pub(crate) fn version(&self, version: u32) -> Vec<u8> {
        let mut key = self.versions();
        key.extend(version.to_be_bytes());
        key
    }
}

/// The heads of the definitions of a kind whose name begins with `prefix`.
pub(crate) fn definition_heads(tenant: &TenantId, kind: DefinitionKind, prefix: &str) -> Vec<u8> {
    let mut key = definitions_from(b'N', tenant, kind);
    key.extend(prefix.as_bytes());
    key
}

/// The name in the key of a head.
pub(crate) fn head_name(key: &[u8], tenant: &TenantId, kind: DefinitionKind) -> Result<String, StoreError> {
    let before = definition_heads(tenant, kind, "").len();
    key.get(before..)
        .and_then(|rest| rest.strip_suffix(&[0]))
        .and_then(|name| String::from_utf8(name.to_vec()).ok())
        .ok_or_else(|| damaged(key, "the key does not name a definition; restore the store from a backup"))
}

fn definitions_from(table: u8, tenant: &TenantId, kind: DefinitionKind) -> Vec<u8> {
    let mut key = of_tenant(table, tenant);
    key.push(kind_number(kind));
    key
}

pub(crate) fn of_tenant(table: u8, tenant: &TenantId) -> Vec<u8> {
    let mut key = vec![table];
    text(&mut key, tenant.as_str());
    key
}

fn text(key: &mut Vec<u8>, text: &str) {
    key.extend(text.as_bytes());
    key.push(0);
}

fn state_number(state: RunStateKind) -> u8 {
    match state {
        RunStateKind::Ready => 0,
        RunStateKind::Completed => 1,
        RunStateKind::Failed => 2,
        RunStateKind::Error => 3,
        RunStateKind::Suspended => 4,
        RunStateKind::Waiting => 5,
        RunStateKind::Paused => 6,
        RunStateKind::Cancelled => 7,
    }
}

fn kind_number(kind: DefinitionKind) -> u8 {
    match kind {
        DefinitionKind::Tenant => 0,
        DefinitionKind::ApiKey => 1,
        DefinitionKind::Plugin => 2,
        DefinitionKind::Connector => 3,
        DefinitionKind::Credential => 4,
        DefinitionKind::Flow => 5,
        DefinitionKind::DataKey => 6,
        DefinitionKind::Identity => 7,
        DefinitionKind::Action => 8,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // covers T-01: the layout is part of the format; a change of it needs a new format version
    #[test]
    fn the_layout_stands() {
        let tenant: TenantId = "acme".parse().unwrap();
        let run = RunKey::new(&tenant, RunId::from_bytes([7; 16]));
        let key = run.queued(1, Timestamp::from_millis(2));
        expect_test::expect![[r#"Q\x00\x00\x00\x00\x00\x00\x00\x01\x00\x00\x00\x00\x00\x00\x00\x02acme\x00\x07\x07\x07\x07\x07\x07\x07\x07\x07\x07\x07\x07\x07\x07\x07\x07"#]]
            .assert_eq(&key.escape_ascii().to_string());
        assert_eq!(RunKey::at_end(&key, QUEUE_SKIP).unwrap(), run);
        let key = run.leased(Timestamp::from_millis(9));
        assert_eq!(RunKey::at_end(&key, LEASED_SKIP).unwrap(), run);
        assert_eq!(lease_end(&key), Timestamp::from_millis(9));
        assert_eq!(listed_run(&run.by_state(RunStateKind::Error)).unwrap(), run.run);
        let key = run.resting(Timestamp::from_millis(9));
        expect_test::expect![[
            r#"Z\x00\x00\x00\x00\x00\x00\x00\tacme\x00\x07\x07\x07\x07\x07\x07\x07\x07\x07\x07\x07\x07\x07\x07\x07\x07"#
        ]]
        .assert_eq(&key.escape_ascii().to_string());
        assert_eq!((RunKey::at_end(&key, RESTING_SKIP).unwrap(), lease_end(&key)), (run, Timestamp::from_millis(9)));
        assert!(RunKey::at_end(b"Q123", QUEUE_SKIP).is_err());
    }

    #[test]
    fn listings_have_the_newest_first() {
        let tenant: TenantId = "acme".parse().unwrap();
        let older = RunKey::new(&tenant, RunId::generate());
        let newer = RunKey::new(&tenant, RunId::generate());
        assert!(newer.by_state(RunStateKind::Ready) < older.by_state(RunStateKind::Ready));
    }
}
