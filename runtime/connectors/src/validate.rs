//! Every fault of a connector document, found when it is saved.

mod authentication;
mod delivery;

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use weir_engine::connector::{Argument, Connection, ConnectorDocument, Tls};
use weir_engine::expression::type_name;
use weir_engine::sensitive::{NAME_BYTES_MAX as NAME_BYTES_MAX_SENSITIVE, NAMES_MAX, is_name};

use crate::bind::{HeaderField, compile_function, name_of, of_type, shared_headers};
use crate::fault::{Fault, codes};
use crate::settings::Ceilings;

/// Every fault of a document, in the order of the document; none if it can be saved.
pub fn validate(document: &ConnectorDocument, ceilings: &Ceilings) -> Vec<Fault> {
    let mut faults = base_url(&document.base_url);
    faults.extend(authentication::authentication(&document.authentication));
    faults.extend(count("/headers", document.headers.len(), HEADERS_MAX));
    let (shared, of_headers) = shared_headers(document);
    faults.extend(of_headers);
    faults.extend(sensitive(&document.sensitive));
    let ceilings = ceilings.effective();
    faults.extend(connection(&document.connection, &ceilings));
    faults.extend(tls(document));
    faults.extend(delivery::of_connection(&document.connection, &ceilings));
    faults.extend(functions(document, &shared, &ceilings));
    faults
}

/// The most functions of a connector.
const FUNCTIONS_MAX: usize = 100;
/// The most headers of a connector, and of a function besides.
const HEADERS_MAX: usize = 100;
/// The most trusted identities of a connector: each is opened for each call.
const TRUSTED_MAX: usize = 10;
/// The most arguments of a function.
const ARGUMENTS_MAX: usize = 100;

fn count(pointer: impl Into<String>, count: usize, most: usize) -> Option<Fault> {
    let message = || format!("there are {count} of these; a connector has at most {most} in one place");
    (count > most).then(|| Fault::new(pointer, codes::COUNT, message()))
}

fn base_url(url: &url::Url) -> Vec<Fault> {
    let mut messages = Vec::new();
    if !matches!(url.scheme(), "http" | "https") {
        messages.push(format!("the base URL's scheme is `{}`; write an `https` or `http` URL", url.scheme()));
    }
    if url.query().is_some() {
        messages.push("the base URL has a query; put it in the `endpoint` of the functions".to_owned());
    }
    if url.fragment().is_some() {
        messages.push("the base URL has a fragment, which is never sent; leave it out".to_owned());
    }
    if !url.username().is_empty() || url.password().is_some() {
        messages.push(
            "the base URL holds a user name or a password; store a credential and name it in `authentication`"
                .to_owned(),
        );
    }
    // In a path the URL type has encoded the brace.
    if url.as_str().contains("${") || url.as_str().contains("$%7B") {
        messages.push(
            "the base URL has a `${…}`, but it is never interpolated: no value decides which system is called; put what changes into the `endpoint` of the functions"
                .to_owned(),
        );
    }
    messages.into_iter().map(|message| Fault::new("/base-url", codes::BASE_URL, message)).collect()
}

fn sensitive(names: &[String]) -> Vec<Fault> {
    let bad = names.iter().enumerate().filter(|(_, name)| !is_name(name));
    let bad = bad.map(|(index, _)| {
        let message = format!("a name has a letter or a digit, and at most {NAME_BYTES_MAX_SENSITIVE} bytes");
        Fault::new(format!("/sensitive/{index}"), codes::SENSITIVE, message)
    });
    let count = (names.len() > NAMES_MAX).then(|| {
        let message = format!("there are {} of these; a connector marks at most {NAMES_MAX}", names.len());
        Fault::new("/sensitive", codes::COUNT, message)
    });
    count.into_iter().chain(bad).collect()
}

fn connection(connection: &Connection, ceilings: &Ceilings) -> Vec<Fault> {
    // A setting at its default may be one that the document leaves out: calls hold it to the ceiling.
    let default = Connection::default();
    let mut faults = Vec::new();
    for (name, timeout, least, default) in [
        ("request-timeout", connection.request_timeout, Duration::from_millis(1), default.request_timeout),
        ("connect-timeout", connection.connect_timeout, CONNECT_TIMEOUT_MIN, default.connect_timeout),
    ] {
        if timeout < least || (timeout > ceilings.timeout_max && timeout != default) {
            let [least, most] = [least, ceilings.timeout_max].map(weir_engine::duration_text::to_text);
            let message = format!("`{name}` must be at least {least} and at most {most}");
            faults.push(Fault::new(format!("/connection/{name}"), codes::TIMEOUT, message));
        }
    }
    for (name, limit, most, default) in [
        ("response-bytes-max", connection.response_bytes_max, ceilings.response_bytes_max, default.response_bytes_max),
        ("header-bytes-max", connection.header_bytes_max, ceilings.header_bytes_max, default.header_bytes_max),
        (
            "json-depth-max",
            connection.json_depth_max.into(),
            ceilings.json_depth_max.into(),
            default.json_depth_max.into(),
        ),
    ] {
        if limit == 0 || (limit > most && limit != default) {
            let message = format!("`{name}` is {limit}; the operator lets it be from 1 to {most}");
            faults.push(Fault::new(format!("/connection/{name}"), codes::LIMIT, message));
        }
    }
    faults
}

