//! The decision: may this address be dialled for this scheme, host and port?

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use weir_engine::ids::TenantId;

use super::class::{self, AddressClass};
use super::denied::{Denied, DeniedReason, DenyRule};
use super::rule::{Destination, EgressRule, without_root_dot};

/// What may be reached without a rule.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Reach {
    /// Every globally routable address.
    #[default]
    Public,
    /// Nothing: each host needs a rule.
    Nothing,
}

/// What an operator sets for all tenants, and for some.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct EgressSettings {
    /// What may be reached without a rule: `public` by default.
    pub reach: Reach,
    /// Opens addresses for every tenant.
    pub allow: Vec<EgressRule>,
    /// Closes addresses for every tenant, whatever `allow` says. Public addresses of this machine that its interfaces do
    /// not have, such as those of a load balancer, belong here.
    pub deny: Vec<EgressRule>,
    /// More for single tenants.
    pub tenants: BTreeMap<TenantId, TenantEgress>,
}

/// What an operator sets for one tenant, on top of what holds for all.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct TenantEgress {
    /// What the tenant may reach without a rule, where it differs.
    pub reach: Option<Reach>,
    /// Opens addresses for this tenant.
    pub allow: Vec<EgressRule>,
    /// Closes addresses for this tenant.
    pub deny: Vec<EgressRule>,
}

/// The rules that hold for one tenant.
///
/// An address is dialled when no deny rule is about it, and it is either globally routable (with
/// [`Reach::Public`] or an allow rule about its host) or in the range of an allow rule. A metadata service and an
/// address of this machine need a range of exactly that address. An IPv4 address inside an IPv6 one needs both: a range that holds the IPv6
/// address, and leave for the IPv4 address.
#[derive(Debug, Clone, Default)]
pub struct EgressPolicy {
    tenant: Option<TenantId>,
    reach: Reach,
    allow: Vec<EgressRule>,
    /// First those for all tenants.
    deny: Vec<EgressRule>,
    deny_for_all: usize,
    own: Arc<[IpAddr]>,
}

impl EgressPolicy {
    /// The rules that hold for a tenant.
    pub fn of_tenant(settings: &EgressSettings, tenant: &TenantId) -> Self {
        let own = settings.tenants.get(tenant).cloned().unwrap_or_default();
        let both = |common: &[EgressRule], own: Vec<EgressRule>| common.iter().cloned().chain(own).collect();
        Self {
            tenant: Some(tenant.clone()),
            reach: own.reach.unwrap_or(settings.reach),
            allow: both(&settings.allow, own.allow),
            deny: both(&settings.deny, own.deny),
            deny_for_all: settings.deny.len(),
            own: Arc::default(),
        }
    }

    /// The same, with these as the addresses of this machine.
    #[must_use]
    pub fn with_own_addresses(self, own: Arc<[IpAddr]>) -> Self {
        Self { own, ..self }
    }

    fn class(&self, address: IpAddr) -> AddressClass {
        match AddressClass::of(address) {
            class @ (AddressClass::Metadata | AddressClass::Loopback) => class,
            _ if self.own.contains(&address) => AddressClass::OwnMachine,
            class => class,
        }
    }

    /// Whether `address`, which is what the host stands for, may be dialled.
    ///
    /// # Errors
    /// See [`Denied`].
    pub fn check(&self, to: Destination<'_>, address: IpAddr) -> Result<(), Denied> {
        let to = Destination { host: without_root_dot(to.host), ..to };
        self.decide(to, address).map_err(|reason| Denied {
            tenant: self.tenant.clone(),
            scheme: to.scheme,
            host: to.host.to_owned(),
            port: to.port,
            address,
            reason,
        })
    }

