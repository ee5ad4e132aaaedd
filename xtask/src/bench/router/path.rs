//! Owns the paths that are compared: what stands between client and server on each, how it is told to, and where it
//! listens. Never measures.

use std::fs;
use std::net::SocketAddr;
use std::path::Path as File;
use std::process::Command;

use anyhow::{Context as _, Result};

use super::net::{PROXY, Running, SERVER, Space, fed, inside};

/// The server's port of bulk data; the two after it are of requests and of idle connections.
pub(super) const FIRST_PORT: u16 = 7001;
/// How many ports for connections there are; the one after them is of datagrams.
const PORTS: u16 = 3;
/// Where the distribution has nginx's module for streams.
const STREAM_MODULE: &str = "/usr/lib/nginx/modules/ngx_stream_module.so";
/// What the kernel's address translation is kept in.
const TABLE: &str = "hpb";

/// What a client does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Load {
    /// Takes bulk data over so many connections.
    Bulk(usize),
    /// Connects, asks, and closes, as often as it can.
    Exchange,
    /// The same at a rate.
    Paced,
    /// Sends datagrams, of which so many of each client are under way, and is answered.
    Datagrams(usize),
}

impl Load {
    fn port(self) -> u16 {
        match self {
            Self::Bulk(_) => 0,
            Self::Exchange | Self::Paced => 1,
            Self::Datagrams(_) => PORTS,
        }
    }
}

/// What stands between.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Path {
    /// Nothing but the kernel's forwarding.
    Direct,
    /// Our router.
    Router,
    Haproxy,
    /// With `splice-request`, `splice-response` and pipes of 1 MiB.
    HaproxyTuned,
    Nginx,
    /// With buffers of 64 KiB.
    NginxTuned,
    /// What `docker run --publish` starts, one process a port.
    DockerProxy,
    /// The kernel's address translation.
    Nft,
}

impl Path {
    /// All of them.
    pub(super) const ALL: [Self; 8] = [
        Self::Direct,
        Self::Router,
        Self::Haproxy,
        Self::HaproxyTuned,
        Self::Nginx,
        Self::NginxTuned,
        Self::DockerProxy,
        Self::Nft,
    ];
    /// Those with whom the router is compared.
    pub(super) const PEERS: [Self; 6] =
        [Self::Haproxy, Self::HaproxyTuned, Self::Nginx, Self::NginxTuned, Self::DockerProxy, Self::Nft];
    /// Those that are processes.
    pub(super) const PROXIES: [Self; 6] =
        [Self::Router, Self::Haproxy, Self::HaproxyTuned, Self::Nginx, Self::NginxTuned, Self::DockerProxy];

    /// Those that lead datagrams.
    pub(super) const OF_DATAGRAMS: [Self; 4] = [Self::Direct, Self::Router, Self::DockerProxy, Self::Nft];

    /// The name in tables and figures.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Direct => "direct",
            Self::Router => "router",
            Self::Haproxy => "haproxy",
            Self::HaproxyTuned => "haproxy_tuned",
            Self::Nginx => "nginx",
            Self::NginxTuned => "nginx_64k",
            Self::DockerProxy => "docker_proxy",
            Self::Nft => "nft",
        }
    }

    /// Where the clients of a load connect.
    pub(super) fn address(self, load: Load) -> SocketAddr {
        self.at(load.port())
    }

    /// Where idle connections are made.
    pub(super) fn idle_address(self) -> SocketAddr {
        self.at(PORTS - 1)
    }

    fn at(self, port: u16) -> SocketAddr {
        match self {
            Self::Direct => server(port),
            _ => SocketAddr::new(PROXY, 8000 + self.number() * 10 + port),
        }
    }

    fn number(self) -> u16 {
        (0..).zip(Self::ALL).find(|(_, path)| *path == self).map_or(0, |(number, _)| number)
    }

    /// Each address of this path with the server's that it leads to.
    fn pairs(self) -> impl Iterator<Item = (SocketAddr, SocketAddr)> {
        (0..PORTS).map(move |port| (self.at(port), server(port)))
    }

    /// Where datagrams are sent, and where that leads.
    fn datagrams(self) -> (SocketAddr, SocketAddr) {
        (self.at(PORTS), server(PORTS))
    }

    /// A text for each of them, one after the other.
    fn each(self, text: impl Fn(SocketAddr, SocketAddr) -> String) -> String {
        self.pairs().map(|(from, to)| text(from, to)).collect::<Vec<_>>().concat()
    }

    /// Starts what stands between; files go into `dir`. It may not listen yet.
    pub(super) fn start(self, dir: &File, forward: &File) -> Result<Vec<Running>> {
        let name = self.name();
        let file = dir.join(format!("{name}.conf"));
        let at = file.to_str().context("the directory's name is no text")?;
        let one = |program: &str, args: &[&str]| {
            let mut command = inside(Space::Proxies, program);
            Ok(vec![Running::start(name, command.args(args))?])
        };
        match self {
            Self::Direct | Self::Nft => Ok(Vec::new()),
            Self::Router => {
                let mut command = inside(Space::Proxies, forward.to_str().context("the router's name is no text")?);
                command.args(self.pairs().map(|(from, to)| format!("{from}={to}")));
                let (from, to) = self.datagrams();
                command.arg(format!("{from}/udp={to}"));
                Ok(vec![Running::start_until(name, &mut command, "ready")?])
            }
            Self::Haproxy | Self::HaproxyTuned => {
                fs::write(&file, self.haproxy())?;
                one("haproxy", &["-db", "-q", "-f", at])
            }
            Self::Nginx | Self::NginxTuned => {
                fs::write(&file, self.nginx(dir))?;
                one("nginx", &["-q", "-e", "stderr", "-p", dir.to_str().unwrap_or("."), "-c", at])
            }
            Self::DockerProxy => {
                let all = self.pairs().map(|pair| ("tcp", pair)).chain([("udp", self.datagrams())]);
                all.map(|(transport, (from, to))| docker_proxy(transport, from, to)).collect()
            }
        }
    }

    fn haproxy(self) -> String {
        let (global, defaults) = match self {
            Self::HaproxyTuned => {
                ("global\n tune.pipesize 1048576\n", " option splice-request\n option splice-response\n")
            }
            _ => ("", ""),
        };
        let text = format!(
            "{global}defaults\n mode tcp\n timeout connect 5s\n timeout client 10m\n timeout server 10m\n{defaults}"
        );
        text + &self.each(|from, to| format!("listen p{}\n bind {from}\n server s {to}\n", from.port()))
    }

    fn nginx(self, dir: &File) -> String {
        let buffer = if self == Self::NginxTuned { "proxy_buffer_size 64k;" } else { "" };
        let servers = self.each(|from, to| format!(" server {{ listen {from}; proxy_pass {to}; }}\n"));
        format!(
            "load_module {STREAM_MODULE};\ndaemon off;\nworker_processes auto;\nworker_rlimit_nofile 20000;\n\
             pid {}/{}.pid;\nerror_log stderr crit;\nevents {{ worker_connections 20000; }}\n\
             stream {{\n {buffer}\n{servers}}}\n",
            dir.display(),
            self.name()
        )
    }
}