fn tls(document: &ConnectorDocument) -> Vec<Fault> {
    let mut faults = Vec::new();
    if document.tls != Tls::default() && document.base_url.scheme() == "http" {
        let message = "the base URL is `http`, so nothing of this would be used: write `https`, or leave `tls` out";
        faults.push(Fault::new("/tls", codes::TLS, message));
    }
    let trusted = document.tls.trusted.len();
    if trusted > TRUSTED_MAX {
        let message = format!(
            "there are {trusted} trusted identities; a connector has at most {TRUSTED_MAX}, and one identity can hold many certificates"
        );
        faults.push(Fault::new("/tls/trusted", codes::COUNT, message));
    }
    faults
}

fn functions(document: &ConnectorDocument, shared: &[Arc<HeaderField>], ceilings: &Ceilings) -> Vec<Fault> {
    let mut faults: Vec<Fault> = count("/functions", document.functions.len(), FUNCTIONS_MAX).into_iter().collect();
    if document.functions.is_empty() {
        let message = "a connector needs at least one function";
        faults.push(Fault::new("/functions", codes::NO_FUNCTIONS, message));
    }
    let mut names = HashSet::new();
    for (index, function) in document.functions.iter().enumerate() {
        let at = format!("/functions/{index}");
        if !names.insert(&function.name) {
            let message = format!("another function is named `{}`; give each its own name", function.name);
            faults.push(Fault::new(format!("{at}/name"), codes::DUPLICATE, message));
        }
        faults.extend(count(format!("{at}/arguments"), function.arguments.len(), ARGUMENTS_MAX));
        faults.extend(count(format!("{at}/headers"), function.headers.len(), HEADERS_MAX));
        faults.extend(arguments(&function.arguments, &at));
        faults.extend(delivery::of_function(function, &at, ceilings));
        faults.extend(compile_function(document, index, shared).err().unwrap_or_default());
    }
    faults
}

fn arguments(arguments: &[Argument], function: &str) -> Vec<Fault> {
    let mut faults = Vec::new();
    let mut names = HashSet::new();
    for (index, argument) in arguments.iter().enumerate() {
        let at = format!("{function}/arguments/{index}");
        let name = &argument.name;
        if !is_identifier(name) {
            let shortened: String = name.chars().take(80).collect();
            let message = format!(
                "`{shortened}` is not an argument name; write a letter or `_`, then letters, digits and `_`, at most {NAME_BYTES_MAX} in all"
            );
            faults.push(Fault::new(format!("{at}/name"), codes::ARGUMENT_NAME, message));
        }
        if !names.insert(name) {
            let message = format!("another argument is named `{name}`; give each its own name");
            faults.push(Fault::new(format!("{at}/name"), codes::DUPLICATE, message));
        }
        faults.extend(default_of(argument, &at));
    }
    faults
}

fn default_of(argument: &Argument, at: &str) -> Vec<Fault> {
    let mut faults = Vec::new();
    let Some(default) = &argument.default else { return faults };
    if argument.required {
        let message = "a required argument has no use for a default; leave one of the two out";
        faults.push(Fault::new(format!("{at}/default"), codes::REQUIRED_DEFAULT, message));
    }
    if of_type(argument.kind, default).is_none() {
        let message = format!("the default is {}, but the argument is {}", type_name(default), name_of(argument.kind));
        faults.push(Fault::new(format!("{at}/default"), codes::DEFAULT_TYPE, message));
    }
    faults
}

/// The shortest time for resolving, connecting and TLS: less would leave names behind that nobody waits for.
const CONNECT_TIMEOUT_MIN: Duration = Duration::from_millis(50);

/// The longest argument name, in bytes.
const NAME_BYTES_MAX: usize = 64;

/// What CEL can write as `args.NAME`.
fn is_identifier(name: &str) -> bool {
    let mut bytes = name.bytes();
    name.len() <= NAME_BYTES_MAX
        && bytes.next().is_some_and(|first| first.is_ascii_alphabetic() || first == b'_')
        && bytes.all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
}
