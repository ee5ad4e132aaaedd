//! Build ports for HomePort: PID 1 as a library, a generic init, and the kit that builds images.
//!
//! A port is an image with a manifest and an init. This is a whole init, for a port with one service, a configuration
//! key `greeting` and an endpoint that the manifest declares:
//!
//! ```no_run
//! use homeport_core::unit::{Gid, Uid};
//! use homeport_sdk::init::{self, Context, Failure, Port, Service};
//!
//! struct Hello;
//!
//! impl Port for Hello {
//!     fn prepare(&self, cx: &Context) -> Result<Vec<Service>, Failure> {
//!         let greeting = cx.text("greeting").unwrap_or("hello");
//!         let user = (Uid::new(1000), Gid::new(1000));
//!         Ok(vec![Service::new("web", "/usr/bin/hello-server").args(["--say", greeting]).user(user.0, user.1)])
//!     }
//! }
//!
//! fn main() -> std::process::ExitCode {
//!     init::main(Hello)
//! }
//! ```
//!
//! It is ready when the declared endpoints take connections, starts the service again when it dies, stops within the
//! deadline, refuses a volume that is not the one the host meant, and says why it exits: all of `spec/entrypoint.md`.
//! A service in a file needs no code at all: see [`init::generic`].

pub mod init;
#[cfg(feature = "kit")]
pub mod kit;
