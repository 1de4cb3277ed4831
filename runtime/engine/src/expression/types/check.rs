//! The types of an expression, from its leaves up, and what does not fit.

use cel::common::ast::operators::{
    ADD, CONDITIONAL, DIVIDE, EQUALS, GREATER, GREATER_EQUALS, IN, INDEX, LESS, LESS_EQUALS, LOGICAL_AND, LOGICAL_NOT,
    LOGICAL_OR, MODULO, MULTIPLY, NEGATE, NOT_EQUALS, OPT_INDEX, OPT_SELECT, SUBSTRACT,
};
use cel::common::ast::{CallExpr, ComprehensionExpr, EntryExpr, Expr, IdedExpr, LiteralValue, MapExpr, SelectExpr};

use super::operators::{arithmetic, can_be_equal, have_order};
use super::{Kind, Kinds, Type, TypeFault, Types, Wanted};
use crate::expression::Expression;
use crate::expression::cost::author_parts;
use crate::expression::fault::symbol;
use crate::expression::library::{self, Callee};

impl Expression {
    /// What in the expression does not fit the types of its roots.
    pub fn type_faults(&self, types: &Types, wanted: Wanted) -> Vec<TypeFault> {
        let mut checker = Checker { types, bound: Vec::new(), faults: Vec::new() };
        let given = checker.infer(self.tree(), true);
        if wanted == Wanted::Condition && !given.kinds.has(Kind::Bool) {
            let message = format!("this gives {}, but a condition must give true or false", given.kinds);
            checker.fault(self.tree(), message, true);
        }
        let fault = |(node, message, is_certain): (&IdedExpr, String, bool)| TypeFault {
            message,
            part: self.part(node),
            is_certain,
        };
        checker.faults.into_iter().map(fault).collect()
    }
}

