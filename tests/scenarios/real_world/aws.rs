//! AWS Signature Version 4, verified by botocore.

use super::services::aws;
use super::tenant::Tenant;

/// As in `tests/real-world/serve.py`.
const ACCESS_KEY_ID: &str = "AKIDEXAMPLE";
const SECRET_ACCESS_KEY: &str = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY";
const SESSION_TOKEN: &str = "a-session-token/with+characters==";

fn connector(url: &str, name: &str, credential: &str, service: &str) -> String {
    format!(
        "
connector: {name}
base-url: {url}/stage
authentication: {{ type: aws-sigv4, credential: {credential}, region: eu-central-1, service: {service} }}
functions:
  - name: get
    arguments: [{{ name: id, type: string }}]
    endpoint: /items/${{args.id}}?b=2&a=${{args.id}}&a=1&empty=&flag
    response: {{ fail-on-invalid-status: false }}
  - name: put
    method: PUT
    arguments: [{{ name: id, type: string }}]
    endpoint: /items/${{args.id}}
    headers: [{{ name: x-amz-meta-note, value: '  two  spaces ' }}]
    body: {{ id: \"${{args.id}}\" }}
    response: {{ fail-on-invalid-status: false }}
"
    )
}

#[test]
fn botocore_signs_in_the_same_way() {
    // covers C-06, keeps K-01
    let Some(aws) = aws() else { return };
    let tenant = Tenant::new();
    let credential = |name: &str, key: &str, token: Option<&str>| {
        let mut line = vec!["credential", "set", name, "--type", "aws", "--access-key-id", ACCESS_KEY_ID];
        line.extend(token.iter().flat_map(|_| ["--session-token-from-env", "SESSION_TOKEN"]));
        tenant.cli_with(&line, key, &[("SESSION_TOKEN", token.unwrap_or_default())]);
    };
    credential("keys", SECRET_ACCESS_KEY, None);
    credential("wrong", "another-key-altogether", None);
    credential("session", SECRET_ACCESS_KEY, Some(SESSION_TOKEN));
    for (name, credential, service, status) in [
        ("api", "keys", "execute-api", 200),
        ("s3", "keys", "s3", 200),
        ("temporary", "session", "execute-api", 200),
        ("wrong", "wrong", "execute-api", 403),
    ] {
        tenant.apply(&connector(&aws.url, name, credential, service));
        let awkward = ["plain", "a b~._-", "ü/ö%2F", "a+b=c&d*'()!"];
        for id in if status == 200 { &awkward[..] } else { &awkward[..1] } {
            for function in ["get", "put"] {
                let tried = tenant.test(&format!("{name}.{function}"), &[&format!("id={id}")]);
                let body = tried.body();
                assert_eq!(tried.status(), Some(status), "{name}.{function} {id}: {body}");
                if status == 200 {
                    assert_eq!((&body["region"], &body["service"]), (&"eu-central-1".into(), &service.into()));
                    assert_eq!(body["temporary"], name == "temporary");
                }
                assert!(!tried.shown.to_string().contains(SECRET_ACCESS_KEY));
            }
        }
    }
}
