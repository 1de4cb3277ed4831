//! Walks over a parsed expression.

use cel::common::ast::operators::INDEX;
use cel::common::ast::{EntryExpr, Expr, IdedExpr, LiteralValue};

/// One step from a value to a part of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Member {
    /// `.name` or `["name"]`.
    Field(String),
    /// `[n]`, whichever.
    Item,
}

/// A read of a part of a root.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Read {
    /// The root.
    pub root: String,
    /// The way from there, as far as the text alone says it.
    pub members: Vec<Member>,
    /// Whether `has(…)` asks only if it is there.
    pub tested: bool,
}

/// The fields that an expression selects one after the other from a root.
pub(super) fn collect_paths(expression: &IdedExpr, paths: &mut Vec<Vec<String>>) {
    if let Some(path) = path_of(expression) {
        paths.push(path);
        return;
    }
    for child in children(expression) {
        collect_paths(child, paths);
    }
}

fn path_of(expression: &IdedExpr) -> Option<Vec<String>> {
    match &expression.expr {
        Expr::Ident(name) => Some(vec![name.clone()]),
        Expr::Select(select) => {
            let mut path = path_of(&select.operand)?;
            path.push(select.field.clone());
            Some(path)
        }
        _ => None,
    }
}

/// The parts of roots that an expression reads, in no order.
pub(super) fn collect_reads(expression: &IdedExpr, reads: &mut Vec<Read>) {
    if let Some(read) = read_of(expression) {
        reads.push(read);
    }
    let mut inner = expression;
    while let Some((operand, _)) = step_of(inner) {
        inner = operand;
    }
    // What stands in brackets, and what a chain begins with where that is no root.
    let mut chained = expression;
    while let Some((operand, index)) = step_of(chained) {
        index.into_iter().for_each(|index| collect_reads(index, reads));
        chained = operand;
    }
    for child in children(inner) {
        collect_reads(child, reads);
    }
}

/// The value that a step leads on from, and what stands in its brackets.
fn step_of(expression: &IdedExpr) -> Option<(&IdedExpr, Option<&IdedExpr>)> {
    match &expression.expr {
        Expr::Select(select) => Some((&select.operand, None)),
        Expr::Call(call) if call.func_name == INDEX => match (call.target.as_deref(), call.args.as_slice()) {
            (None, [operand, index]) | (Some(operand), [index]) => Some((operand, Some(index))),
            _ => None,
        },
        _ => None,
    }
}

fn read_of(expression: &IdedExpr) -> Option<Read> {
    let mut steps = Vec::new();
    let mut tested = false;
    let mut current = expression;
    loop {
        match &current.expr {
            Expr::Ident(name) => {
                // An index that only a run knows ends what the text says.
                let known = steps.into_iter().rev().map_while(|member| member).collect();
                return Some(Read { root: name.clone(), members: known, tested });
            }
            Expr::Select(select) => {
                tested |= select.test;
                steps.push(Some(Member::Field(select.field.clone())));
            }
            _ => steps.push(match &step_of(current)?.1?.expr {
                Expr::Literal(LiteralValue::String(name)) => Some(Member::Field(name.inner().to_owned())),
                Expr::Literal(LiteralValue::Int(_) | LiteralValue::UInt(_)) => Some(Member::Item),
                _ => None,
            }),
        }
        current = step_of(current)?.0;
    }
}

/// The direct sub-expressions.
pub(super) fn children(expression: &IdedExpr) -> Vec<&IdedExpr> {
    fn of_entry(entry: &EntryExpr) -> Vec<&IdedExpr> {
        match entry {
            EntryExpr::StructField(field) => vec![&field.value],
            EntryExpr::MapEntry(entry) => vec![&entry.key, &entry.value],
        }
    }
    match &expression.expr {
        Expr::Unspecified | Expr::Ident(_) | Expr::Literal(_) => Vec::new(),
        Expr::Call(call) => call.target.as_deref().into_iter().chain(&call.args).collect(),
        Expr::Comprehension(it) => {
            vec![&it.iter_range, &it.accu_init, &it.loop_cond, &it.loop_step, &it.result]
        }
        Expr::List(list) => list.elements.iter().collect(),
        Expr::Map(map) => map.entries.iter().flat_map(|entry| of_entry(&entry.expr)).collect(),
        Expr::Select(select) => vec![&select.operand],
        Expr::Struct(it) => it.entries.iter().flat_map(|entry| of_entry(&entry.expr)).collect(),
    }
}

/// How many nodes a tree has.
pub(super) fn count(expression: &IdedExpr) -> u64 {
    1 + children(expression).into_iter().map(count).sum::<u64>()
}

/// The direct sub-expressions that are evaluated as they stand: not those in the turns of a loop.
pub(super) fn evaluated_children(expression: &IdedExpr) -> Vec<&IdedExpr> {
    match &expression.expr {
        Expr::Comprehension(it) => vec![&it.iter_range],
        _ => children(expression),
    }
}
