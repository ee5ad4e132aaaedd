//! Owns the services file: what it says, with every fault at once, and the order in which services are started.
//! Never starts one, and never reads a file: the bytes come in.

use std::collections::BTreeMap;

use homeport_core::fault::Fault;
use homeport_core::name::ServiceName;
use homeport_core::text::{clip, nearest};
use homeport_core::unit::{Gid, PortNumber, Uid};

use super::document::Node;
use crate::init::kernel::Leads;
use crate::init::service::{Leftovers, OnReload, Service};

/// The most bytes that a services file may have. [spec: ENT-41]
const MAX_BYTES: usize = 48 * 1024;
/// The greatest user or group id; the one above it means "none" to system calls.
const MAX_ID: u64 = 4_294_967_294;

/// When a service counts as ready. [spec: ENT-43]
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ready {
    /// As soon as it runs.
    Always,
    /// When this port of the loopback address takes a connection.
    Tcp(PortNumber),
    /// When this program, run as the service's user, exits with 0.
    Command(Vec<String>),
}

/// A service of the file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Declared {
    /// How it is run.
    pub service: Service,
    /// When it counts as ready.
    pub ready: Ready,
}

/// A services file that keeps every rule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Services {
    /// The services, each after those that it names in `after`.
    pub in_order: Vec<Declared>,
}

impl Services {
    /// Reads a services file; every broken rule is found, not the first. [spec: ENT-41, ENT-42]
    pub fn parse(bytes: &[u8]) -> Result<Self, Vec<Fault>> {
        let whole = |message: String| vec![Fault::new("HP-SVC-002", "/", message).clause("ENT-41")];
        if bytes.len() > MAX_BYTES {
            return Err(whole(format!("the services file has {} bytes: wanted at most {MAX_BYTES}", bytes.len())));
        }
        let node: Node =
            serde_json::from_slice(bytes).map_err(|error| whole(format!("the services file is not JSON: {error}")))?;
        let mut faults = Vec::new();
        let entries = read_file(&node, &mut faults);
        let in_order = order(entries, &mut faults);
        if faults.is_empty() { Ok(Self { in_order }) } else { Err(faults) }
    }
}

struct Entry {
    declared: Declared,
    after: Vec<String>,
}

fn wrong(node: &Node, at: &str, wanted: &str) -> Fault {
    Fault::new("HP-SVC-003", at, format!("`{at}` has the wrong type or value"))
        .actual(node.describe())
        .expected(wanted)
        .clause("ENT-42")
}

/// An object's members, once those that are repeated or unknown were complained of.
fn members<'a>(
    node: &'a Node,
    at: &str,
    known: Option<&[&str]>,
    faults: &mut Vec<Fault>,
) -> BTreeMap<&'a str, &'a Node> {
    let Node::Object(members) = node else {
        faults.push(wrong(node, at, "an object"));
        return BTreeMap::new();
    };
    let mut found = BTreeMap::new();
    for (name, node) in members {
        let shown = clip(&format!("{at}/{name}"), 120);
        if let Some(known) = known.filter(|known| !known.contains(&name.as_str())) {
            let fault = Fault::new("HP-SVC-004", shown.clone(), format!("`{shown}` is not a field"))
                .expected(format!("one of {}", known.join(", ")))
                .clause("ENT-41");
            faults.push(match nearest(name, known.iter().copied()) {
                Some(meant) => fault.remedy(format!("did you mean `{meant}`?")),
                None => fault,
            });
        } else if found.insert(name.as_str(), node).is_some() {
            let fault = Fault::new("HP-SVC-005", shown.clone(), format!("`{shown}` stands twice"));
            faults.push(fault.expected("each name once").clause("ENT-41"));
        }
    }
    found
}

