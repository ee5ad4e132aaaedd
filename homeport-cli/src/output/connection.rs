//! Owns how an endpoint is reached from outside: the command or address to use, and what to compare at the first contact.
//! Pure but for asking the system which address this machine is reached by; never sends a packet.

use std::collections::BTreeMap;
use std::net::{IpAddr, UdpSocket};

use homeport_core::manifest::Transport;
use homeport_core::name::EndpointName;
use homeport_host::routes::{ListenAddress, ListenHost};

use super::page::Page;

/// The name or address under which others reach this machine, as far as the machine knows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum PublicName {
    /// A name with a domain.
    Name(String),
    /// An address.
    Address(IpAddr),
    /// None is known.
    Local,
}

impl PublicName {
    /// The name if it has a domain, since a bare one means nothing elsewhere; else the address; else `localhost`.
    pub(crate) fn choose(node_name: &str, address: Option<IpAddr>) -> Self {
        let is_word = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-');
        let has_domain = node_name.trim_matches('.').contains('.') && node_name.chars().all(is_word);
        match address {
            _ if has_domain && !node_name.starts_with(['-', '.']) => Self::Name(node_name.to_owned()),
            Some(address) if !address.is_loopback() && !address.is_unspecified() => Self::Address(address),
            _ => Self::Local,
        }
    }
}

/// The address from which this machine would speak to others. Connecting a datagram socket sends nothing.
pub(crate) fn primary_address() -> Option<IpAddr> {
    let from = |bind: &str, to: &str| {
        let socket = UdpSocket::bind(bind).ok()?;
        socket.connect(to).ok()?;
        Some(socket.local_addr().ok()?.ip())
    };
    // Addresses for documentation (RFC 5737, RFC 3849): routed like any other, and nobody's.
    from("0.0.0.0:0", "192.0.2.1:9").or_else(|| from("[::]:0", "[2001:db8::1]:9"))
}

/// An endpoint and how to reach it.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub(crate) struct Connection {
    /// The endpoint.
    pub(crate) endpoint: EndpointName,
    /// What it speaks; empty where that is not known.
    pub(crate) protocol: String,
    /// The public address as it is listened on.
    pub(crate) address: ListenAddress,
    /// What to type or open: a command, a URL, or address and port.
    pub(crate) open: String,
    /// Fingerprints of host keys, to be compared at the first contact.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) fingerprints: Vec<String>,
    /// Lines for `known_hosts`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) known_hosts: Vec<String>,
}

/// The facts of a port that are told with its ssh endpoint.
pub(crate) const SSH_FACTS: [&str; 3] = ["ssh_user", "host_key_fingerprint", "host_key"];

impl Connection {
    pub(crate) fn new(
        endpoint: EndpointName,
        address: ListenAddress,
        protocol: &str,
        facts: Option<&BTreeMap<String, String>>,
        public: &PublicName,
    ) -> Self {
        let (bare, bracketed) = host_texts(address.host(), public);
        let port = address.port().get();
        let fact = |key: &str| facts.and_then(|facts| facts.get(key)).map(String::as_str);
        let mut connection = Self {
            endpoint,
            protocol: protocol.to_owned(),
            address,
            open: open_at(&bracketed, address),
            fingerprints: Vec::new(),
            known_hosts: Vec::new(),
        };
        match protocol {
            // What these are over UDP has no command or URL of its own.
            _ if address.transport() == Transport::Udp => {}
            "ssh" => {
                let user = fact("ssh_user").filter(|user| is_user(user));
                let target = user.map_or_else(|| bare.clone(), |user| format!("{user}@{bare}"));
                connection.open = format!("ssh -p {port} {target}");
                connection.fingerprints =
                    lines(fact("host_key_fingerprint")).map(|line| line.trim().to_owned()).collect();
                connection.known_hosts =
                    lines(fact("host_key")).filter_map(|key| known_host(&bare, port, key)).collect();
            }
            "http" | "https" => {
                let is_default = (protocol, port) == ("http", 80) || (protocol, port) == ("https", 443);
                let port = if is_default { String::new() } else { format!(":{port}") };
                connection.open = format!("{protocol}://{bracketed}{port}/");
            }
            _ => {}
        }
        connection
    }

    /// Writes how to reach it, and what to compare.
    pub(crate) fn text(&self, page: &mut Page) {
        page.line(format_args!("  {}: {}", self.endpoint, self.open));
        for fingerprint in &self.fingerprints {
            page.line(format_args!("      host key: {fingerprint}"));
        }
        for line in &self.known_hosts {
            page.line(format_args!("      known_hosts: {line}"));
        }
    }
}

/// Address and port, with `/udp` where that is what carries the bytes.
fn open_at(host: &str, address: ListenAddress) -> String {
    let over = if address.transport() == Transport::Udp { "/udp" } else { "" };
    format!("{host}:{}{over}", address.port())
}

