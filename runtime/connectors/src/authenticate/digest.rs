//! HTTP digest authentication (RFC 7616). `digest_auth` computes the responses.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use digest_auth::{Algorithm, AlgorithmType, AuthContext, Charset, HttpMethod, Qop, WwwAuthenticateHeader};
use moka::future::Cache;
use reqwest::header::{AUTHORIZATION, HeaderMap, HeaderValue};
use secrecy::ExposeSecret as _;

use super::stored::Pair;
use super::token_cache::CacheKey;
use super::www_authenticate::{self, OneChallenge};
use super::{Problem, sensitive_bytes};
use crate::mask::Masker;

/// The nonces of servers that have let us in: with one, a call needs no challenge of its own.
pub(super) struct Nonces {
    known: Cache<CacheKey, Arc<Mutex<WwwAuthenticateHeader>>>,
}

/// Nonces that are kept, and how long one is that nobody uses.
const NONCES_MAX: u64 = 4096;
const UNUSED_FOR: Duration = Duration::from_secs(3600);
/// How often a nonce is used. Servers replace theirs long before.
const USES_MAX: u32 = 1 << 20;

impl Default for Nonces {
    fn default() -> Self {
        Self { known: Cache::builder().max_capacity(NONCES_MAX).time_to_idle(UNUSED_FOR).build() }
    }
}

impl Nonces {
    /// Answers a challenge, or the last one of that server where there is none. Without either the request goes out as
    /// it is, and is challenged.
    ///
    /// # Errors
    /// What is wrong with the credential, as the end of a sentence.
    pub(super) async fn apply(
        &self,
        key: CacheKey,
        challenge: Option<&str>,
        pair: &Pair,
        outgoing: &mut reqwest::Request,
        masker: &mut Masker,
    ) -> Result<(), Problem> {
        pair.check()?;
        let known = self.known.get(&key).await;
        let prompt = match (challenge.and_then(parse), known) {
            // Some servers give everybody the same nonce for a while: it is counted on.
            (Some(asked), Some(known)) if is_nonce_of(&known, &asked) => known,
            (Some(asked), _) => {
                let prompt = Arc::new(Mutex::new(asked));
                self.known.insert(key, prompt.clone()).await;
                prompt
            }
            (None, Some(known)) => known,
            (None, None) => return Ok(()),
        };
        let mut prompt = prompt.lock().unwrap_or_else(PoisonError::into_inner);
        if prompt.nc < USES_MAX {
            let header = respond(&mut prompt, pair, None, outgoing, masker)?;
            outgoing.headers_mut().insert(AUTHORIZATION, header);
        }
        Ok(())
    }
}

fn is_nonce_of(known: &Mutex<WwwAuthenticateHeader>, asked: &WwwAuthenticateHeader) -> bool {
    let known = known.lock().unwrap_or_else(PoisonError::into_inner);
    (&known.nonce, &known.realm, known.algorithm) == (&asked.nonce, &asked.realm, asked.algorithm)
}

/// The challenge of an answer that is worth responding to: the strongest one.
pub(super) fn choose(headers: &HeaderMap) -> Option<String> {
    let prompts = www_authenticate::challenges(headers).into_iter().filter_map(|challenge| prompt(&challenge));
    // Of equals the first: servers put first what they prefer.
    let best = prompts.reduce(|best, next| if strength(&next) > strength(&best) { next } else { best });
    best.map(|prompt| prompt.to_string())
}

fn parse(challenge: &str) -> Option<WwwAuthenticateHeader> {
    www_authenticate::of_field(challenge).first().and_then(prompt)
}

/// The hashes in their order: SHA-512/256 is rarely implemented, and often wrongly.
fn strength(prompt: &WwwAuthenticateHeader) -> u8 {
    match prompt.algorithm.algo {
        AlgorithmType::SHA2_256 => 2,
        AlgorithmType::SHA2_512_256 => 1,
        AlgorithmType::MD5 => 0,
    }
}

