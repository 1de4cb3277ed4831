//! Digest authentication against a server that checks it with the same crate's other half.

use std::sync::{Arc, Mutex};

use digest_auth::{AuthContext, AuthorizationHeader, HttpMethod, Qop};
use serde_json::json;

use super::support::{House, PASSWORD, body, closing, header, posting, server};
use crate::support::Upstream;

/// What a server offers, and how often it lets a nonce be used.
struct Guard {
    challenges: &'static [&'static str],
    password: &'static str,
    uses_max: u32,
    /// The number of the nonce, and the uses of it so far.
    state: Mutex<(u32, u32)>,
}

impl Guard {
    fn answer(&self, request: &str) -> Vec<u8> {
        let mut state = self.state.lock().expect("not poisoned");
        let given = header(request, "authorization");
        let mut stale = "";
        if !given.is_empty() {
            let given = AuthorizationHeader::parse(given).expect("an authorization");
            if given.nonce == format!("nonce-{}", state.0) && given.nc == state.1 + 1 && state.1 < self.uses_max {
                state.1 += 1;
                let status = if self.knows(request, given) { 200 } else { 401 };
                return closing(status, "", "");
            }
            stale = ", stale=true";
        }
        *state = (state.0 + 1, 0);
        let nonce = state.0;
        let field = |challenge: &&str| format!("www-authenticate: {challenge}, nonce=\"nonce-{nonce}\"{stale}\r\n");
        closing(401, &self.challenges.iter().map(field).collect::<String>(), "")
    }

    fn knows(&self, request: &str, given: AuthorizationHeader) -> bool {
        let mut line = request.split(' ');
        let (method, uri) = (line.next().expect("a method"), line.next().expect("a URI"));
        let context = AuthContext::new_with_method(
            "Mufasa",
            self.password,
            uri,
            Some(body(request).as_bytes()),
            HttpMethod::from(method),
        );
        let mut expected = given.clone();
        expected.digest(&context);
        expected.response == given.response && given.uri == uri && given.realm == "r, \"x\""
    }
}

async fn guard(challenges: &'static [&'static str], password: &'static str, uses_max: u32) -> Upstream {
    let guard = Arc::new(Guard { challenges, password, uses_max, state: Mutex::default() });
    server(move |request| guard.answer(request)).await
}

const REALM: &str = r#"Digest realm="r, \"x\"", qop="auth""#;

#[tokio::test]
async fn challenges_are_answered_with_each_algorithm_and_protection() {
    // covers C-06
    for (challenges, algorithm, qop) in [
        (&[r#"Digest realm="r, \"x\"", qop="auth", algorithm=MD5"#][..], "MD5", Qop::AUTH),
        (&[r#"Digest realm="r, \"x\"", qop="auth-int", algorithm=MD5-sess"#], "MD5-sess", Qop::AUTH_INT),
        (&[r#"Digest realm="r, \"x\"", qop="auth,auth-int", algorithm=SHA-256"#], "SHA-256", Qop::AUTH_INT),
        (&[r#"Digest realm="r, \"x\"", qop="auth", algorithm=SHA-256-sess, userhash=true"#], "SHA-256-sess", Qop::AUTH),
        (
            &["Basic realm=\"x\"", REALM, r#"Digest realm="r, \"x\"", qop="auth", algorithm=SHA-256"#],
            "SHA-256",
            Qop::AUTH,
        ),
    ] {
        let upstream = guard(challenges, PASSWORD, 10).await;
        let document = posting(&upstream, json!({"type": "digest", "credential": "basic"}));
        let exchange = House::new().call(&document).await;
        let statuses: Vec<_> = exchange.attempts.iter().map(|attempt| attempt.status).collect();
        assert_eq!(statuses, [Some(401), Some(200)], "{challenges:?}");
        let sent = AuthorizationHeader::parse(header(&upstream.heard()[1], "authorization")).expect("an answer");
        assert_eq!((sent.algorithm.to_string().as_str(), sent.qop), (algorithm, Some(qop)));
    }
}

#[tokio::test]
async fn a_nonce_serves_until_it_is_stale() {
    // covers C-06: RFC 7616 sections 3.3 and 3.4
    let upstream = guard(&[REALM], PASSWORD, 2).await;
    let document = posting(&upstream, json!({"type": "digest", "credential": "basic"}));
    let house = House::new();
    for (call, heard) in [2, 3, 5, 6].into_iter().enumerate() {
        assert_eq!(house.response(&document).await.status, 200, "{call}");
        assert_eq!(upstream.heard().len(), heard, "{call}");
    }
}

#[tokio::test]
async fn a_wrong_password_is_one_more_try_and_then_the_response() {
    // covers C-06
    let upstream = guard(&[REALM], "another", 10).await;
    let document = posting(&upstream, json!({"type": "digest", "credential": "basic"}));
    let response = House::new().response(&document).await;
    assert_eq!((response.status, upstream.heard().len()), (401, 2));
}

#[tokio::test]
async fn challenges_that_nobody_can_answer_are_the_response() {
    // covers C-06, keeps E-03: `digest_auth` alone panics at the third
    for challenge in
        ["Basic realm=\"x\"", "Digest realm=\"x\"", "Digest réalm=\"é\", é=é", "Digest realm=x, nonce=\"open"]
    {
        let answer = closing(401, &format!("www-authenticate: {challenge}\r\n"), "");
        let upstream = Upstream::answering(answer).await;
        let document = posting(&upstream, json!({"type": "digest", "credential": "basic"}));
        let response = House::new().response(&document).await;
        assert_eq!((response.status, upstream.heard().len()), (401, 1), "{challenge}");
    }
}
