//! The marker `VOL/.homeport/marker.json`: which volume a directory is.
//!
//! ```text
//! bytes --parse--> Marker --render--> the same bytes          (text, pure)
//! Marker --write--> marker.json.new, fsync, rename, fsync     (file)
//! ```
//!
//! Only the host writes it, a port never sees it.

mod fault;
pub(crate) mod file;
mod text;
mod value;

pub use fault::MarkerFault;
pub use value::{Marker, MarkerVersion};
