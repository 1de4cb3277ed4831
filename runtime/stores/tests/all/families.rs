//! Child runs to test with.

use weir_engine::ids::RunId;
use weir_engine::ports::{CommitStep, Lease, NewRun, Started, Store};
use weir_engine::run::{Event, Parent, Part, Run, Waits};
use weir_engine::time::Timestamp;

use crate::support::{complete, new_run, owner, step};

/// A child run of that number, begun by the parent's next commit.
pub(crate) fn child_of(parent: &Run, index: u32) -> NewRun {
    let mut child = new_run(parent.tenant.as_str(), parent.flow.as_str());
    child.run.id = RunId::child(parent.id, parent.revision + 1, index);
    child.run.parent = Some(Box::new(Parent {
        run: parent.id,
        step: "first".parse().unwrap(),
        part: Part::Item,
        index,
        depth: parent.parent.as_ref().map_or(1, |above| above.depth + 1),
        calls: 0,
        undoes: false,
        top: parent.parent.as_ref().map_or(parent.id, |above| above.top),
        deadline: parent.deadline,
    }));
    child
}

/// The step that begins children and rests until they have ended.
pub(crate) fn begins(parent: &Run, lease: &Lease, children: &[NewRun], until: Timestamp) -> CommitStep {
    let event = Event::Waiting { step: "first".parse().unwrap(), on: Waits::Children, until };
    let mut commit = step(parent, lease, event, vec![]);
    commit.children = children.to_vec();
    commit
}

/// Ends a run that is not started yet, or that waits in the queue under no one's lease.
pub(crate) async fn end(store: &dyn Store, run: &Run, lease: &Lease) -> Run {
    let commit = step(run, lease, complete(), vec![]);
    let after = commit.run.clone();
    store.commit_step(commit).await.unwrap();
    after
}

/// Starts a run of a tenant and ends it at once.
pub(crate) async fn ended(store: &dyn Store, new: NewRun, at: Timestamp) -> Run {
    let new = NewRun { lease: Some((owner("starter"), Timestamp::from_millis(2_000))), ..new };
    let run = new.run.clone();
    let Started::New(Some(lease)) = store.start_run(new).await.unwrap() else { panic!("the run is there already") };
    let mut commit = step(&run, &lease, complete(), vec![]);
    commit.run.updated_at = at;
    let after = commit.run.clone();
    store.commit_step(commit).await.unwrap();
    after
}
