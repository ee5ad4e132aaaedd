//! Packs: tar files whose members are objects, each with an index that says where they are. [spec: STO-6, STO-8]
//!
//! ```text
//! objects -> write (new in tmp/) -> sync -> check (read back) -> under their name, with the index
//! index, or rebuild from the members' headers -> Records -> pread -> frame -> compare with the name
//! ```

pub(crate) mod check;
pub(crate) mod header;
pub(crate) mod index;
pub(crate) mod name;
pub(crate) mod rebuild;
pub(crate) mod record;
pub(crate) mod structure;
pub(crate) mod write;
