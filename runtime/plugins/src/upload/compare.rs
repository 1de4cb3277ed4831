//! A component's types beside the contract's. The walk follows the contract, so its depth and length are the
//! contract's, whatever the component holds.

use wasmparser::PrimitiveValType;
use wasmparser::component_types::{ComponentDefinedType, ComponentFuncType, ComponentValType};
use wit_parser::{Function, Type, TypeDefKind};

use super::contract::CONTRACT;
use super::print::{self, Found};

/// The first difference between two types.
pub(super) struct Difference {
    /// Such as "parameter `request`, field `body`".
    pub(super) place: String,
    /// What the contract has there.
    pub(super) expected: String,
    /// What the component has there.
    pub(super) found: String,
}

/// Compares functions. The names of parameters do not matter.
pub(super) fn function(expected: &Function, found: &ComponentFuncType, types: &Found<'_>) -> Result<(), Difference> {
    let mut walk = Walk { types, place: Vec::new() };
    if found.async_ {
        return walk.differ("a plain function", "an async function");
    }
    if expected.params.len() != found.params.len() {
        let count = |count: usize| format!("{count} parameters");
        return walk.differ(count(expected.params.len()), count(found.params.len()));
    }
    for (expected, (_, found)) in expected.params.iter().zip(&found.params) {
        walk.within(format!("parameter `{}`", expected.name), |walk| walk.value(&expected.ty, found))?;
    }
    walk.within("result".to_owned(), |walk| walk.payload(expected.result.as_ref(), found.result.as_ref()))
}

struct Walk<'a> {
    types: &'a Found<'a>,
    place: Vec<String>,
}

type Same = Result<(), Difference>;

impl Walk<'_> {
    fn differ(&self, expected: impl Into<String>, found: impl Into<String>) -> Same {
        let place = if self.place.is_empty() { "function".to_owned() } else { self.place.join(", ") };
        Err(Difference { place, expected: expected.into(), found: found.into() })
    }

    fn within(&mut self, place: String, check: impl FnOnce(&mut Self) -> Same) -> Same {
        self.place.push(place);
        check(self)?;
        self.place.pop();
        Ok(())
    }

    fn payload(&mut self, expected: Option<&Type>, found: Option<&ComponentValType>) -> Same {
        match (expected, found) {
            (None, None) => Ok(()),
            (Some(expected), Some(found)) => self.value(expected, found),
            (Some(expected), None) => self.differ(print::expected(expected), "nothing"),
            (None, Some(found)) => self.differ("nothing", self.types.value(found)),
        }
    }

    fn value(&mut self, expected: &Type, found: &ComponentValType) -> Same {
        let unlike = |walk: &Self| walk.differ(print::expected(expected), walk.types.value(found));
        let kind = match (CONTRACT.kind(expected), self.types.primitive(found)) {
            (Err(primitive), Some(other)) if same_primitive(primitive, other) => return Ok(()),
            (Err(_), _) | (_, Some(_)) => return unlike(self),
            (Ok(kind), None) => kind,
        };
        match (kind, self.types.defined(found)) {
            (TypeDefKind::List(item), Some(ComponentDefinedType::List { element, .. })) => {
                self.within("item".to_owned(), |walk| walk.value(item, element))
            }
            (TypeDefKind::Option(some), Some(ComponentDefinedType::Option { ty, .. })) => {
                self.within("`some`".to_owned(), |walk| walk.value(some, ty))
            }
            (TypeDefKind::Result(result), Some(ComponentDefinedType::Result { ok, err, .. })) => {
                self.within("`ok`".to_owned(), |walk| walk.payload(result.ok.as_ref(), ok.as_ref()))?;
                self.within("`error`".to_owned(), |walk| walk.payload(result.err.as_ref(), err.as_ref()))
            }
            (TypeDefKind::Tuple(tuple), Some(ComponentDefinedType::Tuple(other))) => {
                if tuple.types.len() != other.types.len() {
                    return unlike(self);
                }
                tuple.types.iter().zip(&other.types).try_for_each(|(expected, found)| self.value(expected, found))
            }
            (TypeDefKind::Record(record), Some(ComponentDefinedType::Record(other))) => {
                let fields = record.fields.iter().map(|field| (field.name.as_str(), Some(&field.ty)));
                let found = other.fields.iter().map(|(name, ty)| (name.as_str(), Some(ty)));
                self.members("field", fields.collect(), found)
            }
            (TypeDefKind::Variant(variant), Some(ComponentDefinedType::Variant(other))) => {
                let cases = variant.cases.iter().map(|case| (case.name.as_str(), case.ty.as_ref()));
                let found = other.cases.iter().map(|(name, case)| (name.as_str(), case.ty.as_ref()));
                self.members("case", cases.collect(), found)
            }
            (TypeDefKind::Enum(names), Some(ComponentDefinedType::Enum(other))) => {
                let cases = names.cases.iter().map(|case| (case.name.as_str(), None));
                self.members("case", cases.collect(), other.iter().map(|name| (name.as_str(), None)))
            }
            _ => unlike(self),
        }
    }

    /// Compares named members in order.
    fn members<'found>(
        &mut self,
        word: &str,
        expected: Vec<(&str, Option<&Type>)>,
        mut found: impl ExactSizeIterator<Item = (&'found str, Option<&'found ComponentValType>)>,
    ) -> Same {
        let count = found.len();
        for (name, ty) in &expected {
            match found.next() {
                Some((other, other_ty)) if *name == other => {
                    self.within(format!("{word} `{name}`"), |walk| walk.payload(*ty, other_ty))?;
                }
                Some((other, _)) => return self.differ(format!("{word} `{name}`"), format!("{word} `{other}`")),
                None => return self.differ(format!("{word} `{name}`"), format!("no more than {count} {word}s")),
            }
        }
        match found.next() {
            Some((extra, _)) => {
                self.differ(format!("{} {word}s", expected.len()), format!("one more {word}, `{extra}`"))
            }
            None => Ok(()),
        }
    }
}

fn same_primitive(expected: Type, found: PrimitiveValType) -> bool {
    use PrimitiveValType as Primitive;
    matches!(
        (expected, found),
        (Type::Bool, Primitive::Bool)
            | (Type::U8, Primitive::U8)
            | (Type::U16, Primitive::U16)
            | (Type::U32, Primitive::U32)
            | (Type::U64, Primitive::U64)
            | (Type::S8, Primitive::S8)
            | (Type::S16, Primitive::S16)
            | (Type::S32, Primitive::S32)
            | (Type::S64, Primitive::S64)
            | (Type::F32, Primitive::F32)
            | (Type::F64, Primitive::F64)
            | (Type::Char, Primitive::Char)
            | (Type::String, Primitive::String)
    )
}
