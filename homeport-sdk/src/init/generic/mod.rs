//! The generic init: a port without code, whose services stand in `/port/services.json`. [spec: ENT-40]
//!
//! ```json
//! {
//!     "services": {
//!         "web": {
//!             "command": ["/usr/bin/static-web-server", "--port", "8080"],
//!             "uid": 1000,
//!             "gid": 1000,
//!             "ready": { "tcp": 8080 }
//!         }
//!     }
//! }
//! ```
//!
//! The file becomes a document ([`document`](self)), which becomes [`Services`] with every fault at once.

mod document;
mod port;
mod services;

pub use port::Generic;
pub use services::{Declared, Ready, Services};
