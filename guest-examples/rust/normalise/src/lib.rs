//! A post-response hook: it turns what a random-user API answers into the few plain fields that a flow needs.
//!
//! The raw body stays in the context as it came; what this hook makes lands beside it as `transformed_data`:
//!
//! ```json
//! { "full_name": "Ada Lovelace", "email": "ada@example.com", "country": "Switzerland", "nationality": "CH",
//!   "date_of_birth": "1990-12-10", "age": 35, "phone": "079 000 00 00" }
//! ```
//!
//! It has no settings. An answer with no person in it fails the step for a business reason; an answer of another
//! shape is a fault, which names the place and never the value.

mod person; // the payload and the fields made from it

use exports::weir::plugin::post_response::{Decision, Failure, Fault, Guest, Invocation, Request, Response};
use person::Found;
use weir::plugin::log::{self, Level};

wit_bindgen::generate!({ path: "../../../wit", world: "post-response-plugin" });

struct Normalise;
export!(Normalise);

impl Guest for Normalise {
    fn transform(_: Invocation, _: Request, response: Response) -> Result<Decision, Fault> {
        log_panics();
        decide(response)
    }
}

/// Pure, so that plain `cargo test` covers it.
fn decide(mut response: Response) -> Result<Decision, Fault> {
    // An error answer has no person to read; the flow can branch on its status.
    if !(200..=299).contains(&response.status) {
        return Ok(Decision::Keep(response));
    }
    match person::read(&response.body)? {
        Found::Nobody => Ok(Decision::Fail(Failure {
            reason: "No such person".to_owned(),
            description: Some("The directory has no entry that matches.".to_owned()),
        })),
        Found::Person(person) => {
            let data = serde_json::to_string(&person).map_err(|error| error.to_string())?;
            response.transformed_data = Some(data);
            Ok(Decision::Keep(response))
        }
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

    fn answer(status: u16, body: &str) -> Response {
        Response { status, headers: Vec::new(), body: body.as_bytes().to_vec(), transformed_data: None }
    }

    #[test]
    fn a_person_lands_in_transformed_data_and_the_body_stays() {
        let Decision::Keep(response) = decide(answer(200, person::EXAMPLE)).unwrap() else { panic!("kept") };
        let data = response.transformed_data.unwrap();
        assert!(data.starts_with(r#"{"full_name":"Ada Lovelace","#), "{data}");
        assert_eq!(response.body, person::EXAMPLE.as_bytes());
    }

    #[test]
    fn nobody_is_a_failure_that_an_end_user_may_read() {
        let Decision::Fail(failure) = decide(answer(200, r#"{"results": []}"#)).unwrap() else { panic!("failed") };
        assert_eq!(failure.reason, "No such person");
    }

    #[test]
    fn an_error_answer_is_kept_as_it_is() {
        let Decision::Keep(response) = decide(answer(503, "<html>")).unwrap() else { panic!("kept") };
        assert_eq!((response.status, response.transformed_data), (503, None));
    }

    #[test]
    fn another_shape_is_a_fault() {
        assert!(decide(answer(200, "<html>")).unwrap_err().message.contains("no JSON"));
    }
}
