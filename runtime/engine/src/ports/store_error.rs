//! Why a verb of the store failed.

use crate::ids::RunId;
use crate::run::RunStateKind;

/// Why a verb of the store failed. Nothing was written then, except that after [`StoreError::Backend`] nobody knows:
/// the write may turn out to be there, whole. Read before trying again.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// Another owner has claimed the run since, or its call in the background.
    #[error("run {run}, or this call of it, is worked on by another owner: fence {fence} is out of date")]
    StaleLease {
        /// The run.
        run: RunId,
        /// The fence of the failed commit.
        fence: u64,
    },
    /// The run's record is not the one that the commit was made from.
    #[error("run {run} is at revision {stored}, the commit expects {expected}")]
    RevisionConflict {
        /// The run.
        run: RunId,
        /// What the store holds.
        stored: u64,
        /// What the commit expects.
        expected: u64,
    },
    /// The run is not in a state in which the intervention may be made.
    #[error("run {run} is {}, and this cannot be done to it now", state.as_str())]
    UnexpectedState {
        /// The run.
        run: RunId,
        /// Where it stands.
        state: RunStateKind,
    },
    /// There is no such thing.
    #[error("there is no such {0}")]
    NotFound(&'static str),
    /// The definition is not at the version that the save expects.
    #[error("the stored version is {stored:?}, not the one that the save expects")]
    VersionConflict {
        /// The newest stored version; `None` where there is none.
        stored: Option<u32>,
    },
    /// A cursor that this store did not make.
    #[error("the cursor is not one that this listing gave; start again without it")]
    InvalidCursor,
    /// The disk has less space than the floor; reads go on, writes do not.
    #[error("the store takes no writes: {free} bytes free, the floor is {floor}; free some space")]
    Full {
        /// Bytes free.
        free: u64,
        /// The floor.
        floor: u64,
    },
    /// A name that no definition can have.
    #[error("`{name}` is not a name of a definition; write 1 to 200 bytes without control characters")]
    InvalidName {
        /// The name, shortened where it is long.
        name: String,
    },
    /// JSON that could be written and never be read again.
    #[error("{what} nests deeper than {levels_max} levels of arrays and objects; flatten it")]
    TooDeep {
        /// What was to be written.
        what: &'static str,
        /// The limit.
        levels_max: usize,
    },
    /// A run would have more runs below it than it may.
    #[error(
        "run {top} would have more than {most} runs below it, the most that `engine.family-runs-max` allows; begin fewer"
    )]
    FamilyTooLarge {
        /// The run at the top.
        top: RunId,
        /// The limit.
        most: u64,
    },
    /// A record does not have the checksum or the format version that it should have.
    #[error("the store is damaged at {place}: {what}")]
    Corrupt {
        /// Which record or file.
        place: String,
        /// What is wrong and what to do.
        what: String,
    },
    /// What is stored is whole, but says what this program does not take, such as a type that is gone.
    #[error("{place} cannot be read by this server any more ({why}); save it again, or bring back what it needs")]
    Unreadable {
        /// The stable code, such as `action.unreadable`.
        code: &'static str,
        /// Which definition.
        place: String,
        /// What it says that is not taken.
        why: String,
    },
    /// The back end failed.
    #[error("the store failed while it tried to {verb}")]
    Backend {
        /// What it tried.
        verb: &'static str,
        /// Why it failed.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
}

impl StoreError {
    /// The stable code.
    pub fn code(&self) -> &'static str {
        match self {
            Self::StaleLease { .. } => "store.stale-lease",
            Self::RevisionConflict { .. } => "store.revision-conflict",
            Self::UnexpectedState { .. } => "store.unexpected-state",
            Self::NotFound(_) => "store.not-found",
            Self::VersionConflict { .. } => "store.version-conflict",
            Self::InvalidCursor => "store.invalid-cursor",
            Self::Full { .. } => "store.full",
            Self::InvalidName { .. } => "store.invalid-name",
            Self::TooDeep { .. } => "store.too-deep",
            Self::FamilyTooLarge { .. } => "flow.family-too-large",
            Self::Corrupt { .. } => "store.corrupt",
            Self::Unreadable { code, .. } => code,
            Self::Backend { .. } => "store.backend",
        }
    }
}