/// A challenge in the crate's words; `None` where it is another scheme, or asks for what nobody knows.
fn prompt(challenge: &OneChallenge) -> Option<WwwAuthenticateHeader> {
    if challenge.scheme != "digest" {
        return None;
    }
    let flag = |name| challenge.parameter(name).is_some_and(|value| value.eq_ignore_ascii_case("true"));
    let qop = match challenge.parameter("qop") {
        // RFC 2069 servers know no `qop`.
        None => None,
        Some(offered) => {
            let known = offered.split(',').filter_map(|qop| match qop.trim().to_ascii_lowercase().as_str() {
                "auth" => Some(Qop::AUTH),
                "auth-int" => Some(Qop::AUTH_INT),
                _ => None,
            });
            Some(known.collect::<Vec<_>>()).filter(|known| !known.is_empty()).map(Some)?
        }
    };
    Some(WwwAuthenticateHeader {
        domain: None,
        realm: challenge.parameter("realm")?.to_owned(),
        nonce: challenge.parameter("nonce")?.to_owned(),
        opaque: challenge.parameter("opaque").map(str::to_owned),
        stale: flag("stale"),
        algorithm: algorithm(challenge.parameter("algorithm"))?,
        qop,
        userhash: flag("userhash"),
        charset: Charset::UTF8,
        nc: 0,
    })
}

/// Names without regard to case: `md5` is common.
fn algorithm(name: Option<&str>) -> Option<Algorithm> {
    let name = name.unwrap_or("MD5").to_ascii_uppercase();
    let (hash, session) = name.strip_suffix("-SESS").map_or((name.as_str(), false), |hash| (hash, true));
    let hash = match hash {
        "MD5" => AlgorithmType::MD5,
        "SHA-256" => AlgorithmType::SHA2_256,
        "SHA-512-256" => AlgorithmType::SHA2_512_256,
        _ => return None,
    };
    Some(Algorithm::new(hash, session))
}

