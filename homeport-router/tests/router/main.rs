//! The router with real sockets on the loopback network.

#[cfg(test)]
mod adopting;
#[cfg(test)]
mod announcing;
#[cfg(test)]
mod bulk;
#[cfg(test)]
mod datagrams;
#[cfg(test)]
mod forwarding;
mod hostile;
#[cfg(test)]
mod relaying;
#[cfg(test)]
mod reserving;
#[cfg(test)]
mod ruling;
#[cfg(test)]
mod stage;
#[cfg(test)]
mod switching;
#[cfg(test)]
mod threads;
#[cfg(test)]
mod udp_stage;
