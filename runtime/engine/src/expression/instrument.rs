//! From the tree that an author wrote to the one that runs: whatever takes longer with larger values goes through
//! the meter, and the functions of our library through one door (S-10). Values and errors stay what they were.
//!
//! | put in | around | pays for |
//! | --- | --- | --- |
//! | `@weighed(v)` | what is compared, looped over or given to functions of CEL | a look at all of it |
//! | `@built(v)` | what `+` and functions of CEL make, and what lists and maps copy | its bytes |
//! | `@turn(v, n)` | one turn of a loop | the nodes inside |
//! | `@call(n, …)` | a call of the library | what it is given and gives, and what it asks for itself |

use cel::common::ast::operators::{
    ADD, CONDITIONAL, EQUALS, GREATER, GREATER_EQUALS, IN, INDEX, LESS, LESS_EQUALS, NOT_EQUALS, OPT_INDEX, OPT_SELECT,
};
use cel::common::ast::{
    CallExpr, ComprehensionExpr, EntryExpr, Expr, IdedEntryExpr, IdedExpr, ListExpr, LiteralValue, MapEntryExpr,
    MapExpr, SelectExpr, StructExpr, StructFieldExpr,
};

use super::cost::{CostClass, NODE_OPERATIONS, author_parts};
use super::library::{self, Callee, Run};
use super::tree::count;

pub(super) const WEIGHED: &str = "@weighed";
pub(super) const BUILT: &str = "@built";
pub(super) const TURN: &str = "@turn";
pub(super) const CALL: &str = "@call";

/// The tree that runs. Nodes keep their ids.
pub(super) fn instrumented(expression: &IdedExpr) -> IdedExpr {
    let id = expression.id;
    let expr = match &expression.expr {
        Expr::Call(call) => return of_call(id, call),
        Expr::Comprehension(it) => Expr::Comprehension(Box::new(of_loop(it))),
        Expr::List(list) => Expr::List(ListExpr {
            elements: list.elements.iter().map(|element| held(instrumented(element))).collect(),
            optional_indices: list.optional_indices.clone(),
        }),
        Expr::Map(map) => Expr::Map(MapExpr { entries: map.entries.iter().map(of_entry).collect() }),
        Expr::Struct(it) => Expr::Struct(StructExpr {
            type_name: it.type_name.clone(),
            entries: it.entries.iter().map(of_entry).collect(),
        }),
        Expr::Select(select) => Expr::Select(SelectExpr {
            operand: Box::new(instrumented(&select.operand)),
            field: select.field.clone(),
            test: select.test,
        }),
        Expr::Unspecified | Expr::Ident(_) | Expr::Literal(_) => expression.expr.clone(),
    };
    IdedExpr { id, expr }
}

fn of_entry(entry: &IdedEntryExpr) -> IdedEntryExpr {
    let expr = match &entry.expr {
        EntryExpr::MapEntry(it) => EntryExpr::MapEntry(MapEntryExpr {
            key: held(instrumented(&it.key)),
            value: held(instrumented(&it.value)),
            optional: it.optional,
        }),
        EntryExpr::StructField(it) => EntryExpr::StructField(StructFieldExpr {
            field: it.field.clone(),
            value: held(instrumented(&it.value)),
            optional: it.optional,
        }),
    };
    IdedEntryExpr { id: entry.id, expr }
}

fn of_call(id: u64, call: &CallExpr) -> IdedExpr {
    match library::callee(call) {
        Callee::Operator => of_operator(id, call),
        Callee::Function(number, given) => {
            let Some(entry) = library::entry(number) else { return plain(id, call) };
            match entry.function.run {
                Run::Here(_) => {
                    let number = LiteralValue::Int(i64::try_from(number).unwrap_or(i64::MAX).into());
                    let number = IdedExpr { id, expr: Expr::Literal(number) };
                    let args = std::iter::once(number).chain(given.into_iter().map(instrumented)).collect();
                    IdedExpr { id, expr: Expr::Call(CallExpr { func_name: CALL.to_owned(), target: None, args }) }
                }
                Run::Standard | Run::Macro => {
                    let is_qualified = library::group_of(call).is_some();
                    let args = call.args.iter().map(|argument| weighed(instrumented(argument))).collect();
                    let of_target = |target: &IdedExpr| {
                        Box::new(if is_qualified { target.clone() } else { weighed(instrumented(target)) })
                    };
                    let target = call.target.as_deref().map(of_target);
                    let called = CallExpr { func_name: call.func_name.clone(), target, args };
                    let called = IdedExpr { id, expr: Expr::Call(called) };
                    if entry.function.cost == CostClass::Output { around(BUILT, called) } else { called }
                }
            }
        }
        // Parsing refuses what does not exist.
        Callee::Unknown(_) => plain(id, call),
    }
}

fn plain(id: u64, call: &CallExpr) -> IdedExpr {
    let target = call.target.as_deref().map(|target| Box::new(instrumented(target)));
    let args = call.args.iter().map(instrumented).collect();
    IdedExpr { id, expr: Expr::Call(CallExpr { func_name: call.func_name.clone(), target, args }) }
}

