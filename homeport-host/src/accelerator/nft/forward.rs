//! Owns having the kernel forward what is led to a container, where Docker has it forward nothing by default: rules of our own in
//! `DOCKER-USER`, the chain that Docker keeps for its operator and looks at first. One for each container's port, for both
//! directions of the connections that were translated to it, and for nothing else.
//!
//! Where there is no such chain, as on a machine whose Docker uses nftables by itself, nothing is done.

use std::collections::BTreeSet;
use std::net::{IpAddr, SocketAddr};

use super::command::{find, run};
use super::lead::Protocol;
use super::span::Family;
use super::table::TableName;

const CHAIN: &str = "DOCKER-USER";

/// What may be forwarded: connections to this port of a container that came to this public port.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Passage {
    pub(super) protocol: Protocol,
    pub(super) port: u16,
    pub(super) target: SocketAddr,
}

impl Passage {
    /// As words of a rule. The address that answers, and the port that was asked for, are the same in both directions.
    fn words(&self, table: &TableName) -> Vec<String> {
        let (port, by) = (self.port.to_string(), self.target.ip().to_string());
        let to = self.target.port().to_string();
        let words = [
            "-p",
            self.protocol.as_str(),
            "-m",
            "conntrack",
            "--ctstate",
            "DNAT",
            "--ctreplsrc",
            &by,
            "--ctorigdstport",
            &port,
            "--ctreplsrcport",
            &to,
            "-m",
            "comment",
            "--comment",
            table.as_str(),
            "-j",
            "ACCEPT",
        ];
        words.map(str::to_owned).to_vec()
    }
}

/// A rule of ours as it is listed.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Listed {
    passage: Option<Passage>,
    /// Its words, after `-A DOCKER-USER`.
    words: Vec<String>,
}

/// Which rules have to be made, and which have to go.
#[derive(Debug, Default, PartialEq, Eq)]
struct Difference {
    make: Vec<Passage>,
    remove: Vec<Vec<String>>,
}

/// Sees to it that exactly these pass, of what is ours.
///
/// # Errors
/// In words: what the program said.
pub(super) fn bring_to(table: &TableName, wanted: &BTreeSet<Passage>) -> Result<(), String> {
    for family in Family::ALL {
        let program = program(family);
        let Some(listing) = list(program) else { continue };
        let own = |passage: &&Passage| Family::of(passage.target.ip()) == family;
        let wanted: BTreeSet<Passage> = wanted.iter().filter(own).copied().collect();
        let Difference { make, remove } = difference(&listed(&listing, table), &wanted);
        for passage in make {
            change(program, "-I", &passage.words(table))?;
        }
        for words in remove {
            change(program, "-D", &words)?;
        }
    }
    Ok(())
}

fn program(family: Family) -> &'static str {
    match family {
        Family::V4 => "iptables",
        Family::V6 => "ip6tables",
    }
}

/// The rules of the chain; `None` where there is none.
fn list(program: &str) -> Option<String> {
    find(program)?;
    run(program, &["-w", "5", "-S", CHAIN], "").ok()
}

fn change(program: &str, how: &str, words: &[String]) -> Result<(), String> {
    let start = ["-w", "5", how, CHAIN].map(str::to_owned);
    let all: Vec<String> = start.into_iter().chain(words.iter().cloned()).collect();
    run(program, &all, "").map(drop)
}

/// The rules of ours in a listing, which are known by their comment.
fn listed(listing: &str, table: &TableName) -> Vec<Listed> {
    let rule = |line: &str| {
        let words: Vec<String> = line.split_whitespace().map(|word| word.trim_matches('"').to_owned()).collect();
        let words = words.strip_prefix(&["-A".to_owned(), CHAIN.to_owned()])?.to_vec();
        let after = |name: &str| words.iter().position(|word| word == name).and_then(|at| words.get(at + 1));
        if after("--comment").is_none_or(|comment| comment != table.as_str()) {
            return None;
        }
        let passage = || {
            let ip: IpAddr = after("--ctreplsrc")?.split('/').next()?.parse().ok()?;
            let target = SocketAddr::new(ip, after("--ctreplsrcport")?.parse().ok()?);
            let port = after("--ctorigdstport")?.parse().ok()?;
            Some(Passage { protocol: Protocol::named(after("-p")?)?, port, target })
        };
        Some(Listed { passage: passage(), words: words.clone() })
    };
    listing.lines().filter_map(rule).collect()
}

/// From what is listed to what is wanted. Of two that are the same one has to go.
fn difference(listed: &[Listed], wanted: &BTreeSet<Passage>) -> Difference {
    let (mut missing, mut found) = (wanted.clone(), Difference::default());
    for rule in listed {
        if !rule.passage.as_ref().is_some_and(|passage| missing.remove(passage)) {
            found.remove.push(rule.words.clone());
        }
    }
    found.make = missing.into_iter().collect();
    found
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    fn table() -> TableName {
        TableName::of(Path::new("/var/lib/homeport/state"))
    }

    fn passage(ip: &str, port: u16) -> Passage {
        Passage { protocol: Protocol::Tcp, port, target: SocketAddr::new(ip.parse().unwrap(), 22) }
    }

    /// As iptables 1.8.9 lists it.
    fn line(passage: Passage) -> String {
        let words = passage
            .words(&table())
            .join(" ")
            .replace("--comment homeport-46b0e6252379", "--comment \"homeport-46b0e6252379\"");
        format!("-A DOCKER-USER {words}\n")
    }

    #[test]
    fn only_rules_of_our_own_are_made_and_taken_away() {
        let (one, two, three) = (passage("172.18.0.2", 2222), passage("172.18.0.3", 2222), passage("fd00::2", 22));
        let foreign = "-N DOCKER-USER\n-A DOCKER-USER -s 192.0.2.0/24 -j DROP\n-A DOCKER-USER -j RETURN\n\
            -A DOCKER-USER -p tcp -m comment --comment homeport-another -j ACCEPT\n";
        let listing = [foreign.to_owned(), line(one), line(two), line(two), line(three)].concat();
        let found = listed(&listing, &table());
        assert_eq!(
            found.iter().map(|rule| rule.passage).collect::<Vec<_>>(),
            [Some(one), Some(two), Some(two), Some(three)]
        );
        let four = passage("172.18.0.4", 2222);
        let Difference { make, remove } = difference(&found, &BTreeSet::from([two, three, four]));
        assert_eq!(make, [four]);
        assert_eq!(remove, [one.words(&table()), two.words(&table())]);
        assert_eq!(difference(&listed(foreign, &table()), &BTreeSet::new()), Difference::default());
    }
}
