//! Holds an entry against the one that a replay made.

use serde_json::Value;

use super::facts::{self, forget_times};
use super::report::{Difference, Replayed};
use crate::run::JournalEntry;

/// The members of an entry in the order in which their differences matter: what a step did explains where it led.
const MEMBERS: [&str; 3] = ["record", "outcome", "changes"];

/// Whether both say the same in the same bytes. What differs from machine to machine is left out: how long the step and
/// its hooks took, and what was told of it to people, which is made of the rest by the settings of the operator.
pub(super) fn compare(recorded: &JournalEntry, mut replayed: JournalEntry) -> Replayed {
    let mut recorded = recorded.clone();
    if facts::is_decided_by_engine(&recorded.outcome) {
        // The step was done, and then the run ended: where its changes would have led is not known.
        replayed.outcome = recorded.outcome.clone();
        replayed.changes = recorded.changes.clone();
        replayed.recorded = recorded.recorded.clone();
    }
    let (one, other) = (canonical(&mut recorded), canonical(&mut replayed));
    match (&one, &other) {
        (Ok((one, _)), Ok((other, _))) if one == other => Replayed::Same,
        (Ok((_, one)), Ok((_, other))) => Replayed::Differs(difference(one, other)),
        (Err(error), _) | (_, Err(error)) => {
            let said = Some(Value::String(error.to_string()));
            Replayed::Differs(Difference { member: String::new(), recorded: said.clone(), replayed: said })
        }
    }
}

fn canonical(entry: &mut JournalEntry) -> Result<(Vec<u8>, Value), serde_json::Error> {
    entry.elapsed_us = 0;
    forget_times(&mut entry.record);
    entry.diagnostics.clear();
    entry.diagnostics_dropped = 0;
    Ok((serde_json::to_vec(entry)?, serde_json::to_value(entry)?))
}

fn difference(recorded: &Value, replayed: &Value) -> Difference {
    let of = |entry: &Value, member: &str| entry.get(member).cloned();
    for member in MEMBERS {
        let (one, other) = (of(recorded, member), of(replayed, member));
        if one != other {
            return first(format!("/{member}"), one, other);
        }
    }
    first(String::new(), Some(recorded.clone()), Some(replayed.clone()))
}

/// The first place at which two values differ, in their own order.
fn first(mut member: String, mut one: Option<Value>, mut other: Option<Value>) -> Difference {
    loop {
        let names: Vec<String> = match (&one, &other) {
            (Some(Value::Object(one)), Some(Value::Object(other))) => {
                let of_other = other.keys().filter(|name| !one.contains_key(*name));
                one.keys().chain(of_other).cloned().collect()
            }
            (Some(Value::Array(one)), Some(Value::Array(other))) => {
                (0..one.len().max(other.len())).map(|index| index.to_string()).collect()
            }
            _ => return Difference { member, recorded: one, replayed: other },
        };
        let below = names.into_iter().map(|name| format!("/{}", name.replace('~', "~0").replace('/', "~1")));
        let at = |value: &Option<Value>, place: &str| value.as_ref().and_then(|value| value.pointer(place).cloned());
        let found =
            below.map(|place| (at(&one, &place), at(&other, &place), place)).find(|(one, other, _)| one != other);
        // Equal values in another order.
        let Some((below_one, below_other, place)) = found else {
            return Difference { member, recorded: one, replayed: other };
        };
        member.push_str(&place);
        (one, other) = (below_one, below_other);
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_first_difference_is_named() {
        // covers F-11
        let one = json!({"record": {"a": [1, {"b/c": 2}]}, "outcome": "x", "step": "s"});
        let mut other = one.clone();
        other["record"]["a"][1]["b/c"] = json!(3);
        other["outcome"] = json!("y");
        let found = difference(&one, &other);
        assert_eq!(found.member, "/record/a/1/b~1c");
        assert_eq!((found.recorded, found.replayed), (Some(json!(2)), Some(json!(3))));
        let mut other = one.clone();
        other["record"]["a"].as_array_mut().unwrap().pop();
        let found = difference(&one, &other);
        assert_eq!((found.member.as_str(), found.replayed), ("/record/a/1", None));
        let mut other = one.clone();
        other["step"] = json!("t");
        assert_eq!(difference(&one, &other).member, "/step");
    }
}
