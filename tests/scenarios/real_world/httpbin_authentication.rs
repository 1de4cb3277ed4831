//! Basic, bearer, digest and API keys, as httpbin checks them.

use super::services::httpbin;
use super::tenant::Tenant;

/// Characters that have to be encoded somewhere on the way.
const USER: &str = "ada";
const PASSWORD: &str = "pass-word.4711";

#[test]
fn httpbin_takes_basic_bearer_and_api_keys() {
    // covers C-06, keeps K-01, K-02
    let Some(httpbin) = httpbin() else { return };
    let tenant = Tenant::new();
    tenant.cli(&["credential", "set", "login", "--type", "basic", "--username", USER], PASSWORD);
    tenant.cli(&["credential", "set", "wrong", "--type", "basic", "--username", USER], "another");
    tenant.cli(&["credential", "set", "token", "--type", "bearer"], "tok_4711.abc");
    tenant.cli(&["credential", "set", "key", "--type", "api-key"], "key-0815-xyz");
    let connector = |name: &str, authentication: &str, endpoint: &str| {
        tenant.apply(&format!(
            "connector: {name}\nbase-url: {}\nauthentication: {authentication}\nfunctions:\n  - {{ name: f, endpoint: {endpoint} , response: {{ fail-on-invalid-status: false }} }}\n",
            httpbin.url
        ));
        tenant.test(&format!("{name}.f"), &[])
    };
    let checked = format!("/basic-auth/{USER}/{PASSWORD}");
    let basic = connector("basic", "{ type: basic, credential: login }", &checked);
    assert_eq!((&basic.body()["authenticated"], &basic.body()["user"]), (&true.into(), &USER.into()));
    let hidden = format!("/hidden-basic-auth/{USER}/{PASSWORD}");
    assert_eq!(connector("hidden", "{ type: basic, credential: login }", &hidden).body()["authenticated"], true);
    let bearer = connector("bearer", "{ type: bearer, credential: token }", "/bearer");
    assert_eq!(bearer.body()["authenticated"], true);
    // httpbin echoes what it was sent: the secret is masked before anybody sees it.
    for tried in [
        bearer,
        connector("echo", "{ type: bearer, credential: token }", "/headers"),
        connector("header", "{ type: api-key, credential: key, in: header, name: x-api-key }", "/headers"),
        connector("query", "{ type: api-key, credential: key, in: query, name: api_key }", "/get"),
    ] {
        let shown = tried.shown.to_string();
        assert_eq!(tried.outcome, "success", "{shown}");
        assert!(!shown.contains("tok_4711") && !shown.contains("key-0815"), "{shown}");
    }
    let header = tenant.test("header.f", &[]);
    assert!(header.body()["headers"]["X-Api-Key"].is_string(), "{header:?}");
    assert!(tenant.test("query.f", &[]).body()["args"]["api_key"].is_string());
}

#[test]
fn digests_of_httpbin_are_answered() {
    // covers C-06
    let Some(httpbin) = httpbin() else { return };
    let tenant = Tenant::new();
    tenant.cli(&["credential", "set", "login", "--type", "basic", "--username", USER], PASSWORD);
    tenant.cli(&["credential", "set", "wrong", "--type", "basic", "--username", USER], "another");
    for credential in ["login", "wrong"] {
        tenant.apply(&format!(
            "
connector: {credential}
base-url: {}
authentication: {{ type: digest, credential: {credential} }}
functions:
  - name: f
    arguments: [{{ name: qop, type: string }}, {{ name: algorithm, type: string }}]
    endpoint: /digest-auth/${{args.qop}}/{USER}/{PASSWORD}/${{args.algorithm}}
    response: {{ format: string, fail-on-invalid-status: false }}
",
            httpbin.url
        ));
    }
    for qop in ["auth", "auth-int"] {
        for algorithm in ["MD5", "SHA-256"] {
            let arguments = [format!("qop={qop}"), format!("algorithm={algorithm}")];
            let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
            // Twice: the second call may use what the first one learned.
            for _ in 0..2 {
                assert_eq!(tenant.test("login.f", &arguments).status(), Some(200), "{qop} {algorithm}");
            }
            assert_eq!(tenant.test("wrong.f", &arguments).status(), Some(401), "{qop} {algorithm}");
        }
    }
}