fn server(port: u16) -> SocketAddr {
    SocketAddr::new(SERVER, FIRST_PORT + port)
}

/// It tells whoever started it how that went, over a descriptor 3 that has to be there, or it takes its socket for it.
fn docker_proxy(transport: &str, from: SocketAddr, to: SocketAddr) -> Result<Running> {
    let mut command = inside(Space::Proxies, "sh");
    command.args(["-c", "exec \"$@\" 3>/dev/null", "sh", "docker-proxy", "-proto", transport]);
    command.args(["-host-ip", &from.ip().to_string(), "-host-port", &from.port().to_string()]);
    command.args(["-container-ip", &to.ip().to_string(), "-container-port", &to.port().to_string()]);
    Running::start("docker-proxy", &mut command)
}

/// The kernel's address translation, for as long as it is measured: where it is on, it looks at every connection.
#[derive(Debug)]
pub(super) struct Translation(());

impl Translation {
    /// Turns it on.
    pub(super) fn on() -> Result<Self> {
        let rule = |from: SocketAddr, to| format!("  ip daddr {} tcp dport {} dnat to {to}\n", from.ip(), from.port());
        let (from, to) = Path::Nft.datagrams();
        let rules = Path::Nft.each(rule) + &rule(from, to).replace(" tcp dport ", " udp dport ");
        let text = format!(
            "table ip {TABLE} {{\n chain before {{\n  type nat hook prerouting priority dstnat; policy accept;\n{rules} }}\n}}\n"
        );
        fed(inside(Space::Proxies, "nft").args(["-f", "-"]), &text).context("nft")?;
        Ok(Self(()))
    }
}

impl Drop for Translation {
    fn drop(&mut self) {
        let _gone: Result<String> =
            crate::run::take(inside(Space::Proxies, "nft").args(["delete", "table", "ip", TABLE]));
    }
}

/// Whether a program is there that only some of the paths need.
pub(super) fn has_translation() -> Result<()> {
    Translation::on().map(drop)
}

/// The command that plays one side of a load.
pub(super) fn side(space: Space, token: &str) -> Result<Command> {
    let own = std::env::current_exe().context("cannot find this program")?;
    let mut command = inside(space, own.to_str().context("this program's name is no text")?);
    command.args(["load", "--token", token]);
    Ok(command)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_path_has_addresses_of_its_own() {
        let all: BTreeSet<SocketAddr> =
            Path::ALL.iter().flat_map(|path| (0..=PORTS).map(|port| path.at(port))).collect();
        assert_eq!(all.len(), Path::ALL.len() * (usize::from(PORTS) + 1));
        assert_eq!(Path::Router.address(Load::Datagrams(8)).to_string(), "10.77.1.1:8013");
        assert_eq!(Path::Direct.address(Load::Paced).to_string(), "10.77.2.2:7002");
    }

    #[test]
    fn only_tuned_peers_are_tuned() {
        assert!(!Path::Haproxy.haproxy().contains("splice") && !Path::Haproxy.haproxy().contains("pipesize"));
        let tuned = Path::HaproxyTuned.haproxy();
        assert!(["splice-request", "splice-response", "tune.pipesize 1048576"].iter().all(|word| tuned.contains(word)));
        assert!(!Path::Nginx.nginx(File::new("/x")).contains("buffer_size"));
        assert!(Path::NginxTuned.nginx(File::new("/x")).contains("proxy_buffer_size 64k;"));
        assert!(tuned.contains("listen p8030\n bind 10.77.1.1:8030\n server s 10.77.2.2:7001\n"));
    }
}
