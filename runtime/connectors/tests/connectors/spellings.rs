//! Every spelling of an address that is not public is denied, or is no URL at all (C-19, E-01).

use std::net::{Ipv4Addr, Ipv6Addr};
use std::sync::atomic::Ordering;

use proptest::prelude::*;
use serde_json::json;
use weir_connectors::{Ceilings, validate};
use weir_engine::connector::ConnectorDocument;
use weir_engine::ports::ConnectorErrorKind as Kind;

use crate::support::{FakeResolver, Fixture, document};

/// Loopback, private, link-local, metadata, shared, unspecified, multicast and reserved addresses.
fn closed_v4() -> impl Strategy<Value = Ipv4Addr> {
    let within = |net: [u8; 4], prefix: u32| {
        let host = u32::MAX.checked_shr(prefix).unwrap_or(0);
        any::<u32>().prop_map(move |bits| Ipv4Addr::from_bits(Ipv4Addr::from(net).to_bits() | (bits & host)))
    };
    prop_oneof![
        within([127, 0, 0, 0], 8),
        within([10, 0, 0, 0], 8),
        within([172, 16, 0, 0], 12),
        within([192, 168, 0, 0], 16),
        within([169, 254, 0, 0], 16),
        within([100, 64, 0, 0], 10),
        within([0, 0, 0, 0], 8),
        within([224, 0, 0, 0], 3),
        within([169, 254, 169, 254], 32),
        within([100, 100, 100, 200], 32),
        within([168, 63, 129, 16], 32),
    ]
}

/// A number as decimal, octal or hexadecimal, in either case, with leading zeros where they change nothing.
fn number(value: u32) -> impl Strategy<Value = String> {
    (0..6usize, 0..4usize).prop_map(move |(form, zeros)| {
        let zeros = "0".repeat(zeros);
        match form {
            0 => format!("{value}"),
            1 => format!("0{zeros}{value:o}"),
            2 => format!("0x{zeros}{value:x}"),
            3 => format!("0x{zeros}{value:X}"),
            4 => format!("0X{zeros}{value:X}"),
            _ => format!("0{value:o}"),
        }
    })
}

/// The forms of inet_aton: one to four numbers.
fn dotted(address: Ipv4Addr) -> impl Strategy<Value = String> {
    let [a, b, c, d] = address.octets().map(u32::from);
    prop_oneof![
        number(address.to_bits()).boxed(),
        (number(a), number(b << 16 | c << 8 | d)).prop_map(|(a, b)| format!("{a}.{b}")).boxed(),
        (number(a), number(b), number(c << 8 | d)).prop_map(|(a, b, c)| format!("{a}.{b}.{c}")).boxed(),
        (number(a), number(b), number(c), number(d)).prop_map(|(a, b, c, d)| format!("{a}.{b}.{c}.{d}")).boxed(),
    ]
}

/// The same text in letters that the URL standard takes for it: full-width, circled, other dots, percent-encoded.
fn disguised(plain: String) -> impl Strategy<Value = String> {
    proptest::collection::vec(0..5u8, plain.len()).prop_map(move |forms| {
        let disguise = |(letter, form): (char, u8)| match (form, letter) {
            (1, '!'..='~') if letter != '%' => char::from_u32(u32::from(letter) + 0xfee0).unwrap_or(letter).to_string(),
            (2, '1'..='9') => char::from_u32(u32::from(letter) - u32::from('1') + 0x2460).unwrap_or(letter).to_string(),
            (3, '.') => "。".to_owned(),
            (4, '!'..='~') => format!("%{:02x}", u32::from(letter)),
            _ => letter.to_string(),
        };
        plain.chars().zip(forms).map(disguise).collect()
    })
}

/// IPv6 addresses that end at an IPv4 one, in several spellings.
fn embedded(address: Ipv4Addr) -> impl Strategy<Value = String> {
    let v4 = u128::from(address.to_bits());
    let teredo = (0x2001u128 << 112) | u128::from(!address.to_bits());
    let forms = [
        v4,
        (0xffff << 32) | v4,
        (0xffff << 48) | v4,
        (0x64_ff9b << 96) | v4,
        (0x64_ff9b_0001 << 80) | v4,
        (0x2002 << 112) | (v4 << 80),
        teredo,
    ];
    (prop::sample::select(forms.to_vec()), 0..4usize).prop_map(move |(bits, form)| {
        let v6 = Ipv6Addr::from_bits(bits);
        let groups = v6.segments();
        let long = groups.map(|group| format!("{group:04x}")).join(":");
        match form {
            0 => format!("[{v6}]"),
            1 => format!("[{}]", v6.to_string().to_uppercase()),
            2 => format!("[{long}]"),
            _ => {
                let dotted = Ipv4Addr::from_bits(bits as u32);
                format!(
                    "[{}:{dotted}]",
                    groups[..6].iter().map(|group| format!("{group:X}")).collect::<Vec<_>>().join(":")
                )
            }
        }
    })
}

/// What may stand around a host without changing it, or makes it none.
fn wrapped(host: String) -> impl Strategy<Value = String> {
    (0..7usize).prop_map(move |form| match form {
        0 => format!("{host}."),
        1 => format!("public.example@{host}"),
        2 => format!("user:public.example@{host}"),
        3 => host.replace(']', "%25eth0]"),
        4 => host.replace(']', "%lo]"),
        5 => host.to_uppercase(),
        _ => host.clone(),
    })
}

fn spelling() -> impl Strategy<Value = String> {
    closed_v4().prop_flat_map(|address| {
        let plain = dotted(address).prop_flat_map(disguised).boxed();
        let inside = embedded(address).boxed();
        prop_oneof![2 => plain, 1 => inside].prop_flat_map(wrapped)
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1024))]

    #[test]
    fn no_spelling_gets_through(host in spelling(), https: bool, port in 1..=u16::MAX) {
        // keeps E-01
        thread_local! {
            static HOUSE: (tokio::runtime::Runtime, Fixture) = (
                tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime"),
                Fixture::with(json!({}), FakeResolver::default()),
            );
        }
        let scheme = if https { "https" } else { "http" };
        let document = document(format!("{scheme}://{host}:{port}/"));
        // What is no URL, or has faults such as a user name, cannot be saved, and so cannot be called.
        let parsed = serde_json::from_value::<ConnectorDocument>(document.clone());
        if parsed.is_ok_and(|parsed| validate(&parsed, &Ceilings::default()).is_empty()) {
            HOUSE.with(|(runtime, fixture)| {
                let exchange = runtime.block_on(fixture.call(document));
                let error = exchange.outcome.expect_err("denied");
                prop_assert_eq!(error.kind, Kind::EgressDenied, "{}: {}", host, error.message);
                prop_assert!(exchange.attempts.is_empty());
                // A literal is never asked of a name server.
                prop_assert_eq!(fixture.resolver.lookups.load(Ordering::SeqCst), 0);
                Ok(())
            })?;
        }
    }
}

/// Most of what the strategy makes is a URL: else the property would say little.
#[test]
fn the_spellings_are_mostly_urls() {
    use proptest::strategy::ValueTree as _;
    let mut runner = proptest::test_runner::TestRunner::deterministic();
    let mut parsed = 0;
    for _ in 0..200 {
        let host = spelling().new_tree(&mut runner).expect("a value").current();
        parsed += usize::from(url::Url::parse(&format!("http://{host}:80/")).is_ok());
    }
    assert!(parsed > 100, "{parsed} of 200");
}
