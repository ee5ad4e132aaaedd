//! Owns clearing `tmp/`: what a writer that died left there. Only for the holder of the lock.

use super::error::StoreError;
use super::place::{Place, Room};
use crate::failpoint;
use crate::file::unlink;

/// Removes every file in `tmp/`.
pub(super) fn clear(place: &Place) -> Result<(), StoreError> {
    for name in place.names(Room::Tmp)? {
        let cleared = failpoint::point("store.tmp.clear").and_then(|()| Ok(unlink(place.room(Room::Tmp), &name)?));
        cleared.map_err(|error| place.failed("remove", place.at(Room::Tmp, &name), 0, error))?;
    }
    Ok(())
}
