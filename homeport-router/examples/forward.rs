//! A router in a process of its own, and nothing else: what `cargo xtask bench router` measures. Owns no rule.
//!
//! `forward LISTEN=TARGET...` holds each address to listen on, one over UDP as `ADDRESS:PORT/udp`, leads it to its target, says `ready`, and forwards until it
//! is killed. One route may have all connections that the process can open: a measurement has one.

use std::io::Write as _;

use homeport_router::{DescriptorLimit, Limits, RouteId, Router, Target, runtime};

type Failure = Box<dyn std::error::Error>;

fn main() -> Result<(), Failure> {
    let limits = Limits::within(DescriptorLimit::raise()?)?;
    let limits = Limits { connections_per_route: limits.connections, ..limits };
    let runtime = runtime()?;
    let router = Router::new(limits, runtime.handle().clone(), |report| {
        writeln!(std::io::stderr(), "{report}").unwrap_or(());
    });
    for (n, route) in std::env::args().skip(1).enumerate() {
        let (listen, target) = route.split_once('=').ok_or("wanted LISTEN=TARGET")?;
        let id = RouteId { instance: "bench".parse()?, endpoint: format!("e{n}").parse()? };
        router.reserve(&id, listen.parse()?)?;
        router.point(&id, Target::new("bench".parse()?, target.parse()?))?;
    }
    writeln!(std::io::stdout(), "ready")?;
    runtime.block_on(std::future::pending::<()>());
    Ok(())
}
