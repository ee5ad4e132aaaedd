//! Owns how many clients the kernel keeps waiting for a socket that nobody accepts from: a setting of the machine, which is put back
//! when this is dropped.

use std::fs;

const SETTING: &str = "/proc/sys/net/core/somaxconn";

/// The setting as it was.
pub(super) struct Queue(String);

impl Queue {
    /// Lets it be so many; sockets that listen already keep what they have.
    pub(super) fn of(clients: &str) -> Self {
        let before = fs::read_to_string(SETTING).unwrap();
        fs::write(SETTING, clients).unwrap();
        Self(before)
    }

    /// How many there are now.
    pub(super) fn now() -> String {
        fs::read_to_string(SETTING).unwrap().trim().to_owned()
    }
}

impl Drop for Queue {
    fn drop(&mut self) {
        fs::write(SETTING, &self.0).unwrap();
    }
}
