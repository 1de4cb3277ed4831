//! Why an address is not dialled, and what an operator would write to have it dialled.

use std::net::IpAddr;

use weir_engine::ids::TenantId;

use super::class::{self, AddressClass};
use super::rule::{EgressRule, Scheme};

/// Why an address is not dialled.
///
/// The text does not name an address that a name resolved to, nor a range that holds it: that would tell a tenant what
/// lies in the operator's network. [`Denied::address`] is for the operator's log.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}", self.message())]
pub struct Denied {
    /// Whose policy it is; of all where there is none.
    pub tenant: Option<TenantId>,
    /// The scheme of the request.
    pub scheme: Scheme,
    /// The host of the request.
    pub host: String,
    /// The port of the request.
    pub port: u16,
    /// The address that was denied.
    pub address: IpAddr,
    /// Why.
    pub reason: DeniedReason,
}

/// What denied.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DeniedReason {
    /// The address is not globally routable.
    Class(AddressClass),
    /// A deny rule of the operator.
    Rule(Box<DenyRule>),
    /// Nothing is reached without a rule, and no rule is about this host.
    NotListed,
}

/// A deny rule and where it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DenyRule {
    /// The setting.
    pub list: String,
    /// Its place there, counted from 1.
    pub number: usize,
    /// The rule.
    pub rule: EgressRule,
}

impl Denied {
    /// The allow rules that would open exactly this, where rules can and the request itself tells the address.
    pub fn opening(&self) -> Option<Vec<EgressRule>> {
        let rule = |cidr: Option<String>| {
            let rule = EgressRule::new(Some(&self.host), cidr.as_deref(), vec![self.port]).ok()?;
            Some(rule.for_schemes(vec![self.scheme]))
        };
        let single = |address: IpAddr| format!("{address}/{}", if address.is_ipv4() { 32 } else { 128 });
        match &self.reason {
            DeniedReason::Rule(_) => None,
            DeniedReason::NotListed if class::inner_v4(self.address).is_none() => Some(vec![rule(None)?]),
            // An IPv4 address inside an IPv6 one needs leave of its own.
            _ if self.is_literal() => {
                let addresses = [Some(self.address), class::inner_v4(self.address).map(IpAddr::from)];
                addresses.into_iter().flatten().map(|address| rule(Some(single(address)))).collect()
            }
            _ => None,
        }
    }

    fn is_literal(&self) -> bool {
        self.host.trim_matches(['[', ']']).parse::<IpAddr>().is_ok()
    }

    fn message(&self) -> String {
        let Self { scheme, host, port, .. } = self;
        let why = match &self.reason {
            DeniedReason::Rule(denying) => return self.by_rule(denying),
            DeniedReason::NotListed => "no `allow` rule is about it".to_owned(),
            DeniedReason::Class(class) => {
                let is = if self.is_literal() { "is" } else { "resolves to an address that is" };
                let reached = match class {
                    AddressClass::OwnMachine | AddressClass::Metadata => {
                        "which only a rule for exactly that address opens"
                    }
                    _ => "and only globally routable addresses are reached",
                };
                format!("it {is} {class}, {reached}")
            }
        };
        let rules = match self.opening() {
            Some(rules) => rules.iter().map(ToString::to_string).collect::<Vec<_>>().join(", "),
            None => format!(
                "{{ host = \"{host}\", cidr = \"ADDRESS/PREFIX\", ports = [{port}], schemes = [\"{scheme}\"] }}"
            ),
        };
        let section = match &self.tenant {
            Some(tenant) => format!("[connectors.egress.tenants.{tenant}]"),
            None => "[connectors.egress]".to_owned(),
        };
        format!(
            "the egress policy denies `{scheme}://{host}:{port}`: {why}; an operator can write `allow = [{rules}]` under `{section}`"
        )
    }

    fn by_rule(&self, denying: &DenyRule) -> String {
        let Self { scheme, host, port, .. } = self;
        let DenyRule { list, number, rule } = denying;
        // The range of a rule would tell where the name leads.
        let text = match rule.cidr().is_some() && !self.is_literal() {
            true => String::new(),
            false => format!(", `{rule}`,"),
        };
        format!(
            "the egress policy denies `{scheme}://{host}:{port}`: rule {number} of `{list}`{text} is about it, and no `allow` rule goes before a `deny` rule; an operator would have to narrow that rule or take it out"
        )
    }
}

