//! What kind of address an address is, by the IANA special-purpose registries (RFC 6890 and its updates).

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::{IpNet, Ipv4Net, Ipv6Net};

/// The kinds of addresses that a policy tells apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum AddressClass {
    /// Globally routable: the only class that is dialled without a rule.
    Global,
    /// Cloud metadata services: they hand out credentials of the machine to whoever can reach them.
    Metadata,
    /// An address of this machine that is not loopback. Only a policy that knows them gives this class.
    OwnMachine,
    /// 127.0.0.0/8, ::1.
    Loopback,
    /// RFC 1918, unique local (RFC 4193) and site local (RFC 3879).
    Private,
    /// 169.254.0.0/16, fe80::/10.
    LinkLocal,
    /// Carrier-grade NAT, 100.64.0.0/10 (RFC 6598).
    SharedCarrier,
    /// 0.0.0.0/8, ::.
    Unspecified,
    /// 255.255.255.255.
    Broadcast,
    /// 224.0.0.0/4, ff00::/8.
    Multicast,
    /// RFC 2544, RFC 5180.
    Benchmark,
    /// RFC 5737, RFC 3849, RFC 9637.
    Documentation,
    /// An IPv6 address that carries an IPv4 one: mapped, compatible, translated, NAT64, 6to4, Teredo.
    Ipv4InIpv6,
    /// Everything else that is not globally routable.
    Reserved,
}

impl AddressClass {
    /// The class of an address.
    pub fn of(address: IpAddr) -> Self {
        if METADATA.contains(&address) {
            return Self::Metadata;
        }
        match address {
            IpAddr::V4(address) => Self::of_v4(address),
            IpAddr::V6(address) => Self::of_v6(address),
        }
    }

    fn of_v4(address: Ipv4Addr) -> Self {
        V4.iter().find(|(net, _)| net.contains(&address)).map_or(Self::Global, |(_, class)| *class)
    }

    /// Of IPv6 only 2000::/3 has been handed out as globally routable, so all else is reserved.
    fn of_v6(address: Ipv6Addr) -> Self {
        V6.iter().find(|(net, _)| net.contains(&address)).map_or(Self::Reserved, |(_, class)| *class)
    }
}

impl fmt::Display for AddressClass {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Global => "globally routable",
            Self::Metadata => "a cloud metadata service",
            Self::OwnMachine => "an address of this machine",
            Self::Loopback => "loopback",
            Self::Private => "private",
            Self::LinkLocal => "link-local",
            Self::SharedCarrier => "carrier-grade NAT",
            Self::Unspecified => "unspecified",
            Self::Broadcast => "broadcast",
            Self::Multicast => "multicast",
            Self::Benchmark => "for benchmarks",
            Self::Documentation => "for documentation",
            Self::Ipv4InIpv6 => "an IPv4 address inside an IPv6 one",
            Self::Reserved => "reserved",
        })
    }
}

/// The metadata services of the large clouds. Only one of them is globally routable by number (168.63.129.16), but
/// each must be allowed by its own address, never by a range that happens to hold it.
const METADATA: [IpAddr; 10] = [
    IpAddr::V4(Ipv4Addr::new(169, 254, 169, 254)),
    IpAddr::V4(Ipv4Addr::new(169, 254, 170, 2)),
    IpAddr::V4(Ipv4Addr::new(169, 254, 170, 23)),
    IpAddr::V4(Ipv4Addr::new(100, 100, 100, 200)),
    IpAddr::V4(Ipv4Addr::new(168, 63, 129, 16)),
    IpAddr::V4(Ipv4Addr::new(192, 0, 0, 192)),
    IpAddr::V6(Ipv6Addr::new(0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x254)),
    IpAddr::V6(Ipv6Addr::new(0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x23)),
    IpAddr::V6(Ipv6Addr::new(0xfd00, 0x42, 0, 0, 0, 0, 0, 0x42)),
    IpAddr::V6(Ipv6Addr::new(0xfd20, 0xce, 0, 0, 0, 0, 0, 0x254)),
];

const fn v4(a: u8, b: u8, c: u8, d: u8, prefix: u8) -> Ipv4Net {
    Ipv4Net::new_assert(Ipv4Addr::new(a, b, c, d), prefix)
}

const fn v6(start: [u16; 8], prefix: u8) -> Ipv6Net {
    let [a, b, c, d, e, f, g, h] = start;
    Ipv6Net::new_assert(Ipv6Addr::new(a, b, c, d, e, f, g, h), prefix)
}

