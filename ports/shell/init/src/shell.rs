//! Owns the port itself: what is checked, rendered, run and asked.
//! Never decides how services are kept running: the sdk does.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use homeport_core::entrypoint::ExitStatus;
use homeport_core::fault::Fault;
use homeport_sdk::init::{
    Context, Failure, Leads, Leftovers, MigrationFailure, Mounted, OnReload, Port, Report, Service, Step,
};

use super::host_key::{self, HostKey};
use super::settings::{self, Settings};
use super::{accounts, host_keys, migration, place, probe, sshd_config, zone};

const SSHD: &str = "/usr/sbin/sshd";

/// The shell port.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Shell;

fn host_key_volume(cx: &Context) -> Result<Mounted<'_>, Failure> {
    cx.volume("hostkeys").ok_or_else(|| {
        let fault = Fault::new("X-shell-013", "volumes.hostkeys", "the manifest declares no volume `hostkeys`");
        Failure::new(ExitStatus::Internal, fault)
    })
}

fn motd(cx: &Context, settings: &Settings) -> String {
    let told = || {
        format!(
            "This is `{}`, an isolated shell.\n\
             Kept: your home directory, /home/user.\n\
             Lost at each restart: /tmp and running programs. Everything else is read-only.\n",
            cx.instance()
        )
    };
    ended(settings.motd.clone().unwrap_or_else(told))
}

/// A text whose last line ends.
fn ended(mut text: String) -> String {
    if !text.ends_with('\n') {
        text.push('\n');
    }
    text
}

/// The files that are rendered, apart from those that need the host's keys.
fn rendered(cx: &Context, settings: &Settings) -> Vec<(PathBuf, u32, String)> {
    let at = |name: &str| Path::new(place::DIR).join(name);
    let mut files = vec![
        (at("passwd"), 0o644, accounts::passwd(settings)),
        (at("group"), 0o644, accounts::group(settings)),
        (at("shadow"), 0o600, accounts::shadow(settings)),
        (at("motd"), 0o644, motd(cx, settings)),
    ];
    files.extend(settings.banner.clone().map(|text| (place::BANNER.into(), 0o644, ended(text))));
    files
}

fn authorized_keys(settings: &Settings, probe: &str) -> String {
    let mut text = String::new();
    for line in settings.authorized_keys.iter().map(String::as_str).chain([probe]) {
        text.push_str(line);
        text.push('\n');
    }
    text
}

impl Port for Shell {
    fn check(&self, cx: &Context, report: &mut Report) {
        settings::check(cx, Path::new(zone::DATABASE), report);
    }

    fn check_volumes(&self, cx: &Context, report: &mut Report) {
        report.keep(host_key_volume(cx).and_then(host_keys::check));
    }

    fn prepare(&self, cx: &Context) -> Result<Vec<Service>, Failure> {
        let settings = Settings::read(cx);
        place::directory(Path::new(place::DIR), 0o755)?;
        place::directory(Path::new(place::SSHD_EMPTY), 0o755)?;
        for (path, mode, text) in rendered(cx, &settings) {
            place::file(&path, mode, &text)?;
        }
        let keys = host_keys::load_or_make(host_key_volume(cx)?)?;
        let paths: Vec<String> = keys.iter().map(|key| key.path.clone()).collect();
        place::file(Path::new(place::SSHD_CONFIG), 0o644, &sshd_config::render(&settings, &paths))?;
        let probe = probe::key_line()?;
        place::file(Path::new(place::AUTHORIZED_KEYS), 0o644, &authorized_keys(&settings, &probe))?;
        let public: Vec<String> = keys.into_iter().map(|key| key.public).collect();
        probe::trust(&public)?;
        let sshd = Service::new("sshd", SSHD)
            .args(["-D", "-e", "-f", place::SSHD_CONFIG])
            // A session of its own, so that no terminal of a user can become sshd's.
            .leads(Leads::Session)
            // Only the listener died: whoever is logged in goes on working.
            .leftovers(Leftovers::Keep)
            .on_reload(OnReload::Hangup);
        Ok(vec![sshd])
    }

    fn ready(&self, cx: &Context) -> Result<(), Failure> {
        probe::listens()?;
        self.health(cx)
    }

    fn health(&self, cx: &Context) -> Result<(), Failure> {
        probe::log_in(&Settings::read(cx).user)
    }

    fn facts(&self, cx: &Context) -> BTreeMap<String, String> {
        let settings = Settings::read(cx);
        let keys: Vec<HostKey> = host_key_volume(cx).and_then(host_keys::load_or_make).unwrap_or_default();
        let lines = |parts: Vec<String>| parts.join("\n");
        let mut facts = BTreeMap::new();
        facts.insert("ssh_user".to_owned(), settings.user);
        facts.insert("host_key".to_owned(), lines(keys.iter().map(|key| key.public.clone()).collect()));
        facts.insert("host_key_fingerprint".to_owned(), lines(keys.iter().filter_map(host_key::fingerprint).collect()));
        facts
    }

    fn migrate(&self, step: &Step<'_>) -> Result<(), MigrationFailure> {
        migration::migrate(step)
    }
}

#[cfg(test)]
mod tests {
    use homeport_core::config::Value;

    use super::super::settings::tests::{KEY, context};
    use super::*;

    #[test]
    fn a_key_that_is_not_configured_is_not_rendered() {
        let with = Settings::read(&context(&[("authorized_keys", Value::List(vec![KEY.into()]))]));
        assert_eq!(authorized_keys(&with, "probe"), format!("{KEY}\nprobe\n"));
        let without = Settings::read(&context(&[]));
        assert_eq!(authorized_keys(&without, "probe"), "probe\n");
    }

    #[test]
    fn secrets_stand_in_one_file_that_only_root_can_read() {
        let hash = "$6$saltsalt$0123456789abcdef";
        let cx = context(&[("password", Value::Text(hash.into())), ("password_login", Value::Bool(true))]);
        for (path, mode, text) in rendered(&cx, &Settings::read(&cx)) {
            assert_eq!(text.contains(hash), path.ends_with("shadow"), "{}", path.display());
            assert_eq!(mode, if path.ends_with("shadow") { 0o600 } else { 0o644 });
            assert!(text.ends_with('\n'));
        }
    }

    #[test]
    fn a_banner_is_rendered_only_where_one_is_configured() {
        let rendered = |pairs: &[(&str, Value)]| {
            let cx = context(pairs);
            rendered(&cx, &Settings::read(&cx)).into_iter().find(|(path, ..)| path.ends_with("banner"))
        };
        assert_eq!(rendered(&[]), None);
        assert_eq!(rendered(&[("banner", Value::Text(String::new()))]), None);
        let wanted = (PathBuf::from(place::BANNER), 0o644, "members only\n".to_owned());
        assert_eq!(rendered(&[("banner", Value::Text("members only".into()))]), Some(wanted));
    }

    #[test]
    fn the_message_of_the_day_is_the_configured_one_or_says_what_is_kept() {
        let cx = context(&[("motd", Value::Text("hello".into()))]);
        assert_eq!(motd(&cx, &Settings::read(&cx)), "hello\n");
        let cx = context(&[]);
        assert!(motd(&cx, &Settings::read(&cx)).contains("/home/user"));
    }
}