/// The `authorization` header; `cnonce` is random unless a test gives one.
fn respond(
    prompt: &mut WwwAuthenticateHeader,
    pair: &Pair,
    cnonce: Option<&str>,
    outgoing: &reqwest::Request,
    masker: &mut Masker,
) -> Result<HeaderValue, Problem> {
    let url = outgoing.url();
    let uri = url.query().map_or_else(|| url.path().to_owned(), |query| format!("{}?{query}", url.path()));
    let mut body = outgoing.body().and_then(reqwest::Body::as_bytes);
    // The crate takes `auth` where it gets no body, also from servers that want `auth-int` alone.
    if body.is_none() && prompt.qop.as_ref().is_some_and(|qop| !qop.contains(&Qop::AUTH)) {
        body = Some(b"");
    }
    let method = HttpMethod::from(outgoing.method().as_str());
    let password = pair.password.expose_secret();
    let mut context = AuthContext::new_with_method(pair.username.as_str(), password, uri, body, method);
    if let Some(cnonce) = cnonce {
        context.set_custom_cnonce(cnonce);
    }
    let answer = prompt.respond(&context).map_err(|_| "cannot answer the server's digest challenge")?;
    masker.add(password.as_bytes());
    masker.add(answer.response.as_bytes());
    sensitive_bytes(answer.to_string().as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;
    use reqwest::Method;

    const NONCE: &str = "7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v";
    const OPAQUE: &str = "FQhe/qaU925kfnzjCev0ciny7QMkPqMAFRtzCUYo5tdS";
    const CNONCE: &str = "f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ";

    fn mufasa() -> Pair {
        Pair { username: "Mufasa".into(), password: "Circle of Life".into() }
    }

    fn outgoing(body: Option<&'static str>) -> reqwest::Request {
        let url = "http://www.example.org/dir/index.html".parse().expect("a URL");
        let mut outgoing = reqwest::Request::new(if body.is_some() { Method::PUT } else { Method::GET }, url);
        *outgoing.body_mut() = body.map(Into::into);
        outgoing
    }

    fn challenge(algorithm: &str, qop: &str) -> String {
        format!(
            r#"Digest realm="http-auth@example.org", qop="{qop}", algorithm={algorithm}, nonce="{NONCE}", opaque="{OPAQUE}""#
        )
    }

    fn parameter(header: &HeaderValue, name: &str) -> String {
        let found = www_authenticate::of_field(header.to_str().expect("text"));
        found[0].parameter(name).unwrap_or_default().to_owned()
    }

    fn answer(challenge: &str, body: Option<&'static str>) -> HeaderValue {
        let mut prompt = parse(challenge).expect("a challenge");
        respond(&mut prompt, &mufasa(), Some(CNONCE), &outgoing(body), &mut Masker::default()).expect("an answer")
    }

    #[test]
    fn published_examples() {
        // covers C-06: RFC 7616 section 3.9.1
        for (algorithm, response) in [
            ("MD5", "8ca523f5e9506fed4657c9700eebdbec"),
            ("SHA-256", "753927fa0e85d155564e2e272a28d1802ca10daf4496794697cf8db5856cb6c1"),
        ] {
            let header = answer(&challenge(algorithm, "auth, auth-int"), None);
            assert_eq!(parameter(&header, "response"), response);
            for (name, value) in [
                ("username", "Mufasa"),
                ("uri", "/dir/index.html"),
                ("qop", "auth"),
                ("nc", "00000001"),
                ("opaque", OPAQUE),
            ] {
                assert_eq!(parameter(&header, name), value);
            }
        }
    }

    /// RFC 7616 section 3.4, written down a second time.
    fn expected(hash: AlgorithmType, session: bool, qop: &str, method: &str, body: &str) -> String {
        let hash = |text: String| Algorithm::new(hash, false).hash(text.as_bytes());
        let mut a1 = "Mufasa:http-auth@example.org:Circle of Life".to_owned();
        if session {
            a1 = format!("{}:{NONCE}:{CNONCE}", hash(a1));
        }
        let mut a2 = format!("{method}:/dir/index.html");
        if qop == "auth-int" {
            a2 = format!("{a2}:{}", hash(body.to_owned()));
        }
        hash(format!("{}:{NONCE}:00000001:{CNONCE}:{qop}:{}", hash(a1), hash(a2)))
    }

    #[test]
    fn every_algorithm_and_protection() {
        // covers C-06
        for (name, hash, session) in [
            ("MD5", AlgorithmType::MD5, false),
            ("md5-sess", AlgorithmType::MD5, true),
            ("SHA-256", AlgorithmType::SHA2_256, false),
            ("SHA-256-sess", AlgorithmType::SHA2_256, true),
        ] {
            for (offered, body, qop) in [
                ("auth", None, "auth"),
                ("auth", Some("x"), "auth"),
                ("auth-int", None, "auth-int"),
                ("AUTH-INT, future", Some("x"), "auth-int"),
                ("auth,auth-int", Some("x"), "auth-int"),
            ] {
                let header = answer(&challenge(name, offered), body);
                let method = if body.is_some() { "PUT" } else { "GET" };
                let expected = expected(hash, session, qop, method, body.unwrap_or_default());
                assert_eq!(parameter(&header, "response"), expected, "{name} {offered} {body:?}");
                assert_eq!(parameter(&header, "qop"), qop);
            }
        }
    }

    #[test]
    fn the_strongest_challenge_is_answered() {
        // covers C-06
        let choose = |fields: &[String]| {
            let mut headers = HeaderMap::new();
            for field in fields {
                headers.append("www-authenticate", field.parse().expect("a value"));
            }
            choose(&headers).and_then(|chosen| parse(&chosen)).map(|chosen| chosen.algorithm.to_string())
        };
        let [md5, sha, other] = ["MD5", "SHA-256", "SHA3-512"].map(|algorithm| challenge(algorithm, "auth"));
        let basic = "Basic realm=\"x\"".to_owned();
        assert_eq!(choose(&[md5.clone(), sha.clone()]).as_deref(), Some("SHA-256"));
        assert_eq!(choose(&[basic.clone(), other.clone(), md5.clone()]).as_deref(), Some("MD5"));
        assert_eq!(choose(&[format!("{basic}, {md5}, {sha}")]).as_deref(), Some("SHA-256"));
        assert_eq!(choose(&[basic, other, challenge("MD5", "auth-conf"), "Digest realm=x".to_owned()]), None);
        assert_eq!(choose(&[]), None);
    }

    #[tokio::test]
    async fn a_nonce_is_used_again_and_counted() {
        // covers C-06
        let (nonces, key) = (Nonces::default(), CacheKey::for_tests());
        let mut counts = Vec::new();
        for challenge in [
            None,
            Some(challenge("MD5", "auth")),
            None,
            None,
            Some(challenge("MD5", "auth")),
            Some(challenge("SHA-256", "auth")),
        ] {
            let mut outgoing = outgoing(None);
            let mut masker = Masker::default();
            let applied = nonces.apply(key.clone(), challenge.as_deref(), &mufasa(), &mut outgoing, &mut masker).await;
            applied.expect("applies");
            let header = outgoing.headers().get("authorization");
            counts.push(header.map(|header| (parameter(header, "algorithm"), parameter(header, "nc"))));
        }
        let md5 = |count: &str| Some(("MD5".to_owned(), count.to_owned()));
        let sha = Some(("SHA-256".to_owned(), "00000001".to_owned()));
        assert_eq!(counts, [None, md5("00000001"), md5("00000002"), md5("00000003"), md5("00000004"), sha]);
    }
}
