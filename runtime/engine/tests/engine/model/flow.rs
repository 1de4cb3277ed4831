//! Random flows, as a tree that the reference can walk and as the document that the engine gets.

use proptest::prelude::*;
use serde_json::{Value, json};

/// What the outside system does with the calls of one step.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Answers {
    /// Answers well.
    Well,
    /// Answers with a status that the function does not accept.
    WithFailure,
    /// Is not reached.
    WithError,
    /// Is not reached so many times, then answers well.
    WellAfter(u32),
}

/// What follows a failure or an error of a step.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Catch {
    /// The list ends so.
    Nothing,
    /// The next step of the list.
    Both,
}

/// One step. Its id is its number in the order of the document.
#[derive(Debug, Clone)]
pub(crate) struct Node {
    pub(crate) id: usize,
    /// Whether its `when` holds, where it has one.
    pub(crate) when: Option<bool>,
    pub(crate) catch: Catch,
    /// The call that takes it back, by its id.
    pub(crate) compensation: Option<usize>,
    pub(crate) kind: Kind,
}

#[derive(Debug, Clone)]
pub(crate) enum Kind {
    Call {
        answers: Answers,
        /// How often it is tried in all.
        attempts: u32,
    },
    Claim(i64),
    Set(i64),
    /// Goes on where it holds, else to the end of the list.
    Condition(bool),
    Wait(u32),
    Fail,
    Parallel {
        branches: Vec<Vec<Node>>,
        goes_on: bool,
    },
    ForEach {
        items: u32,
        concurrency: u32,
        steps: Vec<Node>,
        goes_on: bool,
    },
}

fn leaf() -> impl Strategy<Value = Kind> {
    let answers = prop_oneof![
        6 => Just(Answers::Well),
        1 => Just(Answers::WithFailure),
        1 => Just(Answers::WithError),
        1 => (1..3u32).prop_map(Answers::WellAfter),
    ];
    prop_oneof![
        5 => (answers, 1..4u32).prop_map(|(answers, attempts)| match answers {
            // A crash may use an answer up, so that a step is only ever certain to succeed or to fail.
            Answers::WellAfter(errors) => Kind::Call { answers, attempts: errors + 1 },
            _ => Kind::Call { answers, attempts },
        }),
        2 => (0..100i64).prop_map(Kind::Claim),
        1 => (0..100i64).prop_map(Kind::Set),
        1 => any::<bool>().prop_map(Kind::Condition),
        1 => (1..100_000u32).prop_map(Kind::Wait),
        1 => Just(Kind::Fail),
    ]
}

fn node(kind: impl Strategy<Value = Kind>) -> impl Strategy<Value = Node> {
    let catch = prop_oneof![2 => Just(Catch::Nothing), 1 => Just(Catch::Both)];
    (kind, proptest::option::weighted(0.2, any::<bool>()), catch, proptest::bool::weighted(0.3)).prop_map(
        |(kind, when, catch, compensates)| Node { id: 0, when, catch, compensation: compensates.then_some(0), kind },
    )
}

/// Lists of steps, with others in them.
pub(crate) fn lists() -> impl Strategy<Value = Vec<Node>> {
    let leaves = proptest::collection::vec(node(leaf()), 1..5);
    let nested = leaves.prop_recursive(2, 24, 3, |inner| {
        let branches = (proptest::collection::vec(inner.clone(), 2..4), any::<bool>())
            .prop_map(|(branches, goes_on)| Kind::Parallel { branches, goes_on });
        let items = (0..4u32, 1..3u32, inner, any::<bool>())
            .prop_map(|(items, concurrency, steps, goes_on)| Kind::ForEach { items, concurrency, steps, goes_on });
        proptest::collection::vec(node(prop_oneof![3 => leaf(), 1 => branches, 1 => items]), 1..4)
    });
    nested.prop_map(|mut nodes| {
        number(&mut nodes, &mut 0);
        nodes
    })
}

fn number(nodes: &mut [Node], next: &mut usize) {
    let mut take = || {
        *next += 1;
        *next
    };
    for node in nodes.iter_mut() {
        node.id = take();
        node.compensation = node.compensation.map(|_| take());
    }
    for node in nodes {
        match &mut node.kind {
            Kind::Parallel { branches, .. } => branches.iter_mut().for_each(|branch| number(branch, next)),
            Kind::ForEach { steps, .. } => number(steps, next),
            _ => {}
        }
    }
}

/// The name of a step.
pub(crate) fn name(id: usize) -> String {
    format!("s{id}")
}

/// The document of a flow.
pub(crate) fn document(nodes: &[Node]) -> Value {
    json!({ "flow": "f", "deadline": "30d", "steps": steps(nodes) })
}

fn steps(nodes: &[Node]) -> Value {
    let one = |(index, node): (usize, &Node)| {
        let next = nodes.get(index + 1).map_or("end".to_owned(), |next| name(next.id));
        step(node, &next)
    };
    nodes.iter().enumerate().map(one).collect()
}

fn call(id: usize) -> Value {
    json!({ "id": name(id), "call": "sys.get", "context-key": format!("connectors.{}", name(id)) })
}

fn step(node: &Node, next: &str) -> Value {
    let on_branch = |goes_on: bool| if goes_on { "go-on" } else { "stop" };
    let mut step = match &node.kind {
        Kind::Call { attempts, .. } => {
            let mut step = call(node.id);
            if *attempts > 1 {
                step["retry"] = json!({ "attempts": attempts, "backoff": "1s" });
            }
            step
        }
        Kind::Claim(value) => json!({ "claims": [{ "key": name(node.id), "type": "number", "value": value }] }),
        Kind::Set(value) => json!({ "set": { "it": value } }),
        Kind::Condition(holds) => {
            json!({ "condition": [{ "when": holds.to_string(), "next": next }, { "otherwise": "end" }] })
        }
        Kind::Wait(millis) => json!({ "wait": { "for": format!("{millis}ms") } }),
        Kind::Fail => json!({ "fail": { "reason": "no" } }),
        Kind::Parallel { branches, goes_on } => {
            let branch =
                |(index, nodes): (usize, &Vec<Node>)| json!({ "branch": format!("b{index}"), "steps": steps(nodes) });
            let branches: Vec<Value> = branches.iter().enumerate().map(branch).collect();
            json!({ "parallel": { "branches": branches, "on-branch-failure": on_branch(*goes_on) } })
        }
        Kind::ForEach { items, concurrency, steps: nodes, goes_on } => {
            let items: Vec<u32> = (0..*items).collect();
            json!({ "for-each": {
                "items": items, "concurrency": concurrency, "steps": steps(nodes),
                "on-item-failure": on_branch(*goes_on),
            } })
        }
    };
    step["id"] = json!(name(node.id));
    if let Some(when) = node.when {
        step["when"] = json!(when.to_string());
    }
    if node.catches() {
        step["on-failure"] = json!(next);
        step["on-error"] = json!(next);
    }
    if let Some(id) = node.compensation {
        step["compensate"] = json!([call(id)]);
    }
    step
}

impl Node {
    /// Whether it can fail, and the next step follows then.
    pub(crate) fn catches(&self) -> bool {
        let can_fail = matches!(self.kind, Kind::Call { .. } | Kind::Parallel { .. } | Kind::ForEach { .. });
        can_fail && self.catch == Catch::Both
    }
}
