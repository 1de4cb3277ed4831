//! Bytes that nobody meant: nothing panics (S-01).

use proptest::prelude::*;
use weir_plugins::validate;

use crate::guests::{Guest, good};

const BYTES_MAX: u64 = 1 << 20;

proptest! {
    #![proptest_config(ProptestConfig { cases: 2_000, ..ProptestConfig::default() })]

    #[test]
    fn random_bytes_are_refused(mut bytes in proptest::collection::vec(any::<u8>(), 0..300), head in 0_usize..4) {
        // keeps S-01
        for (byte, magic) in bytes.iter_mut().zip(b"\0asm\x0d\0\x01\0").take(head * 4) {
            *byte = *magic;
        }
        prop_assert!(validate(&bytes, BYTES_MAX).is_err());
    }

    #[test]
    fn changed_components_are_accepted_or_refused(
        changes in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6),
        cut in proptest::option::of(any::<prop::sample::Index>()),
        large in any::<bool>(),
    ) {
        // keeps S-01
        let mut bytes = if large { LARGE.clone() } else { SMALL.clone() };
        for (at, byte) in changes {
            let at = at.index(bytes.len());
            bytes[at] = byte;
        }
        if let Some(cut) = cut {
            bytes.truncate(cut.index(bytes.len()));
        }
        let _ = validate(&bytes, BYTES_MAX);
    }

    #[test]
    fn generated_modules_and_components_are_accepted_or_refused(seed in proptest::collection::vec(any::<u8>(), 100..2_000)) {
        // keeps S-01
        let mut input = arbitrary::Unstructured::new(&seed);
        if let Ok(module) = wasm_smith::Module::new(wasm_smith::Config::default(), &mut input) {
            prop_assert!(validate(&module.to_bytes(), BYTES_MAX).is_err());
        }
        let mut input = arbitrary::Unstructured::new(&seed);
        if let Ok(component) = <wasm_smith::Component as arbitrary::Arbitrary>::arbitrary(&mut input) {
            prop_assert!(validate(&component.to_bytes(), BYTES_MAX).is_err());
        }
    }
}

static SMALL: std::sync::LazyLock<Vec<u8>> = std::sync::LazyLock::new(good);
static LARGE: std::sync::LazyLock<Vec<u8>> = std::sync::LazyLock::new(|| {
    Guest::default().with(crate::guests::LOG).with(crate::guests::CALL).wasi("(i32.const 1024)")
});
