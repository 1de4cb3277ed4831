//! Tokens: asked for once, replaced when they end or are refused, and kept apart.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::json;
use tokio::sync::Notify;
use weir_connectors::Credential;
use weir_engine::ports::{CallContext, ConnectorErrorKind as Kind};

use super::support::{House, client, client_credentials, closing, guarded, header, posting, server, token_endpoint};
use crate::support::{Upstream, context, with, with_function};

fn valid(tokens: &[&'static str]) -> Arc<Mutex<Vec<&'static str>>> {
    Arc::new(Mutex::new(tokens.to_vec()))
}

async fn crowd(house: &House, document: &serde_json::Value, size: usize) -> Vec<u16> {
    let calls: Vec<_> = (0..size)
        .map(|_| {
            let (house, document) = (house.clone(), document.clone());
            tokio::spawn(async move { house.response(&document).await.status })
        })
        .collect();
    let mut statuses = Vec::new();
    for call in calls {
        statuses.push(call.await.expect("no panic"));
    }
    statuses
}

#[tokio::test(flavor = "multi_thread")]
async fn fifty_calls_ask_for_one_token() {
    // covers C-06
    let (endpoint, upstream) = (token_endpoint(3600).await, guarded(valid(&["granted-1"])).await);
    let document = posting(&upstream, client_credentials(&endpoint));
    assert_eq!(crowd(&House::new(), &document, 50).await, [200; 50]);
    assert_eq!((endpoint.heard().len(), upstream.heard().len()), (1, 50));
}

#[tokio::test]
async fn a_refused_token_is_replaced_and_the_call_made_once_more() {
    // covers C-06
    let tokens = valid(&["granted-1"]);
    let (endpoint, upstream) = (token_endpoint(3600).await, guarded(tokens.clone()).await);
    let (house, document) = (House::new(), posting(&upstream, client_credentials(&endpoint)));
    assert_eq!(house.response(&document).await.status, 200);
    *tokens.lock().expect("not poisoned") = vec!["granted-2"];
    let exchange = house.call(&document).await;
    let statuses: Vec<_> = exchange.attempts.iter().map(|attempt| attempt.status).collect();
    assert_eq!(statuses, [Some(401), Some(200)]);
    assert_eq!((endpoint.heard().len(), upstream.heard().len()), (2, 3));
    // The new one serves from then on.
    assert_eq!(house.response(&document).await.status, 200);
    assert_eq!((endpoint.heard().len(), upstream.heard().len()), (2, 4));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_storm_of_refusals_asks_for_one_token() {
    // covers C-06
    let tokens = valid(&["granted-1"]);
    let (endpoint, upstream) = (token_endpoint(3600).await, guarded(tokens.clone()).await);
    let (house, document) = (House::new(), posting(&upstream, client_credentials(&endpoint)));
    house.response(&document).await;
    *tokens.lock().expect("not poisoned") = vec!["granted-2"];
    assert_eq!(crowd(&house, &document, 50).await, [200; 50]);
    assert_eq!(endpoint.heard().len(), 2);
}

#[tokio::test]
async fn a_token_that_is_refused_after_a_redirect_is_replaced_there() {
    // covers C-06, C-08: what the POST has done is not done again
    for (valid, status) in [("Bearer granted-2", 200), ("", 401)] {
        let upstream = server(move |request| match header(request, "authorization") {
            _ if request.starts_with("POST ") => closing(303, "location: /done\r\n", ""),
            given => closing(if given == valid { 200 } else { 401 }, "", ""),
        })
        .await;
        let endpoint = token_endpoint(3600).await;
        let document = posting(&upstream, client_credentials(&endpoint));
        let document = with_function(document, json!({"redirects": {"follow": true}}));
        let exchange = House::new().call(&document).await;
        assert_eq!(exchange.outcome.map(|it| it.status), Ok(status));
        let heard = upstream.heard();
        let heard: Vec<_> =
            heard.iter().map(|it| (it.split(' ').next().expect("a method"), header(it, "authorization"))).collect();
        assert_eq!(heard, [("POST", "Bearer granted-1"), ("GET", "Bearer granted-1"), ("GET", "Bearer granted-2")]);
        assert_eq!((exchange.attempts.len(), exchange.attempts[0].hops.len(), endpoint.heard().len()), (1, 1, 2));
    }
}

#[tokio::test]
async fn a_system_that_refuses_every_token_is_not_asked_for_ever() {
    // covers C-06
    let (endpoint, upstream) = (token_endpoint(3600).await, guarded(valid(&[])).await);
    let (house, document) = (House::new(), posting(&upstream, client_credentials(&endpoint)));
    for calls in 1..=3 {
        let response = house.response(&document).await;
        assert_eq!(response.status, 401);
        assert_eq!((endpoint.heard().len(), upstream.heard().len()), (2, 2 * calls));
    }
}

#[tokio::test]
async fn a_token_that_has_ended_is_not_sent_again() {
    // covers C-06
    let (endpoint, upstream) = (token_endpoint(0).await, guarded(valid(&["granted-1", "granted-2"])).await);
    let (house, document) = (House::new(), posting(&upstream, client_credentials(&endpoint)));
    for number in 1..=2 {
        assert_eq!(house.response(&document).await.status, 200);
        assert_eq!(endpoint.heard().len(), number);
    }
    let sent: Vec<_> = upstream.heard().iter().map(|request| header(request, "authorization").to_owned()).collect();
    assert_eq!(sent, ["Bearer granted-1", "Bearer granted-2"]);
}

#[tokio::test]
async fn tokens_belong_to_their_credential_settings_connector_and_tenant() {
    // covers C-06, keeps K-01
    let (endpoint, upstream) = (token_endpoint(3600).await, guarded(valid(&[])).await);
    let (house, document) = (House::new(), posting(&upstream, client_credentials(&endpoint)));
    let mut scoped = document.clone();
    scoped["authentication"]["token"]["scopes"] = json!(["read"]);
    let other_connector = with(document.clone(), json!({"connector": "other"}));
    let sent = async |context: &CallContext, document| {
        let before = upstream.heard().len();
        house.call_as(context, document, None).await.outcome.expect("a response");
        header(&upstream.heard()[before], "authorization").to_owned()
    };
    // Each is refused once and replaced: the first token of each counts.
    assert_eq!(sent(&context("acme"), &document).await, "Bearer granted-1");
    assert_eq!(sent(&context("acme"), &document).await, "Bearer granted-2");
    assert_eq!(sent(&context("acme"), &scoped).await, "Bearer granted-3");
    assert_eq!(sent(&context("acme"), &other_connector).await, "Bearer granted-5");
    assert_eq!(sent(&context("twin"), &document).await, "Bearer granted-7");
    house.vault.set("client", client("changed"));
    assert_eq!(sent(&context("acme"), &document).await, "Bearer granted-9");
    let asked = endpoint.heard().pop().expect("a request");
    use base64::Engine as _;
    let pair = base64::prelude::BASE64_STANDARD.encode("my+client:changed");
    assert_eq!(header(&asked, "authorization"), format!("Basic {pair}"));
    // Of another type: no token of the old one is sent.
    house.vault.set("client", Credential::Bearer { token: "x".into() });
    assert_eq!(house.error(&document).await.kind, Kind::Credential);
}

#[tokio::test]
async fn a_call_out_of_time_leaves_the_token_to_those_that_wait() {
    // covers C-06, keeps E-05
    let (asked, answer) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
    let endpoint = {
        let (asked, answer) = (asked.clone(), answer.clone());
        Upstream::serving(move |mut stream, heard| {
            let (asked, answer) = (asked.clone(), answer.clone());
            async move {
                heard.request(&mut stream).await?;
                asked.notify_one();
                answer.notified().await;
                let granted = closing(200, "", r#"{"access_token":"granted-1","expires_in":60}"#);
                tokio::io::AsyncWriteExt::write_all(&mut stream, &granted).await
            }
        })
        .await
    };
    let upstream = guarded(valid(&["granted-1"])).await;
    let (house, document) = (House::new(), posting(&upstream, client_credentials(&endpoint)));
    let patient = {
        let (house, document) = (house.clone(), document.clone());
        async move { house.response(&document).await.status }
    };
    let hurried = CallContext { budget: Duration::from_millis(100), ..context("acme") };
    let first = house.call_as(&hurried, &document, None);
    let (first, ()) = tokio::join!(first, asked.notified());
    assert_eq!(first.outcome.expect_err("no time").kind, Kind::RequestTimeout);
    let patient = tokio::spawn(patient);
    answer.notify_one();
    assert_eq!(patient.await.expect("no panic"), 200);
    assert_eq!(endpoint.heard().len(), 1);
    // Nothing is asked for with a budget that is over.
    let over = CallContext { budget: Duration::ZERO, ..context("acme") };
    house.vault.set("client", client("changed"));
    assert_eq!(house.call_as(&over, &document, None).await.outcome.expect_err("no time").kind, Kind::RequestTimeout);
}
