//! Owns a network of its own from which clients come, as they do from elsewhere: a network namespace with one link to this
//! machine. It goes when it is dropped.

use std::fs::File;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::os::fd::AsFd as _;
use std::process::Command;
use std::sync::Arc;

use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};

use crate::world::tool;

/// The namespace; clones are the same one.
#[derive(Clone)]
pub(super) struct Space(Arc<Inner>);

struct Inner {
    name: String,
    network: u8,
}

impl Drop for Inner {
    fn drop(&mut self) {
        // Its end of the link takes this machine's with it.
        tool("ip", &["netns", "delete", &self.name]);
    }
}

impl Space {
    /// Makes it, with addresses that only it has; `number` tells it from others of this process.
    pub(super) fn make(number: u8) -> Self {
        let pid = std::process::id();
        let network = u8::try_from(pid % 80).unwrap() * 3 + number % 3;
        let (name, link) = (format!("hpt-{pid}-{number}"), format!("hpt{pid}-{number}"));
        tool("ip", &["netns", "add", &name]);
        let space = Self(Arc::new(Inner { name, network }));
        let inside = space.0.name.as_str();
        tool("ip", &["link", "add", &link, "type", "veth", "peer", "name", "out", "netns", inside]);
        tool("ip", &["address", "add", &format!("{}/24", space.machine()), "dev", &link]);
        tool("ip", &["address", "add", &format!("{}/64", space.machine6()), "dev", &link, "nodad"]);
        tool("ip", &["link", "set", "dev", &link, "up"]);
        let [own, own6] = [Ipv4Addr::new(198, 18, network, 2).into(), space.six(2)].map(|ip: IpAddr| ip.to_string());
        tool("ip", &["-n", inside, "address", "add", &format!("{own}/24"), "dev", "out"]);
        tool("ip", &["-n", inside, "address", "add", &format!("{own6}/64"), "dev", "out", "nodad"]);
        for device in ["lo", "out"] {
            tool("ip", &["-n", inside, "link", "set", "dev", device, "up"]);
        }
        tool("ip", &["-n", inside, "route", "add", "default", "via", &space.machine().to_string()]);
        // Thousands of connections a second: ports are used again as soon as they may, and there are many.
        for set in ["net.ipv4.tcp_tw_reuse=1", "net.ipv4.ip_local_port_range=1024 65000"] {
            space.run("sysctl", &["--quiet", "--write", set]);
        }
        space
    }

    /// The same, where nobody hears that a connection is there: what is begun is never finished.
    pub(super) fn deaf(number: u8) -> Self {
        let space = Self::make(number);
        for rule in [
            "add table inet deaf",
            "add chain inet deaf in { type filter hook input priority 0; }",
            "add rule inet deaf in tcp flags & (syn | ack) == syn | ack drop",
        ] {
            space.run("nft", &[rule]);
        }
        space
    }

    /// This machine's address in it.
    pub(super) fn machine(&self) -> IpAddr {
        Ipv4Addr::new(198, 18, self.0.network, 1).into()
    }

    /// This machine's IPv6 address in it.
    pub(super) fn machine6(&self) -> IpAddr {
        self.six(1)
    }

    fn six(&self, host: u16) -> IpAddr {
        Ipv6Addr::new(0xfd00, 0x1812, self.0.network.into(), 0, 0, 0, 0, host).into()
    }

    /// A program that runs in it.
    pub(super) fn command(&self, program: &str) -> Command {
        let mut command = Command::new("ip");
        command.args(["netns", "exec", &self.0.name, program]);
        command
    }

    /// Runs a program in it that has to succeed.
    pub(super) fn run(&self, program: &str, args: &[&str]) -> String {
        tool("ip", &[&["netns", "exec", &self.0.name, program], args].concat())
    }

    /// Moves this thread into it: what it opens from now on is there. It cannot come back.
    pub(super) fn enter(&self) {
        let file = File::open(format!("/run/netns/{}", self.0.name)).unwrap();
        move_into_link_name_space(file.as_fd(), Some(LinkNameSpaceType::Network)).unwrap();
    }
}
