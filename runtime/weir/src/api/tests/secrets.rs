//! Credentials: written, never read; sealed to their place.

use axum::http::StatusCode;
use serde_json::{Value, json};
use weir_engine::ports::{Definition, DefinitionKind, Expectation, NewDefinition, PageRequest};

use super::house::{Ask, House};
use crate::secrets::{CredentialSecret, VaultError};

const CANARY: &str = "c4nary-s3cret";

async fn set(house: &House, name: &str, token: &str) -> super::house::Answer {
    let body = json!({ "type": "bearer", "token": token });
    house.ask(Ask::new("PUT", &format!("/v1/credentials/{name}")).key(&house.admin).json(&body)).await
}

async fn row(house: &House, kind: DefinitionKind, name: &str) -> Definition {
    house.app.store.definition(&"acme".parse().unwrap(), kind, name, None).await.unwrap().unwrap()
}

async fn write(house: &House, tenant: &str, kind: DefinitionKind, name: &str, body: Value) {
    let (tenant, created_at) = (tenant.parse().unwrap(), house.app.clock.now());
    let new = NewDefinition { tenant, kind, name: name.to_owned(), created_at, body };
    house.app.store.put_definition(new, Expectation::Any).await.unwrap();
}

async fn open(house: &House, tenant: &str, name: &str) -> Result<Option<CredentialSecret>, VaultError> {
    let opened = house.app.vault.open(&tenant.parse().unwrap(), &name.parse().unwrap()).await?;
    Ok(opened.map(|(_, secret)| secret))
}

#[tokio::test]
async fn a_secret_comes_back_nowhere() {
    // keeps K-01, covers T-03
    let house = House::new().await;
    let put = set(&house, "upstream", CANARY).await;
    assert_eq!(put.status, StatusCode::CREATED);
    assert!(open(&house, "acme", "upstream").await.unwrap().is_some());
    let mut seen = vec![put.body];
    for path in ["/v1/credentials", "/v1/credentials/upstream", "/metrics"] {
        for key in [&house.admin, &house.author, &house.operator] {
            seen.push(house.ask(Ask::new("GET", path).key(key)).await.body);
        }
    }
    let acme = "acme".parse().unwrap();
    for kind in [DefinitionKind::Credential, DefinitionKind::DataKey, DefinitionKind::ApiKey] {
        let page = PageRequest { limit: 100, after: None };
        let stored = house.app.store.definitions(&acme, kind, "", &page).await.unwrap();
        assert!(!stored.items.is_empty());
        seen.extend(stored.items.into_iter().map(|definition| definition.body));
    }
    let key_secret = house.admin.rsplit('_').next().unwrap().to_owned();
    use base64::prelude::{BASE64_STANDARD, Engine as _};
    for needle in [CANARY.to_owned(), hex::encode(CANARY), BASE64_STANDARD.encode(CANARY), key_secret] {
        assert!(seen.iter().all(|value| !value.to_string().contains(&needle)), "{needle}");
    }
}

#[tokio::test]
async fn every_type_is_written_and_never_read() {
    // covers C-06, T-03; keeps K-01
    let house = House::new().await;
    for secret in [
        json!({ "type": "basic", "username": "u", "password": CANARY }),
        json!({ "type": "bearer", "token": CANARY }),
        json!({ "type": "api-key", "key": CANARY }),
        json!({ "type": "oauth2-client", "client_id": "c", "client_secret": CANARY }),
        json!({ "type": "oauth2-client", "client_id": "public" }),
        json!({ "type": "aws", "access_key_id": "A", "secret_access_key": CANARY, "session_token": CANARY }),
        json!({ "type": "hmac-key", "key": CANARY }),
        json!({ "type": "hmac-key", "key": hex::encode(CANARY), "encoding": "hex" }),
    ] {
        let put = house.ask(Ask::new("PUT", "/v1/credentials/each").key(&house.admin).json(&secret)).await;
        assert!(put.status.is_success(), "{put:?}");
        assert_eq!(put.body["type"], secret["type"]);
        let read = house.ask(Ask::new("GET", "/v1/credentials/each").key(&house.admin)).await;
        let stored = row(&house, DefinitionKind::Credential, "each").await.body;
        for seen in [put.body, read.body, stored] {
            assert!(!seen.to_string().contains(CANARY), "{seen}");
        }
        assert!(open(&house, "acme", "each").await.unwrap().is_some());
    }
    // keeps K-01: what is wrong is named, what it was is not
    for (secret, says) in [
        (json!({ "type": "hmac-key", "key": CANARY, "encoding": "hex" }), "`hex`"),
        (
            json!({ "type": "aws", "access_key_id": format!("{CANARY}/"), "secret_access_key": CANARY }),
            "`access_key_id`",
        ),
        (
            json!({ "type": "oauth2-client", "client_id": "c", "client_secret": format!("{CANARY}\n") }),
            "`client_secret`",
        ),
        (json!({ "type": "api-key", "key": format!("{CANARY} ") }), "`key`"),
    ] {
        let refused = house.ask(Ask::new("PUT", "/v1/credentials/each").key(&house.admin).json(&secret)).await;
        assert_eq!(refused.code(), "request.invalid-body", "{refused:?}");
        let said = refused.body.to_string();
        assert!(said.contains(says) && !said.contains(CANARY), "{said}");
    }
}

