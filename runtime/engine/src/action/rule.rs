//! Rules: when an action runs. An OR of AND groups.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::types::{RuleField, RuleOperator};

/// Most groups of a rule.
const GROUPS_MAX: usize = 20;
/// Most expressions of a group.
const EXPRESSIONS_MAX: usize = 20;
/// The longest value that a field is compared with, in bytes.
const VALUE_BYTES_MAX: usize = 1024;

/// When an action runs: where one of the groups holds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Rule {
    /// `OR`.
    pub condition: Combination,
    /// The groups.
    pub rules: Vec<RuleGroup>,
}

/// Holds where all of its expressions do.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RuleGroup {
    /// `AND`.
    pub condition: Combination,
    /// The expressions.
    pub expressions: Vec<RuleExpression>,
}

/// How parts of a rule are combined.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "UPPERCASE")]
#[expect(missing_docs, reason = "the names say it")]
pub enum Combination {
    Or,
    And,
}

/// One comparison.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RuleExpression {
    /// A field that the action's type lists.
    pub field: String,
    /// An operator that the field takes; text, so that an unknown one is told of with the field.
    pub operator: String,
    /// What the field is compared with.
    pub value: String,
}

/// What is wrong with a rule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RuleFault {
    /// Where in the rule, as a JSON pointer.
    pub pointer: String,
    /// The stable code.
    pub code: &'static str,
    /// What is wrong.
    pub message: String,
    /// How to mend it, where there is more to say.
    pub help: Option<String>,
}

/// Why a rule gives no answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the rule's field `{field}` is {kind} here, which cannot be compared with a text")]
pub struct RuleError {
    field: String,
    kind: &'static str,
}

/// A code, a message, and how to mend it.
type Problem = (&'static str, String, Option<String>);

impl Rule {
    /// Everything that is wrong with the rule, for a type with these fields.
    pub fn faults(&self, fields: &BTreeMap<String, RuleField>) -> Vec<RuleFault> {
        let mut faults = Vec::new();
        let mut fault = |pointer: String, (code, message, help): Problem| {
            faults.push(RuleFault { pointer, code, message, help });
        };
        if self.condition != Combination::Or {
            fault("/condition".to_owned(), shape("the groups of a rule are combined with `OR`"));
        }
        if let Some(problem) = size("rule", "groups", self.rules.len(), GROUPS_MAX) {
            fault("/rules".to_owned(), problem);
        }
        for (index, group) in self.rules.iter().enumerate().take(GROUPS_MAX) {
            let at = format!("/rules/{index}");
            if group.condition != Combination::And {
                fault(format!("{at}/condition"), shape("the expressions of a group are combined with `AND`"));
            }
            if let Some(problem) = size("group", "expressions", group.expressions.len(), EXPRESSIONS_MAX) {
                fault(format!("{at}/expressions"), problem);
            }
            for (index, expression) in group.expressions.iter().enumerate().take(EXPRESSIONS_MAX) {
                if let Some((member, problem)) = expression.problem(fields) {
                    fault(format!("{at}/expressions/{index}/{member}"), problem);
                }
            }
        }
        faults
    }

    /// Whether one of the groups holds. `value_of` gives what a field has in this run; null where it has nothing.
    ///
    /// # Errors
    /// A field holds what no text can be compared with.
    pub fn holds<'a>(
        &self,
        fields: &BTreeMap<String, RuleField>,
        mut value_of: impl FnMut(&RuleField) -> &'a Value,
    ) -> Result<bool, RuleError> {
        // Every expression is looked at: whether a run stops must not depend on the order of the groups.
        let mut any = false;
        for group in &self.rules {
            let mut all = true;
            for expression in &group.expressions {
                all &= expression.holds(fields, &mut value_of)?;
            }
            any |= all;
        }
        Ok(any)
    }
}

fn shape(message: impl Into<String>) -> Problem {
    ("action.rule-shape", message.into(), None)
}

fn size(of: &str, what: &str, count: usize, most: usize) -> Option<Problem> {
    let fits = (1..=most).contains(&count);
    (!fits).then(|| shape(format!("a {of} has 1 to {most} {what}, not {count}")))
}

impl RuleExpression {
    /// The member that is wrong, and what is wrong with it.
    fn problem(&self, fields: &BTreeMap<String, RuleField>) -> Option<(&'static str, Problem)> {
        let Some(field) = fields.get(&self.field) else {
            let name: String = self.field.chars().take(80).collect();
            let known: Vec<&str> = fields.keys().map(String::as_str).collect();
            let help = match known.as_slice() {
                [] => "actions of this type have no fields that rules may speak of; use `when`".to_owned(),
                known => format!("rules of this type may speak of `{}`", known.join("`, `")),
            };
            let message = format!("Field {name} is not supported");
            return Some(("field", ("action.unknown-rule-field", message, Some(help))));
        };
        if self.known_operator(field).is_none() {
            let name: String = self.operator.chars().take(80).collect();
            let known: Vec<&str> = field.operators.iter().map(|operator| operator.as_str()).collect();
            let message = format!("Operator {name} is not supported for field {}", self.field);
            let help = format!("it may be compared with `{}`", known.join("`, `"));
            return Some(("operator", ("action.unknown-rule-operator", message, Some(help))));
        }
        let is_long = self.value.len() > VALUE_BYTES_MAX;
        is_long.then(|| ("value", shape(format!("a value has at most {VALUE_BYTES_MAX} bytes"))))
    }

