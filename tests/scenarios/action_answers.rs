//! External action services that answer badly, or in ways of their own: every run ends as the contract says, and says
//! why.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::{Value, json};

use crate::house::{Api, House};

const FLOW: &str = "flow: acts\ntrigger: REGISTRATION\nsteps:\n  - id: act\n    action: FLOW_EXTENSION\n    service: svc.f\n    allowed-operations: [{ op: replace, paths: ['/user/claims[uri=tier]'] }]\n";
const SUCCESS: &str = r#"{"actionStatus": "SUCCESS"}"#;

/// A service that writes what it is told to, byte by byte.
struct Service {
    url: String,
    heard: Arc<Mutex<Vec<String>>>,
}

impl Service {
    /// Hands every request and its connection to `answer`.
    fn serving(answer: impl Fn(&str, &mut TcpStream) -> std::io::Result<()> + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let (heard, answer) = (Arc::<Mutex<Vec<String>>>::default(), Arc::new(answer));
        let kept = heard.clone();
        std::thread::spawn(move || {
            for mut stream in listener.incoming().map_while(Result::ok) {
                let (kept, answer) = (kept.clone(), answer.clone());
                std::thread::spawn(move || {
                    let Some(request) = read(&stream) else { return };
                    kept.lock().unwrap().push(request.clone());
                    // The caller may have gone away.
                    let _ = answer(&request, &mut stream);
                });
            }
        });
        Self { url, heard }
    }

    fn answering(answer: Vec<u8>) -> Self {
        Self::serving(move |_, stream| stream.write_all(&answer))
    }

    fn heard(&self) -> Vec<String> {
        self.heard.lock().unwrap().clone()
    }
}

/// A request with its body.
fn read(stream: &TcpStream) -> Option<String> {
    let mut reader = BufReader::new(stream);
    let mut request = String::new();
    while !request.ends_with("\r\n\r\n") {
        if reader.read_line(&mut request).ok()? == 0 {
            return None;
        }
    }
    let length = request.lines().find_map(|line| line.strip_prefix("content-length: "));
    let mut body = vec![0; length.map_or(0, |length| length.parse().unwrap())];
    reader.read_exact(&mut body).ok()?;
    request.push_str(&String::from_utf8(body).ok()?);
    Some(request)
}

fn response(status: u16, content_type: &str, body: impl AsRef<[u8]>) -> Vec<u8> {
    let body = body.as_ref();
    let head = format!(
        "HTTP/1.1 {status} It\r\nconnection: close\r\ncontent-type: {content_type}\r\ncontent-length: {}\r\n\r\n",
        body.len()
    );
    [head.as_bytes(), body].concat()
}

fn ok(body: impl AsRef<[u8]>) -> Vec<u8> {
    response(200, "application/json", body)
}

fn connector(url: &str, more: &Value) -> Value {
    let mut document = json!({
        "connector": "svc",
        "base-url": url,
        "functions": [{ "name": "f", "method": "POST", "endpoint": "/act", "log": { "failure": "error" } }],
    });
    document.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    document
}

fn save(house: &House, path: &str, document: &Value) {
    let saved = house.api().put(path, "application/json", document.to_string().as_bytes());
    assert!(saved.status < 300, "{}", saved.text);
}

/// Asks the service once. The run, and the journal's entry of the action.
fn act(house: &House, url: &str, more: &Value) -> (Value, Value) {
    save(house, "/v1/connectors/svc", &connector(url, more));
    let saved = house.api().put("/v1/flows/acts", "application/yaml", FLOW.as_bytes());
    assert!(saved.status < 300, "{}", saved.text);
    let run = house.run("acts", &json!({ "user": { "claims": [{ "uri": "tier", "value": "silver" }] } }));
    let entry = house.journal(&run)[0].clone();
    (run, entry)
}

fn attempts(entry: &Value) -> usize {
    entry["record"]["service"]["exchanges"].as_array().unwrap().len()
}

