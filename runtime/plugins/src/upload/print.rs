//! Types as lines of WIT: the contract's by their names, a component's as far as its own names and a bound on length
//! allow.

use std::collections::HashMap;

use wasmparser::PrimitiveValType;
use wasmparser::component_types::{
    ComponentAnyTypeId, ComponentDefinedType, ComponentDefinedTypeId, ComponentEntityType, ComponentFuncType,
    ComponentInstanceType, ComponentItem, ComponentValType,
};
use wasmparser::types::TypesRef;
use wit_parser::{Function, Type, TypeDefKind};

use super::contract::CONTRACT;

/// How deep a component's own types are printed; deeper ones become `…`.
const DEPTH_MAX: usize = 4;
/// Longest printed type, in characters.
const CHARS_MAX: usize = 600;

/// A type of the contract, by name where it has one.
pub(super) fn expected(ty: &Type) -> String {
    let Type::Id(id) = ty else { return format!("{ty:?}").to_lowercase() };
    let Some(definition) = CONTRACT.resolve.types.get(*id) else { return "…".to_owned() };
    if let Some(name) = &definition.name {
        return name.clone();
    }
    let payload = |ty: &Option<Type>| ty.as_ref().map_or("_".to_owned(), expected);
    match &definition.kind {
        TypeDefKind::List(item) => format!("list<{}>", expected(item)),
        TypeDefKind::Option(some) => format!("option<{}>", expected(some)),
        TypeDefKind::Result(result) => format!("result<{}, {}>", payload(&result.ok), payload(&result.err)),
        TypeDefKind::Tuple(tuple) => {
            format!("tuple<{}>", tuple.types.iter().map(expected).collect::<Vec<_>>().join(", "))
        }
        other => other.as_str().to_owned(),
    }
}

/// A function of the contract.
pub(super) fn expected_function(function: &Function) -> String {
    let params: Vec<String> =
        function.params.iter().map(|param| format!("{}: {}", param.name, expected(&param.ty))).collect();
    let result = function.result.as_ref().map_or(String::new(), |ty| format!(" -> {}", expected(ty)));
    format!("{}: func({}){result}", function.name, params.join(", "))
}

/// The types of a component, with the names that one of its interfaces gives them.
pub(super) struct Found<'a> {
    types: TypesRef<'a>,
    names: HashMap<ComponentDefinedTypeId, &'a str>,
}

impl<'a> Found<'a> {
    /// The types, as `interface` names them.
    pub(super) fn new(types: TypesRef<'a>, interface: &'a ComponentInstanceType) -> Self {
        let mut names = HashMap::new();
        for (name, item) in &interface.exports {
            if let ComponentEntityType::Type { referenced, created } = item.ty {
                for id in [referenced, created] {
                    if let ComponentAnyTypeId::Defined(id) = id {
                        names.insert(id, name.as_str());
                    }
                }
            }
        }
        Self { types, names }
    }

    /// The primitive type, where it is one.
    pub(super) fn primitive(&self, ty: &ComponentValType) -> Option<PrimitiveValType> {
        match ty {
            ComponentValType::Primitive(primitive) => Some(*primitive),
            ComponentValType::Type(id) => match self.types.get(*id)? {
                ComponentDefinedType::Primitive(primitive) => Some(*primitive),
                _ => None,
            },
        }
    }

