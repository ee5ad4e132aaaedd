//! What a connection costs, counted exactly, by a router in a process of its own.

#[cfg(test)]
mod counted;
#[cfg(test)]
mod datagrams;
#[cfg(test)]
mod process;
