//! Owns the configuration of the haproxy in front of one route, as a value and as its text. Never runs one, and never says where
//! the route leads: that is told to it while it runs.
//!
//! Nothing in the text comes from a name, but for a comment: the haproxy runs in a directory of its own, in which its sockets have
//! fixed names, and has the public socket as its standard input.

use std::fmt::{self, Write as _};
use std::net::IpAddr;
use std::num::NonZeroU32;

use homeport_router::{Announcement, ListenAddress, ListenHost, RouteId, RouteRules};
use ipnet::IpNet;

use super::slot::Slot;
use super::source::Source;

/// The socket by which a haproxy hands clients on to the router.
pub(super) const HOLD: &str = "hold.sock";
/// The backend that the slots are in, and the server that is the router.
pub(super) const BACKEND: &str = "r";
pub(super) const ROUTER: &str = "hold";
/// The backend that is the router alone, for those who wait.
const WAITING: &str = "w";
/// The frontend, and the table with what becomes of clients.
const FRONTEND: &str = "f";
pub(super) const DOOR: &str = "door";
/// As many as the router has: the kernel bounds those of all processes together, and what gets none is copied.
const PIPES: u8 = 32;
/// Connections beyond those that may be there and those that wait: they are refused, or handed on to the router, at once.
const BEYOND: usize = 64;
/// So many more may wait in a haproxy; others wait in the socket's queue.
const MOST_WAITING: usize = 512;
/// No longer time can be told, in seconds: 24 days.
const LONGEST_IDLE: u32 = 24 * 24 * 60 * 60;
/// Sources that are remembered beyond those that can be connected.
const SOURCES: usize = 1024;

/// What becomes of a client at the door, by the number of its counter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Counter {
    /// It comes in, and is bound by the rate.
    In = 0,
    NotAllowed = 1,
    Full = 2,
    SourceFull = 3,
    TooFast = 4,
}

/// The configuration of one haproxy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Config<'a> {
    pub(super) id: &'a RouteId,
    pub(super) address: ListenAddress,
    pub(super) rules: &'a RouteRules,
    /// How many connections with containers there may be at once.
    pub(super) limit: usize,
    /// From where it connects with containers.
    pub(super) source: Source,
    /// Its own number among those of the route: its sockets are named by it.
    pub(super) number: u32,
}

/// The name of a haproxy's own socket, by which it is asked and told.
pub(super) fn admin_socket(number: u32) -> String {
    format!("{number}.sock")
}

impl fmt::Display for Config<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut text = Text::default();
        self.global(&mut text);
        self.defaults(&mut text);
        self.frontend(&mut text);
        self.tables(&mut text);
        self.backend(&mut text);
        f.write_str(&text.0)
    }
}

/// Lines of sections.
#[derive(Default)]
struct Text(String);

impl Text {
    fn section(&mut self, head: impl fmt::Display) {
        writeln!(self.0, "{head}").unwrap_or(());
    }

    fn line(&mut self, line: impl fmt::Display) {
        writeln!(self.0, "    {line}").unwrap_or(());
    }

    /// Counts who is refused on this condition, and refuses it.
    fn refuse(&mut self, counter: Counter, condition: impl fmt::Display) {
        self.line(format_args!("tcp-request connection sc-inc-gpc({},1) if {condition}", counter as u8));
        self.line(format_args!("tcp-request connection reject if {condition}"));
    }

    /// A list of networks by this name, which is empty where there is none: nobody is in it.
    fn networks(&mut self, name: &str, networks: impl Iterator<Item = IpNet>) {
        for network in networks {
            self.line(format_args!("acl {name} src {network}"));
        }
    }
}

