//! A real haproxy in front of a real router, on the loopback network: what clients see while routes are switched and held, and
//! while haproxies and containers die.

#[cfg(test)]
mod adopting;
#[cfg(test)]
mod announcing;
#[cfg(test)]
mod dialling;
#[cfg(test)]
mod dying;
#[cfg(test)]
mod load;
#[cfg(test)]
mod ruling;
#[cfg(test)]
mod stage;
#[cfg(test)]
mod switching;
