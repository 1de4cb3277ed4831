//! One rule of an operator: `{ host = "*.example.com", cidr = "10.1.0.0/16", ports = [443], schemes = ["https"] }`.

use std::fmt;
use std::net::IpAddr;

use ipnet::IpNet;
use serde::{Deserialize, Serialize};

/// The schemes of requests.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Scheme {
    /// Without TLS.
    Http,
    /// With TLS.
    Https,
}

impl fmt::Display for Scheme {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Http => "http",
            Self::Https => "https",
        })
    }
}

/// What a request is sent to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Destination<'a> {
    /// Its scheme.
    pub scheme: Scheme,
    /// Its host, as the HTTP client sees it; IPv6 in brackets.
    pub host: &'a str,
    /// Its port.
    pub port: u16,
}

/// Which hosts, addresses, ports and schemes a rule is about; what is left out stands for all.
///
/// A rule without `cidr` is about globally routable addresses only: a name alone never opens a private address,
/// because whoever controls the name would decide which one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "RawRule", into = "RawRule")]
pub struct EgressRule {
    host: Option<HostPattern>,
    cidr: Option<IpNet>,
    ports: Vec<u16>,
    schemes: Vec<Scheme>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum HostPattern {
    Exactly(String),
    /// Every name below this one.
    Below(String),
}

/// Why a rule is none.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidRule {
    /// Neither `host` nor `cidr`.
    #[error(
        "an egress rule needs `host`, `cidr` or both, such as `{{ host: \"api.example.com\", cidr: \"10.1.2.0/24\" }}`"
    )]
    Empty,
    /// Not a host name.
    #[error(
        "`{0}` is not a host; write a bare name such as `api.example.com`, or `*.example.com` for every name below it, without scheme, port or path"
    )]
    Host(String),
    /// Not a range.
    #[error("`{0}` is not a range of addresses; write one such as `10.1.2.0/24`, or `127.0.0.1/32` for one address")]
    Cidr(String),
    /// A range whose address has bits beyond the prefix.
    #[error("`{given}` has bits set beyond its prefix; write `{meant}` if the whole range is meant")]
    HostBits {
        /// As written.
        given: String,
        /// The range that holds it.
        meant: String,
    },
    /// Port 0.
    #[error("port 0 is no port; leave `ports` out to mean all of them")]
    Port,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct RawRule {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    host: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    cidr: Option<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    ports: Vec<u16>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    schemes: Vec<Scheme>,
}

impl EgressRule {
    /// A rule from its parts, for every scheme.
    ///
    /// # Errors
    /// See [`InvalidRule`].
    pub fn new(host: Option<&str>, cidr: Option<&str>, ports: Vec<u16>) -> Result<Self, InvalidRule> {
        if host.is_none() && cidr.is_none() {
            return Err(InvalidRule::Empty);
        }
        if ports.contains(&0) {
            return Err(InvalidRule::Port);
        }
        Ok(Self {
            host: host.map(parse_host).transpose()?,
            cidr: cidr.map(parse_cidr).transpose()?,
            ports,
            schemes: Vec::new(),
        })
    }

    /// The same, for these schemes only; for every one where there is none.
    #[must_use]
    pub fn for_schemes(self, schemes: Vec<Scheme>) -> Self {
        Self { schemes, ..self }
    }

    /// The range, where the rule has one.
    pub(super) fn cidr(&self) -> Option<IpNet> {
        self.cidr
    }

    /// Whether the rule is about this host, port and scheme. The host is without the dot of the root.
    pub(super) fn names(&self, to: Destination<'_>) -> bool {
        let Destination { scheme, host, port } = to;
        let host_fits = match &self.host {
            None => true,
            Some(HostPattern::Exactly(name)) => host == name,
            Some(HostPattern::Below(parent)) => {
                host.strip_suffix(parent.as_str()).is_some_and(|before| before.len() > 1 && before.ends_with('.'))
            }
        };
        host_fits
            && (self.ports.is_empty() || self.ports.contains(&port))
            && (self.schemes.is_empty() || self.schemes.contains(&scheme))
    }

    /// Whether the rule's range holds the address; a rule without a range holds them all.
    pub(super) fn holds(&self, address: IpAddr) -> bool {
        self.cidr.is_none_or(|cidr| cidr.contains(&address))
    }
}

fn parse_host(text: &str) -> Result<HostPattern, InvalidRule> {
    let invalid = || InvalidRule::Host(text.chars().take(80).collect());
    let (name, below) = match text.strip_prefix("*.") {
        Some(parent) => (parent, true),
        None => (text, false),
    };
    // The same parser that reads base URLs, so that both have one spelling.
    match url::Host::parse(name).map_err(|_| invalid())? {
        url::Host::Domain(name) if name.contains('*') => Err(invalid()),
        url::Host::Domain(name) if below => Ok(HostPattern::Below(without_root_dot(&name).to_owned())),
        url::Host::Domain(name) => Ok(HostPattern::Exactly(without_root_dot(&name).to_owned())),
        _ if below => Err(invalid()),
        literal => Ok(HostPattern::Exactly(literal.to_string())),
    }
}

/// `example.com.` and `example.com` are the same name.
pub(super) fn without_root_dot(host: &str) -> &str {
    host.strip_suffix('.').unwrap_or(host)
}

