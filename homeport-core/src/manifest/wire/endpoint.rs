//! Owns an endpoint as written.
//! Never holds a rule that needs two fields: those are in `check`.

use crate::manifest::bound::{PUBLIC, REQUEST_PATH, SUMMARY, WORD, form, whole};
use crate::manifest::declare::{wire_object, wire_word};

wire_word! {
    /// What carries an endpoint's bytes. [spec: END-2]
    pub enum Transport {
        /// A stream.
        Tcp = "tcp",
        /// Datagrams.
        Udp = "udp",
    }
}

wire_word! {
    /// Who should reach an endpoint. [spec: END-3]
    pub enum Exposure {
        /// Only other ports of the host.
        Internal = "internal",
        /// The local network.
        Lan = "lan",
        /// Everybody.
        Public = "public",
    }
}

wire_word! {
    /// Who does an endpoint's encryption. [spec: END-5]
    pub enum Tls {
        /// Nobody, or the protocol itself as in SSH.
        None = "none",
        /// The container, from the first byte.
        Passthrough = "passthrough",
        /// The container, after a plain beginning.
        Starttls = "starttls",
        /// The router.
        Terminated = "terminated",
    }
}

wire_word! {
    /// How the container learns a client's address. [spec: END-6]
    pub enum ProxyProtocol {
        /// It does not.
        None = "none",
        /// By the text form of the PROXY protocol.
        V1 = "v1",
        /// By the binary form of the PROXY protocol.
        V2 = "v2",
    }
}

wire_object! {
    /// What the port listens on inside its container. [spec: END-1]
    pub struct Endpoint {
        /// The port number inside the container.
        pub port: u16 = whole(1, 65_535),
        /// What carries the bytes; `tcp` where it is not said.
        pub transport: Option<Transport>,
        /// The application protocol, for example `ssh`, `http`, `imap`.
        pub protocol: String = form(WORD, 32),
        /// Who should reach it; `internal` where it is not said.
        pub exposure: Option<Exposure>,
        /// Who does the encryption; `none` where it is not said.
        pub tls: Option<Tls>,
        /// How the container learns a client's address; `none` where it is not said.
        pub proxy_protocol: Option<ProxyProtocol>,
        /// The public port where the operator names none: a number as text, or `random`.
        pub default_public: Option<String> = form(PUBLIC, 6),
        /// How to ask an `http` endpoint whether it works.
        pub http: Option<HttpProbe>,
        /// One sentence.
        pub summary: Option<String> = SUMMARY,
    }
}

wire_object! {
    /// How to ask an `http` endpoint whether it works. [spec: END-7]
    pub struct HttpProbe {
        /// The path to ask for.
        pub path: String = form(REQUEST_PATH, 200),
    }
}