/// First match wins.
const V4: [(Ipv4Net, AddressClass); 17] = [
    (v4(0, 0, 0, 0, 8), AddressClass::Unspecified),
    (v4(10, 0, 0, 0, 8), AddressClass::Private),
    (v4(100, 64, 0, 0, 10), AddressClass::SharedCarrier),
    (v4(127, 0, 0, 0, 8), AddressClass::Loopback),
    (v4(169, 254, 0, 0, 16), AddressClass::LinkLocal),
    (v4(172, 16, 0, 0, 12), AddressClass::Private),
    (v4(192, 0, 0, 0, 24), AddressClass::Reserved),
    (v4(192, 0, 2, 0, 24), AddressClass::Documentation),
    (v4(192, 88, 99, 0, 24), AddressClass::Reserved),
    (v4(192, 168, 0, 0, 16), AddressClass::Private),
    (v4(198, 18, 0, 0, 15), AddressClass::Benchmark),
    (v4(198, 51, 100, 0, 24), AddressClass::Documentation),
    (v4(203, 0, 113, 0, 24), AddressClass::Documentation),
    (v4(233, 252, 0, 0, 24), AddressClass::Documentation),
    (v4(224, 0, 0, 0, 4), AddressClass::Multicast),
    (v4(255, 255, 255, 255, 32), AddressClass::Broadcast),
    (v4(240, 0, 0, 0, 4), AddressClass::Reserved),
];

/// First match wins.
const V6: [(Ipv6Net, AddressClass); 19] = [
    (v6([0, 0, 0, 0, 0, 0, 0, 0], 128), AddressClass::Unspecified),
    (v6([0, 0, 0, 0, 0, 0, 0, 1], 128), AddressClass::Loopback),
    (COMPATIBLE, AddressClass::Ipv4InIpv6),
    (MAPPED, AddressClass::Ipv4InIpv6),
    (TRANSLATED, AddressClass::Ipv4InIpv6),
    (NAT64, AddressClass::Ipv4InIpv6),
    (NAT64_LOCAL, AddressClass::Ipv4InIpv6),
    (TEREDO, AddressClass::Ipv4InIpv6),
    (v6([0x2001, 2, 0, 0, 0, 0, 0, 0], 48), AddressClass::Benchmark),
    (v6([0x2001, 0, 0, 0, 0, 0, 0, 0], 23), AddressClass::Reserved),
    (v6([0x2001, 0xdb8, 0, 0, 0, 0, 0, 0], 32), AddressClass::Documentation),
    (SIX_TO_FOUR, AddressClass::Ipv4InIpv6),
    (v6([0x3fff, 0, 0, 0, 0, 0, 0, 0], 20), AddressClass::Documentation),
    (v6([0x3ffe, 0, 0, 0, 0, 0, 0, 0], 16), AddressClass::Reserved),
    (v6([0x2000, 0, 0, 0, 0, 0, 0, 0], 3), AddressClass::Global),
    (v6([0xfc00, 0, 0, 0, 0, 0, 0, 0], 7), AddressClass::Private),
    (v6([0xfe80, 0, 0, 0, 0, 0, 0, 0], 10), AddressClass::LinkLocal),
    (v6([0xfec0, 0, 0, 0, 0, 0, 0, 0], 10), AddressClass::Private),
    (v6([0xff00, 0, 0, 0, 0, 0, 0, 0], 8), AddressClass::Multicast),
];

const COMPATIBLE: Ipv6Net = v6([0, 0, 0, 0, 0, 0, 0, 0], 96);
const MAPPED: Ipv6Net = v6([0, 0, 0, 0, 0, 0xffff, 0, 0], 96);
const TRANSLATED: Ipv6Net = v6([0, 0, 0, 0, 0xffff, 0, 0, 0], 96);
const NAT64: Ipv6Net = v6([0x64, 0xff9b, 0, 0, 0, 0, 0, 0], 96);
const NAT64_LOCAL: Ipv6Net = v6([0x64, 0xff9b, 1, 0, 0, 0, 0, 0], 48);
const TEREDO: Ipv6Net = v6([0x2001, 0, 0, 0, 0, 0, 0, 0], 32);
const SIX_TO_FOUR: Ipv6Net = v6([0x2002, 0, 0, 0, 0, 0, 0, 0], 16);

/// The IPv4 address that an address of class [`AddressClass::Ipv4InIpv6`] finally reaches.
pub(super) fn inner_v4(address: IpAddr) -> Option<Ipv4Addr> {
    let IpAddr::V6(address) = address else { return None };
    let bits = address.to_bits();
    let low = |shift: u32| Ipv4Addr::from_bits((bits >> shift) as u32);
    if SIX_TO_FOUR.contains(&address) {
        Some(low(80))
    } else if TEREDO.contains(&address) {
        // RFC 4380 section 4: the client's address stands inverted.
        Some(Ipv4Addr::from_bits(!low(0).to_bits()))
    } else if [COMPATIBLE, MAPPED, TRANSLATED, NAT64, NAT64_LOCAL].iter().any(|net| net.contains(&address)) {
        Some(low(0))
    } else {
        None
    }
}

