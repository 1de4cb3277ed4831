//! What the risk service says.

use serde_json::Value;

/// The score of an answer, from 0 to 100: from `transformed_data` where the function makes it, else from the body.
pub fn read(status: u16, transformed_data: Option<&str>, body: &[u8]) -> Result<f64, String> {
    if !(200..=299).contains(&status) {
        return Err(format!("the risk service answered {status}"));
    }
    let data: Value = match transformed_data {
        Some(data) => serde_json::from_str(data),
        None => serde_json::from_slice(body),
    }
    .unwrap_or_default();
    let score = data.get("score").and_then(Value::as_f64).filter(|score| (0.0..=100.0).contains(score));
    score.ok_or_else(|| "the risk service's answer has no `score` from 0 to 100".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_score_is_found_where_the_function_leaves_it() {
        assert_eq!(read(200, Some(r#"{"score": 82, "risky": true}"#), b"{}"), Ok(82.0));
        assert_eq!(read(201, None, br#"{"score": 0.5}"#), Ok(0.5));
    }

    #[test]
    fn anything_else_is_no_score() {
        for (status, body) in [
            (503, r#"{"score": 1}"#),
            (200, "{}"),
            (200, "<html>"),
            (200, r#"{"score": "1"}"#),
            (200, r#"{"score": -1}"#),
            (200, r#"{"score": 101}"#),
        ] {
            assert!(read(status, None, body.as_bytes()).is_err(), "{status} {body}");
        }
    }
}
