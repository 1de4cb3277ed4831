//! Every malformed thing gets a clear problem with a stable code, and nothing of it is saved.

use crate::house::{Api, House};

/// Method, path, headers, body, and the status that must come back.
type Case<'a> = (&'a str, &'a str, &'a [(&'a str, &'a str)], Vec<u8>, u16);

#[tokio::test(flavor = "multi_thread")]
async fn malformed_requests_get_a_problem_each() {
    // covers T-05; keeps A3, A6
    let house = House::demo().await;
    let api = house.api();
    let json = [("content-type", "application/json")];
    let yaml = [("content-type", "application/yaml")];
    let deep = format!("{{\"event\":{}{}}}", "[".repeat(200), "]".repeat(200));
    let runs = "/v1/flows/registration/runs";
    let cases: Vec<Case<'_>> = vec![
        ("GET", "/v1/nothing", &[], vec![], 404),
        ("GET", "/v1/flows/Not-A-Name", &[], vec![], 400),
        ("GET", "/v1/runs/not-an-id", &[], vec![], 400),
        ("GET", "/v1/runs/01920000-0000-7000-8000-000000000000", &[], vec![], 404),
        ("GET", "/v1/runs?limit=0", &[], vec![], 400),
        ("GET", "/v1/runs?limit=x", &[], vec![], 400),
        ("GET", "/v1/runs?cursor=garbage", &[], vec![], 400),
        ("GET", "/v1/runs?state=odd", &[], vec![], 400),
        ("GET", "/v1/runs?colour=red", &[], vec![], 400),
        ("DELETE", "/v1/runs", &[], vec![], 405),
        ("POST", runs, &json, b"{".to_vec(), 400),
        ("POST", runs, &json, b"\xff\xfe".to_vec(), 400),
        ("POST", runs, &json, b"[]".to_vec(), 400),
        ("POST", runs, &json, b"{\"event\":{},\"tenant\":\"other\"}".to_vec(), 400),
        ("POST", runs, &json, deep.into_bytes(), 400),
        ("POST", runs, &[("content-type", "text/plain")], b"{}".to_vec(), 415),
        ("POST", runs, &json, b"{\"event\":{\"user\":7}}".to_vec(), 422),
        ("POST", "/v1/flows/none/runs", &json, b"{\"event\":{}}".to_vec(), 404),
        ("POST", runs, &json, vec![b' '; 3 << 20], 413),
        ("PUT", "/v1/flows/f", &yaml, b"flow: f\nsteps: [".to_vec(), 422),
        ("PUT", "/v1/flows/other", &yaml, b"flow: f\nsteps: [{ id: a, end: {} }]\n".to_vec(), 422),
        ("PUT", "/v1/flows/f", &yaml, b"a: &a [1]\nb: *a\n".to_vec(), 422),
        ("PUT", "/v1/flows/f", &yaml, b"\xff\xfe\xfd".to_vec(), 400),
        ("PUT", "/v1/connectors/c", &yaml, b"connector: c\nbase-url: ftp://x\nfunctions: []\n".to_vec(), 422),
        ("PUT", "/v1/plugins/p/versions/1.0.0", &[("content-type", "application/wasm")], b"not wasm".to_vec(), 422),
        ("PUT", "/v1/plugins/p/versions/one", &[("content-type", "application/wasm")], vec![], 400),
        ("PUT", "/v1/credentials/c", &json, b"{\"type\":\"magic\"}".to_vec(), 400),
    ];
    let mut codes = Vec::new();
    for (method, path, headers, body, status) in cases {
        let answer = api.send(method, path, headers, &body);
        let code = answer.problem();
        assert_eq!(answer.status, status, "{method} {path}: {}", answer.text);
        assert!(!answer.text.contains("panicked") && !answer.text.contains(".rs:"), "{}", answer.text);
        codes.push(code);
    }
    assert!(codes.iter().all(|code| code.contains('.')), "{codes:?}");
    for list in ["flows", "connectors"] {
        assert_eq!(api.get(&format!("/v1/{list}")).json()["items"].as_array().map(Vec::len), Some(1), "{list}");
    }
    assert_eq!(api.get("/v1/runs").json()["items"].as_array().map(Vec::len), Some(0));
    assert_eq!(api.get("/v1/plugins/p/versions/1.0.0").status, 404);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_version_of_a_plugin_never_changes() {
    // covers P-02
    let house = House::demo().await;
    let api = house.api();
    let tier = std::fs::read(weir_tests::paths::guest("tier")).unwrap();
    let correlate = std::fs::read(weir_tests::paths::guest("correlate")).unwrap();
    let put = |bytes: &[u8]| api.put("/v1/plugins/tier/versions/1.0.0", "application/wasm", bytes);
    assert!((200..300).contains(&put(&tier).status), "the same bytes again are no change");
    let other = put(&correlate);
    assert_eq!(other.status, 409, "{}", other.text);
}

#[tokio::test(flavor = "multi_thread")]
async fn saves_can_be_guarded_by_what_they_expect() {
    // covers T-05
    let house = House::demo().await;
    let api = house.api();
    let flow = std::fs::read(weir_tests::paths::root().join("tests/demo/flow.yaml")).unwrap();
    let put = |guard: (&str, &str), flow: &[u8]| {
        api.send("PUT", "/v1/flows/registration", &[("content-type", "application/yaml"), guard], flow)
    };
    assert_eq!(put(("if-none-match", "*"), &flow).status, 412);
    let live = api.get("/v1/flows/registration");
    let tag = live.header("etag").to_owned();
    assert!(!tag.is_empty());
    let changed = [&flow[..], b"# changed\n"].concat();
    assert!((200..300).contains(&put(("if-match", &tag), &changed).status));
    assert_eq!(put(("if-match", &tag), &flow).status, 412, "somebody else has saved since");
    let unknown = Api::with_key(&house.server.url, "").get("/v1/flows");
    assert_eq!((unknown.status, unknown.header("www-authenticate").is_empty()), (401, false));
}
