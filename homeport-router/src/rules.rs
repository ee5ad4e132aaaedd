//! Owns what an operator allows on one route: who may come, and how many at once and a second. A value, never a decision.

use std::fmt;
use std::num::NonZeroU32;
use std::time::Duration;

use ipnet::IpNet;

use crate::backend::Backend;
use crate::source::SourceAddress;

/// What a route lets in. The usual rules let everybody in, up to the router's own bound. This machine itself may always come, as
/// often as it likes: an operation proves over the public address that it answers.
#[derive(Debug, Clone, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RouteRules {
    /// Connections at once; the router's own bound where it is not said. Never more than half of what the router can have.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub connections: Option<NonZeroU32>,
    /// Connections at once from one source: an IPv4 address, or the 64 bits of an IPv6 network.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub per_source: Option<NonZeroU32>,
    /// New connections a second; a second's worth may come at once.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub new_per_second: Option<NonZeroU32>,
    /// The networks from which clients may come; everybody may where there is none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub allow: Vec<IpNet>,
    /// The networks from which none may come, whatever `allow` says.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub deny: Vec<IpNet>,
    /// After so many seconds without a byte in either direction a connection is ended; it may be idle for ever where it is
    /// not said. It is ended within a quarter more than that.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub idle_seconds: Option<NonZeroU32>,
    /// After so many seconds during which the route was held all along, its clients are reset until it has a target again;
    /// they wait for as long as the hold is renewed where it is not said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hold_seconds: Option<NonZeroU32>,
    /// From which address containers are dialled for clients.
    #[serde(default, skip_serializing_if = "SourceAddress::is_own")]
    pub source: SourceAddress,
    /// Whether each connection leaves a line when it has ended. One that was open before leaves none.
    #[serde(default, skip_serializing_if = "AccessLog::is_off")]
    pub log: AccessLog,
    /// What is to carry them; the router goes by the rest, whatever it is.
    #[serde(default, skip_serializing_if = "Backend::is_builtin")]
    pub backend: Backend,
}

/// Whether connections leave a line.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AccessLog {
    /// They leave nothing.
    #[default]
    Off,
    /// Each leaves one.
    On,
}

impl AccessLog {
    #[expect(clippy::trivially_copy_pass_by_ref, reason = "serde calls it so")]
    fn is_off(&self) -> bool {
        *self == Self::Off
    }
}

/// How long what is allowed may last.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Times {
    /// How long nothing may go over a connection.
    pub(crate) idle: Option<Duration>,
    /// How long clients may be kept waiting.
    pub(crate) held: Option<Duration>,
}

impl Times {
    /// Those of these rules.
    pub(crate) fn of(rules: &RouteRules) -> Self {
        let seconds = |number: Option<NonZeroU32>| number.map(|number| Duration::from_secs(number.get().into()));
        Self { idle: seconds(rules.idle_seconds), held: seconds(rules.hold_seconds) }
    }
}

impl RouteRules {
    /// Whether these are the usual rules.
    pub fn are_usual(&self) -> bool {
        *self == Self::default()
    }

    /// Whether clients may come from this address, which is told as IPv4 where it is one.
    pub(crate) fn allow(&self, client: std::net::IpAddr) -> bool {
        let client = client.to_canonical();
        let is_in = |networks: &[IpNet]| networks.iter().any(|network| network.contains(&client));
        !is_in(&self.deny) && (self.allow.is_empty() || is_in(&self.allow))
    }
}

