//! Methods, headers, bodies, redirects and time-outs, as httpbin sees them.

use serde_json::{Value, json};

use super::services::httpbin;
use super::tenant::Tenant;

#[test]
fn httpbin_sees_methods_headers_and_bodies_as_they_were_meant() {
    // covers C-01, C-02, C-03, C-04, C-05, C-16
    let Some(httpbin) = httpbin() else { return };
    let tenant = Tenant::new();
    let with_body = |method: &str| {
        format!(
            "
  - name: {method}
    method: {upper}
    arguments: [{{ name: text, type: string }}, {{ name: number, type: number }}]
    endpoint: /{method}?q=${{args.text}}
    headers: [{{ name: x-text, value: \"${{args.number}}\" }}]
    body: {{ text: \"${{args.text}}\", number: \"${{args.number}}\" }}",
            upper = method.to_uppercase()
        )
    };
    let bodies: String = ["post", "put", "patch"].map(with_body).concat();
    tenant.apply(&format!(
        "
connector: bin
base-url: {}
functions:
  - name: get
    arguments: [{{ name: text, type: string }}]
    endpoint: /get?q=${{args.text}}
    headers: [{{ name: x-two, value: one }}, {{ name: x-two, value: two }}]
  - name: delete
    method: DELETE
    endpoint: /delete
  - name: head
    method: HEAD
    endpoint: /get
  - name: options
    method: OPTIONS
    endpoint: /get
    response: {{ format: none }}
  - name: form
    method: POST
    arguments: [{{ name: text, type: string }}]
    endpoint: /post
    headers: [{{ name: content-type, value: application/x-www-form-urlencoded }}]
    body: text=${{args.text}}&other=1{bodies}
",
        httpbin.url
    ));
    let awkward = "a b&admin=1\"'+%/é";
    let got = tenant.test("bin.get", &[&format!("text={awkward}")]);
    assert_eq!(got.body()["args"], json!({ "q": awkward }));
    assert_eq!(got.body()["headers"]["X-Two"], "one,two");
    for method in ["post", "put", "patch"] {
        let tried = tenant.test(&format!("bin.{method}"), &[&format!("text={awkward}"), "number=7.5"]);
        let seen = tried.body();
        assert_eq!(seen["json"], json!({ "text": awkward, "number": 7.5 }), "{method}");
        assert_eq!(seen["args"], json!({ "q": awkward }), "{method}");
        assert_eq!(seen["headers"]["X-Text"], "7.5", "{method}");
        assert_eq!(seen["headers"]["Content-Type"], "application/json", "{method}");
    }
    assert_eq!(
        tenant.test("bin.form", &[&format!("text={awkward}")]).body()["form"],
        json!({ "text": awkward, "other": "1" })
    );
    assert_eq!(tenant.test("bin.delete", &[]).body()["args"], json!({}));
    let head = tenant.test("bin.head", &[]);
    assert_eq!((head.status(), head.body()), (Some(200), &Value::Null));
    let options = tenant.test("bin.options", &[]);
    assert!(options.result()["headers"]["allow"].as_str().unwrap().contains("OPTIONS"), "{options:?}");
}

#[test]
fn redirects_of_httpbin_are_followed_where_the_document_says_so() {
    // covers C-08
    let Some(httpbin) = httpbin() else { return };
    let tenant = Tenant::new();
    let function = |name: &str, endpoint: &str, redirects: &str| {
        format!(
            "\n  - name: {name}\n    endpoint: {endpoint}\n    redirects: {redirects}\n    response: {{ fail-on-invalid-status: false }}"
        )
    };
    let follow = "{ follow: true }";
    let functions = [
        function("relative", "/relative-redirect/3", follow),
        function("absolute", "/absolute-redirect/3", follow),
        function("most", "/redirect/10", follow),
        function("too-many", "/redirect/11", follow),
        function("few", "/redirect/3", "{ follow: true, hops-max: 2 }"),
        function("off", "/redirect/1", "{ follow: false }").replace("fail-on", "format: none, fail-on"),
        function("elsewhere", "/redirect-to?url=http%3A%2F%2F169.254.169.254%2Flatest%2Fmeta-data", follow),
    ]
    .concat();
    tenant.apply(&format!("connector: bin\nbase-url: {}\nfunctions:{functions}\n", httpbin.url));
    for (name, hops) in [("relative", 3), ("absolute", 3), ("most", 10)] {
        let tried = tenant.test(&format!("bin.{name}"), &[]);
        assert_eq!(tried.body()["url"], format!("{}/get", httpbin.url), "{name}");
        assert_eq!(tried.shown["attempts"][0]["hops"].as_array().map(Vec::len), Some(hops), "{name}");
    }
    for name in ["too-many", "few"] {
        assert_eq!(tenant.test(&format!("bin.{name}"), &[]).code(), "connector.redirect", "{name}");
    }
    let off = tenant.test("bin.off", &[]);
    assert_eq!((off.outcome.as_str(), off.status()), ("success", Some(302)));
    // keeps E-01
    assert_eq!(tenant.test("bin.elsewhere", &[]).code(), "connector.egress-denied");
}

#[test]
fn what_httpbin_delays_longer_than_the_time_out_is_its_own_error() {
    // covers C-09, C-18
    let Some(httpbin) = httpbin() else { return };
    let tenant = Tenant::new();
    tenant.apply(&format!(
        "
connector: bin
base-url: {}
connection: {{ request-timeout: 1s }}
functions:
  - name: slow
    endpoint: /delay/3
  - name: drip
    endpoint: /drip?duration=3&numbytes=3&delay=0
    response: {{ format: none }}
",
        httpbin.url
    ));
    for name in ["slow", "drip"] {
        let tried = tenant.test(&format!("bin.{name}"), &[]);
        assert_eq!(tried.code(), "connector.request-timeout", "{name}");
        assert!(tried.message().contains("1s"), "{}", tried.message());
        assert_eq!(
            tried.shown["attempts"].as_array().map(Vec::len),
            Some(1),
            "a time-out is no reason for another: {name}"
        );
    }
}
