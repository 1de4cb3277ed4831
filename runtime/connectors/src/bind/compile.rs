//! A function with its templates parsed, and every fault that is found on the way.

use std::sync::Arc;

use serde_json::Value;
use weir_engine::connector::{Argument, Authentication, ConnectorDocument, Function, HeaderTemplate};
use weir_engine::expression::{Expression, Template, TemplateFault, ValueTemplate};

use super::body::{Body, Encoding};
use super::endpoint::Endpoint;
use super::headers::{HeaderFault, HeaderField};
use crate::authenticate::sets_header;
use crate::fault::{Fault, codes};
use crate::response::ResponseReader;

/// A function that is ready to be bound.
#[derive(Debug)]
pub(crate) struct CompiledFunction {
    pub(super) arguments: Vec<Argument>,
    pub(super) endpoint: Endpoint,
    /// The connector's, then the function's.
    pub(super) headers: Vec<Arc<HeaderField>>,
    pub(super) body: Option<Body>,
    pub(super) response: Arc<ResponseReader>,
}

/// Parses the function at `index`, with the connector's own headers, which are the same for all its functions.
///
/// # Errors
/// Every fault of its templates.
pub(crate) fn function(
    document: &ConnectorDocument,
    index: usize,
    shared: &[Arc<HeaderField>],
) -> Result<CompiledFunction, Vec<Fault>> {
    let mut faults = Vec::new();
    let Some(source) = document.functions.get(index) else { return Err(faults) };
    let (at, shared) = (format!("/functions/{index}"), shared.to_vec());
    let compiled = own_parts(source, &document.authentication, shared, &at, &mut faults);
    compiled.filter(|_| faults.is_empty()).ok_or(faults)
}

/// The connector's own headers, and the faults of those that are none.
pub(crate) fn shared_headers(document: &ConnectorDocument) -> (Vec<Arc<HeaderField>>, Vec<Fault>) {
    let mut faults = Vec::new();
    let shared = headers(&document.headers, "", &document.authentication, &mut faults);
    (shared, faults)
}

fn headers(
    sources: &[HeaderTemplate],
    owner: &str,
    authentication: &Authentication,
    faults: &mut Vec<Fault>,
) -> Vec<Arc<HeaderField>> {
    let mut fields = Vec::new();
    for (index, source) in sources.iter().enumerate() {
        let at = format!("{owner}/headers/{index}");
        match HeaderField::compile(source) {
            Ok(field) if sets_header(authentication, &field.name) => {
                let name = &field.name;
                let message = format!("the connector's `authentication` sets `{name}`; leave one of the two out");
                faults.push(Fault::new(format!("{at}/name"), codes::HEADER, message));
            }
            Ok(field) => fields.push(Arc::new(field)),
            Err(HeaderFault::Name(message)) => faults.push(Fault::new(format!("{at}/name"), codes::HEADER, message)),
            Err(HeaderFault::Value(message)) => faults.push(Fault::new(format!("{at}/value"), codes::HEADER, message)),
            Err(HeaderFault::Template(fault)) => faults.push(template_fault(format!("{at}/value"), &fault)),
        }
    }
    fields
}

fn own_parts(
    source: &Function,
    authentication: &Authentication,
    mut shared: Vec<Arc<HeaderField>>,
    at: &str,
    faults: &mut Vec<Fault>,
) -> Option<CompiledFunction> {
    let own = headers(&source.headers, at, authentication, faults);
    for field in &own {
        undeclared(field.expressions(), source, &format!("{at}/headers"), faults);
    }
    // Two content types would make the body mean two things.
    if own.iter().any(|field| is_content_type(field)) {
        shared.retain(|field| !is_content_type(field));
    }
    shared.extend(own);
    let endpoint = endpoint(source, at, faults);
    let body = source.body.as_ref().and_then(|body| compile_body(source, body, &shared, at, faults));
    let response = response(source, at, faults);
    Some(CompiledFunction { arguments: source.arguments.clone(), endpoint: endpoint?, headers: shared, body, response })
}

pub(super) fn is_content_type(field: &HeaderField) -> bool {
    field.name == "content-type"
}

fn endpoint(source: &Function, at: &str, faults: &mut Vec<Fault>) -> Option<Endpoint> {
    let at = format!("{at}/endpoint");
    let template = Template::parse(&source.endpoint).map_err(|fault| faults.push(template_fault(&at, &fault))).ok()?;
    undeclared(template.expressions(), source, &at, faults);
    let fault = |message| Fault::new(&at, codes::ENDPOINT, message);
    Endpoint::compile(&template).map_err(|message| faults.push(fault(message))).ok()
}

fn response(source: &Function, at: &str, faults: &mut Vec<Fault>) -> Arc<ResponseReader> {
    let (reader, found) = ResponseReader::compile(source, &format!("{at}/response"));
    faults.extend(found);
    undeclared(reader.expression().into_iter(), source, &format!("{at}/response/transformation/expression"), faults);
    Arc::new(reader)
}

fn compile_body(
    source: &Function,
    body: &Value,
    headers: &[Arc<HeaderField>],
    at: &str,
    faults: &mut Vec<Fault>,
) -> Option<Body> {
    let at = format!("{at}/body");
    if !source.method.takes_body() {
        let method = source.method.as_str();
        let message = format!("a {method} request has no body; a body goes with POST, PUT and PATCH");
        faults.push(Fault::new(&at, codes::BODY, message));
    }
    let Value::String(text) = body else {
        return match ValueTemplate::parse(body) {
            Ok(template) => {
                undeclared(template.expressions().into_iter(), source, &at, faults);
                Some(Body::Json(template))
            }
            Err(found) => {
                faults.extend(found.iter().map(|(below, fault)| template_fault(format!("{at}{below}"), fault)));
                None
            }
        };
    };
    let template = Template::parse(text).map_err(|fault| faults.push(template_fault(&at, &fault))).ok()?;
    undeclared(template.expressions(), source, &at, faults);
    let body = Body::of_text(&template);
    let checked = match literal_encoding(headers) {
        Some(encoding) => body.check(encoding),
        None => Err("a text body needs a `content-type` without `${…}`: it decides how values are encoded".to_owned()),
    };
    checked.unwrap_or_else(|message| faults.push(Fault::new(&at, codes::BODY, message)));
    Some(body)
}

/// Arguments that a template reads and nobody can give.
fn undeclared<'a>(
    expressions: impl Iterator<Item = &'a Expression>,
    source: &Function,
    at: &str,
    faults: &mut Vec<Fault>,
) {
    for path in expressions.flat_map(Expression::paths) {
        if let [root, name, ..] = path.as_slice()
            && root == "args"
            && !source.arguments.iter().any(|argument| argument.name == *name)
        {
            let message = format!("`args.{name}` is read here, but the function declares no argument `{name}`");
            faults.push(Fault::new(at, codes::UNKNOWN_ARGUMENT, message));
        }
    }
}

/// The encoding of a text body, where no argument decides it.
fn literal_encoding(headers: &[Arc<HeaderField>]) -> Option<Encoding> {
    match headers.iter().rfind(|field| is_content_type(field)) {
        None => Some(Encoding::Json),
        Some(field) => field.literal().map(|content_type| Encoding::of(Some(&content_type))),
    }
}

fn template_fault(pointer: impl Into<String>, fault: &TemplateFault) -> Fault {
    let message = format!("{} (at byte {})", fault.message, fault.offset);
    Fault::new(pointer, codes::TEMPLATE, message)
}
