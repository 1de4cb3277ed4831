//! The correlation id: the same for the same run and values, on every attempt and after a crash.

use serde_json::Value;

/// The id of a run and values: 32 hexadecimal digits of FNV-1a, 128 bits.
///
/// It tells calls apart; it is no secret and no signature. The run is part of it, so that two runs of one
/// user cannot be linked by it.
pub fn id<'a>(run: &str, values: impl Iterator<Item = Option<&'a Value>>) -> String {
    let texts = values.map(|value| value.map(ToString::to_string).unwrap_or_default());
    // The length before each text keeps ("ab", "c") apart from ("a", "bc").
    let hash = [run.to_owned()].into_iter().chain(texts).fold(BASIS, |hash, text| {
        let hash = fnv1a(hash, &(text.len() as u64).to_le_bytes());
        fnv1a(hash, text.as_bytes())
    });
    format!("{hash:032x}")
}

const BASIS: u128 = 0x6c62_272e_07bb_0142_62b8_2175_6295_c58d;
const PRIME: u128 = 0x0000_0000_0100_0000_0000_0000_0000_013b;

fn fnv1a(basis: u128, bytes: &[u8]) -> u128 {
    bytes.iter().fold(basis, |hash, byte| (hash ^ u128::from(*byte)).wrapping_mul(PRIME))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn the_hash_is_the_published_one() {
        assert_eq!(fnv1a(BASIS, b"a"), 0xd228_cb69_6f1a_8caf_7891_2b70_4e4a_8964);
        assert_eq!(fnv1a(BASIS, b"foobar"), 0x343e_1662_793c_64bf_6f0d_3597_ba44_6f18);
    }

    #[test]
    fn the_id_depends_on_run_and_values_and_on_nothing_else() {
        let of = |run, values: &[Value]| id(run, values.iter().map(Some));
        let one = of("run-1", &[json!("u-1"), json!(7)]);
        assert_eq!(one, of("run-1", &[json!("u-1"), json!(7)]));
        assert_ne!(one, of("run-2", &[json!("u-1"), json!(7)]));
        assert_ne!(one, of("run-1", &[json!("u-2"), json!(7)]));
        assert_ne!(of("r", &[json!("ab"), json!("c")]), of("r", &[json!("a"), json!("bc")]));
        assert_eq!(id("r", [None].into_iter()).len(), 32);
    }
}
