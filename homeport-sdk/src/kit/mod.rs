//! The kit: what an author needs to make a port, on the author's machine. Never linked into a port's PID 1.
//!
//! [`build`] turns a port's folder into an image, without any registry.

pub mod build;
