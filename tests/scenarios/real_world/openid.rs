//! The grants of OAuth 2, against a certified provider and an API that takes its tokens.

use super::services::{Service, openid};
use super::tenant::Tenant;

/// As in `tests/real-world/openid.mjs`.
const SECRET: &str = "a-client-secret+with/odd%characters:and=more";
const PASSWORD: &str = "pass word&more=é";

/// How many tokens the provider has given out so far; scenarios share it, so they count one after the other.
static COUNTING: std::sync::Mutex<()> = std::sync::Mutex::new(());

fn tenant(openid: &Service) -> Tenant {
    let tenant = Tenant::new();
    for client in ["basic-client", "body-client", "password-client"] {
        tenant.cli(&["credential", "set", client, "--type", "oauth2-client", "--client-id", client], SECRET);
    }
    tenant.cli(&["credential", "set", "user", "--type", "basic", "--username", "ada"], PASSWORD);
    tenant.apply(&format!(
        "connector: counter\nbase-url: {}\nfunctions:\n  - {{ name: issued, endpoint: /issued }}\n",
        openid.url
    ));
    tenant
}

fn issued(tenant: &Tenant) -> u64 {
    tenant.test("counter.issued", &[]).body()["issued"].as_u64().unwrap()
}

fn api(openid: &Service, name: &str, authentication: &str) -> String {
    format!(
        "
connector: {name}
base-url: {url}
authentication:
  {authentication}
functions:
  - {{ name: resource, endpoint: /resource }}
  - {{ name: last, endpoint: /resource?then=revoke }}
  - {{ name: user, endpoint: /me }}
",
        url = openid.url
    )
}

#[test]
fn client_credentials_are_traded_for_a_token_once() {
    // covers C-06, keeps K-01
    let Some(openid) = openid() else { return };
    let _counting = COUNTING.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    let tenant = tenant(openid);
    for (client, way) in [("basic-client", "basic"), ("body-client", "body")] {
        let authentication = format!(
            "{{ type: oauth2-client-credentials, client: {client}, token: {{ url: '{}/token', scopes: [read], client-authentication: {way} }} }}",
            openid.url
        );
        tenant.apply(&api(openid, way, &authentication));
        let before = issued(&tenant);
        for _ in 0..3 {
            let tried = tenant.test(&format!("{way}.resource"), &[]);
            assert_eq!((&tried.body()["client"], &tried.body()["scope"]), (&client.into(), &"read".into()));
            assert!(!tried.shown.to_string().contains(SECRET));
        }
        assert_eq!(issued(&tenant) - before, 1, "one token serves three calls");
        // The provider withdraws the token after this call: the next one gets a 401, a new token, and its answer.
        assert_eq!(tenant.test(&format!("{way}.last"), &[]).status(), Some(200));
        assert_eq!(tenant.test(&format!("{way}.resource"), &[]).body()["client"], client);
        assert_eq!(issued(&tenant) - before, 2, "{way}");
    }
}

#[test]
fn a_client_that_the_provider_does_not_take_gets_no_call() {
    // covers C-06, keeps K-02
    let Some(openid) = openid() else { return };
    let tenant = tenant(openid);
    tenant.cli(
        &["credential", "set", "wrong", "--type", "oauth2-client", "--client-id", "basic-client"],
        "not-the-secret",
    );
    let authentication =
        format!("{{ type: oauth2-client-credentials, client: wrong, token: {{ url: '{}/token' }} }}", openid.url);
    tenant.apply(&api(openid, "wrong", &authentication));
    let tried = tenant.test("wrong.resource", &[]);
    assert_eq!(tried.code(), "connector.token");
    assert!(tried.message().contains("invalid_client"), "{}", tried.message());
    assert!(!tried.shown.to_string().contains("not-the-secret"));
}

#[test]
fn a_users_password_is_traded_for_a_token() {
    // covers C-06
    let Some(openid) = openid() else { return };
    let _counting = COUNTING.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    let tenant = tenant(openid);
    let authentication = format!(
        "{{ type: oauth2-password, credential: user, client: password-client, token: {{ url: '{}/token', scopes: [openid] }} }}",
        openid.url
    );
    tenant.apply(&api(openid, "password", &authentication));
    // The provider's own endpoint says whose token it is.
    assert_eq!(tenant.test("password.user", &[]).body()["sub"], "ada");
    tenant.cli(&["credential", "set", "user", "--type", "basic", "--username", "ada"], "another password");
    let tried = tenant.test("password.user", &[]);
    assert_eq!(tried.code(), "connector.token", "a new version of the credential has no token yet");
    assert!(tried.message().contains("invalid_grant"), "{}", tried.message());
}

#[test]
fn an_assertion_of_each_algorithm_is_traded_for_a_token() {
    // covers C-06
    let Some(openid) = openid() else { return };
    let _counting = COUNTING.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    let tenant = tenant(openid);
    for algorithm in ["RS256", "ES256", "EdDSA"] {
        let name = algorithm.to_lowercase();
        let key = openid.folder.join(format!("{algorithm}.pem")).display().to_string();
        tenant.cli(&["identity", "set", &name, "--key", &key], "");
        let assertion =
            format!("algorithm: {algorithm}, key-id: key-{algorithm}, issuer: weir-scenarios, subject: ada");
        let authentication = format!(
            "{{ type: oauth2-jwt-bearer, identity: {name}, assertion: {{ {assertion} }}, token: {{ url: '{}/token', parameters: {{ client_id: assertion-client }} }} }}",
            openid.url
        );
        tenant.apply(&api(openid, &name, &authentication));
        assert_eq!(tenant.test(&format!("{name}.user"), &[]).body()["sub"], "ada", "{algorithm}");
        // A new token needs a new assertion: the provider takes none twice.
        assert_eq!(tenant.test(&format!("{name}.last"), &[]).body()["subject"], "ada");
        assert_eq!(tenant.test(&format!("{name}.resource"), &[]).body()["subject"], "ada", "{algorithm}");
        // A key that the provider does not know under that name.
        let other = authentication.replace(&format!("key-id: key-{algorithm}"), "key-id: unknown");
        tenant.apply(&api(openid, &format!("{name}-other"), &other));
        assert_eq!(tenant.test(&format!("{name}-other.user"), &[]).code(), "connector.token");
    }
}
