//! Signs the claims of a run as a JWT (F-08).

use serde_json::{Map, Value, json};

use crate::expression::{Template, weight};
use crate::flow::{RegisteredClaim, Signing};
use crate::ports::TokenToSign;
use crate::run::{ContextChange, SignedRecord, StepError};
use crate::step::{Attempt, step_error};

/// The largest JWT, in bytes: it is kept with the run, and people send it in headers.
const JWT_BYTES_MAX: usize = 64 << 10;

/// Signs the claims that the context has, and those that this step adds.
pub(super) async fn sign(
    attempt: &Attempt<'_>,
    signing: &Signing,
    changes: &[ContextChange],
) -> Result<SignedRecord, StepError> {
    let token = TokenToSign { header: header(attempt, signing)?, claims: payload(attempt, signing, changes)? };
    let too_large = |bytes: usize| {
        let message =
            format!("the JWT would have {bytes} bytes or more; at most {JWT_BYTES_MAX} are allowed: sign fewer claims");
        step_error("signing.too-large", message)
    };
    let bytes = token.claims.values().chain(token.header.values()).map(weight).sum();
    if bytes > JWT_BYTES_MAX {
        return Err(too_large(bytes));
    }
    let (tenant, algorithm) = (&attempt.run.tenant, signing.algorithm);
    let signed = attempt.ports.signer.sign(tenant, &signing.key, algorithm, token);
    let signed = attempt.outside.given("sign", signed).await;
    let jwt = signed.map_err(|error| step_error(error.code, error))?;
    if jwt.len() > JWT_BYTES_MAX {
        return Err(too_large(jwt.len()));
    }
    attempt.keep(jwt.len())?;
    Ok(SignedRecord { key: signing.key.clone(), algorithm, jwt })
}

/// The header but for `alg` and `kid`, which whoever signs knows.
fn header(attempt: &Attempt<'_>, signing: &Signing) -> Result<Map<String, Value>, StepError> {
    let mut header = match signing.header.evaluate(&attempt.scope)? {
        Value::Object(header) => header,
        _ => Map::new(),
    };
    header.insert("typ".to_owned(), json!(signing.kind));
    Ok(header)
}

fn payload(
    attempt: &Attempt<'_>,
    signing: &Signing,
    changes: &[ContextChange],
) -> Result<Map<String, Value>, StepError> {
    let now = attempt.outside.now("signing").as_millis() / 1000;
    let mut payload = Map::new();
    payload.insert("iat".to_owned(), json!(now));
    payload.insert("exp".to_owned(), json!(now.saturating_add(signing.expires_in.as_secs())));
    // A run may sign more than once: the number of the journal's entry tells them apart.
    payload.insert("jti".to_owned(), json!(format!("{}.{}", attempt.run.id, attempt.run.revision + 1)));
    let text = |template: &Template| template.evaluate(&attempt.scope);
    let set = [
        ("iss", signing.issuer.as_ref().map(text).transpose()?),
        ("sub", signing.subject.as_ref().map(text).transpose()?),
        ("aud", signing.audience.as_ref().map(|audience| audience.evaluate(&attempt.scope)).transpose()?),
    ];
    payload.extend(set.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?))));
    let mut context = attempt.context.clone();
    changes.iter().for_each(|change| context.apply(change));
    for claim in context.claims() {
        let is_own = |registered| !signing.registered_from_claims.contains(&registered);
        if !RegisteredClaim::of(&claim.key).is_some_and(is_own) {
            payload.insert(claim.key, claim.value);
        }
    }
    let broken = payload.iter().find(|(name, value)| RegisteredClaim::of(name).is_some_and(|it| !it.accepts(value)));
    if let Some((name, _)) = broken {
        let message = format!(
            "`{name}` of the JWT is not what RFC 7519 wants: text for `iss`, `sub` and `jti`, text or a list of texts for \
             `aud`, seconds for the others"
        );
        return Err(step_error("signing.claim-type", message));
    }
    Ok(payload)
}
