//! Owns reading the values of options that have two parts. Never looks anything up: whether a key or a volume exists is
//! the host's question.

use std::num::{IntErrorKind, NonZeroU32, ParseIntError};
use std::path::PathBuf;

use homeport_core::config::{Given, Source};
use homeport_core::name::{EndpointName, VolumeName};
use homeport_core::unit::{Gid, Uid};
use homeport_host::engine::ContainerUser;
use homeport_host::request::{RouteWish, RuleWish};
use homeport_host::routes::{AccessLog, Backend, BackendError, SourceAddress};
use ipnet::IpNet;

/// Where the value of a key is read from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum ValueSource {
    /// Standard input.
    Stdin,
    /// This file.
    File(PathBuf),
}

/// A key whose value is in a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct FileValue {
    /// The key as typed.
    pub(crate) key: String,
    /// Where its value is.
    pub(crate) from: ValueSource,
}

fn pair<'a>(text: &'a str, wanted: &str) -> Result<(&'a str, &'a str), String> {
    match text.split_once('=') {
        Some((left, right)) if !left.is_empty() => Ok((left, right)),
        _ => Err(format!("wanted {wanted}")),
    }
}

/// Reads `KEY=VALUE`. The value may be empty and may hold more `=`.
pub(crate) fn parse_set(text: &str) -> Result<Given, String> {
    let (key, value) = pair(text, "KEY=VALUE")?;
    Ok(Given { key: key.to_owned(), text: value.to_owned(), source: Source::Argument })
}

/// Reads `KEY=PATH`, where the path `-` is standard input.
pub(crate) fn parse_set_file(text: &str) -> Result<FileValue, String> {
    let (key, path) = pair(text, "KEY=PATH, or KEY=- for standard input")?;
    let from = match path {
        "" => return Err("wanted KEY=PATH, or KEY=- for standard input".to_owned()),
        "-" => ValueSource::Stdin,
        path => ValueSource::File(PathBuf::from(path)),
    };
    Ok(FileValue { key: key.to_owned(), from })
}

/// Reads `NAME=PATH`.
pub(crate) fn parse_volume(text: &str) -> Result<(VolumeName, PathBuf), String> {
    let (name, path) = pair(text, "NAME=PATH")?;
    Ok((name.parse().map_err(|error: homeport_core::name::NameError| error.to_string())?, PathBuf::from(path)))
}

/// Reads `ENDPOINT=ADDRESS`.
pub(crate) fn parse_route(text: &str) -> Result<(EndpointName, RouteWish), String> {
    let (name, wish) = pair(text, "ENDPOINT=ADDRESS")?;
    let name = name.parse().map_err(|error: homeport_core::name::NameError| error.to_string())?;
    Ok((name, wish.parse().map_err(|error: homeport_host::request::RouteWishError| error.to_string())?))
}

/// Reads `UID` or `UID:GID`. The group is the number of the user where it is not said.
pub(crate) fn parse_user(text: &str) -> Result<ContainerUser, String> {
    let (uid, gid) = text.split_once(':').unwrap_or((text, text));
    let number = |part: &str| part.parse::<u32>().map_err(|_| "wanted UID or UID:GID, both numbers".to_owned());
    Ok(ContainerUser { uid: Uid::new(number(uid)?), gid: Gid::new(number(gid)?) })
}

/// Reads a number from 1, or `usual`.
pub(crate) fn parse_number(text: &str) -> Result<RuleWish<NonZeroU32>, String> {
    match text {
        "usual" => Ok(RuleWish::Usual),
        _ => text.parse().map(RuleWish::Is).map_err(|error: ParseIntError| match error.kind() {
            IntErrorKind::PosOverflow => format!("wanted at most {}, or `usual`", u32::MAX),
            _ => "wanted a number from 1, or `usual`".to_owned(),
        }),
    }
}

/// Reads from which address a container is dialled.
pub(crate) fn parse_source(text: &str) -> Result<SourceAddress, String> {
    match text {
        "client" => Ok(SourceAddress::Client),
        "own" | "usual" => Ok(SourceAddress::Own),
        _ => Err("wanted `client` or `own`, which is `usual`".to_owned()),
    }
}

/// Reads whether connections leave a line.
pub(crate) fn parse_log(text: &str) -> Result<AccessLog, String> {
    match text {
        "on" => Ok(AccessLog::On),
        "off" | "usual" => Ok(AccessLog::Off),
        _ => Err("wanted `on` or `off`, which is `usual`".to_owned()),
    }
}