struct Checker<'a> {
    types: &'a Types,
    /// The variables of loops, the innermost last.
    bound: Vec<(&'a str, Type)>,
    faults: Vec<(&'a IdedExpr, String, bool)>,
}

const BOOL: Type = Type::of(Kind::Bool);

impl<'a> Checker<'a> {
    fn fault(&mut self, node: &'a IdedExpr, message: String, is_certain: bool) {
        self.faults.push((node, message, is_certain));
    }

    /// The type of a node. `is_certain` where every evaluation that gives a value comes by.
    fn infer(&mut self, node: &'a IdedExpr, is_certain: bool) -> Type {
        match &node.expr {
            Expr::Literal(literal) => Type::of(match literal {
                LiteralValue::Boolean(_) => Kind::Bool,
                LiteralValue::Bytes(_) => Kind::Bytes,
                LiteralValue::Double(_) => Kind::Double,
                LiteralValue::Int(_) => Kind::Int,
                LiteralValue::Null => Kind::Null,
                LiteralValue::String(_) => Kind::String,
                LiteralValue::UInt(_) => Kind::Uint,
            }),
            Expr::Ident(name) => match self.bound.iter().rev().find(|(bound, _)| bound == name) {
                Some((_, of)) => of.clone(),
                None => self.types.roots.get(name.as_str()).cloned().unwrap_or(Type::JSON),
            },
            Expr::Select(select) => self.select(node, select, is_certain),
            Expr::Call(call) => self.call(node, call, is_certain),
            Expr::Comprehension(it) => self.comprehension(it, is_certain),
            Expr::List(list) => {
                let items: Vec<Type> = list.elements.iter().map(|item| self.infer(item, is_certain)).collect();
                match items.into_iter().reduce(|one, two| one.or(&two)) {
                    Some(items) if list.optional_indices.is_empty() => Type::list(items),
                    _ => Type::of(Kind::List),
                }
            }
            Expr::Map(map) => self.map(map, is_certain),
            Expr::Struct(_) | Expr::Unspecified => Type::ANY,
        }
    }

    fn map(&mut self, map: &'a MapExpr, is_certain: bool) -> Type {
        let mut known = Vec::new();
        let mut is_closed = true;
        for entry in &map.entries {
            let EntryExpr::MapEntry(entry) = &entry.expr else { return Type::ANY };
            self.infer(&entry.key, is_certain);
            let value = self.infer(&entry.value, is_certain);
            match &entry.key.expr {
                Expr::Literal(LiteralValue::String(name)) if !entry.optional => {
                    known.push((name.inner().to_owned(), value));
                }
                _ => is_closed = false,
            }
        }
        Type::map(known, (!is_closed).then_some(Type::ANY))
    }

    fn select(&mut self, node: &'a IdedExpr, select: &'a SelectExpr, is_certain: bool) -> Type {
        let operand = self.infer(&select.operand, is_certain);
        let field = &select.field;
        if select.test {
            return BOOL;
        }
        if operand.kinds.has(Kind::Optional) {
            return Type::ANY;
        }
        if !operand.kinds.has(Kind::Map) {
            self.fault(node, format!("`.{field}` is read of {}, which has no members", operand.kinds), is_certain);
            return Type::ANY;
        }
        operand.member(field).unwrap_or_else(|| {
            self.fault(node, format!("there is no member `{field}` here"), is_certain);
            Type::ANY
        })
    }

    fn call(&mut self, node: &'a IdedExpr, call: &'a CallExpr, is_certain: bool) -> Type {
        match library::callee(call) {
            Callee::Operator => self.operator(node, call, is_certain),
            Callee::Function(number, given) => {
                let types: Vec<Type> = given.iter().map(|given| self.infer(given, is_certain)).collect();
                let Some(entry) = library::entry(number) else { return Type::ANY };
                let mut fits = true;
                for ((takes, of), argument) in entry.signature.takes.iter().zip(&types).zip(&given) {
                    if takes.and(of.kinds).is_empty() {
                        fits = false;
                        let function = entry.function;
                        let message = format!(
                            "`{}` takes {takes} here, not {}; it is called as `{}`",
                            function.name, of.kinds, function.signature
                        );
                        self.fault(argument, message, is_certain);
                    }
                }
                match (fits, types.first(), entry.function.name) {
                    (false, ..) => Type::ANY,
                    (_, Some(list), "sort" | "sortByKeys" | "distinct" | "slice" | "reverse") => {
                        list.only(entry.signature.gives)
                    }
                    (_, Some(list), "min" | "max") => list.item(),
                    _ => {
                        let gives = Type::of_kinds(entry.signature.gives);
                        let is_list = entry.signature.gives == Kinds::of(Kind::List);
                        if is_list { Type::list(Type::of_kinds(entry.signature.items)) } else { gives }
                    }
                }
            }
            Callee::Unknown(_) => Type::ANY,
        }
    }

    fn operator(&mut self, node: &'a IdedExpr, call: &'a CallExpr, is_certain: bool) -> Type {
        let name = call.func_name.as_str();
        match (name, call.args.as_slice()) {
            (CONDITIONAL, [condition, then, otherwise]) => {
                self.boolean(condition, "a condition", is_certain);
                let then = self.infer(then, false);
                then.or(&self.infer(otherwise, false))
            }
            // One side may decide, whatever the other is.
            (LOGICAL_AND | LOGICAL_OR, sides) => {
                sides.iter().for_each(|side| self.boolean(side, symbol(name), false));
                BOOL
            }
            (LOGICAL_NOT, [value]) => {
                self.boolean(value, "!", is_certain);
                BOOL
            }
            (NEGATE, [value]) => {
                let of = self.infer(value, is_certain).only(Kinds::of(Kind::Int).or(Kinds::of(Kind::Double)));
                self.meant(node, of, || "`-` needs a number".to_owned(), is_certain)
            }
            (_, [left, right]) => self.binary(node, name, [left, right], is_certain),
            (_, arguments) => {
                arguments.iter().for_each(|argument| drop(self.infer(argument, false)));
                Type::ANY
            }
        }
    }

    fn binary(&mut self, node: &'a IdedExpr, name: &str, [left, right]: [&'a IdedExpr; 2], is_certain: bool) -> Type {
        let (one, two) = (self.infer(left, is_certain), self.infer(right, is_certain));
        let sign = symbol(name);
        let both = format!("{} and {}", one.kinds, two.kinds);
        match name {
            ADD | SUBSTRACT | MULTIPLY | DIVIDE | MODULO => {
                let message = || format!("`{sign}` has no meaning between {both}");
                self.meant(node, arithmetic(name, &one, &two), message, is_certain)
            }
            LESS | LESS_EQUALS | GREATER | GREATER_EQUALS => {
                if !have_order(one.kinds, two.kinds) {
                    self.fault(node, format!("`{sign}` compares {both}, which have no order between them"), is_certain);
                }
                BOOL
            }
            EQUALS | NOT_EQUALS => {
                if !can_be_equal(one.kinds, two.kinds) {
                    self.fault(node, format!("`{sign}` compares {both}, which are never equal"), false);
                }
                BOOL
            }
            IN => {
                if two.kinds.and(Kinds::of(Kind::List).or(Kinds::of(Kind::Map))).is_empty() {
                    self.fault(node, format!("`in` looks into {}; it needs a list or a map", two.kinds), is_certain);
                }
                BOOL
            }
            INDEX => self.index(node, &one, (&two, right), is_certain),
            OPT_INDEX | OPT_SELECT => Type::of(Kind::Optional),
            _ => Type::ANY,
        }
    }

    fn index(&mut self, node: &'a IdedExpr, of: &Type, index: (&Type, &IdedExpr), is_certain: bool) -> Type {
        let (list, map) = (of.kinds.has(Kind::List), of.kinds.has(Kind::Map));
        if of.kinds.has(Kind::Optional) {
            return Type::ANY;
        }
        if !list && !map {
            self.fault(node, format!("`[…]` reads a part of {}, which has none", of.kinds), is_certain);
            return Type::ANY;
        }
        match (map, &index.1.expr) {
            (false, _) if index.0.kinds.and(Kinds::NUMBER).is_empty() => {
                self.fault(node, format!("a list is read at {}; it needs a number", index.0.kinds), is_certain);
                Type::ANY
            }
            (false, _) => of.item(),
            (true, Expr::Literal(LiteralValue::String(name))) if !list => of.member(name.inner()).unwrap_or(Type::ANY),
            _ => Type::ANY,
        }
    }

    /// A type that must not be empty.
    fn meant(&mut self, node: &'a IdedExpr, of: Type, message: impl FnOnce() -> String, is_certain: bool) -> Type {
        if !of.kinds.is_empty() {
            return of;
        }
        self.fault(node, message(), is_certain);
        Type::ANY
    }

    fn boolean(&mut self, node: &'a IdedExpr, place: &str, is_certain: bool) {
        let of = self.infer(node, is_certain);
        if !of.kinds.has(Kind::Bool) {
            self.fault(node, format!("{place} needs true or false, not {}", of.kinds), is_certain);
        }
    }

    fn comprehension(&mut self, it: &'a ComprehensionExpr, is_certain: bool) -> Type {
        let range = self.infer(&it.iter_range, is_certain);
        let variable = match (range.kinds.has(Kind::List), range.kinds.has(Kind::Map)) {
            (true, false) => range.item(),
            (false, false) => {
                let message = format!("a loop goes over {}; it needs a list or a map", range.kinds);
                self.fault(&it.iter_range, message, is_certain);
                Type::ANY
            }
            _ => Type::ANY,
        };
        let accumulator = self.infer(&it.accu_init, is_certain);
        let before = self.bound.len();
        self.bound.push((&it.iter_var, variable));
        self.bound.push((&it.accu_var, accumulator.clone()));
        self.bound.extend(it.iter_var2.as_deref().map(|name| (name, Type::ANY)));
        // A list may be empty.
        self.infer(&it.loop_step, false);
        let given = if accumulator.kinds == Kinds::of(Kind::List) {
            let faults = self.faults.len();
            let items = author_parts(it).last().map(|item| self.infer(item, false));
            self.faults.truncate(faults);
            Type::list(items.unwrap_or(Type::ANY))
        } else {
            self.infer(&it.result, false)
        };
        self.bound.truncate(before);
        given
    }
}