/// Whether a range is exactly one address.
pub(super) fn is_single(net: IpNet) -> bool {
    net.prefix_len() == net.max_prefix_len()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn classes() {
        // keeps E-01
        for (text, class) in [
            ("1.1.1.1", AddressClass::Global),
            ("99.255.255.255", AddressClass::Global),
            ("100.128.0.0", AddressClass::Global),
            ("172.15.255.255", AddressClass::Global),
            ("172.32.0.0", AddressClass::Global),
            ("198.20.0.0", AddressClass::Global),
            ("223.255.255.255", AddressClass::Global),
            ("2606:4700::1111", AddressClass::Global),
            ("2001:200::1", AddressClass::Global),
            ("0.0.0.0", AddressClass::Unspecified),
            ("0.1.2.3", AddressClass::Unspecified),
            ("10.255.255.255", AddressClass::Private),
            ("100.64.0.1", AddressClass::SharedCarrier),
            ("100.100.100.200", AddressClass::Metadata),
            ("127.255.255.254", AddressClass::Loopback),
            ("169.254.0.1", AddressClass::LinkLocal),
            ("169.254.169.254", AddressClass::Metadata),
            ("168.63.129.16", AddressClass::Metadata),
            ("169.254.170.2", AddressClass::Metadata),
            ("169.254.170.23", AddressClass::Metadata),
            ("fd00:ec2::23", AddressClass::Metadata),
            ("fd00:42::42", AddressClass::Metadata),
            ("172.16.0.0", AddressClass::Private),
            ("192.0.0.1", AddressClass::Reserved),
            ("192.0.2.1", AddressClass::Documentation),
            ("192.88.99.1", AddressClass::Reserved),
            ("192.168.0.1", AddressClass::Private),
            ("198.19.255.255", AddressClass::Benchmark),
            ("198.51.100.1", AddressClass::Documentation),
            ("203.0.113.1", AddressClass::Documentation),
            ("239.255.255.255", AddressClass::Multicast),
            ("240.0.0.1", AddressClass::Reserved),
            ("255.255.255.255", AddressClass::Broadcast),
            ("::", AddressClass::Unspecified),
            ("::1", AddressClass::Loopback),
            ("::127.0.0.1", AddressClass::Ipv4InIpv6),
            ("::ffff:127.0.0.1", AddressClass::Ipv4InIpv6),
            ("::ffff:0:127.0.0.1", AddressClass::Ipv4InIpv6),
            ("64:ff9b::127.0.0.1", AddressClass::Ipv4InIpv6),
            ("64:ff9b:1::1", AddressClass::Ipv4InIpv6),
            ("2002:7f00:1::", AddressClass::Ipv4InIpv6),
            ("2001::1", AddressClass::Ipv4InIpv6),
            ("2001:2::1", AddressClass::Benchmark),
            ("2001:20::1", AddressClass::Reserved),
            ("2001:db8::1", AddressClass::Documentation),
            ("3fff::1", AddressClass::Documentation),
            ("100::1", AddressClass::Reserved),
            ("5f00::1", AddressClass::Reserved),
            ("4000::1", AddressClass::Reserved),
            ("fc00::1", AddressClass::Private),
            ("fd00:ec2::254", AddressClass::Metadata),
            ("fe80::1", AddressClass::LinkLocal),
            ("fec0::1", AddressClass::Private),
            ("ff02::1", AddressClass::Multicast),
        ] {
            assert_eq!(AddressClass::of(text.parse().expect(text)), class, "{text}");
        }
    }

    #[test]
    fn the_inner_address_is_found() {
        for (text, inner) in [
            ("::ffff:10.0.0.1", "10.0.0.1"),
            ("::10.0.0.1", "10.0.0.1"),
            ("::ffff:0:10.0.0.1", "10.0.0.1"),
            ("64:ff9b::10.0.0.1", "10.0.0.1"),
            ("2002:a00:1::5", "10.0.0.1"),
            ("2001:0:4136:e378:8000:63bf:f5ff:fffe", "10.0.0.1"),
        ] {
            assert_eq!(inner_v4(text.parse().expect(text)), inner.parse().ok(), "{text}");
        }
        assert_eq!(inner_v4("2606:4700::1".parse().expect("address")), None);
    }
}
