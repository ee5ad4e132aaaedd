//! Owns what `nft -j list table` says of the table, read into the values that it was made of. Pure.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, SocketAddr};

use homeport_core::unit::PortNumber;
use homeport_router::RouteId;
use ipnet::IpNet;
use serde_json::Value;

use super::lead::{Element, Lead, Owner, Protocol};
use super::ruleset::{Known, listen_of_key};
use super::span::Span;

/// A table as it was found.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Found {
    /// The elements of its maps.
    pub(super) elements: BTreeSet<Element>,
    /// What is remembered in its sets.
    pub(super) known: Known,
    /// How many packets were led to each target, and how many of them were forwarded.
    pub(super) came: Counts,
    pub(super) went: Counts,
    /// Everything else of it, without what changes by itself.
    pub(super) frame: Vec<Value>,
}

/// Packets that began something, by where they were led.
pub(super) type Counts = BTreeMap<(Protocol, SocketAddr), u64>;

/// Reads a listing.
///
/// # Errors
/// In words: it is not what `nft` writes of such a table.
pub(super) fn read(text: &str) -> Result<Found, String> {
    let listing: Value =
        serde_json::from_str(text).map_err(|error| format!("its listing is not understood: {error}"))?;
    let Some(objects) = listing["nftables"].as_array() else {
        return Err("its listing is not understood: it has no `nftables`".to_owned());
    };
    let (mut found, mut containers, mut routes) = (Found::default(), Vec::new(), Vec::new());
    for object in objects {
        let Some((kind, body)) = object.as_object().and_then(|object| object.iter().next()) else { continue };
        if kind == "metainfo" {
            continue;
        }
        let mut rest = body.clone();
        let entries = rest.as_object_mut().and_then(|rest| {
            rest.remove("handle");
            rest.remove("elem")
        });
        let entries = entries.as_ref().and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
        match body["name"].as_str() {
            Some("lead4" | "lead6") if kind == "map" => {
                for entry in entries {
                    found.elements.insert(element(entry).ok_or_else(|| format!("`{entry}` is no entry of a map"))?);
                }
            }
            Some("known4" | "known6") => containers.extend(entries.iter().filter_map(remembered)),
            Some("came4" | "came6") => found.came.extend(entries.iter().filter_map(counted)),
            Some("went4" | "went6") => found.went.extend(entries.iter().filter_map(counted)),
            Some("named4" | "named6") => routes.extend(entries.iter().filter_map(remembered)),
            _ => {}
        }
        found.frame.push(serde_json::json!({ kind.as_str(): rest }));
    }
    for (lead, container) in containers {
        let route = routes.iter().find(|(other, _)| *other == lead).and_then(|(_, text)| route_id(text));
        if let (Some(route), Ok(container)) = (route, container.parse()) {
            found.known.insert(lead, Owner { route, container });
        }
    }
    Ok(found)
}

/// One element of a map: its key, and where it leads.
fn element(entry: &Value) -> Option<Element> {
    let [key, target] = entry.as_array()?.as_slice() else { return None };
    let [protocol, listen, port, sources] = concatenated(key)? else { return None };
    let [ip, to] = concatenated(target)? else { return None };
    let (listen, port, target) = (span(listen)?, number(port)?, SocketAddr::new(address(ip)?, number(to)?.get()));
    Some(Element { lead: Lead { protocol: protocol_of(protocol)?, listen, port, target }, sources: span(sources)? })
}

/// One element of a set, and what is noted beside it.
fn remembered(entry: &Value) -> Option<(Lead, String)> {
    let comment = entry["elem"]["comment"].as_str()?.to_owned();
    let [protocol, listen, port, ip, to] = concatenated(entry)? else { return None };
    let target = SocketAddr::new(address(ip)?, number(to)?.get());
    let listen = listen_of_key(address(listen)?);
    Some((Lead { protocol: protocol_of(protocol)?, listen, port: number(port)?, target }, comment))
}

/// One element of a set that counts.
fn counted(entry: &Value) -> Option<((Protocol, SocketAddr), u64)> {
    let [protocol, ip, to] = concatenated(entry)? else { return None };
    let target = SocketAddr::new(address(ip)?, number(to)?.get());
    Some(((protocol_of(protocol)?, target), entry["elem"]["counter"]["packets"].as_u64()?))
}

/// The parts of a key, which stand inside of `elem` where it has more to say than the key.
fn concatenated(value: &Value) -> Option<&[Value]> {
    let inner = value.get("elem").map_or(value, |element| &element["val"]);
    inner["concat"].as_array().map(Vec::as_slice)
}

fn protocol_of(value: &Value) -> Option<Protocol> {
    Protocol::named(&value.as_str().map_or_else(|| value.to_string(), str::to_owned))
}

fn number(value: &Value) -> Option<PortNumber> {
    value.as_u64().and_then(|port| u16::try_from(port).ok()).map(PortNumber::new)
}

