//! The names in an expression: roots, the variables of loops, functions.

use cel::common::ast::{Expr, IdedExpr};

use super::library::{self, Callee};
use super::tree::children;

/// Refuses calls of what does not exist, or with another number of arguments: what is wrong, and the node.
pub(super) fn check_functions(expression: &IdedExpr) -> Result<(), (String, u64)> {
    if let Expr::Call(call) = &expression.expr
        && let Callee::Unknown(message) = library::callee(call)
    {
        return Err((message, expression.id));
    }
    children(expression).into_iter().try_for_each(check_functions)
}

/// The roots that an expression reads, each once. Refuses other names: what is wrong, and the node.
pub(super) fn roots(known: &[&'static str], expression: &IdedExpr) -> Result<Vec<&'static str>, (String, u64)> {
    let mut found = Vec::new();
    collect(known, expression, &mut Vec::new(), &mut found)?;
    found.sort_unstable();
    found.dedup();
    Ok(found)
}

fn collect<'a>(
    known: &[&'static str],
    expression: &'a IdedExpr,
    bound: &mut Vec<&'a str>,
    found: &mut Vec<&'static str>,
) -> Result<(), (String, u64)> {
    match &expression.expr {
        Expr::Ident(name) if bound.contains(&name.as_str()) => Ok(()),
        Expr::Ident(name) => match known.iter().find(|root| *root == name) {
            Some(root) => {
                found.push(root);
                Ok(())
            }
            None => {
                let known = known.join("`, `");
                let message = format!("`{name}` is not known here; an expression sees `{known}`");
                Err((message, expression.id))
            }
        },
        Expr::Comprehension(it) => {
            collect(known, &it.iter_range, bound, found)?;
            collect(known, &it.accu_init, bound, found)?;
            let before = bound.len();
            bound.extend([it.iter_var.as_str(), it.accu_var.as_str()]);
            bound.extend(it.iter_var2.as_deref());
            for part in [&it.loop_cond, &it.loop_step, &it.result] {
                collect(known, part, bound, found)?;
            }
            bound.truncate(before);
            Ok(())
        }
        // The name of a group is no variable.
        Expr::Call(call) if library::group_of(call).is_some() => {
            call.args.iter().try_for_each(|argument| collect(known, argument, bound, found))
        }
        _ => children(expression).into_iter().try_for_each(|child| collect(known, child, bound, found)),
    }
}
