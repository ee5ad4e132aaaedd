//! Owns a stream of entries of which one line is looked at before it is taken. Never keeps more than that line.

use std::cmp::Ordering;

use crate::tree::{Line, Piece, TreePath};

/// Lines with one of them looked at before it is taken.
pub(super) struct Ahead<I> {
    lines: I,
    next: Option<Line>,
    passed: u64,
}

impl<I, E> Ahead<I>
where
    I: Iterator<Item = Result<Line, E>>,
{
    /// The stream before its first line.
    pub(super) fn new(lines: I) -> Self {
        Self { lines, next: None, passed: 0 }
    }

    fn peek(&mut self) -> Result<Option<&Line>, E> {
        if self.next.is_none() {
            self.next = self.lines.next().transpose()?;
        }
        Ok(self.next.as_ref())
    }

    /// Takes the next line.
    pub(super) fn take(&mut self) -> Result<Option<Line>, E> {
        self.peek()?;
        Ok(self.next.take())
    }

    /// The path of the next line; `None` before a piece and at the end.
    pub(super) fn path(&mut self) -> Result<Option<&TreePath>, E> {
        Ok(self.peek()?.and_then(Line::path))
    }

    /// Takes the next line if it is a piece.
    pub(super) fn piece(&mut self) -> Result<Option<Piece>, E> {
        match self.peek()? {
            Some(Line::Piece(piece)) => {
                let piece = *piece;
                self.next = None;
                Ok(Some(piece))
            }
            _ => Ok(None),
        }
    }

    /// Takes the pieces that come next.
    pub(super) fn skip_pieces(&mut self) -> Result<(), E> {
        while self.piece()?.is_some() {}
        Ok(())
    }

    /// Takes the line that stands at `path`, and passes over all that stands before it.
    pub(super) fn at(&mut self, path: &TreePath) -> Result<Option<Line>, E> {
        loop {
            self.skip_pieces()?;
            match self.path()?.map(|next| next.cmp(path)) {
                Some(Ordering::Less) => {
                    self.next = None;
                    self.passed += 1;
                }
                Some(Ordering::Equal) => return self.take(),
                Some(Ordering::Greater) | None => return Ok(None),
            }
        }
    }

    /// Takes all that is left, with which it is known that the text as a whole is right; how many lines with a path nobody
    /// asked for.
    pub(super) fn finish(&mut self) -> Result<u64, E> {
        while let Some(line) = self.take()? {
            self.passed += u64::from(line.path().is_some());
        }
        Ok(self.passed)
    }
}