fn read_file(node: &Node, faults: &mut Vec<Fault>) -> Vec<Entry> {
    let file = members(node, "", Some(&["services"]), faults);
    let Some(services) = file.get("services") else {
        faults.push(Fault::new("HP-SVC-006", "/services", "`/services` is missing").clause("ENT-42"));
        return Vec::new();
    };
    let services = members(services, "/services", None, faults);
    if services.is_empty() && faults.is_empty() {
        faults.push(
            Fault::new("HP-SVC-006", "/services", "there is no service").expected("at least one").clause("ENT-42"),
        );
    }
    services.into_iter().filter_map(|(name, node)| read_service(name, node, faults)).collect()
}

const FIELDS: [&str; 11] =
    ["command", "uid", "gid", "groups", "env", "cwd", "setsid", "leftovers", "reload", "after", "ready"];

fn read_service(name: &str, node: &Node, faults: &mut Vec<Fault>) -> Option<Entry> {
    let at = clip(&format!("/services/{name}"), 120);
    if let Err(error) = name.parse::<ServiceName>() {
        faults.push(Fault::new("HP-SVC-007", at.clone(), error.to_string()).clause("ENT-42"));
    }
    let before = faults.len();
    let fields = members(node, &at, Some(&FIELDS), faults);
    let field = |name: &str| fields.get(name).map(|node| (*node, format!("{at}/{name}")));
    let command = match field("command") {
        Some((node, at)) => read_command(node, &at, faults),
        None if matches!(node, Node::Object(_)) => {
            let at = format!("{at}/command");
            faults.push(Fault::new("HP-SVC-006", at.clone(), format!("`{at}` is missing")).clause("ENT-42"));
            None
        }
        None => None,
    };
    let uid = read_id(field("uid"), &at, "uid", faults);
    let gid = read_id(field("gid"), &at, "gid", faults);
    let groups = field("groups").map_or_else(Vec::new, |(node, at)| read_groups(node, &at, faults));
    let env = field("env").map_or_else(BTreeMap::new, |(node, at)| read_env(node, &at, faults));
    let directory = match field("cwd") {
        None => "/".to_owned(),
        Some((Node::Text(path), _)) if path.starts_with('/') && !path.contains('\0') => path.clone(),
        Some((node, at)) => {
            faults.push(wrong(node, &at, "an absolute path"));
            String::new()
        }
    };
    let leads = read_word(field("setsid"), &[("false", Leads::Group), ("true", Leads::Session)], faults);
    let leftovers = [("kill", Leftovers::Kill), ("keep", Leftovers::Keep)];
    let leftovers = read_word(field("leftovers"), &leftovers, faults);
    let reload = [("restart", OnReload::Restart), ("hangup", OnReload::Hangup), ("nothing", OnReload::Nothing)];
    let on_reload = read_word(field("reload"), &reload, faults);
    let after = field("after").map_or_else(Vec::new, |(node, at)| read_texts(node, &at, "service names", faults));
    let ready = field("ready").map_or(Some(Ready::Always), |(node, at)| read_ready(node, &at, faults));
    if faults.len() > before {
        return None;
    }
    let (program, args) = command?;
    let service = Service::new(name, program)
        .args(args)
        .user(Uid::new(uid?), Gid::new(gid?))
        .groups(groups)
        .directory(directory)
        .leads(leads?)
        .leftovers(leftovers?)
        .on_reload(on_reload?);
    let service = env.into_iter().fold(service, |service, (name, value)| service.env(name, value));
    Some(Entry { declared: Declared { service, ready: ready? }, after })
}

fn read_texts(node: &Node, at: &str, what: &str, faults: &mut Vec<Fault>) -> Vec<String> {
    let texts = match node {
        Node::List(items) => {
            items.iter().map(|item| if let Node::Text(text) = item { Some(text.clone()) } else { None }).collect()
        }
        _ => None,
    };
    let texts: Option<Vec<String>> = texts;
    texts.filter(|texts| texts.iter().all(|text| !text.contains('\0'))).unwrap_or_else(|| {
        faults.push(wrong(node, at, &format!("a list of {what}, as texts")));
        Vec::new()
    })
}

