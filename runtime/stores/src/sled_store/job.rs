//! A verb on its way through the writer, and back to its caller.

use tokio::sync::{OwnedSemaphorePermit, oneshot};
use weir_engine::ports::StoreError;

use super::database::{SledError, contain};
use crate::records::{Changes, Draft, Rows};

/// A verb that waits for the writer.
pub(super) trait Job: Send {
    /// Calls the verb; gives its changes where it succeeded.
    fn run(&mut self, rows: &dyn Rows, group: &Changes) -> Option<Changes>;

    /// Whether the verb gives space back.
    fn makes_room(&self) -> bool;

    /// The verb is not called, for this reason.
    fn refuse(&mut self, why: StoreError);

    /// Tells the caller. `Err` where the group did not become durable.
    fn settle(self: Box<Self>, durable: Result<(), StoreError>);
}

/// A verb with its caller.
pub(super) struct Call<V, T> {
    pub(super) verb: Option<V>,
    pub(super) outcome: Option<Result<T, StoreError>>,
    pub(super) caller: oneshot::Sender<Result<T, StoreError>>,
    pub(super) makes_room: bool,
    /// A place in the queue, free when the caller was told.
    pub(super) _place: OwnedSemaphorePermit,
}

impl<V, T> Job for Call<V, T>
where
    V: FnOnce(&mut Draft<'_>) -> Result<T, StoreError> + Send,
    T: Send,
{
    fn run(&mut self, rows: &dyn Rows, group: &Changes) -> Option<Changes> {
        let verb = self.verb.take()?;
        let mut draft = Draft::new(rows, group);
        let work = || {
            let outcome = verb(&mut draft)?;
            Ok((outcome, draft.finish()?))
        };
        let outcome = match contain(|| Ok::<_, SledError>(work())) {
            Ok(outcome) => outcome,
            Err(panic) => Err(StoreError::Backend { verb: "change records", source: panic.into() }),
        };
        let (outcome, changes) = match outcome {
            Ok((outcome, changes)) => (Ok(outcome), Some(changes)),
            Err(error) => (Err(error), None),
        };
        self.outcome = Some(outcome);
        changes
    }

    fn makes_room(&self) -> bool {
        self.makes_room
    }

    fn refuse(&mut self, why: StoreError) {
        self.outcome = Some(Err(why));
    }

    fn settle(self: Box<Self>, durable: Result<(), StoreError>) {
        let outcome = match (durable, self.outcome) {
            (Ok(()), Some(outcome)) => outcome,
            (Ok(()), None) => Err(StoreError::Backend { verb: "change records", source: "it was not called".into() }),
            (Err(error), _) => Err(error),
        };
        // The caller may have gone; what is durable stays so.
        let _ = self.caller.send(outcome);
    }
}