fn of_operator(id: u64, call: &CallExpr) -> IdedExpr {
    let mut whole = plain(id, call);
    let is_cheap = call.args.iter().any(is_scalar);
    let Expr::Call(made) = &mut whole.expr else { return whole };
    match (call.func_name.as_str(), made.args.as_mut_slice()) {
        (ADD | OPT_INDEX | OPT_SELECT, _) if !is_cheap => around(BUILT, whole),
        (OPT_INDEX | OPT_SELECT, _) => around(BUILT, whole),
        // As long as the shorter one.
        (EQUALS | NOT_EQUALS | LESS | LESS_EQUALS | GREATER | GREATER_EQUALS, [left, _]) if !is_cheap => {
            *left = weighed(std::mem::take(left));
            whole
        }
        // All items at most, whatever is looked for.
        (IN, [_, list]) => {
            *list = weighed(std::mem::take(list));
            whole
        }
        _ => whole,
    }
}

/// Whether a literal is so small that an operator with it is cheap.
fn is_scalar(expression: &IdedExpr) -> bool {
    match &expression.expr {
        Expr::Literal(LiteralValue::String(_) | LiteralValue::Bytes(_)) | Expr::Call(_) => false,
        Expr::Literal(_) => true,
        _ => false,
    }
}

/// A loop: `map` and `filter` append to a list, which CEL does fast as long as their step keeps its form.
fn of_loop(it: &ComprehensionExpr) -> ComprehensionExpr {
    let turn = NODE_OPERATIONS * author_parts(it).into_iter().map(count).sum::<u64>().max(1);
    let mut made = ComprehensionExpr {
        iter_range: weighed(instrumented(&it.iter_range)),
        iter_var: it.iter_var.clone(),
        iter_var2: it.iter_var2.clone(),
        accu_var: it.accu_var.clone(),
        accu_init: instrumented(&it.accu_init),
        loop_cond: it.loop_cond.clone(),
        loop_step: it.loop_step.clone(),
        result: instrumented(&it.result),
    };
    if matches!(it.loop_cond.expr, Expr::Literal(_))
        && let Some(step) = appending(&it.loop_step, turn)
    {
        made.loop_step = step;
    } else {
        made.loop_cond = turned(instrumented(&it.loop_cond), turn);
        made.loop_step = instrumented(&it.loop_step);
    }
    made
}

/// `@result + [item]`, or `condition ? @result + [item] : @result`, with the turn in it.
fn appending(step: &IdedExpr, turn: u64) -> Option<IdedExpr> {
    let Expr::Call(call) = &step.expr else { return None };
    let args = match (call.func_name.as_str(), call.args.as_slice()) {
        (ADD, [accumulator, items]) => {
            let Expr::List(list) = &items.expr else { return None };
            let element = |element: &IdedExpr| around(BUILT, turned(instrumented(element), turn));
            let elements = list.elements.iter().map(element).collect();
            let items = Expr::List(ListExpr { elements, optional_indices: list.optional_indices.clone() });
            vec![accumulator.clone(), IdedExpr { id: step.id, expr: items }]
        }
        (CONDITIONAL, [condition, then, otherwise]) => {
            // The item's own turn costs nothing more: the condition has paid for both.
            vec![turned(instrumented(condition), turn), appending(then, 1)?, otherwise.clone()]
        }
        _ => return None,
    };
    let call = CallExpr { func_name: call.func_name.clone(), target: None, args };
    Some(IdedExpr { id: step.id, expr: Expr::Call(call) })
}

fn around(function: &str, value: IdedExpr) -> IdedExpr {
    let id = value.id;
    let call = CallExpr { func_name: function.to_owned(), target: None, args: vec![value] };
    IdedExpr { id, expr: Expr::Call(call) }
}

fn turned(value: IdedExpr, operations: u64) -> IdedExpr {
    let id = value.id;
    let operations = LiteralValue::Int(i64::try_from(operations).unwrap_or(i64::MAX).into());
    let args = vec![value, IdedExpr { id, expr: Expr::Literal(operations) }];
    IdedExpr { id, expr: Expr::Call(CallExpr { func_name: TURN.to_owned(), target: None, args }) }
}

/// What is looked at as a whole.
fn weighed(value: IdedExpr) -> IdedExpr {
    if matches!(value.expr, Expr::Literal(_)) { value } else { around(WEIGHED, value) }
}

/// What becomes a part of something: a value that only stands elsewhere is copied.
fn held(value: IdedExpr) -> IdedExpr {
    let is_copied = match &value.expr {
        Expr::Ident(_) => true,
        Expr::Select(select) => !select.test,
        Expr::Call(call) => [CONDITIONAL, INDEX, WEIGHED].contains(&call.func_name.as_str()),
        _ => false,
    };
    if is_copied { around(BUILT, value) } else { value }
}
