//! A pre-call hook: it gives a call a correlation id and query parameters, takes personal data out of the
//! body, and refuses the call where the user has not consented.
//!
//! Its settings in a flow (`config` of the hook), all optional:
//!
//! ```yaml
//! query:     { locale: /user/locale }      # parameter of the call: place in `input` (JSON Pointer, RFC 6901)
//! correlate: [/user/id]                    # what the correlation id is computed from, besides the run
//! drop:      [/user/email, phone]          # places in the body; a bare name goes wherever it stands
//! consent:   /user/consent                 # must be `true` in `input`, or the step fails
//! ```
//!
//! The hook sees `input`, never the whole context, and never the credential: the host adds that afterwards.

mod correlation; // the id: a stable hash
mod minimise; // what leaves the body
mod query; // what joins the URI
mod settings; // what the flow's author wrote

use exports::weir::plugin::pre_call::{Decision, Failure, Fault, Guest, Invocation, Request};
use serde_json::Value;
use settings::Settings;
use weir::plugin::log::{self, Level};
use weir::plugin::types::Header;

wit_bindgen::generate!({ path: "../../../wit", world: "pre-call-plugin" });

/// The header that ties this call to the run in the logs of both sides.
const CORRELATION_HEADER: &str = "x-correlation-id";

struct Correlate;
export!(Correlate);

impl Guest for Correlate {
    fn transform(invocation: Invocation, mut request: Request) -> Result<Decision, Fault> {
        log_panics();
        let settings = Settings::parse(&invocation.config)?;
        let input: Value =
            serde_json::from_str(&invocation.input).map_err(|error| format!("`input` is no JSON: {error}"))?;

        if !settings.has_consent(&input) {
            return Ok(Decision::Fail(no_consent()));
        }
        let dropped = prepare(&mut request, &invocation.run, &settings, &input)?;
        if !dropped.is_empty() {
            // Names only: the values are what must not leave.
            let fields = [("dropped".to_owned(), dropped.join(", "))];
            log::write(Level::Info, "personal fields dropped from the body", &fields);
        }
        Ok(Decision::Call(request))
    }
}

/// Makes the call ready to leave; answers with what was dropped from its body. No host call happens here, so
/// plain `cargo test` covers it.
fn prepare(request: &mut Request, run: &str, settings: &Settings, input: &Value) -> Result<Vec<String>, String> {
    for (name, place) in &settings.query {
        if let Some(value) = query::scalar(input, place)? {
            request.uri = query::set(&request.uri, name, &value);
        }
    }
    let id = correlation::id(run, settings.correlate.iter().map(|place| input.pointer(place)));
    request.headers.retain(|header| header.name != CORRELATION_HEADER);
    request.headers.push(Header { name: CORRELATION_HEADER.to_owned(), value: id.into_bytes() });

    let Some(body) = request.body.as_deref().filter(|_| !settings.drop.is_empty()) else {
        return Ok(Vec::new());
    };
    let (body, dropped) = minimise::without(body, &settings.drop)?;
    request.body = Some(body);
    Ok(dropped)
}

/// What the end user reads.
fn no_consent() -> Failure {
    Failure {
        reason: "Consent missing".to_owned(),
        description: Some("Your data is shared with this service only after you agree to it.".to_owned()),
    }
}

/// Whatever this plugin cannot work with is a fault: it stands in the diagnostic log, never before an end user.
impl From<String> for Fault {
    fn from(message: String) -> Self {
        Self { message, description: None }
    }
}

/// A panic ends the instance at once, with nothing to catch it; this says why in the run's log before it does.
fn log_panics() {
    std::panic::set_hook(Box::new(|panic| {
        let place = panic.location().map(ToString::to_string).unwrap_or_default();
        let message = panic.payload_as_str().unwrap_or("panicked");
        log::write(Level::Error, message, &[("panicked-at".to_owned(), place)]);
    }));
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn request(body: Option<Value>) -> Request {
        Request {
            method: "POST".to_owned(),
            uri: "https://risk.example/score?v=1".to_owned(),
            headers: vec![Header { name: CORRELATION_HEADER.to_owned(), value: b"from the flow".to_vec() }],
            body: body.map(|body| body.to_string().into_bytes()),
        }
    }

    fn settings(config: Value) -> Settings {
        Settings::parse(&config.to_string()).unwrap()
    }

    #[test]
    fn a_call_leaves_with_parameter_and_id_and_without_personal_fields() {
        let settings = settings(json!({
            "query": { "locale": "/user/locale", "absent": "/nowhere" },
            "correlate": ["/user/id"],
            "drop": ["/user/email"],
        }));
        let input = json!({ "user": { "id": "u-1", "locale": "de CH" } });
        let mut request = request(Some(json!({ "user": { "email": "a@b.example", "country": "CH" } })));

        let dropped = prepare(&mut request, "run-1", &settings, &input).unwrap();

        assert_eq!(dropped, ["/user/email"]);
        assert_eq!(request.uri, "https://risk.example/score?v=1&locale=de%20CH");
        assert_eq!(request.body.as_deref(), Some(br#"{"user":{"country":"CH"}}"#.as_slice()));
        let [header] = request.headers.as_slice() else { panic!("one header, not the one that was there") };
        assert_eq!(header.value.len(), 32);
    }

    #[test]
    fn a_body_that_cannot_be_read_is_a_fault_rather_than_a_leak() {
        let mut request = request(None);
        request.body = Some(b"email=a@b.example".to_vec());
        let fault = prepare(&mut request, "run-1", &settings(json!({ "drop": ["email"] })), &Value::Null).unwrap_err();
        assert!(fault.contains("no JSON"), "{fault}");
        assert!(!fault.contains("a@b"), "{fault}");
    }

    #[test]
    fn a_body_stays_as_it_is_where_nothing_is_to_be_dropped() {
        for body in [None, Some(b"not json".to_vec())] {
            let mut request = Request { body: body.clone(), ..request(None) };
            prepare(&mut request, "run-1", &Settings::default(), &Value::Null).unwrap();
            assert_eq!(request.body, body);
        }
    }
}
