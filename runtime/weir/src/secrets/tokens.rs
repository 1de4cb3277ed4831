//! Tokens for prompts: whoever has one may answer exactly that prompt, without an API key. Signed with HMAC-SHA256
//! (RFC 2104) under a key that HKDF (RFC 5869) derives from the master key, so that they outlive a restart. A token
//! names the suspension that its answer uses up; the same prompt has the same token for as long as it waits.

use base64::prelude::{BASE64_URL_SAFE_NO_PAD, Engine as _};
use ring::{hkdf, hmac};
use weir_engine::ids::RunId;
use weir_engine::ports::{PromptRef, PromptToken, Tokens};
use weir_engine::time::Timestamp;

use super::master::MasterKey;
use super::seal::KEY_BYTES;

/// What a token begins with; another number will be another form.
const FORM: u8 = 1;
/// Form, run, suspension, end of time.
const HEAD_BYTES: usize = 1 + 16 + 8 + 8;
const SIGNATURE_BYTES: usize = 32;
/// The longest text that is read as a token.
const TOKEN_CHARS_MAX: usize = 512;

/// The key of the tokens that a master key gives.
#[derive(Clone)]
pub(crate) struct TokenKey(hmac::Key);

impl TokenKey {
    /// Derives it.
    pub(super) fn derive(master: &[u8; KEY_BYTES]) -> Self {
        let extracted = hkdf::Salt::new(hkdf::HKDF_SHA256, b"weir").extract(master);
        match extracted.expand(&[b"prompt tokens, form 1"], hmac::HMAC_SHA256) {
            Ok(expanded) => Self(hmac::Key::from(expanded)),
            // Only for more than 255 times the length of a hash.
            Err(_) => Self(hmac::Key::new(hmac::HMAC_SHA256, master)),
        }
    }
}

/// Signs and checks tokens.
pub(crate) struct PromptTokens {
    key: TokenKey,
    base: String,
}

impl PromptTokens {
    /// With the key of that master key, for addresses below that URL.
    pub(crate) fn new(master: &MasterKey, public_url: &str) -> Self {
        Self { key: master.tokens.clone(), base: public_url.to_owned() }
    }
}

impl Tokens for PromptTokens {
    fn issue(&self, prompt: &PromptRef) -> PromptToken {
        let mut bytes = vec![FORM];
        bytes.extend(prompt.run.as_bytes());
        bytes.extend(prompt.suspension.to_be_bytes());
        bytes.extend(prompt.until.as_millis().to_be_bytes());
        bytes.extend(prompt.tenant.as_str().as_bytes());
        let signature = hmac::sign(&self.key.0, &bytes);
        bytes.extend(signature.as_ref());
        let token = BASE64_URL_SAFE_NO_PAD.encode(bytes);
        PromptToken { url: format!("{}/v1/prompts/{token}", self.base), token }
    }

    fn read(&self, token: &str) -> Option<PromptRef> {
        if token.len() > TOKEN_CHARS_MAX {
            return None;
        }
        let bytes = BASE64_URL_SAFE_NO_PAD.decode(token).ok()?;
        let (signed, signature) = bytes.split_at_checked(bytes.len().checked_sub(SIGNATURE_BYTES)?)?;
        // Compares in constant time; nothing is read of what is not signed.
        hmac::verify(&self.key.0, signed, signature).ok()?;
        let (head, tenant) = signed.split_at_checked(HEAD_BYTES)?;
        let (form, rest) = head.split_first()?;
        let (run, rest) = rest.split_first_chunk::<16>()?;
        let (suspension, rest) = rest.split_first_chunk::<8>()?;
        let (until, _) = rest.split_first_chunk::<8>()?;
        if *form != FORM {
            return None;
        }
        Some(PromptRef {
            tenant: std::str::from_utf8(tenant).ok()?.parse().ok()?,
            run: RunId::from_bytes(*run),
            suspension: u64::from_be_bytes(*suspension),
            until: Timestamp::from_millis(u64::from_be_bytes(*until)),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn tokens(key: u8) -> PromptTokens {
        PromptTokens::new(&MasterKey::from_bytes(&[key; KEY_BYTES]), "https://weir.test/base")
    }

    fn prompt() -> PromptRef {
        PromptRef {
            tenant: "acme".parse().unwrap(),
            run: RunId::generate(),
            suspension: 3,
            until: Timestamp::from_millis(1_700_000_000_000),
        }
    }

    #[test]
    fn a_token_opens_its_prompt_and_no_change_of_it_opens_anything() {
        // covers F-02, keeps A1
        let (tokens, prompt) = (tokens(1), prompt());
        let PromptToken { token, url } = tokens.issue(&prompt);
        assert_eq!(url, format!("https://weir.test/base/v1/prompts/{token}"));
        assert_eq!(tokens.read(&token), Some(prompt.clone()));
        assert!(tokens.issue(&prompt).token == token, "the same prompt has the same token");
        let bytes = BASE64_URL_SAFE_NO_PAD.decode(&token).unwrap();
        for index in 0..bytes.len() {
            for bit in 0..8 {
                let mut changed = bytes.clone();
                changed[index] ^= 1 << bit;
                assert_eq!(tokens.read(&BASE64_URL_SAFE_NO_PAD.encode(&changed)), None, "{index}");
            }
        }
        for length in 0..token.len() {
            assert_eq!(tokens.read(&token[..length]), None);
        }
        assert_eq!(tokens.read(&format!("{token}AA")), None);
    }

    #[test]
    fn another_master_key_opens_nothing() {
        let token = tokens(1).issue(&prompt()).token;
        assert_eq!(tokens(2).read(&token), None);
    }

    #[test]
    fn each_prompt_has_a_token_of_its_own() {
        let (tokens, one) = (tokens(1), prompt());
        let others = [
            PromptRef { tenant: "acme2".parse().unwrap(), ..one.clone() },
            PromptRef { run: RunId::generate(), ..one.clone() },
            PromptRef { suspension: 4, ..one.clone() },
            PromptRef { until: Timestamp::from_millis(5), ..one.clone() },
        ];
        for other in others {
            assert!(tokens.issue(&other).token != tokens.issue(&one).token);
        }
    }

    proptest! {
        #[test]
        fn any_text_is_a_token_or_none(text in ".{0,700}") {
            prop_assert_eq!(tokens(1).read(&text), None);
        }
    }
}