impl fmt::Display for RouteRules {
    /// Who may come and how many, for people: `everybody, but 192.0.2.0/24, 40 at once`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let list = |networks: &[IpNet]| networks.iter().map(IpNet::to_string).collect::<Vec<_>>().join(", ");
        f.write_str(&if self.allow.is_empty() { "everybody".to_owned() } else { list(&self.allow) })?;
        if !self.deny.is_empty() {
            write!(f, ", but {}", list(&self.deny))?;
        }
        let numbers = [
            (self.connections, "at once"),
            (self.per_source, "from one source at once"),
            (self.new_per_second, "new ones a second"),
            (self.idle_seconds, "s idle at most"),
            (self.hold_seconds, "s kept waiting at most"),
        ];
        for (number, what) in numbers {
            number.map_or(Ok(()), |number| write!(f, ", {number} {what}"))?;
        }
        if self.source == SourceAddress::Client {
            f.write_str(", other machines seen with their own addresses")?;
        }
        match self.log {
            AccessLog::On => f.write_str(", logged"),
            AccessLog::Off => Ok(()),
        }
    }
}

/// Clients that were reset, by why. [`RouteStatus::refused`](crate::RouteStatus::refused) is their sum.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct RefusedBecause {
    /// The route was closed, or closed while they waited.
    pub closed: u64,
    /// The route, or the whole router, had as many connections as it may.
    pub full: u64,
    /// Their source had as many connections as it may.
    pub source_full: u64,
    /// More came in a second than may.
    pub too_fast: u64,
    /// Their source may not come.
    pub not_allowed: u64,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn nets(texts: &[&str]) -> Vec<IpNet> {
        texts.iter().map(|text| text.parse().unwrap()).collect()
    }

    #[test]
    fn a_denied_network_is_denied_within_an_allowed_one_and_mapped_addresses_are_ipv4() {
        let rules = RouteRules {
            allow: nets(&["192.0.2.0/24", "2001:db8::/32"]),
            deny: nets(&["192.0.2.128/25"]),
            ..RouteRules::default()
        };
        for (client, wanted) in [
            ("192.0.2.7", true),
            ("::ffff:192.0.2.7", true),
            ("192.0.2.200", false),
            ("198.51.100.1", false),
            ("2001:db8::1", true),
            ("2001:db9::1", false),
        ] {
            assert_eq!(rules.allow(client.parse().unwrap()), wanted, "{client}");
            assert!(RouteRules::default().allow(client.parse().unwrap()));
        }
        let only_deny = RouteRules { allow: Vec::new(), ..rules };
        assert!(only_deny.allow("198.51.100.1".parse().unwrap()));
        assert!(!only_deny.allow("192.0.2.200".parse().unwrap()));
    }

    #[test]
    fn rules_cross_a_document_unchanged_and_the_usual_ones_are_empty() {
        assert_eq!(serde_json::to_string(&RouteRules::default()).unwrap(), "{}");
        let rules = RouteRules {
            connections: NonZeroU32::new(40),
            per_source: NonZeroU32::new(4),
            new_per_second: NonZeroU32::new(10),
            allow: nets(&["10.0.0.0/8"]),
            deny: nets(&["::/0"]),
            idle_seconds: NonZeroU32::new(600),
            hold_seconds: NonZeroU32::new(30),
            source: SourceAddress::Client,
            log: AccessLog::On,
            backend: Backend::Nftables,
        };
        let json = serde_json::to_string(&rules).unwrap();
        let wanted = concat!(
            r#"{"connections":40,"per_source":4,"new_per_second":10,"allow":["10.0.0.0/8"],"deny":["::/0"],"#,
            r#""idle_seconds":600,"hold_seconds":30,"source":"client","log":"on","backend":"nftables"}"#
        );
        assert_eq!(json, wanted);
        assert_eq!(serde_json::from_str::<RouteRules>(&json).unwrap(), rules);
        let said = "10.0.0.0/8, but ::/0, 40 at once, 4 from one source at once, 10 new ones a second, 600 s idle at most, \
                    30 s kept waiting at most, other machines seen with their own addresses, logged";
        assert_eq!((rules.to_string().as_str(), RouteRules::default().to_string().as_str()), (said, "everybody"));
        assert!(serde_json::from_str::<RouteRules>(r#"{"connections":0}"#).is_err());
        assert!(serde_json::from_str::<RouteRules>(r#"{"conections":1}"#).is_err());
    }
}
