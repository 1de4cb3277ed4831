//! From a document to what reads responses, with every fault that is found on the way.

use serde_json::Value;
use weir_engine::connector::{Function, ResponseFormat, Transformation};
use weir_engine::expression::{Expression, RESPONSE_ROOT};
use weir_engine::schema::Schema;

use super::ResponseReader;
use crate::fault::{Fault, codes};

impl ResponseReader {
    /// Compiles the settings at the pointer `at`.
    pub(crate) fn compile(function: &Function, at: &str) -> (Self, Vec<Fault>) {
        let settings = &function.response;
        let mut faults = Vec::new();
        if settings.schema.is_some() && settings.format == ResponseFormat::None {
            let message = "a schema needs a body, and the format `none` reads none; give the function another `format`, or leave one of the two out";
            faults.push(Fault::new(format!("{at}/schema"), codes::RESPONSE_SCHEMA, message));
        }
        let transformation = settings.transformation.as_ref();
        let at_transformation = format!("{at}/transformation");
        let reader = Self {
            schema: schema(settings.schema.as_ref(), &format!("{at}/schema"), &mut faults),
            expression: transformation.and_then(|it| expression(it, &at_transformation, &mut faults)),
            transformed_schema: schema(
                transformation.and_then(|it| it.schema.as_ref()),
                &format!("{at_transformation}/schema"),
                &mut faults,
            ),
        };
        (reader, faults)
    }
}

fn schema(schema: Option<&Value>, at: &str, faults: &mut Vec<Fault>) -> Option<Schema> {
    let compiled = Schema::compile(schema?);
    let fault = compiled.map_err(|it| Fault::new(format!("{at}{}", it.pointer), codes::RESPONSE_SCHEMA, it.message));
    fault.map_err(|fault| faults.push(fault)).ok()
}

fn expression(transformation: &Transformation, at: &str, faults: &mut Vec<Fault>) -> Option<Expression> {
    let mut fault = |pointer: &str, message: String| {
        faults.push(Fault::new(format!("{at}{pointer}"), codes::TRANSFORMATION, message));
    };
    let source = match (&transformation.expression, &transformation.plugin) {
        (Some(source), None) => source,
        (None, Some(_)) => return None,
        (Some(_), Some(_)) => {
            fault("", "a transformation is an `expression` or a `plugin`, not both; leave one out".to_owned());
            return None;
        }
        (None, None) => {
            fault("", "a transformation needs an `expression` or a `plugin`".to_owned());
            return None;
        }
    };
    if !transformation.config.is_null() {
        fault("/config", "only a `plugin` takes a `config`; leave it out beside an `expression`".to_owned());
    }
    Expression::parse_over(&[RESPONSE_ROOT, "args"], source)
        .map_err(|it| fault("/expression", format!("{} (at byte {})", it.message, it.offset)))
        .ok()
}
