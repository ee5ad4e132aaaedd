//! An exported snapshot: one tar file in pax form that holds all of it. [spec: STO-34]
//!
//! ```text
//! <sequence>-<uuid>.snapshot    the head
//! <object>.object               what the head names, and later the content of files that tar programs cannot make
//! <entries>.entries             the text of each volume's entries
//! <volume>/...                  each volume's tree, in the order of its entries
//! ```

mod export;
mod header;
mod import;
mod layout;

pub use export::{Exported, export};
pub use import::{Imported, import};
pub use layout::LeftOut;