#[tokio::test]
async fn a_secret_in_the_wrong_place_is_not_repeated() {
    // keeps K-01
    let house = House::new().await;
    for body in [
        json!({ "type": "bearer", "token": [CANARY] }),
        json!({ "type": "bearer", "token": { "x": CANARY } }),
        json!(CANARY),
        json!({ "type": "basic", "username": format!("{CANARY}:"), "password": CANARY }),
        json!({ "type": "bearer", "token": format!("{CANARY}\n") }),
    ] {
        let answer = house.ask(Ask::new("PUT", "/v1/credentials/c").key(&house.admin).json(&body)).await;
        assert_eq!(answer.code(), "request.invalid-body", "{answer:?}");
        assert!(!answer.body.to_string().contains(CANARY), "{answer:?}");
    }
}

#[tokio::test]
async fn a_row_that_was_moved_or_changed_does_not_open() {
    // keeps K-03
    let house = House::new().await;
    set(&house, "one", "first").await;
    let stored = row(&house, DefinitionKind::Credential, "one").await;
    // Under another name of the same tenant.
    write(&house, "acme", DefinitionKind::Credential, "two", stored.body.clone()).await;
    assert!(matches!(open(&house, "acme", "two").await, Err(VaultError::NotOpened { .. })));
    // In another tenant, which has a data key of its own; then with the first one's data key moved as well.
    let theirs = json!({ "type": "bearer", "token": "theirs" });
    house.ask(Ask::new("PUT", "/v1/credentials/x").key(&house.stranger).json(&theirs)).await;
    write(&house, "other", DefinitionKind::Credential, "one", stored.body.clone()).await;
    assert!(matches!(open(&house, "other", "one").await, Err(VaultError::NotOpened { .. })));
    let data_key = row(&house, DefinitionKind::DataKey, "data-key").await;
    write(&house, "third", DefinitionKind::DataKey, "data-key", data_key.body).await;
    write(&house, "third", DefinitionKind::Credential, "one", stored.body.clone()).await;
    assert!(matches!(open(&house, "third", "one").await, Err(VaultError::NotOpened { .. })));
    // An older version in place of a newer one.
    set(&house, "one", "second").await;
    write(&house, "acme", DefinitionKind::Credential, "one", stored.body).await;
    assert!(matches!(open(&house, "acme", "one").await, Err(VaultError::NotOpened { .. })));
    // Set anew, it works again.
    set(&house, "one", "third").await;
    assert!(open(&house, "acme", "one").await.unwrap().is_some());
}

#[tokio::test]
async fn a_credential_that_was_removed_can_be_set_again() {
    // covers T-03: version numbers go on after a removal, and they are a part of what is sealed
    let house = House::new().await;
    for round in 0..3 {
        assert_eq!(set(&house, "one", "x").await.status, StatusCode::CREATED, "{round}");
        assert_eq!(set(&house, "one", "y").await.status, StatusCode::OK);
        assert!(open(&house, "acme", "one").await.unwrap().is_some());
        let removed = house.ask(Ask::new("DELETE", "/v1/credentials/one").key(&house.admin)).await;
        assert_eq!(removed.status, StatusCode::NO_CONTENT);
        assert!(open(&house, "acme", "one").await.unwrap().is_none());
    }
    let absent = Ask::new("PUT", "/v1/credentials/one").key(&house.admin).header("if-none-match", "*");
    assert_eq!(house.ask(absent.json(&json!({ "type": "bearer", "token": "x" }))).await.status, StatusCode::CREATED);
    let absent = Ask::new("PUT", "/v1/credentials/one").key(&house.admin).header("if-none-match", "*");
    let refused = house.ask(absent.json(&json!({ "type": "bearer", "token": "x" }))).await;
    assert_eq!(refused.code(), "object.precondition-failed");
}
