//! Owns the rules of endpoints: which there are, how each is spoken to and who can reach it.
//! Never looks at routes: what an operator chose stays as it is.

use std::collections::BTreeMap;

use super::super::change::{Found, pairs};
use super::super::rule::declare_rules;
use super::port;
use crate::manifest::{DefaultPublic, Endpoint, Exposure};
use crate::name::EndpointName;

declare_rules! {
    ADDED = "endpoint-added", Minor,
        "an endpoint was added",
        "the version before refuses a route to it";
    REMOVED = "endpoint-removed", Major,
        "an endpoint was removed",
        "a client finds nobody at its address";
    PORT_CHANGED = "endpoint-port-changed", Major,
        "an endpoint listens on another port in the container",
        "another container that connects to it finds nobody";
    TRANSPORT_CHANGED = "endpoint-transport-changed", Major,
        "an endpoint has another transport",
        "a client's packets are refused";
    PROTOCOL_CHANGED = "endpoint-protocol-changed", Major,
        "an endpoint speaks another protocol",
        "a client does not understand the answer";
    TLS_CHANGED = "endpoint-tls-changed", Major,
        "an endpoint is encrypted in another way",
        "a client's handshake fails, or it speaks in the clear";
    PROXY_CHANGED = "endpoint-proxy-protocol-changed", Minor,
        "a container learns its clients' addresses in another way",
        "a proxy of the operator's own has to say it in the new way";
    OPENED = "endpoint-opened", Major,
        "an endpoint is meant for everybody that was not",
        "a firewall or a password that was enough for the local network is not";
    NARROWED = "endpoint-narrowed", Major,
        "an endpoint is meant for fewer than before",
        "a client from outside is turned away";
    TO_LAN = "endpoint-to-lan", Minor,
        "an endpoint is meant for the local network that was internal",
        "whoever is in the local network can be let in";
    DEFAULT_PUBLIC_CHANGED = "endpoint-default-public-changed", Minor,
        "the public port where nobody names one changed",
        "a new instance has another address; those that there are keep theirs";
    PROBE_CHANGED = "endpoint-probe-changed", Patch,
        "an endpoint is asked at another path whether it works",
        "only the host asks there";
}

pub(super) fn compare(
    old: &BTreeMap<EndpointName, Endpoint>,
    new: &BTreeMap<EndpointName, Endpoint>,
    found: &mut Found,
) {
    for (name, was, is) in pairs(old, new) {
        let at = format!("/endpoints/{name}");
        match (was, is) {
            (Some(was), Some(is)) => both(&at, was, is, found),
            (Some(_), None) => found.added(&REMOVED, at),
            (None, Some(_)) => found.added(&ADDED, at),
            (None, None) => {}
        }
    }
}

fn both(at: &str, was: &Endpoint, is: &Endpoint, found: &mut Found) {
    found.unequal(&PORT_CHANGED, format!("{at}/port"), &was.port, &is.port);
    found.unequal(&TRANSPORT_CHANGED, format!("{at}/transport"), &was.transport.word(), &is.transport.word());
    found.unequal(&PROTOCOL_CHANGED, format!("{at}/protocol"), &was.protocol, &is.protocol);
    found.unequal(&TLS_CHANGED, format!("{at}/tls"), &was.tls.word(), &is.tls.word());
    let (proxy_was, proxy_is) = (was.proxy_protocol.word(), is.proxy_protocol.word());
    found.unequal(&PROXY_CHANGED, format!("{at}/proxy_protocol"), &proxy_was, &proxy_is);
    let exposure = match (was.exposure, is.exposure) {
        (Exposure::Internal | Exposure::Lan, Exposure::Public) => &OPENED,
        (Exposure::Internal, Exposure::Lan) => &TO_LAN,
        _ => &NARROWED,
    };
    found.unequal(exposure, format!("{at}/exposure"), &was.exposure.word(), &is.exposure.word());
    let public = |endpoint: &Endpoint| match endpoint.default_public {
        DefaultPublic::None => "none".to_owned(),
        DefaultPublic::Random => "random".to_owned(),
        DefaultPublic::Port(port) => port.to_string(),
    };
    found.unequal(&DEFAULT_PUBLIC_CHANGED, format!("{at}/default_public"), &public(was), &public(is));
    if was.http_path != is.http_path {
        found.add(&PROBE_CHANGED, format!("{at}/http/path"), was.http_path.clone(), is.http_path.clone());
    }
    port::text(format!("{at}/summary"), &was.summary, &is.summary, found);
}