    fn known_operator(&self, field: &RuleField) -> Option<RuleOperator> {
        field.operators.iter().copied().find(|operator| operator.as_str() == self.operator)
    }

    fn holds<'a>(
        &self,
        fields: &BTreeMap<String, RuleField>,
        value_of: &mut impl FnMut(&RuleField) -> &'a Value,
    ) -> Result<bool, RuleError> {
        let unusable = |kind| RuleError { field: self.field.clone(), kind };
        // A stored rule whose type has changed since: nobody knows what it was to say, so the run stops.
        let field = fields.get(&self.field).ok_or_else(|| unusable("not one of its type"))?;
        let operator = self.known_operator(field).ok_or_else(|| unusable("not compared in this way"))?;
        let found = match value_of(field) {
            Value::Null => None,
            Value::String(text) => Some(vec![text.clone()]),
            scalar @ (Value::Bool(_) | Value::Number(_)) => Some(vec![scalar.to_string()]),
            Value::Array(items) if operator == RuleOperator::Contains => {
                let text = |item: &Value| item.as_str().map_or_else(|| item.to_string(), str::to_owned);
                let has = items.iter().any(|item| text(item) == self.value);
                return Ok(has);
            }
            Value::Array(_) => return Err(unusable("a list")),
            Value::Object(_) => return Err(unusable("an object")),
        };
        let text = found.as_ref().and_then(|texts| texts.first());
        Ok(match operator {
            RuleOperator::Equals => text == Some(&self.value),
            RuleOperator::NotEquals => text != Some(&self.value),
            RuleOperator::Contains => text.is_some_and(|text| text.contains(&self.value)),
        })
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn fields() -> BTreeMap<String, RuleField> {
        let field = |name: &str, operators: &[RuleOperator]| {
            (name.to_owned(), RuleField { from: format!("/event/{name}"), operators: operators.to_vec() })
        };
        let both = [RuleOperator::Equals, RuleOperator::NotEquals];
        BTreeMap::from([field("application", &both), field("claim", &[RuleOperator::Equals, RuleOperator::Contains])])
    }

    fn rule(expressions: &Value) -> Rule {
        let rule = json!({ "condition": "OR", "rules": [{ "condition": "AND", "expressions": expressions }] });
        serde_json::from_value(rule).expect("a rule")
    }

    fn one(field: &str, operator: &str, value: &str) -> Rule {
        rule(&json!([{ "field": field, "operator": operator, "value": value }]))
    }

    #[test]
    fn what_no_rule_may_say_is_told_with_its_place() {
        //
        let problem = |rule: &Rule| {
            let faults = rule.faults(&fields());
            faults.first().map(|fault| (fault.code, fault.pointer.clone(), fault.message.clone()))
        };
        assert_eq!(problem(&one("application", "equals", "x")), None);
        let told = |code, pointer: &str, message: &str| Some((code, pointer.to_owned(), message.to_owned()));
        assert_eq!(
            problem(&one("application", "invalid", "x")),
            told(
                "action.unknown-rule-operator",
                "/rules/0/expressions/0/operator",
                "Operator invalid is not supported for field application"
            )
        );
        assert_eq!(
            problem(&one("other", "equals", "x")),
            told("action.unknown-rule-field", "/rules/0/expressions/0/field", "Field other is not supported")
        );
        let long = one("application", "equals", &"x".repeat(VALUE_BYTES_MAX + 1));
        assert_eq!(problem(&long).map(|it| it.1), Some("/rules/0/expressions/0/value".to_owned()));
        let expression = json!({ "field": "application", "operator": "equals", "value": "x" });
        for (count, good) in [(0, false), (1, true), (EXPRESSIONS_MAX, true), (EXPRESSIONS_MAX + 1, false)] {
            assert_eq!(problem(&rule(&json!(vec![expression.clone(); count]))).is_none(), good, "{count}");
        }
        let empty = Rule { condition: Combination::Or, rules: Vec::new() };
        assert_eq!(problem(&empty).map(|it| it.0), Some("action.rule-shape"));
        let mut upside_down = one("application", "equals", "x");
        upside_down.condition = Combination::And;
        assert_eq!(problem(&upside_down).map(|it| it.1), Some("/condition".to_owned()));
    }

    #[test]
    fn fields_are_compared_as_texts() {
        //
        let holds = |rule: &Rule, found: &Value| rule.holds(&fields(), |_| found);
        let (same, other) = (one("application", "equals", "7"), one("application", "notEquals", "7"));
        for (found, equal) in [(json!("7"), true), (json!(7), true), (json!("8"), false), (json!(null), false)] {
            assert_eq!((holds(&same, &found), holds(&other, &found)), (Ok(equal), Ok(!equal)), "{found}");
        }
        let contains = one("claim", "contains", "ab");
        for (found, has) in
            [(json!("xaby"), true), (json!(["ab"]), true), (json!(["xab"]), false), (json!(null), false)]
        {
            assert_eq!(holds(&contains, &found), Ok(has), "{found}");
        }
        for found in [json!({}), json!([])] {
            assert!(holds(&same, &found).is_err(), "{found}");
        }
        assert!(holds(&one("gone", "equals", "7"), &json!("7")).is_err(), "a type that has changed since");
    }
}
