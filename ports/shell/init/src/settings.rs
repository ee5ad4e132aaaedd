//! Owns the port's settings: the configuration's values as types, with the rules that need more than one key.
//! Never renders them and never touches a file but to ask whether a time zone is known.

use std::path::Path;

use homeport_core::entrypoint::ExitStatus;
use homeport_core::fault::Fault;
use homeport_sdk::init::{Context, Report};

use super::{public_key, zone};

/// Names that the image needs for itself.
const TAKEN: [&str; 5] = ["root", "sshd", "nobody", "tty", "nogroup"];
/// What a hash that crypt(3) knows begins with.
const HASHES: [&str; 5] = ["$6$", "$5$", "$y$", "$2b$", "$gy$"];

/// Whether something is offered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Offered {
    Yes,
    No,
}

impl Offered {
    fn read(cx: &Context, key: &str, fallback: Self) -> Self {
        match cx.flag(key) {
            Some(true) => Self::Yes,
            Some(false) => Self::No,
            None => fallback,
        }
    }

    /// As sshd's configuration says it.
    pub(crate) const fn word(self) -> &'static str {
        match self {
            Self::Yes => "yes",
            Self::No => "no",
        }
    }
}

/// What a login runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum LoginShell {
    Bash,
    Zsh,
}

impl LoginShell {
    pub(crate) const fn path(self) -> &'static str {
        match self {
            Self::Bash => "/bin/bash",
            Self::Zsh => "/bin/zsh",
        }
    }
}

/// The settings. A password's hash is never shown.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Settings {
    pub(crate) user: String,
    pub(crate) shell: LoginShell,
    pub(crate) authorized_keys: Vec<String>,
    pub(crate) authorized_keys_home: Offered,
    /// The password's hash, where it may be used to log in.
    pub(crate) password: Option<String>,
    pub(crate) sftp: Offered,
    pub(crate) tcp_forwarding: Offered,
    pub(crate) agent_forwarding: Offered,
    pub(crate) remote_forwarding: Offered,
    pub(crate) motd: Option<String>,
    pub(crate) banner: Option<String>,
    pub(crate) idle_minutes: u32,
    pub(crate) max_sessions: u32,
    pub(crate) timezone: String,
    pub(crate) lang: String,
}

impl Settings {
    /// The configuration's values; what a manifest does not declare is as the port's own defaults.
    pub(crate) fn read(cx: &Context) -> Self {
        let text = |key: &str, fallback: &str| cx.text(key).unwrap_or(fallback).to_owned();
        let number = |key: &str, fallback: u32| cx.whole(key).and_then(|n| u32::try_from(n).ok()).unwrap_or(fallback);
        let shown = |key: &str| cx.text(key).filter(|text| !text.is_empty()).map(str::to_owned);
        let password_login = Offered::read(cx, "password_login", Offered::No);
        Self {
            user: text("user", "user"),
            shell: if cx.text("shell") == Some("zsh") { LoginShell::Zsh } else { LoginShell::Bash },
            authorized_keys: cx.list("authorized_keys").to_vec(),
            authorized_keys_home: Offered::read(cx, "authorized_keys_home", Offered::Yes),
            password: cx.text("password").filter(|_| password_login == Offered::Yes).map(str::to_owned),
            sftp: Offered::read(cx, "sftp", Offered::Yes),
            tcp_forwarding: Offered::read(cx, "tcp_forwarding", Offered::Yes),
            agent_forwarding: Offered::read(cx, "agent_forwarding", Offered::Yes),
            remote_forwarding: Offered::read(cx, "remote_forwarding", Offered::No),
            motd: shown("motd"),
            banner: shown("banner"),
            idle_minutes: number("idle_minutes", 0),
            max_sessions: number("max_sessions", 10),
            timezone: text("timezone", "UTC"),
            lang: text("lang", "C.UTF-8"),
        }
    }
}