impl Config<'_> {
    /// How many connections there may be of any kind.
    fn all(&self) -> usize {
        self.limit.saturating_add(self.limit.min(MOST_WAITING)).saturating_add(BEYOND)
    }

    fn global(&self, text: &mut Text) {
        text.section(format_args!("# Of the route `{}`, made by HomePort: changed here, it is made again.", self.id));
        text.section("global");
        // With one thread, a change is in force for every connection that is begun after it was answered.
        text.line("nbthread 1");
        text.line(format_args!("maxconn {}", self.all()));
        text.line(format_args!("stats socket unix@{} mode 600 level admin", admin_socket(self.number)));
        text.line("stats timeout 1m");
        text.line("hard-stop-after 24h");
        text.line("tune.pipesize 1048576");
        text.line(format_args!("maxpipes {PIPES}"));
    }

    fn defaults(&self, text: &mut Text) {
        text.section("defaults");
        text.line("mode tcp");
        text.line("timeout connect 2s");
        // The longest that there is: an idle connection lives, and a peer that is gone is found by probes.
        let idle = self.rules.idle_seconds.map_or(LONGEST_IDLE, NonZeroU32::get).min(LONGEST_IDLE);
        text.line(format_args!("timeout client {idle}s"));
        text.line(format_args!("timeout server {idle}s"));
        // A container that cannot be reached is left to the router at once, and a router that is started again is waited for.
        text.line("retries 60");
        text.line("option redispatch 1");
        text.line("option splice-request");
        text.line("option splice-response");
        text.line("option contstats");
        for (side, after) in [("cli", 300), ("srv", 30)] {
            text.line(format_args!("option {side}tcpka"));
            text.line(format_args!("{side}tcpka-idle {after}s"));
            text.line(format_args!("{side}tcpka-intvl 10s"));
            text.line(format_args!("{side}tcpka-cnt 3"));
        }
    }

    fn frontend(&self, text: &mut Text) {
        text.section(format_args!("frontend {FRONTEND}"));
        text.line("bind fd@0");
        text.line(format_args!("maxconn {}", self.all()));
        if self.address.host() == ListenHost::Any {
            // A socket of both families has IPv4 clients by addresses of IPv6.
            text.line("tcp-request connection set-src src,regsub(^::ffff:,)");
            text.line("tcp-request connection set-dst dst,regsub(^::ffff:,)");
        }
        text.line(format_args!("tcp-request connection track-sc1 int(1) table {DOOR}"));
        let own = match self.address.host() {
            ListenHost::Ip(ip) if !ip.is_unspecified() => format!(" {ip}"),
            ListenHost::Ip(_) | ListenHost::Any => String::new(),
        };
        text.line(format_args!("acl own src 127.0.0.1 ::1{own}"));
        text.line("acl six src -m sub :");
        self.networks(text);
        text.line(format_args!("acl led nbsrv({BACKEND}) gt 1"));
        text.line(format_args!("acl full be_conn({BACKEND}) ge {}", self.limit));
        if self.rules.connections.is_some() {
            // Who waits is counted when the router takes it in: it may be one of many, of whom most are gone soon.
            text.refuse(Counter::Full, "led full");
        }
        if let Some(most) = self.rules.per_source {
            text.line("tcp-request connection track-sc0 src,ipmask(32,64) table sources");
            text.line(format_args!("acl source_full sc0_conn_cur gt {most}"));
            text.refuse(Counter::SourceFull, "!own source_full");
        }
        if let Some(most) = self.rules.new_per_second {
            text.line(format_args!("acl too_fast sc_gpc_rate({},1) ge {most}", Counter::In as u8));
            text.refuse(Counter::TooFast, "!own too_fast");
        }
        text.line(format_args!("tcp-request connection sc-inc-gpc({},1) if !own", Counter::In as u8));
        // Where nobody has said how many there may be, the router has room for as many more, and lets a crowd wait for it.
        text.line(format_args!("use_backend {WAITING} if !led or full"));
        text.line(format_args!("default_backend {BACKEND}"));
    }

    /// Who may come. A network of one family says nothing about clients of the other, whatever their addresses could be taken for.
    fn networks(&self, text: &mut Text) {
        let of = |networks: &[IpNet], is_four: bool| {
            let own: Vec<IpNet> = networks.iter().filter(|network| is_v4(network) == is_four).copied().collect();
            own.into_iter()
        };
        for (is_four, family) in [(true, "!six"), (false, "six")] {
            let digit = if is_four { 4 } else { 6 };
            let (denied, allowed) = (format!("denied{digit}"), format!("allowed{digit}"));
            if of(&self.rules.deny, is_four).next().is_some() {
                text.networks(&denied, of(&self.rules.deny, is_four));
                text.refuse(Counter::NotAllowed, format_args!("!own {family} {denied}"));
            }
            if of(&self.rules.allow, is_four).next().is_some() {
                text.networks(&allowed, of(&self.rules.allow, is_four));
                text.refuse(Counter::NotAllowed, format_args!("!own {family} !{allowed}"));
            } else if !self.rules.allow.is_empty() {
                text.refuse(Counter::NotAllowed, format_args!("!own {family}"));
            }
        }
    }

    fn tables(&self, text: &mut Text) {
        text.section(format_args!("backend {DOOR}"));
        text.line("stick-table type integer size 16 expire 24d store gpc(5),gpc_rate(5,1s)");
        if self.rules.per_source.is_some() {
            text.section("backend sources");
            let size = self.all().saturating_add(SOURCES);
            text.line(format_args!("stick-table type ipv6 size {size} expire 1m store conn_cur"));
        }
    }

    /// The first slot that is not in maintenance has the clients, and the router whom it does not take.
    fn backend(&self, text: &mut Text) {
        text.section(format_args!("backend {BACKEND}"));
        text.line("balance first");
        for slot in Slot::all() {
            let told = match slot.announcement() {
                Announcement::None => "",
                Announcement::ProxyV1 => " send-proxy",
                Announcement::ProxyV2 => " send-proxy-v2",
            };
            let source = self.source;
            text.line(format_args!("server {slot} 0.0.0.0:1 id {} disabled{source}{told}", slot.order()));
        }
        let router = format!("server {ROUTER} unix@{HOLD} id 100 send-proxy-v2");
        text.line(&router);
        text.section(format_args!("backend {WAITING}"));
        text.line(router);
    }
}

fn is_v4(network: &IpNet) -> bool {
    matches!(network.addr(), IpAddr::V4(_))
}

#[cfg(test)]
#[path = "config_tests.rs"]
mod tests;
