//! Owns the text of sshd's configuration. Never writes it.

use std::fmt::Write as _;

use super::place;
use super::settings::{Offered, Settings};

/// How many may be logging in at once before some are turned away, with 30 % at first, and before all are. Those who waited
/// while the container was replaced come all at once, and all of them from the router's address. Each is two processes until
/// it is in: 90 fit into the port's `pids_max` beside some sessions.
const STARTUPS: &str = "60:30:90";

/// The configuration with these host keys.
///
/// Idle sessions: `ClientAliveInterval` ends connections whose client is gone and never one whose user is, and `TMOUT`
/// is the user's own shell's. `ChannelTimeout` closes a session without traffic, which hangs its terminal up, and
/// `UnusedConnectionTimeout` then ends the connection.
pub(crate) fn render(settings: &Settings, host_keys: &[String]) -> String {
    let mut text = String::from("# Rendered from the port's configuration at each start.\nPort 22\n");
    for key in host_keys {
        line(&mut text, "HostKey", key);
    }
    let home = match settings.authorized_keys_home {
        Offered::Yes => " .ssh/authorized_keys",
        Offered::No => "",
    };
    let password = if settings.password.is_some() { Offered::Yes } else { Offered::No };
    let forwarding = match (settings.tcp_forwarding, settings.remote_forwarding) {
        (Offered::Yes, Offered::Yes) => "yes",
        (Offered::Yes, Offered::No) => "local",
        (Offered::No, Offered::Yes) => "remote",
        (Offered::No, Offered::No) => "no",
    };
    let gateway = if settings.remote_forwarding == Offered::Yes { "clientspecified" } else { "no" };
    for (key, value) in [
        ("PidFile", "none"),
        ("UsePAM", "no"),
        ("PermitRootLogin", "no"),
        ("AllowUsers", settings.user.as_str()),
        ("AuthorizedKeysFile", &format!("{}{home}", place::AUTHORIZED_KEYS)),
        ("PubkeyAuthentication", "yes"),
        ("PasswordAuthentication", password.word()),
        ("KbdInteractiveAuthentication", "no"),
        ("HostbasedAuthentication", "no"),
        ("StrictModes", "yes"),
        ("LoginGraceTime", "60"),
        ("MaxStartups", STARTUPS),
        ("MaxSessions", &settings.max_sessions.to_string()),
        ("AllowTcpForwarding", forwarding),
        ("AllowStreamLocalForwarding", forwarding),
        ("GatewayPorts", gateway),
        ("AllowAgentForwarding", settings.agent_forwarding.word()),
        ("X11Forwarding", "no"),
        ("PermitTunnel", "no"),
        ("PermitUserEnvironment", "no"),
        ("UseDNS", "no"),
        ("PrintMotd", "yes"),
        ("PrintLastLog", "no"),
        ("TCPKeepAlive", "yes"),
        ("ClientAliveInterval", "30"),
        ("ClientAliveCountMax", "4"),
        ("SetEnv", &format!("LANG={} TZ={}", settings.lang, settings.timezone)),
    ] {
        line(&mut text, key, value);
    }
    if settings.sftp == Offered::Yes {
        line(&mut text, "Subsystem", "sftp internal-sftp");
    }
    if settings.banner.is_some() {
        line(&mut text, "Banner", place::BANNER);
    }
    if settings.idle_minutes > 0 {
        line(&mut text, "ChannelTimeout", &format!("session:*={}m", settings.idle_minutes));
        line(&mut text, "UnusedConnectionTimeout", "30s");
    }
    text
}

fn line(text: &mut String, key: &str, value: &str) {
    // Writing to a text never fails.
    let _ = writeln!(text, "{key} {value}");
}

#[cfg(test)]
mod tests {
    use homeport_core::config::Value;

    use super::super::settings::tests::context;
    use super::*;

    fn settings() -> Settings {
        Settings::read(&context(&[("user", Value::Text("ann".into()))]))
    }

    fn value<'a>(text: &'a str, key: &str) -> Option<&'a str> {
        let mut found = text.lines().filter_map(|line| line.strip_prefix(key)?.strip_prefix(' '));
        let first = found.next();
        assert_eq!(found.next(), None, "`{key}` stands once: sshd takes the first");
        first
    }

    #[test]
    fn each_setting_has_its_line() {
        use Offered::{No, Yes};
        let base = settings();
        let rows: Vec<(Settings, &str, Option<&str>)> = vec![
            (base.clone(), "AllowUsers", Some("ann")),
            (base.clone(), "HostKey", Some("/k/one")),
            (base.clone(), "PasswordAuthentication", Some("no")),
            (Settings { password: Some("$6$x".into()), ..base.clone() }, "PasswordAuthentication", Some("yes")),
            (base.clone(), "AuthorizedKeysFile", Some("/run/shell/authorized_keys .ssh/authorized_keys")),
            (Settings { authorized_keys_home: No, ..base.clone() }, "AuthorizedKeysFile", Some(place::AUTHORIZED_KEYS)),
            (base.clone(), "Subsystem", Some("sftp internal-sftp")),
            (Settings { sftp: No, ..base.clone() }, "Subsystem", None),
            (base.clone(), "AllowTcpForwarding", Some("local")),
            (Settings { remote_forwarding: Yes, ..base.clone() }, "AllowTcpForwarding", Some("yes")),
            (Settings { remote_forwarding: Yes, ..base.clone() }, "GatewayPorts", Some("clientspecified")),
            (Settings { tcp_forwarding: No, ..base.clone() }, "AllowTcpForwarding", Some("no")),
            (
                Settings { tcp_forwarding: No, remote_forwarding: Yes, ..base.clone() },
                "AllowTcpForwarding",
                Some("remote"),
            ),
            (Settings { agent_forwarding: No, ..base.clone() }, "AllowAgentForwarding", Some("no")),
            (base.clone(), "MaxStartups", Some("60:30:90")),
            (base.clone(), "Banner", None),
            (Settings { banner: Some("hello\n".into()), ..base.clone() }, "Banner", Some(place::BANNER)),
            (base.clone(), "ChannelTimeout", None),
            (Settings { idle_minutes: 15, ..base.clone() }, "ChannelTimeout", Some("session:*=15m")),
            (Settings { max_sessions: 3, ..base.clone() }, "MaxSessions", Some("3")),
            (Settings { timezone: "Europe/Berlin".into(), ..base }, "SetEnv", Some("LANG=C.UTF-8 TZ=Europe/Berlin")),
        ];
        for (settings, key, wanted) in rows {
            assert_eq!(value(&render(&settings, &["/k/one".into()]), key), wanted, "{key}");
        }
    }

    #[test]
    fn every_host_key_is_loaded() {
        let text = render(&settings(), &["/k/one".into(), "/k/two".into()]);
        assert!(text.contains("HostKey /k/one\nHostKey /k/two\n"));
    }
}
