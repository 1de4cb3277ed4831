//! Claims that are signed, over a signer that a test can read.

use async_trait::async_trait;
use serde_json::{Value, json};
use weir_engine::connector::SigningAlgorithm;
use weir_engine::ids::{IdentityName, TenantId};
use weir_engine::ports::{Signer, SigningError, TokenToSign};
use weir_engine::run::{Ending, JournalEntry, Run, RunStateKind, StepRecord};
use weir_engine::sensitive::SensitiveNames;

use super::house::{House, Script};

/// Writes what it signs beside the name of the key; knows one key.
pub(crate) struct Clerk;

#[async_trait]
impl Signer for Clerk {
    async fn sign(
        &self,
        tenant: &TenantId,
        identity: &IdentityName,
        algorithm: SigningAlgorithm,
        token: TokenToSign,
    ) -> Result<String, SigningError> {
        if identity.as_str() != "ours" {
            let message = format!("tenant `{tenant}` has no `{identity}`");
            return Err(SigningError { code: "signing.no-private-key", message });
        }
        Ok(json!({ "by": algorithm, "header": token.header, "claims": token.claims }).to_string())
    }
}

fn flow(sign: &str) -> String {
    format!(
        "flow: f\nsteps:\n  - id: first\n    claims: [{{ key: tier, type: string, value: gold }}, {{ key: sub, type: string, value: other }}, {{ key: aud, type: dynamic, value: '${{event.audience}}' }}]\n  - id: signed\n    claims: [{{ key: level, type: number, value: '${{2}}' }}]\n    sign: {{ key: ours, algorithm: ES256, {sign} }}\n"
    )
}

async fn run(sign: &str, event: Value) -> (House, Run, Vec<JournalEntry>) {
    let house = House::new(&flow(sign), Script::default()).await;
    let (run, journal) = house.run(event).await;
    (house, run, journal)
}

fn error_of(run: &Run) -> &str {
    let Some(Ending::Error { error, .. }) = run.ending() else { panic!("{run:?}") };
    &error.code
}

#[tokio::test]
async fn a_step_signs_all_claims_until_then() {
    // covers F-08
    let sign = "issuer: 'https://weir.test/${run.tenant}', subject: '${event.id}', expires-in: 1h, type: at+jwt, header: { v: '${event.n}' }";
    let (house, run, journal) = run(sign, json!({ "id": "u1", "n": 7, "audience": "shop" })).await;
    assert_eq!(run.state_kind(), RunStateKind::Completed, "{run:?}");
    let StepRecord::Claims(record) = &journal[1].record else { panic!("{journal:?}") };
    let signed = record.signed.as_ref().expect("the record has the signature, for replays");
    let token: Value = serde_json::from_str(&signed.jwt).unwrap();
    assert_eq!(token["header"], json!({ "typ": "at+jwt", "v": 7 }));
    let issued_at = journal[1].started_at.as_millis() / 1000;
    let expected = json!({
        "tier": "gold", "level": 2, "iss": "https://weir.test/acme", "sub": "u1", "iat": issued_at,
        "exp": issued_at + 3600, "jti": format!("{}.2", run.id),
    });
    assert_eq!(token["claims"], expected, "the run's own `sub` and `aud` are left out");
    assert_eq!(run.jwt.as_ref(), Some(&signed.jwt), "it is a part of the result");
    assert_eq!(house.context(&run).await["steps"]["signed"]["jwt"], json!(signed.jwt));
    let mut shown = journal[1].clone();
    shown.mask(&SensitiveNames::default().and_standard());
    let shown = serde_json::to_string(&shown).unwrap();
    assert!(!shown.contains("at+jwt") && shown.contains("***"), "a JWT is for its bearer alone: {shown}");
}

#[tokio::test]
async fn own_claims_are_registered_ones_only_where_the_step_says_so() {
    // covers F-08
    let sign = "subject: x, registered-from-claims: [sub, aud]";
    let (_, run_1, _) = run(sign, json!({ "audience": ["a", "b"] })).await;
    let token: Value = serde_json::from_str(run_1.jwt.as_deref().unwrap()).unwrap();
    assert_eq!((&token["claims"]["sub"], &token["claims"]["aud"]), (&json!("other"), &json!(["a", "b"])));
    let (_, run_2, _) = run(sign, json!({ "audience": [1] })).await;
    assert_eq!(error_of(&run_2), "signing.claim-type");
}

#[tokio::test]
async fn what_cannot_be_signed_is_an_error_of_the_step() {
    let (_, run_1, _) = run("issuer: '${event.gone}'", json!({ "audience": 1 })).await;
    assert_eq!(error_of(&run_1), "expression.evaluation");
    let (_, run_2, _) = run("issuer: '${[1]}'", json!({ "audience": 1 })).await;
    assert_eq!(error_of(&run_2), "signing.claim-type");
    let (_, run_3, _) =
        run("header: { big: '${event.big}' }", json!({ "audience": 1, "big": "x".repeat(66_000) })).await;
    assert_eq!(error_of(&run_3), "signing.too-large");
    let unknown = flow("type: JWT").replace("key: ours", "key: theirs");
    let (run_4, journal) = House::new(&unknown, Script::default()).await.run(json!({ "audience": 1 })).await;
    assert_eq!(error_of(&run_4), "signing.no-private-key");
    let StepRecord::Claims(record) = &journal[1].record else { panic!("{journal:?}") };
    assert_eq!((record.claims.len(), record.signed.is_none(), run_4.jwt), (1, true, None));
}