fn address(value: &Value) -> Option<IpAddr> {
    value.as_str()?.parse().ok()
}

fn span(value: &Value) -> Option<Span> {
    if let Some(prefix) = value.get("prefix") {
        let length = u8::try_from(prefix["len"].as_u64()?).ok()?;
        return Some(Span::of(IpNet::new(address(&prefix["addr"])?, length).ok()?));
    }
    match value["range"].as_array().map(Vec::as_slice) {
        Some([first, last]) => Span::between(address(first)?, address(last)?),
        _ => address(value).map(Span::one),
    }
}

/// A route by the text that its name is printed as.
fn route_id(text: &str) -> Option<RouteId> {
    let (instance, endpoint) = text.split_once('/')?;
    Some(RouteId { instance: instance.parse().ok()?, endpoint: endpoint.parse().ok()? })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As nft 1.0.6 writes it.
    const LISTING: &str = r#"{"nftables": [{"metainfo": {"version": "1.0.6", "json_schema_version": 1}},
        {"table": {"family": "inet", "name": "t", "handle": 2}},
        {"map": {"family": "inet", "name": "lead4", "table": "t", "type": ["inet_proto", "ipv4_addr", "inet_service", "ipv4_addr"],
          "handle": 4, "map": "ipv4_addr . inet_service", "flags": ["interval", "timeout"], "elem": [
            [{"elem": {"val": {"concat": ["tcp", {"prefix": {"addr": "0.0.0.0", "len": 0}}, 2222,
              {"range": ["0.0.0.0", "172.16.255.255"]}]}, "timeout": 30, "expires": 29}}, {"concat": ["172.17.0.2", 22]}],
            [{"concat": ["udp", "192.0.2.1", 53, {"prefix": {"addr": "10.0.0.0", "len": 8}}]}, {"concat": ["172.17.0.3", 53]}]]}},
        {"set": {"family": "inet", "name": "known4", "table": "t", "type": [], "handle": 6, "elem": [
            {"elem": {"val": {"concat": ["tcp", "0.0.0.0", 2222, "172.17.0.2", 22]}, "comment": "abcdef"}}]}},
        {"set": {"family": "inet", "name": "named4", "table": "t", "type": [], "handle": 7, "elem": [
            {"elem": {"val": {"concat": ["tcp", "0.0.0.0", 2222, "172.17.0.2", 22]}, "comment": "alice/ssh"}}]}},
        {"set": {"family": "inet", "name": "came4", "table": "t", "type": [], "handle": 8, "elem": [
            {"elem": {"val": {"concat": ["tcp", "172.17.0.2", 22]}, "counter": {"packets": 7, "bytes": 420}}}]}},
        {"chain": {"family": "inet", "table": "t", "name": "lead", "handle": 3}},
        {"rule": {"family": "inet", "table": "t", "chain": "lead", "handle": 9, "expr": [{"return": null}]}}]}"#;

    #[test]
    fn a_listing_is_read_into_what_the_table_was_made_of() {
        let found = read(LISTING).unwrap();
        let said: Vec<_> = found
            .elements
            .iter()
            .map(|Element { lead, sources }| {
                format!("{} {} {} {sources} {}", lead.protocol.as_str(), lead.listen, lead.port, lead.target)
            })
            .collect();
        assert_eq!(
            said,
            [
                "tcp 0.0.0.0/0 2222 0.0.0.0-172.16.255.255 172.17.0.2:22",
                "udp 192.0.2.1 53 10.0.0.0-10.255.255.255 172.17.0.3:53"
            ]
        );
        let (lead, owner) = found.known.first_key_value().unwrap();
        assert!(lead.listen.is_all() && found.known.len() == 1);
        assert_eq!((owner.route.to_string().as_str(), owner.container.as_str()), ("alice/ssh", "abcdef"));
        let target = (Protocol::Tcp, "172.17.0.2:22".parse().unwrap());
        assert_eq!((found.came, found.went), (Counts::from([(target, 7)]), Counts::new()));
        assert_eq!(found.frame.len(), 7);
        assert!(!serde_json::to_string(&found.frame).unwrap().contains("handle"));
    }

    #[test]
    fn what_is_no_such_listing_is_said_to_be_none_and_what_changes_by_itself_is_no_change() {
        for bad in ["", "{}", "[]", r#"{"nftables": [{"map": {"name": "lead4", "elem": [["x", "y"]]}}]}"#] {
            assert!(read(bad).is_err(), "{bad}");
        }
        let later =
            LISTING.replace(r#""expires": 29"#, r#""expires": 12"#).replace(r#""handle": 9"#, r#""handle": 19"#);
        assert_eq!(read(&later).unwrap(), read(LISTING).unwrap());
        let changed = read(&LISTING.replace(r#"[{"return": null}]"#, r#"[{"accept": null}]"#)).unwrap();
        assert_ne!(changed.frame, read(LISTING).unwrap().frame);
    }
}
