//! A prompt through the real binary: who is told gets the address, and answers without a key, after a kill -9 in between.

use axum::Json;
use serde_json::json;
use weir_tests::server::Server;

use crate::house::{Api, House, until};

const CONFIG: &str = "[engine]\nclaim-interval = '20ms'\n";

const FLOW: &str = "flow: ask\nsteps:\n  - id: q\n    prompt:\n      form: { type: object, required: [pin], properties: { pin: { type: integer } } }\n      text: 'Your PIN?'\n      notify: { call: mails.send, arguments: { token: '${prompt.token}' } }\n  - id: done\n    claims: [{ key: pin, type: number, value: '${steps.q.input.pin}' }]\n";

#[tokio::test(flavor = "multi_thread")]
async fn a_prompt_is_told_outlives_a_crash_and_is_answered_without_a_key() {
    // covers F-02, F-06, F-07; keeps A1
    let house = House::with_config(CONFIG).await;
    let connector = format!(
        "connector: mails\nbase-url: {}\nfunctions:\n  - {{ name: send, method: POST, endpoint: /send, arguments: [{{ name: token, type: string }}], body: {{ token: '${{args.token}}' }} }}\n",
        house.upstream.url()
    );
    for (path, body) in [("/v1/connectors/mails", connector.as_str()), ("/v1/flows/ask", FLOW)] {
        let put = house.api().put(path, "application/yaml", body.as_bytes());
        assert_eq!(put.status, 201, "{path}: {}", put.text);
    }
    house.upstream.answer_next(Json(json!({})));
    let started = house.api().post("/v1/flows/ask/runs?wait=30s", &json!({ "event": {} }));
    let run = started.json();
    assert_eq!(run["state"], "suspended", "{run:#}");
    let told = || house.upstream.received().first().map(|it| it.json());
    let told = until("somebody is told", told).await;
    let token = told["token"].as_str().unwrap().to_owned();
    assert_eq!(run["prompt"]["token"], token);
    let House { folder, server, key, .. } = house;
    server.kill().unwrap();
    let server = Server::start_with(folder.path(), CONFIG).unwrap();
    let (api, nobody) = (Api::new(&server.url, &key), Api::with_key(&server.url, ""));
    let path = format!("/v1/prompts/{token}");
    let open = nobody.get(&path);
    assert_eq!((open.status, &open.json()["text"]), (200, &json!("Your PIN?")));
    assert_eq!(nobody.post(&path, &json!({ "input": { "pin": "x" } })).status, 422);
    assert_eq!(nobody.post(&path, &json!({ "input": { "pin": 7 } })).status, 204);
    assert_eq!(nobody.post(&path, &json!({ "input": { "pin": 8 } })).status, 409);
    let view = format!("/v1/runs/{}", run["id"].as_str().unwrap());
    let ended = until("the run ends", || Some(api.get(&view).json()).filter(|run| run["state"] == "completed")).await;
    assert_eq!(ended["claims"][0]["value"], 7);
    assert!(!api.get(&format!("{view}/journal")).text.contains(&token), "no journal has the token");
    assert!(!server.log().contains(&token), "nor the log");
}
