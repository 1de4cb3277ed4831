//! A tenant tries its connector before any run does, by the real command line with real plugins.

use std::process::Output;

use serde_json::{Value, json};
use weir_tests::upstream::TOKEN;

use crate::house::{House, event};

const CALL: &[&str] = &["connector", "test", "random-user.lookup", "--arg", "seed=u-1001"];

/// Tries the demo's call with its hooks; `more` comes last on the command line.
fn tried(house: &House, more: &[&str]) -> Output {
    let profile = format!("profile={}", event()["user"]);
    let context = house.folder.path().join("context.json");
    std::fs::write(&context, json!({ "event": event() }).to_string()).unwrap();
    let config = r#"correlate={"query": {"locale": "/user/locale"}, "correlate": ["/user/id"], "drop": ["/user/email", "phone"], "consent": "/user/consent"}"#;
    let mut line = [CALL, &["--arg", &profile, "--context", context.to_str().unwrap()]].concat();
    line.extend(["--pre-call", "correlate@^1", "--post-response", "normalise@^1", "--config", config]);
    line.extend(["--input", r#"correlate={"user": "${event.user}"}"#]);
    line.extend(more);
    house.server.try_cli(&house.key, &line, "").unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_function_is_tried_with_its_hooks_and_no_run_is_made() {
    // covers C-16; keeps K-01
    let house = House::demo().await;
    let output = tried(&house, &[]);
    let page = text(&output.stdout);
    assert!(output.status.success(), "{page}{}", text(&output.stderr));
    assert!(page.starts_with("success  200  random-user.lookup (version 1)"), "{page}");
    for line in [
        "request, as the function has it",
        "pre-call correlate@1.0.0",
        "request, before and after",
        "request, as sent",
        "the host adds the credential (bearer), which nobody sees; idempotency key ",
        "response, as it came",
        "post-response normalise@1.0.0",
        "result, as the context would have it",
    ] {
        assert!(page.contains(line), "{line}: {page}");
    }
    // The plugin's work, as a difference: it adds a parameter, and takes personal fields away.
    assert!(
        page.lines().any(|line| line.trim_start().starts_with("+ POST") && line.contains("locale=de-CH")),
        "{page}"
    );
    assert!(page.lines().any(|line| line.trim_start().starts_with("- ") && line.contains("\"email\"")), "{page}");
    assert!(page.lines().any(|line| line.trim_start().starts_with("+ ") && line.contains("Ada Lovelace")), "{page}");
    assert!(page.lines().any(|line| line.contains("first byte ") && line.contains(" · total ")), "{page}");
    assert!(!page.contains(TOKEN));

    let received = house.upstream.received();
    let [request] = received.as_slice() else { panic!("{received:?}") };
    assert_eq!(request.uri, "/api?results=1&seed=u-1001&locale=de-CH");
    assert_eq!(request.header("authorization"), Some(format!("Bearer {TOKEN}").as_str()), "a test is a real call");
    assert_eq!(house.api().get("/v1/runs").json()["items"], json!([]));
    house.server.log_with("a connector call was tried");
}

#[tokio::test(flavor = "multi_thread")]
async fn programs_read_the_same_as_json() {
    // covers C-16; keeps K-01
    let house = House::demo().await;
    let output = tried(&house, &["-o", "json"]);
    let view: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!((&view["outcome"], &view["authentication"]), (&json!("success"), &json!("bearer")));
    assert_eq!(view["result"]["transformed_data"]["full_name"], "Ada Lovelace");
    assert!(view["bound_request"]["body"].as_str().unwrap().contains("Lovelace"));
    assert!(!view["sent_request"]["body"].as_str().unwrap().contains("Lovelace"));
    assert_eq!(view["pre_call"][0]["invocation"]["step"], "connector-test");
    assert!(view["attempts"][0]["timings"]["total_us"].as_u64().unwrap() > 0);
    assert!(!view.to_string().contains(TOKEN));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failure_and_an_error_end_with_1_and_say_why() {
    // covers C-16, C-12, C-02
    let house = House::demo().await;
    let line = [CALL, &["--arg", "profile={}"]].concat();
    let echo = format!("{{\"why\":\"gone\",\"echo\":\"{TOKEN}\"}}");
    house.upstream.answer_next((axum::http::StatusCode::NOT_FOUND, echo));
    let output = house.server.try_cli(&house.key, &line, "").unwrap();
    let page = text(&output.stdout);
    assert_eq!(output.status.code(), Some(1), "{page}");
    assert!(page.starts_with("failure  404 ") && page.contains("gone"), "{page}");
    assert!(!page.contains(TOKEN), "keeps K-02: {page}");

    let output = house.server.try_cli(&house.key, CALL, "").unwrap();
    let page = text(&output.stdout);
    assert_eq!(output.status.code(), Some(1), "{page}");
    assert!(page.starts_with("error ") && page.contains("connector.invalid-argument: "), "{page}");
    assert_eq!(house.upstream.received().len(), 1, "a missing argument sends nothing");

    let line = ["connector", "test", "random-user.lookup", "--arg", "profile=[]"];
    let output = house.server.try_cli(&house.key, &line, "").unwrap();
    assert_eq!(output.status.code(), Some(64));
    assert!(text(&output.stderr).contains("`[]` is not an object"), "{}", text(&output.stderr));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_document_is_tried_before_it_is_saved() {
    // covers C-16
    let house = House::empty().await;
    house.server.try_cli(&house.key, &["credential", "set", "token", "--type", "bearer"], TOKEN).unwrap();
    let file = house.folder.path().join("people.yaml");
    let text_of = |method: &str| {
        format!(
            "connector: people\nbase-url: {}\nauthentication: {{ type: bearer, credential: token }}\nfunctions:\n  - name: find\n    arguments: [{{ name: seed, type: string }}]\n    method: {method}\n    mode: background\n    endpoint: /api?seed=${{args.seed}}\n",
            house.upstream.url()
        )
    };
    let path = file.to_str().unwrap();
    let line = ["connector", "test", "people.find", "--file", path, "--arg", "seed=s"];
    std::fs::write(&file, text_of("GET")).unwrap();
    let output = house.server.try_cli(&house.key, &line, "").unwrap();
    let page = text(&output.stdout);
    assert!(output.status.success(), "{page}{}", text(&output.stderr));
    assert!(page.starts_with("success  200  people.find (not saved)"), "{page}");
    assert!(page.contains("Lovelace"), "a function that nobody waits for is waited for here: {page}");
    assert_eq!(house.api().get("/v1/connectors").json()["items"], json!([]));

    std::fs::write(&file, text_of("FETCH")).unwrap();
    let output = house.server.try_cli(&house.key, &line, "").unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(text(&output.stderr).contains("people.yaml:7:13"), "{}", text(&output.stderr));
}

#[tokio::test(flavor = "multi_thread")]
async fn only_those_who_may_save_a_connector_try_one() {
    // covers C-16, T-02
    let house = House::demo().await;
    for role in ["runner", "viewer"] {
        let key = house.server.tenant("demo", role).unwrap();
        let answer = crate::house::Api::new(&house.server.url, &key)
            .post("/v1/connectors/random-user/functions/lookup/test", &json!({}));
        assert_eq!((answer.status, answer.problem().as_str()), (403, "auth.not-permitted"), "{role}");
    }
    assert!(house.upstream.received().is_empty());
}