    /// The definition, where it is not a primitive type.
    pub(super) fn defined(&self, ty: &ComponentValType) -> Option<&'a ComponentDefinedType> {
        match ty {
            ComponentValType::Primitive(_) => None,
            ComponentValType::Type(id) => self.types.get(*id),
        }
    }

    /// The type of a function, where the item is one.
    pub(super) fn function_type(&self, item: &ComponentItem) -> Option<&'a ComponentFuncType> {
        match item.ty {
            ComponentEntityType::Func(id) => self.types.get(id),
            _ => None,
        }
    }

    /// A type of the component.
    pub(super) fn value(&self, ty: &ComponentValType) -> String {
        let mut text = String::new();
        self.write(ty, DEPTH_MAX, &mut text);
        shorten(text)
    }

    /// A function of the component.
    pub(super) fn function(&self, name: &str, function: &ComponentFuncType) -> String {
        let mut text = format!("{name}: {}func(", if function.async_ { "async " } else { "" });
        for (index, (name, ty)) in function.params.iter().enumerate() {
            text.push_str(if index == 0 { "" } else { ", " });
            text.push_str(name.as_str());
            text.push_str(": ");
            self.write(ty, DEPTH_MAX, &mut text);
        }
        text.push(')');
        if let Some(result) = &function.result {
            text.push_str(" -> ");
            self.write(result, DEPTH_MAX, &mut text);
        }
        shorten(text)
    }

    fn write(&self, ty: &ComponentValType, depth: usize, text: &mut String) {
        if text.len() > CHARS_MAX * 4 {
            return;
        }
        match (ty, self.defined(ty)) {
            (ComponentValType::Primitive(primitive), _) => text.push_str(&primitive.to_string()),
            (ComponentValType::Type(id), _) if self.names.contains_key(id) => {
                text.push_str(self.names.get(id).copied().unwrap_or_default());
            }
            (_, Some(defined)) if depth > 0 => self.write_defined(defined, depth - 1, text),
            _ => text.push('…'),
        }
    }

    fn write_defined(&self, defined: &ComponentDefinedType, depth: usize, text: &mut String) {
        match defined {
            ComponentDefinedType::Primitive(primitive) => text.push_str(&primitive.to_string()),
            ComponentDefinedType::List { element, .. } => {
                self.write_all("list", '<', [("", Some(element))], depth, text)
            }
            ComponentDefinedType::Option { ty, .. } => self.write_all("option", '<', [("", Some(ty))], depth, text),
            ComponentDefinedType::Result { ok, err, .. } => {
                let sides = [("", ok.as_ref()), ("", err.as_ref())];
                self.write_all("result", '<', sides, depth, text);
            }
            ComponentDefinedType::Tuple(tuple) => {
                self.write_all("tuple", '<', tuple.types.iter().map(|ty| ("", Some(ty))), depth, text);
            }
            ComponentDefinedType::Record(record) => {
                let fields = record.fields.iter().map(|(name, ty)| (name.as_str(), Some(ty)));
                self.write_all("record", '{', fields, depth, text);
            }
            ComponentDefinedType::Variant(variant) => {
                let cases = variant.cases.iter().map(|(name, case)| (name.as_str(), case.ty.as_ref()));
                self.write_all("variant", '{', cases, depth, text);
            }
            ComponentDefinedType::Enum(names) => {
                self.write_all("enum", '{', names.iter().map(|name| (name.as_str(), None)), depth, text);
            }
            ComponentDefinedType::Flags(names) => {
                self.write_all("flags", '{', names.iter().map(|name| (name.as_str(), None)), depth, text);
            }
            ComponentDefinedType::Own(_) | ComponentDefinedType::Borrow(_) => text.push_str("a resource"),
            _ => text.push_str("a type of a later component model"),
        }
    }

    fn write_all<'m>(
        &self,
        word: &str,
        open: char,
        members: impl IntoIterator<Item = (&'m str, Option<&'m ComponentValType>)>,
        depth: usize,
        text: &mut String,
    ) {
        text.push_str(word);
        text.push_str(if open == '{' { " { " } else { "<" });
        for (index, (name, ty)) in members.into_iter().enumerate() {
            if text.len() > CHARS_MAX * 4 {
                break;
            }
            text.push_str(if index == 0 { "" } else { ", " });
            text.push_str(name);
            match ty {
                Some(ty) => {
                    text.push_str(if name.is_empty() { "" } else { ": " });
                    self.write(ty, depth, text);
                }
                None if name.is_empty() => text.push('_'),
                None => {}
            }
        }
        text.push_str(if open == '{' { " }" } else { ">" });
    }
}

fn shorten(text: String) -> String {
    if text.chars().count() <= CHARS_MAX {
        return text;
    }
    text.chars().take(CHARS_MAX).chain(['…']).collect()
}
