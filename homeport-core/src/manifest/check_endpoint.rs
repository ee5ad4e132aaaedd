//! Owns the rules of endpoints: what can be asked over HTTP, which public ports can be asked for, no port twice.
//! Never opens a socket.

use std::collections::BTreeMap;

use super::read::Pointer;
use super::shape::Findings;
use super::value::{DefaultPublic, Endpoint, Exposure, ProxyProtocol, Tls, Transport};
use super::wire;
use crate::name::EndpointName;
use crate::unit::PortNumber;

/// Checks one endpoint. [spec: END-1]
pub(super) fn endpoint(wire: wire::Endpoint, at: &Pointer, f: &mut Findings) -> Option<Endpoint> {
    if !is_word(&wire.protocol) {
        let at = at.child("protocol");
        let fault = f.add("HP-MAN-033", "END-2", &at, format!("`{}` is not a protocol's name", at.text()));
        fault.set_actual(format!("`{}`", crate::text::clip(&wire.protocol, 40)));
        fault.set_expected("1 to 32 of a-z, 0-9 and `-`, a letter first");
    }
    let exposure = wire.exposure.unwrap_or(Exposure::Internal);
    let default_public = match wire.default_public.as_deref() {
        None => Some(DefaultPublic::None),
        Some("random") => Some(DefaultPublic::Random),
        Some(text) => port_number(text).map(DefaultPublic::Port),
    };
    if default_public.is_none() {
        let at = at.child("default_public");
        f.add("HP-MAN-034", "END-4", &at, format!("`{}` is not a public port", at.text()))
            .set_expected("a number from 1 to 65535 as text, or `random`");
    }
    if exposure == Exposure::Internal && wire.default_public.is_some() {
        let message = format!("`{}` is internal and has a public port", at.text());
        f.add("HP-MAN-035", "END-4", at, message).set_expected("exposure `lan` or `public`, or no `default_public`");
    }
    if let Some(http) = &wire.http
        && (wire.protocol != "http"
            || wire.transport == Some(Transport::Udp)
            || !http.path.starts_with('/')
            || http.path.len() > 200
            || !http.path.bytes().all(|b| b.is_ascii_graphic()))
    {
        let message = format!("`{}` can't be asked over HTTP", at.text());
        f.add("HP-MAN-036", "END-7", &at.child("http"), message)
            .set_expected("protocol `http` over tcp, and a path of printable ASCII that starts with `/`");
    }
    Some(Endpoint {
        port: PortNumber::new(wire.port),
        transport: wire.transport.unwrap_or(Transport::Tcp),
        protocol: wire.protocol,
        exposure,
        tls: wire.tls.unwrap_or(Tls::None),
        proxy_protocol: wire.proxy_protocol.unwrap_or(ProxyProtocol::None),
        default_public: default_public?,
        http_path: wire.http.map(|http| http.path),
        summary: wire.summary.unwrap_or_default(),
    })
}

/// A port number as manifests write it: decimal, no sign, no leading zero.
fn port_number(text: &str) -> Option<PortNumber> {
    let plain = text.bytes().all(|b| b.is_ascii_digit()) && !text.starts_with('0');
    plain.then(|| text.parse().ok().map(PortNumber::new)).flatten()
}

fn is_word(text: &str) -> bool {
    text.len() <= 32
        && text.starts_with(|c: char| c.is_ascii_lowercase())
        && text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
}

/// No two endpoints may listen on the same port of the container, nor ask for the same public one.
pub(super) fn same_port_twice(endpoints: &BTreeMap<EndpointName, Endpoint>, at: &Pointer, f: &mut Findings) {
    let mut taken = BTreeMap::new();
    let mut wanted = BTreeMap::new();
    for (name, endpoint) in endpoints {
        let at = at.child(name.as_str());
        if let Some(other) = taken.insert((endpoint.transport, endpoint.port), name) {
            let port = endpoint.port;
            let message = format!("`{name}` and `{other}` both listen on {port}/{}", endpoint.transport.word());
            f.add("HP-MAN-037", "END-8", &at, message);
        }
        if let DefaultPublic::Port(port) = endpoint.default_public
            && let Some(other) = wanted.insert((endpoint.transport, port), name)
        {
            let message = format!("`{name}` and `{other}` both ask for the public port {port}");
            f.add("HP-MAN-049", "END-9", &at, message);
        }
    }
}