/// Checks that a bad answer ended the run as an error that says why, everywhere where an author looks.
fn refuses(house: &House, service: &Service, more: &Value, code: &str, says: &str) -> usize {
    let (run, entry) = act(house, &service.url, more);
    assert_eq!((&run["state"], &run["error"]["code"]), (&json!("error"), &json!(code)), "{run}");
    let message = run["error"]["message"].as_str().unwrap();
    assert!(message.contains(says), "{says:?} in {message}");
    assert!(entry["record"]["answer"].is_null(), "no answer was taken: {entry}");
    let changed = entry["changes"].as_array().unwrap().iter().any(|change| change["key"] == "event");
    assert!(!changed, "the event is as it was: {entry}");
    let told = entry["diagnostics"].as_array().unwrap().iter().any(|told| {
        told["resultStatus"] == "Failed" && told["resultMessage"].as_str().is_some_and(|text| text.contains(code))
    });
    assert!(told, "{code} in {}", entry["diagnostics"]);
    attempts(&entry)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bad_answer_is_never_a_success_and_says_what_is_wrong() {
    // covers A-05, A-08, D-01
    let house = House::empty().await;
    let operations = |count: usize| {
        let one = json!({ "op": "replace", "path": "/user/claims[uri=tier]", "value": "gold" });
        json!({ "actionStatus": "SUCCESS", "operations": vec![one; count] }).to_string()
    };
    let large = json!({ "actionStatus": "SUCCESS", "operations": [{ "op": "replace", "path": "/user/claims[uri=tier]",
        "value": "x".repeat(10 << 20) }] });
    let nested = format!("{{\"actionStatus\": \"SUCCESS\", \"operations\": {}{}}}", "[".repeat(5000), "]".repeat(5000));
    let unusable = "action.unusable-answer";
    for (answer, code, says) in [
        (ok("done"), unusable, "line 1 column 1"),
        (ok(""), unusable, "its body is empty"),
        (response(200, "text/html", SUCCESS), unusable, "its `content-type` is `text/html`"),
        (ok("{}"), unusable, "at `/actionStatus`: it is missing"),
        (ok(r#"{"actionStatus": "OK"}"#), unusable, "at `/actionStatus`"),
        (ok(r#"{"actionStatus": "SUCCESS", "operations": null}"#), unusable, "at `/operations`: it is null"),
        (ok(operations(1000)), "action.too-many-operations", "it has 1000 operations; at most 200"),
        (ok(large.to_string()), "connector.response-too-large", "4194304 bytes"),
        (ok(r#"{"actionStatus": "FAILED", "actionStatus": "SUCCESS"}"#), unusable, "a name stands twice"),
        (ok(nested), unusable, "nests deeper than 64 levels"),
        (ok(b"{\"actionStatus\": \"SUCCESS\xff\"}"), unusable, "no UTF-8: byte 26"),
        (response(403, "application/json", SUCCESS), "action.unexpected-status", "the status 403"),
        (b"HTTP/1.1 200 OK\r\ncontent-length: 1000\r\n\r\n{".to_vec(), "connector.protocol", ""),
        (Vec::new(), "connector.protocol", ""),
    ] {
        let service = Service::answering(answer);
        let attempts = refuses(&house, &service, &json!({}), code, says);
        assert_eq!((attempts, service.heard().len()), (1, 1), "{code} {says}");
    }
    let long = json!({ "actionStatus": "SUCCESS", "operations": [{ "op": "replace", "path": "/user/claims[uri=tier]",
        "value": "x".repeat(100 << 10) }] });
    for good in [operations(200), long.to_string()] {
        let (run, _) = act(&house, &Service::answering(ok(good)).url, &json!({}));
        assert_eq!(run["state"], "completed", "{run}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_may_pass_is_tried_once_more_with_the_same_request() {
    // covers A-03, A-08, E-05, F-06
    let house = House::empty().await;
    let impatient = json!({ "connection": { "request-timeout": "300ms" } });
    let slow = Service::serving(|_, stream| {
        stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 100000\r\n\r\n")?;
        loop {
            stream.write_all(b" ")?;
            std::thread::sleep(Duration::from_millis(10));
        }
    });
    assert_eq!(refuses(&house, &slow, &impatient, "connector.request-timeout", "within 300ms"), 2);
    let heard = slow.heard();
    assert_eq!((heard.len(), heard.first()), (2, heard.last()), "both attempts are one request");
    let (head, body) = heard[0].split_once("\r\n\r\n").unwrap();
    assert!(head.starts_with("POST /act HTTP/1.1\r\n") && head.contains("\r\naccept: application/json\r\n"), "{head}");
    assert!(
        head.contains("\r\ncontent-type: application/json\r\n") && head.contains("\r\nidempotency-key: "),
        "{head}"
    );
    let body: Value = serde_json::from_str(body).unwrap();
    let names: Vec<&String> = body.as_object().unwrap().keys().collect();
    assert_eq!(names, ["actionType", "allowedOperations", "event", "requestId"], "{body}");

    let error = r#"{"actionStatus": "ERROR", "errorMessage": "database down"}"#;
    for (status, body, attempts) in [(500, "<html>", 2), (503, error, 2), (500, error, 1), (400, "no", 1)] {
        let service = Service::answering(response(status, "application/json", body));
        let (run, entry) = act(&house, &service.url, &json!({}));
        assert_eq!((run["state"].as_str(), service.heard().len()), (Some("error"), attempts), "{status} {run}");
        let told = entry["diagnostics"].as_array().unwrap().iter();
        assert!(told.filter(|told| told["input"]["status"] == status).count() == attempts, "{entry}");
    }
    let cut_off = |status: u16| format!("HTTP/1.1 {status} It\r\ncontent-length: 1000\r\n\r\n<html>").into_bytes();
    let large = |status| response(status, "text/html", "x".repeat(5 << 20));
    for (status, answer, attempts) in [
        (500, cut_off(500), 2),
        (502, cut_off(502), 2),
        (503, large(503), 2),
        (504, large(504), 2),
        (403, large(403), 1),
    ] {
        let service = Service::answering(answer);
        let says = format!("the status {status}");
        let made = refuses(&house, &service, &json!({}), "action.unexpected-status", &says);
        assert_eq!((made, service.heard().len()), (attempts, attempts), "{status}");
    }
    let recovering = Service::serving({
        let asked = Mutex::new(0);
        move |_, stream| {
            let mut asked = asked.lock().unwrap();
            *asked += 1;
            stream.write_all(&if *asked == 1 { cut_off(502) } else { ok(SUCCESS) })
        }
    });
    let (run, entry) = act(&house, &recovering.url, &json!({}));
    assert_eq!((run["state"].as_str(), attempts(&entry)), (Some("completed"), 2), "{run}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_error_of_the_service_reaches_the_author_and_nobody_else() {
    // covers A-07, T-02
    let house = House::empty().await;
    let error =
        json!({ "actionStatus": "ERROR", "errorMessage": "ldap-7 is down", "errorDescription": "bind as svc-x" });
    let service = Service::answering(response(500, "application/json", error.to_string()));
    let (run, entry) = act(&house, &service.url, &json!({}));
    let said = (&run["error"]["code"], &run["error"]["detail"]);
    assert_eq!(said, (&json!("action.provider-error"), &json!("ldap-7 is down: bind as svc-x")));
    let left = entry["changes"].as_array().unwrap().iter().find(|change| change["key"] == "steps.act").unwrap();
    assert!(!left.to_string().contains("ldap"), "later steps cannot hand it on: {left}");
    assert!(entry["record"]["answer"].to_string().contains("ldap-7"), "{entry}");
    let runner = Api::new(&house.server.url, &house.server.tenant("demo", "runner").unwrap());
    let seen = runner.get(&format!("/v1/runs/{}", run["id"].as_str().unwrap()));
    assert_eq!(seen.json()["error"], json!({ "code": "action.provider-error" }), "{}", seen.text);
    assert!(!seen.text.contains("ldap") && !seen.text.contains("svc-x"), "{}", seen.text);
}

#[tokio::test(flavor = "multi_thread")]
async fn unknown_members_are_refused_or_told_of() {
    // covers A-05, D-01
    let house = House::empty().await;
    let service = Service::answering(ok(r#"{"actionStatus": "SUCCESS", "trace": {"id": 1}}"#));
    refuses(&house, &service, &json!({}), "action.unusable-answer", "at `/trace`");
    let tolerant = FLOW.replace("svc.f\n", "svc.f\n    settings: { unknown-members: ignore }\n");
    let saved = house.api().put("/v1/flows/acts", "application/yaml", tolerant.as_bytes());
    assert!(saved.status < 300, "{}", saved.text);
    let run = house.run("acts", &json!({}));
    assert_eq!(run["state"], "completed", "{run}");
    let told = &house.journal(&run)[0]["diagnostics"][0];
    assert_eq!((&told["level"], &told["resultStatus"]), (&json!("warning"), &json!("Success")), "{told}");
    assert!(told["resultMessage"].as_str().unwrap().contains("`/trace`"), "{told}");
}

const SECRET: &str = "s3cret-of-the-service-4711";

#[tokio::test(flavor = "multi_thread")]
async fn each_authentication_arrives_and_does_not_come_back() {
    // covers A-09, C-17, D-04
    let house = House::empty().await;
    let tokens = Service::serving(|_, stream| {
        let token = json!({ "access_token": SECRET, "token_type": "Bearer", "expires_in": 60 });
        stream.write_all(&ok(token.to_string()))
    });
    for (name, credential) in [
        ("basic", json!({ "type": "basic", "username": "weir", "password": SECRET })),
        ("bearer", json!({ "type": "bearer", "token": SECRET })),
        ("key", json!({ "type": "api-key", "key": SECRET })),
        ("client", json!({ "type": "oauth2-client", "client_id": "weir", "client_secret": "other-s3cret-4712" })),
    ] {
        save(&house, &format!("/v1/credentials/{name}"), &credential);
    }
    let basic = "authorization: Basic d2VpcjpzM2NyZXQtb2YtdGhlLXNlcnZpY2UtNDcxMQ==".to_owned();
    let bearer = format!("authorization: Bearer {SECRET}");
    for (authentication, arrives) in [
        (json!({ "type": "none" }), "idempotency-key: ".to_owned()),
        (json!({ "type": "basic", "credential": "basic" }), basic),
        (json!({ "type": "bearer", "credential": "bearer" }), bearer.clone()),
        (
            json!({ "type": "api-key", "credential": "key", "in": "header", "name": "X-Api-Key" }),
            format!("x-api-key: {SECRET}"),
        ),
        (json!({ "type": "oauth2-client-credentials", "client": "client", "token": { "url": tokens.url } }), bearer),
    ] {
        let service = Service::serving(|_, stream| {
            let failed = json!({ "actionStatus": "FAILED", "failureReason": format!("denied {SECRET}") });
            stream.write_all(&ok(failed.to_string()))
        });
        let (run, entry) = act(&house, &service.url, &json!({ "authentication": authentication }));
        let heard = service.heard();
        assert!(heard.iter().all(|it| it.contains(&arrives)) && heard.len() == 1, "{authentication}: {heard:?}");
        assert_eq!(run["state"], "failed", "{run}");
        if authentication["type"] != "none" {
            assert!(run["failure"]["reason"].as_str().unwrap().starts_with("denied ***"), "{run}");
            assert!(!run.to_string().contains(SECRET) && !entry.to_string().contains(SECRET), "{entry}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_service_is_under_the_rules_of_its_connector() {
    // covers A-08, C-19, F-03
    let house = House::empty().await;
    let (run, entry) = act(&house, "http://10.1.2.3", &json!({}));
    assert_eq!((&run["error"]["code"], attempts(&entry)), (&json!("connector.egress-denied"), 1), "{run}");

    let service = Service::answering(ok(SUCCESS));
    act(&house, &service.url, &json!({}));
    for (function, says) in [
        (json!({ "name": "f" }), "its method is GET"),
        (json!({ "name": "f", "method": "POST", "body": {} }), "a `body` of its own"),
        (json!({ "name": "f", "method": "POST", "mode": "background" }), "in the background"),
        (
            json!({ "name": "f", "method": "POST", "arguments": [{ "name": "a", "type": "string", "required": true }] }),
            "the argument `a`",
        ),
    ] {
        // The connector is saved anew after the flow.
        save(&house, "/v1/connectors/svc", &connector(&service.url, &json!({ "functions": [function] })));
        let run = house.run("acts", &json!({}));
        assert_eq!(run["error"]["code"], "action.service-function", "{run}");
        assert!(run["error"]["message"].as_str().unwrap().contains(says), "{run}");
        let refused = house.api().put("/v1/flows/acts", "application/yaml", FLOW.as_bytes());
        assert!(refused.text.contains("flow.service-function") && refused.text.contains(says), "{}", refused.text);
    }
    assert_eq!(service.heard().len(), 1, "what cannot serve is not asked");
}