#[cfg(test)]
mod tests {
    use super::super::policy::{EgressPolicy, EgressSettings};
    use super::super::rule::Destination;
    use super::*;

    fn denied(settings: serde_json::Value, host: &str, address: &str) -> String {
        let settings: EgressSettings = serde_json::from_value(settings).expect("settings");
        let policy = EgressPolicy::of_tenant(&settings, &"acme".parse().expect("tenant"));
        let to = Destination { scheme: Scheme::Http, host, port: 80 };
        policy.check(to, address.parse().expect(address)).expect_err(host).to_string()
    }

    #[test]
    fn messages_say_what_to_write_and_hide_what_a_name_resolved_to() {
        // covers C-19
        let message = |host: &str| denied(serde_json::json!({}), host, "10.1.2.3");
        assert_eq!(
            message("10.1.2.3"),
            "the egress policy denies `http://10.1.2.3:80`: it is private, and only globally routable addresses are reached; an operator can write `allow = [{ host = \"10.1.2.3\", cidr = \"10.1.2.3/32\", ports = [80], schemes = [\"http\"] }]` under `[connectors.egress.tenants.acme]`"
        );
        assert!(!message("a.com").contains("10.1.2.3"), "{}", message("a.com"));
        assert!(message("a.com").contains("cidr = \"ADDRESS/PREFIX\""), "{}", message("a.com"));
    }

    #[test]
    fn a_deny_rule_is_named_with_its_place() {
        // covers C-19: of all tenants, of one, and without telling where a name leads
        let settings = serde_json::json!({
            "deny": [{"host": "b.com"}, {"cidr": "10.9.0.0/16"}],
            "tenants": {"acme": {"deny": [{"cidr": "10.8.0.0/16"}, {"host": "*.evil.com", "ports": [80]}]}},
        });
        let message = |host: &str, address: &str| denied(settings.clone(), host, address);
        let global = message("10.9.0.1", "10.9.0.1");
        assert!(global.contains("rule 2 of `connectors.egress.deny`, `{ cidr = \"10.9.0.0/16\" }`,"), "{global}");
        let own = message("x.evil.com", "1.1.1.1");
        let rule = "rule 2 of `connectors.egress.tenants.acme.deny`, `{ host = \"*.evil.com\", ports = [80] }`,";
        assert!(own.contains(rule), "{own}");
        let hidden = message("a.com", "10.8.0.1");
        assert!(hidden.contains("rule 1 of `connectors.egress.tenants.acme.deny` is about it"), "{hidden}");
        assert!(!hidden.contains("10.8"), "{hidden}");
    }

    proptest::proptest! {
        #[test]
        fn what_a_denial_says_opens_it(bits in proptest::prelude::any::<u128>(), v4: bool, embedding in 0..7usize) {
            // covers C-19: exactly what an operator would write
            let v4_bits = bits as u32;
            let prefix: [u128; 6] = [0, 0xffff << 32, 0xffff << 48, 0x64_ff9b << 96, 0x64_ff9b_0001 << 80, 0x2002 << 112];
            let address: IpAddr = match (v4, prefix.get(embedding)) {
                (true, _) => std::net::Ipv4Addr::from_bits(v4_bits).into(),
                (false, Some(prefix)) => std::net::Ipv6Addr::from_bits(prefix | u128::from(v4_bits)).into(),
                (false, None) => std::net::Ipv6Addr::from_bits(bits).into(),
            };
            let host = match address {
                IpAddr::V4(address) => url::Host::<String>::Ipv4(address),
                IpAddr::V6(address) => url::Host::Ipv6(address),
            };
            let host = host.to_string();
            let to = Destination { scheme: Scheme::Https, host: &host, port: 443 };
            for reach in ["public", "nothing"] {
                let settings = |allow: &[EgressRule]| -> EgressSettings {
                    serde_json::from_value(serde_json::json!({"reach": reach, "allow": allow})).expect("settings")
                };
                let acme = "acme".parse().expect("tenant");
                let Err(denied) = EgressPolicy::of_tenant(&settings(&[]), &acme).check(to, address) else { continue };
                let rules = denied.opening().expect("rules");
                let opened = EgressPolicy::of_tenant(&settings(&rules), &acme);
                proptest::prop_assert_eq!(opened.check(to, address), Ok(()), "{}", denied);
                let elsewhere = Destination { port: 444, ..to };
                proptest::prop_assert!(opened.check(elsewhere, address).is_err());
            }
        }
    }
}