fn read_command(node: &Node, at: &str, faults: &mut Vec<Fault>) -> Option<(String, Vec<String>)> {
    let before = faults.len();
    let mut texts = read_texts(node, at, "a program and its arguments", faults);
    if faults.len() > before {
        return None;
    }
    if texts.first().is_none_or(|program| !program.starts_with('/')) {
        faults.push(wrong(node, at, "a list whose first text is an absolute path"));
        return None;
    }
    let program = texts.remove(0);
    Some((program, texts))
}

fn id(node: &Node) -> Option<u32> {
    if let Node::Whole(number) = node
        && *number <= MAX_ID
    {
        return u32::try_from(*number).ok();
    }
    None
}

/// A user or group id; it has to be said: nothing runs as root by an omission.
fn read_id(field: Option<(&Node, String)>, parent: &str, name: &str, faults: &mut Vec<Fault>) -> Option<u32> {
    let Some((node, at)) = field else {
        let at = format!("{parent}/{name}");
        let fault = Fault::new("HP-SVC-006", at.clone(), format!("`{at}` is missing"));
        faults.push(fault.expected("a number; 0 is root and has to be said").clause("ENT-42"));
        return None;
    };
    let number = id(node);
    if number.is_none() {
        faults.push(wrong(node, &at, &format!("a whole number from 0 to {MAX_ID}; names are not looked up")));
    }
    number
}

fn read_groups(node: &Node, at: &str, faults: &mut Vec<Fault>) -> Vec<Gid> {
    let groups: Option<Vec<Gid>> = match node {
        Node::List(items) => items.iter().map(|item| id(item).map(Gid::new)).collect(),
        _ => None,
    };
    groups.unwrap_or_else(|| {
        faults.push(wrong(node, at, "a list of group ids, as numbers"));
        Vec::new()
    })
}

fn read_env(node: &Node, at: &str, faults: &mut Vec<Fault>) -> BTreeMap<String, String> {
    let mut env = BTreeMap::new();
    for (name, value) in members(node, at, None, faults) {
        let at = format!("{at}/{}", clip(name, 64));
        let well_formed = name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
            && name.bytes().next().is_some_and(|first| !first.is_ascii_digit());
        match value {
            Node::Text(text) if well_formed && !text.contains('\0') => {
                env.insert(name.to_owned(), text.clone());
            }
            _ if !well_formed => faults.push(
                Fault::new("HP-SVC-008", at.clone(), format!("`{at}` is not a variable's name"))
                    .expected("letters, digits and `_`, no digit first")
                    .clause("ENT-42"),
            ),
            other => faults.push(wrong(other, &at, "a text")),
        }
    }
    env
}

/// One of a few words, the first of which stands for a field that is not there. `true` and `false` are words too.
fn read_word<T: Copy>(field: Option<(&Node, String)>, words: &[(&str, T)], faults: &mut Vec<Fault>) -> Option<T> {
    let Some((node, at)) = field else { return words.first().map(|(_, value)| *value) };
    let written = match node {
        Node::Text(text) if text != "true" && text != "false" => text.clone(),
        Node::Bool(value) => value.to_string(),
        _ => String::new(),
    };
    let found = words.iter().find(|(word, _)| *word == written).map(|(_, value)| *value);
    if found.is_none() {
        let wanted: Vec<String> = words.iter().map(|(word, _)| format!("`{word}`")).collect();
        faults.push(wrong(node, &at, &format!("one of {}", wanted.join(", "))));
    }
    found
}

fn read_ready(node: &Node, at: &str, faults: &mut Vec<Fault>) -> Option<Ready> {
    let before = faults.len();
    let fields = members(node, at, Some(&["tcp", "command"]), faults);
    if faults.len() > before {
        return None;
    }
    match (fields.get("tcp"), fields.get("command")) {
        (Some(Node::Whole(port)), None) if (1..=65535).contains(port) => {
            u16::try_from(*port).ok().map(|port| Ready::Tcp(PortNumber::new(port)))
        }
        (Some(other), None) => {
            faults.push(wrong(other, &format!("{at}/tcp"), "a port number from 1 to 65535"));
            None
        }
        (None, Some(command)) => read_command(command, &format!("{at}/command"), faults).map(|(program, args)| {
            let mut command = vec![program];
            command.extend(args);
            Ready::Command(command)
        }),
        (None, None) | (Some(_), Some(_)) => {
            faults.push(wrong(node, at, "an object with either `tcp` or `command`"));
            None
        }
    }
}

