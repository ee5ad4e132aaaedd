//! The text of a volume's entries: one writer, one reader, and the law that both keep. [spec: STO-11, STO-19]

mod fault;
mod law;
mod parse;
mod read;
mod summary;
mod targets;
#[cfg(test)]
mod tests;
mod write;

pub use fault::{EntriesError, LineFault};
pub use read::LineReader;
pub use summary::Summary;
pub use write::LineWriter;

/// The first line, without its newline. [spec: STO-12]
const HEADER: &[u8] = b"homeport-entries 1";

/// The most bytes that a line may have with its newline. [spec: STO-12]
pub const LINE_MAX: usize = 4 << 20;
