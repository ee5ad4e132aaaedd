//! Owns which object a line of entries names. Never reads one.

use super::identity::ObjectId;
use crate::tree::{Content, Entry, Kind, Line};

/// The object that a line names.
pub(super) fn named(line: &Line) -> Option<ObjectId> {
    match line {
        Line::Entry(Entry { kind: Kind::File { content: Content::Whole(object), .. }, .. }) => Some(*object),
        Line::Piece(piece) => Some(piece.object),
        Line::Entry(_) | Line::HardLink(_) => None,
    }
}
