//! The way back with the real kernel, in network namespaces of the tests' own: client - this machine - container.

use std::io::{Read as _, Write as _};
use std::net::{IpAddr, SocketAddr, TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use homeport_router::{DescriptorLimit, Limits, RouteId, RouteRules, Router, SourceAddress, Target};

use super::*;

const PATIENCE: Duration = Duration::from_secs(20);

/// A network namespace, kept by a process in it.
struct Space(Child);

impl Drop for Space {
    fn drop(&mut self) {
        self.0.kill().unwrap_or(());
        self.0.wait().unwrap();
    }
}

impl Space {
    fn make() -> Self {
        let mut command = Command::new("unshare");
        command.args(["--net", "setpriv", "--pdeathsig", "KILL", "sh", "-c", "echo ready; exec sleep infinity"]);
        let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
        child.stdout.take().unwrap().read_exact(&mut [0; 6]).unwrap();
        Self(child)
    }

    fn pid(&self) -> String {
        self.0.id().to_string()
    }

    /// Runs a command in it.
    fn run(&self, line: &str) {
        let status = Command::new("nsenter").args(["--net", "--target", &self.pid(), "sh", "-ec", line]).status();
        assert!(status.unwrap().success(), "{line}");
    }

    /// Does something in it, on a thread of its own.
    fn inside<T: Send + 'static>(&self, work: impl FnOnce() -> T + Send + 'static) -> std::thread::JoinHandle<T> {
        let namespace = std::fs::File::open(format!("/proc/{}/ns/net", self.pid())).unwrap();
        std::thread::spawn(move || {
            rustix::thread::move_into_link_name_space(
                std::os::fd::AsFd::as_fd(&namespace),
                Some(rustix::thread::LinkNameSpaceType::Network),
            )
            .unwrap();
            work()
        })
    }
}

/// A client, this machine and a container, each in a namespace, with a link between each two.
fn stage() -> [Space; 3] {
    let [client, machine, container] = [(); 3].map(|()| Space::make());
    let (to_client, to_container) = (client.pid(), container.pid());
    machine.run(&format!(
        "ip link add client type veth peer name machine netns {to_client}
         ip link add container type veth peer name machine netns {to_container}
         ip link set lo up
         ip address add 10.9.1.1/24 dev client; ip address add fd09:1::1/64 dev client nodad; ip link set client up
         ip address add 10.9.2.1/24 dev container; ip address add fd09:2::1/64 dev container nodad
         ip link set container up"
    ));
    for (space, net) in [(&client, 1), (&container, 2)] {
        space.run(&format!(
            "ip link set lo up
             ip address add 10.9.{net}.2/24 dev machine; ip address add fd09:{net}::2/64 dev machine nodad
             ip link set machine up
             ip route add default via 10.9.{net}.1; ip -6 route add default via fd09:{net}::1"
        ));
    }
    [client, machine, container]
}

/// A container that tells each client the address that it sees.
fn tell(address: SocketAddr) {
    let listener = TcpListener::bind(address).unwrap();
    for stream in listener.incoming() {
        let mut stream = stream.unwrap();
        let seen = stream.peer_addr().unwrap().ip();
        let _gone = stream.write_all(seen.to_string().as_bytes());
    }
}

fn ask(address: SocketAddr) -> Result<IpAddr, String> {
    let mut stream = TcpStream::connect_timeout(&address, PATIENCE).map_err(|error| error.to_string())?;
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    let mut text = String::new();
    stream.read_to_string(&mut text).map_err(|error| error.to_string())?;
    text.parse().map_err(|_| format!("`{text}`"))
}

#[test]
fn a_container_sees_its_clients_own_addresses_and_others_see_nothing_of_it() {
    let [client, machine, container] = stage();
    for address in ["10.9.2.2:22", "[fd09:2::2]:22"] {
        drop(container.inside(move || tell(address.parse().unwrap())));
    }
    let (ready, until) = std::sync::mpsc::channel::<std::sync::mpsc::Sender<()>>();
    let dir = tempfile::tempdir().unwrap();
    let note = dir.path().join("way-back");
    let way_back = WayBack::new(Mark::of(&"1f3c5a7b".parse().unwrap()), note.clone());
    let router = machine.inside(move || {
        way_back.make().unwrap();
        way_back.make().unwrap();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let limits = Limits::within(DescriptorLimit::current()).unwrap();
        let router = Router::new(limits, runtime.handle().clone(), |_| {});
        for (endpoint, address, target) in [("four", "*:4422", "10.9.2.2:22"), ("six", "*:6622", "[fd09:2::2]:22")] {
            let id = RouteId { instance: "a".parse().unwrap(), endpoint: endpoint.parse().unwrap() };
            router.reserve(&id, address.parse().unwrap()).unwrap();
            router.set_rules(&id, RouteRules { source: SourceAddress::Client, ..RouteRules::default() }).unwrap();
            router.point(&id, Target::new("c".parse().unwrap(), target.parse().unwrap())).unwrap();
        }
        let (end, ended) = std::sync::mpsc::channel();
        ready.send(end).unwrap();
        runtime.block_on(async {
            while ended.try_recv().is_err_and(|error| error == std::sync::mpsc::TryRecvError::Empty) {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        });
        way_back.remove().unwrap();
        way_back.remove().unwrap();
        let left = |program: &str, args: &[&str]| {
            String::from_utf8(Command::new(program).args(args).output().unwrap().stdout).unwrap()
        };
        [
            left("nft", &["list", "ruleset"]),
            left("ip", &["rule", "show", "fwmark", "0x48500000/0xffff0000"]),
            left("ip", &["route", "show", "table", "all", "type", "local", "match", "192.0.2.1"]),
        ]
    });
    let end = until.recv().unwrap();
    let asked = |space: &Space, address: &str| {
        let address = address.parse().unwrap();
        space.inside(move || ask(address)).join().unwrap()
    };
    let ip = |text: &str| text.parse::<IpAddr>().unwrap();
    for (space, to, seen) in [
        (&client, "10.9.1.1:4422", "10.9.1.2"),
        (&client, "[fd09:1::1]:6622", "fd09:1::2"),
        // Of another family than the container: it cannot see that address.
        (&client, "[fd09:1::1]:4422", "10.9.2.1"),
        (&client, "10.9.1.1:6622", "fd09:2::1"),
        // This machine itself, and the container, which would answer itself.
        (&machine, "10.9.1.1:4422", "10.9.2.1"),
        (&machine, "127.0.0.1:4422", "10.9.2.1"),
        (&machine, "[::1]:6622", "fd09:2::1"),
        (&container, "10.9.2.1:4422", "10.9.2.1"),
    ] {
        assert_eq!(asked(space, to), Ok(ip(seen)), "{to}");
    }
    end.send(()).unwrap();
    assert_eq!(router.join().unwrap(), ["", "", ""].map(str::to_owned));
    assert!(!note.exists());
}

#[test]
fn a_program_that_is_missing_is_named_with_its_package() {
    let error = WayBackError::NoProgram { program: "nft", package: "nftables" };
    let help = homeport_core::fault::Advice::help(&error);
    assert_eq!(help.as_deref(), Some("install it: `apt-get install nftables`"));
}