/// The host as a program takes it by itself, and as it stands before `:PORT`.
fn host_texts(host: ListenHost, public: &PublicName) -> (String, String) {
    let of_ip = |ip: IpAddr| match ip {
        IpAddr::V4(ip) => (ip.to_string(), ip.to_string()),
        IpAddr::V6(ip) => (ip.to_string(), format!("[{ip}]")),
    };
    match (host, public) {
        (ListenHost::Ip(ip), _) if !ip.is_unspecified() => of_ip(ip),
        (_, PublicName::Name(name)) => (name.clone(), name.clone()),
        (_, PublicName::Address(ip)) => of_ip(*ip),
        (_, PublicName::Local) => ("localhost".to_owned(), "localhost".to_owned()),
    }
}

/// Whether a user's name can stand in a command line as it is.
fn is_user(user: &str) -> bool {
    let ok = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
    !user.is_empty() && user.len() <= 32 && !user.starts_with('-') && user.chars().all(ok)
}

fn lines(fact: Option<&str>) -> impl Iterator<Item = &str> {
    fact.into_iter().flat_map(str::lines).filter(|line| !line.trim().is_empty())
}

/// The line for `known_hosts` of a public key, with or without a host before and a comment after it.
fn known_host(host: &str, port: u16, key: &str) -> Option<String> {
    let words: Vec<&str> = key.split_whitespace().collect();
    let is_kind = |word: &&str| word.starts_with("ssh-") || word.starts_with("ecdsa-") || word.starts_with("sk-");
    let kind = words.iter().take(2).position(is_kind)?;
    let blob = words.get(kind + 1)?;
    let host = if port == 22 { host.to_owned() } else { format!("[{host}]:{port}") };
    Some(format!("{host} {} {blob}", words[kind]))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn connection(address: &str, protocol: &str, facts: &[(&str, &str)], public: &PublicName) -> Connection {
        let facts = facts.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
        Connection::new("main".parse().unwrap(), address.parse().unwrap(), protocol, Some(&facts), public)
    }

    #[test]
    fn the_way_in_depends_on_the_protocol_and_on_the_address() {
        let name = PublicName::Name("host.example.org".to_owned());
        let four = PublicName::Address("198.51.100.7".parse().unwrap());
        let six = PublicName::Address("2001:db8::7".parse().unwrap());
        let user = [("ssh_user", "alice")];
        for (address, protocol, public, wanted) in [
            ("*:2222", "ssh", &name, "ssh -p 2222 alice@host.example.org"),
            ("*:22", "ssh", &four, "ssh -p 22 alice@198.51.100.7"),
            ("0.0.0.0:22", "ssh", &PublicName::Local, "ssh -p 22 alice@localhost"),
            ("127.0.0.1:2222", "ssh", &name, "ssh -p 2222 alice@127.0.0.1"),
            ("[::1]:2222", "ssh", &name, "ssh -p 2222 alice@::1"),
            ("*:80", "http", &name, "http://host.example.org/"),
            ("*:8080", "http", &six, "http://[2001:db8::7]:8080/"),
            ("*:443", "https", &four, "https://198.51.100.7/"),
            ("[::1]:25", "smtp", &name, "[::1]:25"),
            ("*:25", "", &name, "host.example.org:25"),
            ("*:53/udp", "dns", &four, "198.51.100.7:53/udp"),
            ("*:443/udp", "https", &name, "host.example.org:443/udp"),
        ] {
            assert_eq!(connection(address, protocol, &user, public).open, wanted, "{address} {protocol}");
        }
    }

    #[test]
    fn a_user_that_a_shell_would_read_otherwise_is_left_out() {
        for bad in ["", "a b", "-oProxyCommand=x", "a;b", "$(x)", "a\nb"] {
            let connection = connection("*:22", "ssh", &[("ssh_user", bad)], &PublicName::Local);
            assert_eq!(connection.open, "ssh -p 22 localhost", "{bad}");
        }
    }

    #[test]
    fn host_keys_are_told_for_the_address_that_is_printed() {
        let facts = [
            ("host_key_fingerprint", "SHA256:abc\nSHA256:def"),
            ("host_key", "ssh-ed25519 AAAA root@x\n[old]:1 ssh-rsa BBBB\nnonsense"),
        ];
        let told = connection("127.0.0.1:2222", "ssh", &facts, &PublicName::Local);
        assert_eq!(told.fingerprints, ["SHA256:abc", "SHA256:def"]);
        assert_eq!(told.known_hosts, ["[127.0.0.1]:2222 ssh-ed25519 AAAA", "[127.0.0.1]:2222 ssh-rsa BBBB"]);
        let usual = connection("127.0.0.1:22", "ssh", &facts, &PublicName::Local);
        assert_eq!(usual.known_hosts[0], "127.0.0.1 ssh-ed25519 AAAA");
        assert!(connection("*:80", "http", &facts, &PublicName::Local).known_hosts.is_empty());
    }

    #[test]
    fn a_machine_is_known_by_a_whole_name_else_by_its_address() {
        let address = Some("198.51.100.7".parse().unwrap());
        let is = |name, address| PublicName::choose(name, address);
        assert_eq!(is("host.example.org", address), PublicName::Name("host.example.org".to_owned()));
        for name in ["host", "", "host.", "a.b c", "-x.y"] {
            assert_eq!(is(name, address), PublicName::Address("198.51.100.7".parse().unwrap()), "{name}");
        }
        assert_eq!(is("host", Some("127.0.0.1".parse().unwrap())), PublicName::Local);
        assert_eq!(is("host", None), PublicName::Local);
    }
}
