//! Walks over a parsed expression.

use cel::common::ast::{EntryExpr, Expr, IdedExpr};

/// The variables that comprehensions bind, the parser's own accumulators among them.
pub(super) fn bound_variables(expression: &IdedExpr, names: &mut Vec<String>) {
    if let Expr::Comprehension(comprehension) = &expression.expr {
        names.push(comprehension.iter_var.clone());
        names.extend(comprehension.iter_var2.clone());
        names.push(comprehension.accu_var.clone());
    }
    for child in children(expression) {
        bound_variables(child, names);
    }
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