/// Reports what is wrong with the configuration beyond single values: every fault, not the first.
pub(crate) fn check(cx: &Context, zones: &Path, report: &mut Report) {
    let settings = Settings::read(cx);
    let mut wrong = |code, key: &str, message: String, expected: &str, remedy: &str| {
        let fault = Fault::new(code, format!("config.{key}"), message).expected(expected).remedy(remedy);
        report.error(ExitStatus::ConfigInvalid, fault);
    };
    let well_formed = settings.user.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b"_-".contains(&b))
        && settings.user.bytes().next().is_some_and(|first| first.is_ascii_lowercase() || first == b'_')
        && settings.user.len() <= 32;
    if !well_formed || TAKEN.contains(&settings.user.as_str()) {
        let message = format!("`{}` cannot be the user's name", settings.user);
        wrong("X-shell-001", "user", message, "a name that the system does not use itself", "take another name");
    }
    for (n, line) in settings.authorized_keys.iter().enumerate() {
        if let Err(error) = public_key::check(line) {
            let message = format!("line {} of `authorized_keys` is no public key: {error}", n + 1);
            let expected = "one line of a `.pub` file, for example of `~/.ssh/id_ed25519.pub`";
            wrong("X-shell-002", "authorized_keys", message, expected, "give the file that ends in `.pub`");
        }
    }
    let password_login = cx.flag("password_login") == Some(true);
    match (password_login, cx.text("password")) {
        (true, None) => {
            let message = "`password_login` is on and there is no `password`".to_owned();
            wrong(
                "X-shell-003",
                "password",
                message,
                "a password's hash",
                "`--set-file password=PATH`, or turn it off",
            );
        }
        (_, Some(hash)) if !is_hash(hash) => {
            let message = "`password` is not a password's hash (it is not shown)".to_owned();
            let remedy = "make one with `openssl passwd -6`; the password itself is never stored";
            wrong(
                "X-shell-004",
                "password",
                message,
                "one line that begins with `$6$`, `$5$`, `$y$` or `$2b$`",
                remedy,
            );
        }
        _ => {}
    }
    if settings.authorized_keys.is_empty() && !password_login {
        let message = "nobody could log in: there is no key and no password".to_owned();
        wrong("X-shell-005", "authorized_keys", message, "at least one public key", "add yours to `authorized_keys`");
    }
    if !zone::is_known(zones, &settings.timezone) {
        let message = format!("`{}` is no time zone", settings.timezone);
        wrong(
            "X-shell-006",
            "timezone",
            message,
            "a name of the database, for example `Europe/Berlin`",
            "see tzselect(8)",
        );
    }
    for (key, text) in [("motd", &settings.motd), ("banner", &settings.banner)] {
        let is_odd = |c: char| c.is_control() && !matches!(c, '\n' | '\t');
        if text.as_deref().is_some_and(|text| text.chars().any(is_odd)) {
            let message = format!("`{key}` holds control characters");
            wrong("X-shell-007", key, message, "plain text", "take colours and other sequences out");
        }
    }
    if !password_login && cx.text("password").is_some() {
        let fault = Fault::new("X-shell-008", "config.password", "`password` is set and cannot be used to log in");
        report.warn(fault.remedy("`password_login` turns it on"));
    }
}

fn is_hash(text: &str) -> bool {
    HASHES.iter().any(|prefix| text.starts_with(prefix))
        && text.len() >= 20
        && text.bytes().all(|b| b.is_ascii_graphic() && b != b':')
}

#[cfg(test)]
pub(crate) mod tests {
    use std::collections::BTreeMap;

    use homeport_core::config::{Effective, Value, effective};
    use homeport_core::entrypoint::ExpectedVolumes;
    use homeport_core::manifest::parse;

    use super::*;

    pub(crate) const KEY: &str =
        "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAABAgMEBQYHCAkKCwwNDg8QERITFBUWFxgZGhscHR4f alice@laptop";