/// Reads what carries clients.
pub(crate) fn parse_backend(text: &str) -> Result<Backend, String> {
    match text {
        "usual" => Ok(Backend::Builtin),
        _ => text.parse().map_err(|error: BackendError| format!("{error}, which is `usual`")),
    }
}

/// Reads `NETWORK,NETWORK`, where a bare address is the network of it alone, or `usual`. One that is named twice is one.
pub(crate) fn parse_networks(text: &str) -> Result<RuleWish<Vec<IpNet>>, String> {
    if text == "usual" {
        return Ok(RuleWish::Usual);
    }
    let network = |text: &str| {
        let alone = || text.parse::<std::net::IpAddr>().map(IpNet::from);
        let network = text.parse::<IpNet>().or_else(|_| alone());
        let wrong =
            || format!("`{text}` is no network: wanted `192.0.2.0/24`, `2001:db8::/32`, an address, or `usual`");
        network.map(|network| network.trunc()).map_err(|_| wrong())
    };
    let mut networks = Vec::new();
    for network in text.split(',').map(network) {
        let network = network?;
        if !networks.contains(&network) {
            networks.push(network);
        }
    }
    Ok(RuleWish::Is(networks))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_may_be_empty_and_hold_more_equals_signs() {
        for (text, key, value) in [("a=b", "a", "b"), ("a=", "a", ""), ("a=b=c", "a", "b=c")] {
            let given = parse_set(text).unwrap();
            assert_eq!((given.key.as_str(), given.text.as_str(), given.source), (key, value, Source::Argument));
        }
        for bad in ["", "a", "=b", "="] {
            assert_eq!(parse_set(bad).unwrap_err(), "wanted KEY=VALUE", "{bad}");
        }
    }

    #[test]
    fn a_file_is_named_or_is_standard_input() {
        assert_eq!(parse_set_file("k=-").unwrap().from, ValueSource::Stdin);
        assert_eq!(parse_set_file("k=/a=b").unwrap().from, ValueSource::File("/a=b".into()));
        for bad in ["", "k", "k=", "=x"] {
            assert!(parse_set_file(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn names_before_the_sign_must_be_names() {
        assert_eq!(parse_volume("home=/srv/home").unwrap(), ("home".parse().unwrap(), "/srv/home".into()));
        assert!(parse_volume("Home=/srv").unwrap_err().contains("volume name"));
        assert!(parse_route("ssh=127.0.0.1:random").is_ok());
        assert!(parse_route("ssh=localhost:1").unwrap_err().contains("public address"));
        assert!(parse_route("SSH=1").unwrap_err().contains("endpoint name"));
    }

    #[test]
    fn every_rule_has_a_usual_value_and_says_what_else_there_is() {
        assert_eq!(
            (parse_number("usual"), parse_number("7")),
            (Ok(RuleWish::Usual), Ok(RuleWish::Is(NonZeroU32::new(7).unwrap())))
        );
        assert_eq!(parse_number("4294967296").unwrap_err(), "wanted at most 4294967295, or `usual`");
        for bad in ["0", "", "-1", "x", "1.5"] {
            assert_eq!(parse_number(bad).unwrap_err(), "wanted a number from 1, or `usual`", "{bad}");
        }
        assert_eq!((parse_backend("usual"), parse_backend("haproxy")), (Ok(Backend::Builtin), Ok(Backend::Haproxy)));
        assert_eq!((parse_source("usual"), parse_log("usual")), (Ok(SourceAddress::Own), Ok(AccessLog::Off)));
        for said in [parse_backend("nginx").unwrap_err(), parse_source("x").unwrap_err(), parse_log("x").unwrap_err()] {
            assert!(said.contains("`usual`"), "{said}");
        }
    }

    #[test]
    fn a_network_that_is_named_twice_is_one() {
        let wanted = ["192.0.2.0/24", "198.51.100.7/32"].map(|text| text.parse().unwrap()).to_vec();
        assert_eq!(parse_networks("192.0.2.0/24,198.51.100.7,192.0.2.9/24"), Ok(RuleWish::Is(wanted)));
        assert_eq!(parse_networks("usual"), Ok(RuleWish::Usual));
        assert!(parse_networks("192.0.2.0/24,").is_err());
    }

    #[test]
    fn a_user_is_one_or_two_numbers() {
        let user = |uid, gid| ContainerUser { uid: Uid::new(uid), gid: Gid::new(gid) };
        assert_eq!(parse_user("1000"), Ok(user(1000, 1000)));
        assert_eq!(parse_user("0:5"), Ok(user(0, 5)));
        for bad in ["", "root", "1:", ":1", "1:2:3", "-1"] {
            assert!(parse_user(bad).is_err(), "{bad}");
        }
    }
}