    fn decide(&self, to: Destination<'_>, address: IpAddr) -> Result<(), DeniedReason> {
        if let Some(index) = self.deny.iter().position(|rule| rule.names(to) && rule.holds(address)) {
            return Err(self.denying(index));
        }
        let class = self.class(address);
        let mut about = self.allow.iter().filter(|rule| rule.names(to));
        let allowed = match class {
            AddressClass::Global => self.reach == Reach::Public || about.any(|rule| rule.holds(address)),
            AddressClass::Metadata | AddressClass::OwnMachine => {
                about.any(|rule| rule.cidr().is_some_and(class::is_single) && rule.holds(address))
            }
            _ => about.any(|rule| rule.cidr().is_some() && rule.holds(address)),
        };
        match (allowed, class) {
            (false, AddressClass::Global) => Err(DeniedReason::NotListed),
            (false, class) => Err(DeniedReason::Class(class)),
            (true, AddressClass::Ipv4InIpv6) => match class::inner_v4(address) {
                Some(inner) => self.decide(to, inner.into()),
                None => Err(DeniedReason::Class(class)),
            },
            (true, _) => Ok(()),
        }
    }

    /// The reason for the deny rule at that place of all that hold for the tenant.
    fn denying(&self, index: usize) -> DeniedReason {
        let (list, number) = match (index.checked_sub(self.deny_for_all), &self.tenant) {
            (Some(own), Some(tenant)) => (format!("connectors.egress.tenants.{tenant}.deny"), own + 1),
            _ => ("connectors.egress.deny".to_owned(), index + 1),
        };
        match self.deny.get(index) {
            Some(rule) => DeniedReason::Rule(Box::new(DenyRule { list, number, rule: rule.clone() })),
            None => DeniedReason::NotListed,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::rule::Scheme;
    use super::*;

    fn policy(json: serde_json::Value) -> EgressPolicy {
        let settings: EgressSettings = serde_json::from_value(json).expect("settings");
        EgressPolicy::of_tenant(&settings, &"acme".parse().expect("tenant"))
    }

    fn at(host: &str, port: u16) -> Destination<'_> {
        Destination { scheme: Scheme::Https, host, port }
    }

    fn may(policy: &EgressPolicy, host: &str, port: u16, address: &str) -> bool {
        policy.check(at(host, port), address.parse().expect(address)).is_ok()
    }

    #[test]
    fn by_default_only_global_addresses() {
        // keeps E-01
        let policy = EgressPolicy::default();
        assert!(may(&policy, "a.com", 443, "1.1.1.1"));
        assert!(!may(&policy, "a.com", 443, "10.0.0.1"));
    }

    #[test]
    fn a_name_alone_opens_no_private_address() {
        let policy = policy(serde_json::json!({"allow": [{"host": "a.com"}]}));
        assert!(!may(&policy, "a.com", 443, "10.0.0.1"));
    }

    #[test]
    fn a_range_opens_its_addresses_for_its_host_and_ports() {
        // covers C-19
        let policy = policy(serde_json::json!({"allow": [{"host": "a.com", "cidr": "10.0.0.0/8", "ports": [443]}]}));
        assert!(may(&policy, "a.com", 443, "10.0.0.1"));
        assert!(may(&policy, "a.com.", 443, "10.0.0.1"));
        assert!(!may(&policy, "b.com", 443, "10.0.0.1"));
        assert!(!may(&policy, "a.com", 80, "10.0.0.1"));
        assert!(!may(&policy, "a.com", 443, "192.168.0.1"));
    }

    #[test]
    fn a_range_never_opens_a_metadata_service() {
        let wide = policy(serde_json::json!({"allow": [{"cidr": "0.0.0.0/0"}, {"cidr": "::/0"}]}));
        assert!(may(&wide, "a.com", 80, "169.254.169.253"));
        assert!(!may(&wide, "a.com", 80, "169.254.169.254"));
        assert!(!may(&wide, "a.com", 80, "::ffff:169.254.169.254"));
        assert!(may(&wide, "a.com", 80, "::1") && may(&wide, "a.com", 80, "::"));
        let exact = policy(serde_json::json!({"allow": [{"cidr": "169.254.169.254/32"}]}));
        assert!(may(&exact, "a.com", 80, "169.254.169.254"));
    }

    #[test]
    fn only_its_own_rule_opens_an_address_of_this_machine() {
        // keeps E-01
        let own: Arc<[IpAddr]> =
            ["10.0.0.5", "1.1.1.1", "127.0.0.1", "2606:4700::1"].map(|it| it.parse().expect(it)).into();
        let wide = policy(serde_json::json!({"allow": [{"cidr": "0.0.0.0/0"}, {"cidr": "::/0"}, {"host": "a.com"}]}));
        let wide = wide.with_own_addresses(own.clone());
        for closed in ["10.0.0.5", "1.1.1.1", "2606:4700::1", "::ffff:10.0.0.5", "64:ff9b::1.1.1.1"] {
            assert!(!may(&wide, "a.com", 80, closed), "{closed}");
        }
        for open in ["10.0.0.6", "127.0.0.1", "1.1.1.2"] {
            assert!(may(&wide, "a.com", 80, open), "{open}");
        }
        let denied = wide.check(at("a.com", 80), "1.1.1.1".parse().expect("address")).expect_err("own").to_string();
        assert!(
            denied.contains("an address of this machine, which only a rule for exactly that address opens"),
            "{denied}"
        );
        let exact = policy(serde_json::json!({"allow": [{"cidr": "10.0.0.5/32"}]})).with_own_addresses(own);
        assert!(may(&exact, "a.com", 80, "10.0.0.5") && !may(&exact, "a.com", 80, "1.1.1.1"));
    }

    #[test]
    fn an_inner_address_needs_leave_of_its_own() {
        let policy = policy(serde_json::json!({"allow": [{"cidr": "64:ff9b::/96"}]}));
        assert!(may(&policy, "a.com", 80, "64:ff9b::1.1.1.1"));
        assert!(!may(&policy, "a.com", 80, "64:ff9b::127.0.0.1"));
    }

    #[test]
    fn deny_beats_allow_and_tenants_have_their_own() {
        let settings = serde_json::json!({
            "deny": [{"cidr": "10.9.0.0/16"}, {"host": "*.evil.com"}],
            "allow": [{"cidr": "10.0.0.0/8"}],
            "tenants": {"acme": {"allow": [{"cidr": "192.168.0.0/16"}], "reach": "nothing"}},
        });
        let acme = policy(settings.clone());
        assert!(may(&acme, "a.com", 80, "10.8.0.1") && may(&acme, "a.com", 80, "192.168.0.1"));
        assert!(!may(&acme, "a.com", 80, "10.9.0.1") && !may(&acme, "a.com", 80, "1.1.1.1"));
        let settings: EgressSettings = serde_json::from_value(settings).expect("settings");
        let other = EgressPolicy::of_tenant(&settings, &"other".parse().expect("tenant"));
        assert!(!may(&other, "a.com", 80, "192.168.0.1") && may(&other, "a.com", 80, "1.1.1.1"));
        assert!(!may(&other, "x.evil.com", 80, "1.1.1.1"));
    }

    #[test]
    fn schemes_are_a_part_of_the_question() {
        // covers C-19
        let policy = policy(serde_json::json!({
            "deny": [{"cidr": "0.0.0.0/0", "schemes": ["http"]}],
            "tenants": {"acme": {"allow": [{"host": "a.com", "cidr": "10.0.0.0/8", "schemes": ["https"]}]}},
        }));
        let may = |scheme, address: &str| {
            policy.check(Destination { scheme, ..at("a.com", 80) }, address.parse().expect(address)).is_ok()
        };
        assert!(may(Scheme::Https, "10.0.0.1") && may(Scheme::Https, "1.1.1.1"));
        assert!(!may(Scheme::Http, "10.0.0.1") && !may(Scheme::Http, "1.1.1.1"));
    }
}
