//! What CEL runs expressions with: its own functions, and the doors to the meter and to our library.

use std::sync::{Arc, LazyLock};

use cel::common::types::{CelInt, DYN_TYPE, INT_TYPE};
use cel::common::value::{CowVal, Val};
use cel::{DeclarationError, Env, ExecutionError, Value};

use super::instrument::{BUILT, CALL, TURN, WEIGHED};
use super::kinds::{Kind, Kinds};
use super::library::{self, Entry, Run};
use super::meter::{self, Weight};

/// Most values that one call of the library takes.
const ARGUMENTS_MAX: usize = 4;

static ENVIRONMENT: LazyLock<Result<Arc<Env>, DeclarationError>> = LazyLock::new(|| {
    let mut env = Env::stdlib();
    env.add_overload(WEIGHED, WEIGHED, vec![DYN_TYPE], weighed)?;
    env.add_overload(BUILT, BUILT, vec![DYN_TYPE], built)?;
    env.add_overload(TURN, TURN, vec![DYN_TYPE, INT_TYPE], turn)?;
    for count in 0..=ARGUMENTS_MAX {
        let takes = std::iter::once(INT_TYPE).chain((0..count).map(|_| DYN_TYPE)).collect();
        env.add_overload(CALL, &format!("{CALL}{count}"), takes, call)?;
    }
    Ok(Arc::new(env))
});

/// The environment of every expression. Its functions are named once, so it is always there.
pub(super) fn environment() -> Arc<Env> {
    ENVIRONMENT.as_ref().map_or_else(|_| Arc::new(Env::stdlib()), Arc::clone)
}

type Given<'b, 'v> = Vec<CowVal<'b, 'v>>;
type Answer<'b, 'v> = Result<CowVal<'b, 'v>, ExecutionError>;

fn failed(function: &str, problem: String) -> ExecutionError {
    ExecutionError::function_error(function, problem)
}

fn first<'b, 'v>(given: Given<'b, 'v>) -> Answer<'b, 'v> {
    given.into_iter().next().ok_or_else(ExecutionError::missing_argument_or_target)
}

fn weighed<'b, 'v>(given: Given<'b, 'v>) -> Answer<'b, 'v> {
    let value = first(given)?;
    meter::spend(Weight::of(value.as_ref()).operations()).map_err(|problem| failed(WEIGHED, problem))?;
    Ok(value)
}

fn built<'b, 'v>(given: Given<'b, 'v>) -> Answer<'b, 'v> {
    let value = first(given)?;
    pay_for(value.as_ref()).map_err(|problem| failed(BUILT, problem))?;
    Ok(value)
}

fn pay_for(value: &dyn Val) -> Result<(), String> {
    let weight = Weight::of(value);
    meter::spend(weight.operations())?;
    meter::build(weight.built())
}

fn turn<'b, 'v>(given: Given<'b, 'v>) -> Answer<'b, 'v> {
    let operations = given.last().and_then(|last| last.downcast_ref::<CelInt>()).map_or(0, |number| *number.inner());
    meter::spend(operations.unsigned_abs()).map_err(|problem| failed(TURN, problem))?;
    first(given)
}

fn call<'b, 'v>(given: Given<'b, 'v>) -> Answer<'b, 'v> {
    let mut given = given.into_iter();
    let number = given.next().and_then(|number| number.downcast_ref::<CelInt>().map(|number| *number.inner()));
    let entry = number.and_then(|number| usize::try_from(number).ok()).and_then(library::entry);
    let Some((entry, Run::Here(operation))) = entry.map(|entry| (entry, entry.function.run)) else {
        return Err(ExecutionError::missing_argument_or_target());
    };
    let given: Given<'b, 'v> = given.collect();
    let values = values(entry, &given)?;
    let failed = |problem| failed(entry.function.name, problem);
    let value: Box<dyn Val> = operation(&values).map_err(failed)?.try_into()?;
    pay_for(value.as_ref()).map_err(failed)?;
    Ok(CowVal::Owned(value))
}

/// What a function is given, if it fits.
fn values(entry: &Entry, given: &Given<'_, '_>) -> Result<Vec<Value>, ExecutionError> {
    let weights = given.iter().map(|value| Weight::of(value.as_ref()).scanned());
    meter::spend(weights.sum::<u64>().max(10)).map_err(|problem| failed(entry.function.name, problem))?;
    let kinds: Vec<Option<Kind>> = given.iter().map(|value| Kind::of(value.as_ref())).collect();
    let fits = |(takes, kind): (&Kinds, &Option<Kind>)| kind.is_some_and(|kind| takes.has(kind));
    if !entry.signature.takes.iter().zip(&kinds).all(fits) {
        let names = kinds.into_iter().map(|kind| kind.map_or("unknown", Kind::name).to_owned()).collect();
        return Err(ExecutionError::no_such_overload(entry.function.name, names));
    }
    given.iter().map(|value| Value::try_from(value.as_ref())).collect()
}