/// Each service after those that it names; those that are free stay in the order of their names.
fn order(mut entries: Vec<Entry>, faults: &mut Vec<Fault>) -> Vec<Declared> {
    let names: Vec<String> = entries.iter().map(|entry| entry.declared.service.name.clone()).collect();
    for entry in &entries {
        let at = format!("/services/{}/after", entry.declared.service.name);
        for other in entry.after.iter().filter(|other| !names.contains(other)) {
            let message = format!("`{at}` names `{}`, which is not a service", clip(other, 40));
            faults.push(Fault::new("HP-SVC-009", at.clone(), message).clause("ENT-42"));
        }
    }
    let mut in_order: Vec<Declared> = Vec::new();
    while !entries.is_empty() {
        let placed =
            |name: &String| !names.contains(name) || in_order.iter().any(|declared| declared.service.name == *name);
        let Some(next) = entries.iter().position(|entry| entry.after.iter().all(placed)) else {
            let circle: Vec<&str> = entries.iter().map(|entry| entry.declared.service.name.as_str()).collect();
            let message = format!("these services wait for each other: {}", circle.join(", "));
            faults.push(Fault::new("HP-SVC-010", "/services", message).clause("ENT-42"));
            break;
        };
        in_order.push(entries.remove(next).declared);
    }
    in_order
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn codes(text: &str) -> Vec<(&'static str, String)> {
        match Services::parse(text.as_bytes()) {
            Ok(_) => Vec::new(),
            Err(faults) => faults.into_iter().map(|fault| (fault.code, fault.subject)).collect(),
        }
    }

    fn one(fields: &str) -> String {
        format!(r#"{{"services":{{"web":{{"command":["/bin/w"],"uid":1,"gid":1{fields}}}}}}}"#)
    }

    #[test]
    fn a_whole_file_becomes_services_in_their_order() {
        let text = r#"{"services":{
            "a":{"command":["/bin/a","-x"],"uid":5,"gid":6,"groups":[7],"env":{"K":"v"},"cwd":"/srv","setsid":true,
                 "leftovers":"keep","reload":"hangup","after":["b"],"ready":{"command":["/bin/ok","1"]}},
            "b":{"command":["/bin/b"],"uid":0,"gid":0,"ready":{"tcp":25}}}}"#;
        let services = Services::parse(text.as_bytes()).unwrap().in_order;
        assert_eq!(services[0].service.name, "b");
        assert_eq!(services[0].ready, Ready::Tcp(PortNumber::new(25)));
        let wanted = Service::new("a", "/bin/a")
            .args(["-x"])
            .user(Uid::new(5), Gid::new(6))
            .groups([Gid::new(7)])
            .env("K", "v")
            .directory("/srv")
            .leads(Leads::Session)
            .leftovers(Leftovers::Keep)
            .on_reload(OnReload::Hangup);
        assert_eq!(services[1].service, wanted);
        assert_eq!(services[1].ready, Ready::Command(vec!["/bin/ok".into(), "1".into()]));
    }

    #[test]
    fn every_rule_has_its_fault() {
        let rows: Vec<(String, Vec<(&str, &str)>)> = vec![
            (one(""), vec![]),
            ("{".into(), vec![("HP-SVC-002", "/")]),
            ("[]".into(), vec![("HP-SVC-003", ""), ("HP-SVC-006", "/services")]),
            ("{}".into(), vec![("HP-SVC-006", "/services")]),
            (r#"{"services":{}}"#.into(), vec![("HP-SVC-006", "/services")]),
            (
                r#"{"services":{"web":[]}}"#.into(),
                vec![
                    ("HP-SVC-003", "/services/web"),
                    ("HP-SVC-006", "/services/web/uid"),
                    ("HP-SVC-006", "/services/web/gid"),
                ],
            ),
            (
                r#"{"services":{"web":{}}}"#.into(),
                vec![
                    ("HP-SVC-006", "/services/web/command"),
                    ("HP-SVC-006", "/services/web/uid"),
                    ("HP-SVC-006", "/services/web/gid"),
                ],
            ),
            (one(r#","colour":1"#), vec![("HP-SVC-004", "/services/web/colour")]),
            (one(r#","uid":2"#), vec![("HP-SVC-005", "/services/web/uid")]),
            (one(r#","groups":["mail"]"#), vec![("HP-SVC-003", "/services/web/groups")]),
            (
                one(r#","env":{"1A":"x","B":2}"#),
                vec![("HP-SVC-008", "/services/web/env/1A"), ("HP-SVC-003", "/services/web/env/B")],
            ),
            (one(r#","cwd":"srv""#), vec![("HP-SVC-003", "/services/web/cwd")]),
            (one(r#","setsid":"true""#), vec![("HP-SVC-003", "/services/web/setsid")]),
            (one(r#","leftovers":"drop""#), vec![("HP-SVC-003", "/services/web/leftovers")]),
            (one(r#","ready":{}"#), vec![("HP-SVC-003", "/services/web/ready")]),
            (one(r#","ready":{"tcp":0}"#), vec![("HP-SVC-003", "/services/web/ready/tcp")]),
            (one(r#","ready":{"udp":5}"#), vec![("HP-SVC-004", "/services/web/ready/udp")]),
            (one(r#","ready":{"command":["true"]}"#), vec![("HP-SVC-003", "/services/web/ready/command")]),
            (one(r#","after":["db"]"#), vec![("HP-SVC-009", "/services/web/after")]),
            (one(r#","after":["web"]"#), vec![("HP-SVC-010", "/services")]),
            (one("").replace("/bin/w", "w"), vec![("HP-SVC-003", "/services/web/command")]),
            (one("").replace("\"uid\":1", "\"uid\":\"root\""), vec![("HP-SVC-003", "/services/web/uid")]),
            (one("").replace("\"uid\":1", "\"uid\":4294967295"), vec![("HP-SVC-003", "/services/web/uid")]),
            (one("").replace("\"uid\":1", "\"uid\":-1"), vec![("HP-SVC-003", "/services/web/uid")]),
            (one("").replace("web", "Web"), vec![("HP-SVC-007", "/services/Web")]),
        ];
        for (text, wanted) in rows {
            let wanted: Vec<_> = wanted.into_iter().map(|(code, at)| (code, at.to_owned())).collect();
            assert_eq!(codes(&text), wanted, "{text}");
        }
        assert_eq!(codes(&one(&" ".repeat(MAX_BYTES)))[0].0, "HP-SVC-002");
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_fall(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
            drop(Services::parse(&bytes));
        }

        #[test]
        fn whatever_is_accepted_is_in_order(after in proptest::collection::vec((0_usize..6, 0_usize..6), 0..8)) {
            let services: Vec<String> = (0..6)
                .map(|n| {
                    let names: Vec<String> =
                        after.iter().filter(|(a, _)| *a == n).map(|(_, b)| format!("\"s{b}\"")).collect();
                    format!(r#""s{n}":{{"command":["/b"],"uid":1,"gid":1,"after":[{}]}}"#, names.join(","))
                })
                .collect();
            let text = format!(r#"{{"services":{{{}}}}}"#, services.join(","));
            if let Ok(services) = Services::parse(text.as_bytes()) {
                let place = |n: usize| {
                    services.in_order.iter().position(|declared| declared.service.name == format!("s{n}"))
                };
                prop_assert_eq!(services.in_order.len(), 6);
                for (a, b) in after {
                    prop_assert!(place(a) > place(b));
                }
            }
        }
    }
}
