//! Steps that set, transform, wait and redirect, and claims that are signed, over the real binary.

use serde_json::{Value, json};
use weir_tests::partner::Partner;
use weir_tests::server::Server;

use crate::house::{Api, House, until};

#[track_caller]
fn put(api: &Api, path: &str, body: &Value) {
    let answer = api.put(path, "application/json", body.to_string().as_bytes());
    assert!((200..300).contains(&answer.status), "{path}: {}", answer.text);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wait_goes_on_after_kill_9() {
    // covers F-02, F-06
    let House { folder, server, upstream: _upstream, key } =
        House::with_config("[engine]\nclaim-interval = '20ms'\n").await;
    let api = Api::new(&server.url, &key);
    let steps = json!([
        { "id": "rest", "wait": { "for": "2s" } },
        { "id": "said", "claims": [{ "key": "n", "type": "number", "value": "${event.n}" }] },
    ]);
    put(&api, "/v1/flows/later", &json!({ "flow": "later", "steps": steps }));
    let started = api.post("/v1/flows/later/runs", &json!({ "event": { "n": 7 } })).json();
    let path = format!("/v1/runs/{}", started["id"].as_str().unwrap());
    let resting = until("the wait", || Some(api.get(&path).json()).filter(|run| run["state"] != "ready")).await;
    assert_eq!((&resting["state"], &resting["waiting"]["on"]), (&json!("waiting"), &json!("timer")), "{resting:#}");
    server.kill().unwrap();
    let server = Server::start(folder.path()).unwrap();
    let api = Api::new(&server.url, &key);
    let is_over = |run: &Value| run["state"] != "ready" && run["state"] != "waiting";
    let run = until("the end of the run", || Some(api.get(&path).json()).filter(is_over)).await;
    assert_eq!((&run["state"], &run["claims"][0]["value"]), (&json!("completed"), &json!(7)), "{run:#}");
    let journal = api.get(&format!("{path}/journal")).json();
    let kinds: Vec<&Value> =
        journal["items"].as_array().unwrap().iter().map(|entry| &entry["record"]["kind"]).collect();
    assert_eq!(kinds, ["wait", "wait", "claims"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_plugin_made_for_responses_transforms_a_value() {
    // covers F-02
    let house = House::demo().await;
    let api = house.api();
    let steps = json!([
        { "id": "person", "transform": { "plugin": "normalise@^1", "input": "${event}" } },
        { "id": "sent", "redirect": { "url": "https://shop.test/?email=${steps.person.email}", "ends": true } },
    ]);
    put(&api, "/v1/flows/made", &json!({ "flow": "made", "steps": steps }));
    let answer = json!({ "results": [{
        "name": { "first": "Ada", "last": "Lovelace" }, "email": "ada@example.com", "nat": "CH", "phone": "1",
        "location": { "country": "Switzerland" }, "dob": { "date": "1990-12-10T00:00:00Z", "age": 35 },
    }] });
    let run = house.run("made", &answer);
    assert_eq!(
        run["redirect"],
        json!({ "url": "https://shop.test/?email=ada%40example.com" }),
        "{run:#} {:?}",
        house.journal(&run)
    );
    let failed = house.run("made", &json!({ "results": [] }));
    assert_eq!((&failed["state"], &failed["failure"]["reason"]), (&json!("failed"), &json!("No such person")));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_signed_says_why() {
    // covers F-08
    let house = House::empty().await;
    let api = house.api();
    let expired = Partner::with(|certificate| certificate.not_after = rcgen::date_time_ymd(2020, 1, 1)).unwrap();
    put(&api, "/v1/identities/good", &json!({ "private_key": Partner::new().unwrap().identity()["private_key"] }));
    put(&api, "/v1/identities/old", &expired.identity());
    for (key, algorithm, code) in [
        ("none", "RS256", "signing.no-private-key"),
        ("old", "RS256", "signing.expired"),
        ("good", "ES256", "signing.key-kind"),
    ] {
        let steps = json!([{ "id": "signed", "claims": [], "sign": { "key": key, "algorithm": algorithm } }]);
        let flow = json!({ "flow": "signed", "steps": steps }).to_string();
        let saved = api.put("/v1/flows/signed", "application/json", flow.as_bytes());
        assert_eq!(saved.json()["warnings"][0]["code"], code, "known when it is saved: {}", saved.text);
        let run = house.run("signed", &json!({}));
        assert_eq!(run["error"]["code"], code, "{run:#}");
    }
    let keys = api.get("/v1/identities/good/jwks").json()["keys"].as_array().unwrap().clone();
    assert_eq!((keys.len(), &keys[0]["kty"], keys[0].get("d")), (1, &json!("RSA"), None), "public keys alone");
    // What was signed before a change still verifies after it.
    put(&api, "/v1/identities/good", &json!({ "private_key": Partner::new().unwrap().identity()["private_key"] }));
    let both = api.get("/v1/identities/good/jwks").json()["keys"].as_array().unwrap().clone();
    assert_eq!((both.len(), &both[1]), (2, &keys[0]));
    assert_eq!(api.get("/v1/identities/nobody/jwks").status, 404);
}