fn parse_cidr(text: &str) -> Result<IpNet, InvalidRule> {
    let shortened = || text.chars().take(80).collect::<String>();
    let net: IpNet = text.parse().map_err(|_| InvalidRule::Cidr(shortened()))?;
    if net.addr() != net.network() {
        return Err(InvalidRule::HostBits { given: shortened(), meant: net.trunc().to_string() });
    }
    Ok(net)
}

impl TryFrom<RawRule> for EgressRule {
    type Error = InvalidRule;
    fn try_from(raw: RawRule) -> Result<Self, InvalidRule> {
        Ok(Self::new(raw.host.as_deref(), raw.cidr.as_deref(), raw.ports)?.for_schemes(raw.schemes))
    }
}

impl From<EgressRule> for RawRule {
    fn from(rule: EgressRule) -> Self {
        let host = rule.host.map(|host| match host {
            HostPattern::Exactly(name) => name,
            HostPattern::Below(parent) => format!("*.{parent}"),
        });
        Self { host, cidr: rule.cidr.map(|cidr| cidr.to_string()), ports: rule.ports, schemes: rule.schemes }
    }
}

/// As it stands in the configuration file.
impl fmt::Display for EgressRule {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let RawRule { host, cidr, ports, schemes } = self.clone().into();
        let mut members = Vec::new();
        members.extend(host.map(|host| format!("host = \"{host}\"")));
        members.extend(cidr.map(|cidr| format!("cidr = \"{cidr}\"")));
        if !ports.is_empty() {
            members.push(format!("ports = {ports:?}"));
        }
        if !schemes.is_empty() {
            let schemes: Vec<String> = schemes.iter().map(ToString::to_string).collect();
            members.push(format!("schemes = {schemes:?}"));
        }
        write!(formatter, "{{ {} }}", members.join(", "))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rule(host: &str) -> EgressRule {
        EgressRule::new(Some(host), None, vec![]).expect(host)
    }

    fn at(host: &str, port: u16) -> Destination<'_> {
        Destination { scheme: Scheme::Http, host, port }
    }

    #[test]
    fn schemes() {
        // covers C-19
        let rule: EgressRule = serde_json::from_str(r#"{"host":"a.com","schemes":["https"]}"#).expect("a rule");
        assert!(
            rule.names(Destination { scheme: Scheme::Https, host: "a.com", port: 1 }) && !rule.names(at("a.com", 1))
        );
        for faulty in [r#"{"host":"a.com","schemes":["ftp"]}"#, r#"{"schemes":["https"]}"#] {
            assert!(serde_json::from_str::<EgressRule>(faulty).is_err(), "{faulty}");
        }
    }

    #[test]
    fn it_is_shown_as_the_configuration_file_has_it() {
        let rule = EgressRule::new(Some("*.a.com"), Some("10.0.0.0/8"), vec![80, 443]).expect("a rule");
        let rule = rule.for_schemes(vec![Scheme::Http, Scheme::Https]);
        let shown = r#"{ host = "*.a.com", cidr = "10.0.0.0/8", ports = [80, 443], schemes = ["http", "https"] }"#;
        assert_eq!(rule.to_string(), shown);
    }

    #[test]
    fn hosts() {
        assert!(rule("API.example.com").names(at("api.example.com", 1)));
        assert!(rule("*.example.com").names(at("a.b.example.com", 1)));
        for other in ["example.com", ".example.com", "notexample.com", "a.example.com.evil"] {
            assert!(!rule("*.example.com").names(at(other, 1)), "{other}");
        }
        assert!(rule("0x7f.1").names(at("127.0.0.1", 1)));
        let ports = EgressRule::new(None, Some("10.0.0.0/8"), vec![443]).expect("rule");
        assert!(ports.names(at("x", 443)) && !ports.names(at("x", 80)));
    }

    #[test]
    fn faults_teach() {
        let new = |host, cidr, ports| EgressRule::new(host, cidr, ports).expect_err("faulty").to_string();
        assert!(new(None, None, vec![]).contains("needs `host`"));
        for host in ["http://a.com", "a.com:80", "a/b", "*.*", "a.*.com", "", "*.127.0.0.1", "*"] {
            assert!(new(Some(host), None, vec![]).contains("is not a host"), "{host}");
        }
        assert!(new(None, Some("10.0.0.0"), vec![]).contains("is not a range"));
        assert_eq!(
            new(None, Some("10.0.0.1/8"), vec![]),
            "`10.0.0.1/8` has bits set beyond its prefix; write `10.0.0.0/8` if the whole range is meant"
        );
        assert!(new(None, Some("10.0.0.0/8"), vec![0]).contains("port 0"));
    }

    #[test]
    fn a_rule_is_itself_again_after_writing() {
        let json = r#"{"host":"*.example.com","cidr":"10.0.0.0/8","ports":[443],"schemes":["https"]}"#;
        let rule: EgressRule = serde_json::from_str(json).expect(json);
        assert_eq!(serde_json::to_string(&rule).expect("json"), json);
        assert!(serde_json::from_str::<EgressRule>(r#"{"host":"a.com","port":1}"#).is_err());
    }
}