    const MANIFEST: &str = r#"{"protocol":"1.0","port":{"id":"shell","version":"1.0.0","title":"T"},"config":{
        "user":{"type":"string","default":"user"},
        "shell":{"type":"enum","values":["bash","zsh"],"default":"bash"},
        "authorized_keys":{"type":"list"},
        "password":{"type":"string","secret":true,"max_len":512},
        "password_login":{"type":"bool","default":false},
        "remote_forwarding":{"type":"bool","default":false},
        "motd":{"type":"text"},
        "banner":{"type":"text"},
        "timezone":{"type":"string","default":"UTC"}}}"#;

    pub(crate) fn context(pairs: &[(&str, Value)]) -> Context {
        let manifest = parse(MANIFEST.as_bytes()).unwrap();
        let given: BTreeMap<_, _> = pairs.iter().map(|(key, value)| (key.parse().unwrap(), value.clone())).collect();
        let config: Effective = effective(&manifest.config, &given).unwrap();
        Context::new(manifest, "test".parse().unwrap(), config, ExpectedVolumes::new(), "UTC")
    }

    fn keys(lines: &[&str]) -> (&'static str, Value) {
        ("authorized_keys", Value::List(lines.iter().map(|line| (*line).to_owned()).collect()))
    }

    fn text(key: &'static str, value: &str) -> (&'static str, Value) {
        (key, Value::Text(value.to_owned()))
    }

    fn codes(pairs: &[(&str, Value)]) -> Vec<&'static str> {
        let zones = tempfile::tempdir().unwrap();
        std::fs::write(zones.path().join("UTC"), "").unwrap();
        let mut report = Report::default();
        check(&context(pairs), zones.path(), &mut report);
        let Err(failure) = report.into_result() else { return Vec::new() };
        assert!(!failure.to_string().contains("hunter2"));
        assert_eq!(failure.status(), ExitStatus::ConfigInvalid);
        failure.problems().iter().map(|problem| problem.fault.code).collect()
    }

    type Row = (Vec<(&'static str, Value)>, Vec<&'static str>);

    #[test]
    fn rules_over_several_keys_have_their_faults() {
        let on = ("password_login", Value::Bool(true));
        let hash = "$6$saltsalt$0123456789abcdef";
        let rows: Vec<Row> = vec![
            (vec![keys(&[KEY])], vec![]),
            (vec![on.clone(), text("password", hash)], vec![]),
            (vec![], vec!["X-shell-005"]),
            (vec![text("password", hash)], vec!["X-shell-005"]),
            (vec![on.clone()], vec!["X-shell-003"]),
            (vec![on, text("password", "hunter2")], vec!["X-shell-004"]),
            (vec![keys(&[KEY]), text("password", "$6$a:b$0123456789abcdef")], vec!["X-shell-004"]),
            (vec![keys(&["ssh-ed25519 AAAA", KEY, "nonsense"])], vec!["X-shell-002", "X-shell-002"]),
            (vec![keys(&[KEY]), text("user", "root")], vec!["X-shell-001"]),
            (vec![keys(&[KEY]), text("user", "a:b")], vec!["X-shell-001"]),
            (vec![keys(&[KEY]), text("timezone", "Mars/Base")], vec!["X-shell-006"]),
            (vec![keys(&[KEY]), text("motd", "a\u{1b}[31mb")], vec!["X-shell-007"]),
            (vec![keys(&[KEY]), text("banner", "for\tmembers\nonly\n")], vec![]),
            (vec![keys(&[KEY]), text("motd", "\r"), text("banner", "\u{7}")], vec!["X-shell-007", "X-shell-007"]),
            (vec![text("user", "sshd"), text("timezone", "x")], vec!["X-shell-001", "X-shell-005", "X-shell-006"]),
        ];
        for (pairs, wanted) in rows {
            assert_eq!(codes(&pairs), wanted, "{pairs:?}");
        }
    }

    #[test]
    fn a_password_counts_only_where_it_may_be_used() {
        let hash = "$6$saltsalt$0123456789abcdef";
        let with = Settings::read(&context(&[("password_login", Value::Bool(true)), text("password", hash)]));
        assert_eq!(with.password.as_deref(), Some(hash));
        assert_eq!(Settings::read(&context(&[keys(&[KEY]), text("password", hash)])).password, None);
    }
}
