//! Owns the recipe as it is written in TOML, and the rules that it must keep. Every broken rule is a fault.
//! Never looks at packages or files: whether a recipe fits them is `assemble`'s work.

use std::collections::BTreeMap;

use homeport_core::fault::Fault;
use homeport_core::unit::{Gid, Mode, Uid};
use serde::Deserialize;

use super::glob::Glob;
use super::lock::is_package_name;
use super::path::ImagePath;
use super::recipe::{Account, Group, Join, Packages, Recipe};
use super::tree::Meta;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Wire {
    format: u32,
    init: Option<String>,
    packages: Option<WirePackages>,
    #[serde(default)]
    files: WireFiles,
    #[serde(default)]
    group: BTreeMap<String, WireGroup>,
    #[serde(default)]
    user: BTreeMap<String, WireUser>,
    #[serde(default)]
    directory: Vec<WireMeta>,
    #[serde(default)]
    symlink: Vec<WireSymlink>,
    #[serde(default)]
    mode: Vec<WireMeta>,
    #[serde(default)]
    join: Vec<WireJoin>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct WirePackages {
    distribution: String,
    release: String,
    architecture: String,
    want: Vec<String>,
    #[serde(default)]
    leave_out: BTreeMap<String, String>,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct WireFiles {
    #[serde(default)]
    leave_out: Vec<String>,
    #[serde(default)]
    keep: Vec<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct WireGroup {
    gid: u32,
    #[serde(default)]
    members: Vec<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct WireUser {
    uid: u32,
    gid: u32,
    home: String,
    shell: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct WireMeta {
    path: String,
    mode: String,
    #[serde(default)]
    uid: u32,
    #[serde(default)]
    gid: u32,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct WireSymlink {
    path: String,
    target: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct WireJoin {
    into: String,
    from: String,
}

/// Reads a recipe; every rule that is broken is a fault.
pub(super) fn parse(text: &str) -> Result<Recipe, Vec<Fault>> {
    let wire: Wire = toml::from_str(text)
        .map_err(|error| vec![Fault::new("HP-KIT-101", "image.toml", error.to_string().trim_end().to_owned())])?;
    let mut check = Check(Vec::new());
    if wire.format != 1 {
        check.demand(false, "format", "the recipe is of a format that is not known", &wire.format.to_string(), "1");
    }
    if let Some(init) = &wire.init {
        check.demand(is_word(init), "init", "`init` is not the name of a program", init, "a-z, 0-9 and `-`");
    }
    let recipe = Recipe {
        init: wire.init,
        packages: wire.packages.map(|packages| check.packages(packages)),
        leave_out: check.globs("files.leave_out", wire.files.leave_out),
        keep: check.globs("files.keep", wire.files.keep),
        groups: check.groups(wire.group),
        users: check.users(wire.user),
        directories: check.metas("directory", wire.directory),
        modes: check.metas("mode", wire.mode),
        symlinks: check.symlinks(wire.symlink),
        joins: check.joins(wire.join),
    };
    check.accounts(&recipe);
    if check.0.is_empty() { Ok(recipe) } else { Err(check.0) }
}

/// What was found wrong so far.
struct Check(Vec<Fault>);

impl Check {
    fn demand(&mut self, holds: bool, subject: &str, message: &str, found: &str, wanted: &str) {
        if !holds {
            let found = format!("`{}`", homeport_core::text::clip(found, 80));
            self.0.push(Fault::new("HP-KIT-102", subject, message).actual(found).expected(wanted));
        }
    }

    fn path(&mut self, subject: &str, text: &str) -> Option<ImagePath> {
        ImagePath::from_recipe(text)
            .map_err(|error| self.0.push(Fault::new("HP-KIT-103", subject, error.to_string())))
            .ok()
    }

    fn packages(&mut self, wire: WirePackages) -> Packages {
        let rule = "a package's name";
        for name in wire.want.iter().chain(wire.leave_out.keys()) {
            self.demand(is_package_name(name), "packages", "this is not the name of a package", name, rule);
        }
        for (name, reason) in &wire.leave_out {
            self.demand(
                !reason.is_empty(),
                "packages.leave_out",
                "a package is left out without a reason",
                name,
                "a reason",
            );
            self.demand(!wire.want.contains(name), "packages", "a package is wanted and left out", name, "one of them");
        }
        self.demand(
            !wire.want.is_empty(),
            "packages.want",
            "no package is wanted",
            "",
            "at least one, or no `[packages]`",
        );
        self.demand(
            is_word(&wire.architecture),
            "packages.architecture",
            "not a machine",
            &wire.architecture,
            "`amd64`",
        );
        Packages {
            distribution: wire.distribution,
            release: wire.release,
            architecture: wire.architecture,
            want: wire.want,
            leave_out: wire.leave_out,
        }
    }

    fn globs(&mut self, subject: &str, texts: Vec<String>) -> Vec<Glob> {
        let mut globs = Vec::new();
        for text in texts {
            match Glob::parse(&text) {
                Some(glob) => globs.push(glob),
                None => self.demand(
                    false,
                    subject,
                    "this is not a pattern",
                    &text,
                    "a path with `*`, `**` or `?`, from `/`",
                ),
            }
        }
        globs
    }

    fn groups(&mut self, wire: BTreeMap<String, WireGroup>) -> BTreeMap<String, Group> {
        wire.into_iter()
            .map(|(name, group)| {
                self.demand(is_account(&name), "group", "this is not the name of a group", &name, ACCOUNT);
                (name, Group { gid: Gid::new(group.gid), members: group.members })
            })
            .collect()
    }

    fn users(&mut self, wire: BTreeMap<String, WireUser>) -> BTreeMap<String, Account> {
        let mut users = BTreeMap::new();
        for (name, user) in wire {
            self.demand(is_account(&name), "user", "this is not the name of a user", &name, ACCOUNT);
            let shell = user.shell.unwrap_or_else(|| "/usr/sbin/nologin".to_owned());
            for text in [&user.home, &shell] {
                let plain = text.starts_with('/') && !text.contains(':') && !text.chars().any(char::is_control);
                self.demand(plain, &format!("user.{name}"), "this is not a path", text, "a path from `/` without `:`");
            }
            users.insert(name, Account { uid: Uid::new(user.uid), gid: Gid::new(user.gid), home: user.home, shell });
        }
        users
    }

    /// The rules that need users and groups together.
    fn accounts(&mut self, recipe: &Recipe) {
        let mut uids = BTreeMap::new();
        for (name, user) in &recipe.users {
            if let Some(other) = uids.insert(user.uid, name) {
                let message = format!("`{other}` and `{name}` are one user");
                self.0.push(Fault::new("HP-KIT-104", "user", message).actual(format!("uid {} twice", user.uid)));
            }
            let known = recipe.groups.values().any(|group| group.gid == user.gid);
            self.demand(
                known,
                &format!("user.{name}"),
                "the group is not there",
                &user.gid.to_string(),
                "a gid of `[group]`",
            );
        }
        let mut gids = BTreeMap::new();
        for (name, group) in &recipe.groups {
            if let Some(other) = gids.insert(group.gid, name) {
                let message = format!("`{other}` and `{name}` are one group");
                self.0.push(Fault::new("HP-KIT-104", "group", message).actual(format!("gid {} twice", group.gid)));
            }
            for member in &group.members {
                let known = recipe.users.contains_key(member);
                self.demand(known, &format!("group.{name}"), "the member is no user", member, "a user of `[user]`");
            }
        }
    }

    fn metas(&mut self, subject: &str, wire: Vec<WireMeta>) -> Vec<(ImagePath, Meta)> {
        let mut metas = Vec::new();
        for entry in wire {
            let octal = entry.mode.len() == 4 && entry.mode.bytes().all(|b| (b'0'..=b'7').contains(&b));
            // Nothing may gain privileges in a container, so no mode here has setuid or setgid.
            let bits = u32::from_str_radix(&entry.mode, 8).ok().filter(|bits| octal && bits & 0o6000 == 0);
            let wanted = "four octal digits, without setuid and setgid";
            self.demand(bits.is_some(), subject, "this is not a mode", &entry.mode, wanted);
            if let (Some(path), Some(bits)) = (self.path(subject, &entry.path), bits) {
                let meta = Meta { mode: Mode::new(bits), uid: Uid::new(entry.uid), gid: Gid::new(entry.gid) };
                metas.push((path, meta));
            }
        }
        metas
    }

    fn symlinks(&mut self, wire: Vec<WireSymlink>) -> Vec<(ImagePath, String)> {
        let mut symlinks = Vec::new();
        for entry in wire {
            let plain = !entry.target.is_empty() && !entry.target.chars().any(char::is_control);
            self.demand(plain, "symlink", "this is not a target", &entry.target, "a path");
            symlinks.extend(self.path("symlink", &entry.path).map(|path| (path, entry.target)));
        }
        symlinks
    }

    fn joins(&mut self, wire: Vec<WireJoin>) -> Vec<Join> {
        let mut joins = Vec::new();
        for entry in wire {
            let from = Glob::parse(&entry.from);
            self.demand(from.is_some(), "join", "this is not a pattern", &entry.from, "a path with `*` from `/`");
            if let (Some(into), Some(from)) = (self.path("join", &entry.into), from) {
                joins.push(Join { into, from });
            }
        }
        joins
    }
}

const ACCOUNT: &str = "a-z, 0-9, `_` and `-`, a letter or `_` first";

fn is_account(name: &str) -> bool {
    name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_' || b == b'-')
        && name.starts_with(|c: char| c.is_ascii_lowercase() || c == '_')
        && name.len() <= 32
}

fn is_word(text: &str) -> bool {
    !text.is_empty()
        && text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
        && !text.starts_with('-')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_least_recipe_is_a_format() {
        assert_eq!(parse("format = 1\n").unwrap(), Recipe::default());
    }

    #[test]
    fn everything_that_can_be_said_is_understood() {
        let recipe = parse(
            r#"
            format = 1
            init = "shell-init"
            [packages]
            distribution = "Debian"
            release = "12"
            architecture = "amd64"
            want = ["zsh", "libstdc++6"]
            leave_out = { perl-base = "only install scripts use it" }
            [files]
            leave_out = ["/usr/share/doc/**"]
            keep = ["/usr/share/doc/*/copyright"]
            [group.web]
            gid = 33
            members = ["web"]
            [user.web]
            uid = 33
            gid = 33
            home = "/srv"
            [[directory]]
            path = "/srv"
            mode = "0750"
            uid = 33
            gid = 33
            [[symlink]]
            path = "/bin/sh"
            target = "dash"
            [[mode]]
            path = "/etc/secret"
            mode = "0600"
            [[join]]
            into = "/etc/all"
            from = "/etc/part/*"
            "#,
        )
        .unwrap();
        let path = |text| ImagePath::from_recipe(text).unwrap();
        assert_eq!(recipe.users["web"].shell, "/usr/sbin/nologin");
        assert_eq!(recipe.symlinks, [(path("/usr/bin/sh"), "dash".to_owned())]);
        assert_eq!(recipe.modes, [(path("/etc/secret"), Meta::root(0o600))]);
        assert!(recipe.takes(&path("/usr/share/doc/zsh/copyright")));
        assert!(!recipe.takes(&path("/usr/share/doc/zsh/README")));
        assert!(recipe.takes(&path("/usr/bin/zsh")));
    }

    #[test]
    fn every_broken_rule_is_a_fault() {
        let faults = parse(
            r#"
            format = 2
            init = "../evil"
            [packages]
            distribution = "Debian"
            release = "12"
            architecture = "AMD64"
            want = ["-oX=y", "perl"]
            leave_out = { perl = "" }
            [files]
            leave_out = ["usr/*"]
            [group.a]
            gid = 1
            members = ["ghost"]
            [group.b]
            gid = 1
            [user.Web]
            uid = 5
            gid = 9
            home = "/a:b"
            [[directory]]
            path = "relative"
            mode = "4755"
            [[symlink]]
            path = "/a/../b"
            target = ""
            [[join]]
            into = "/x"
            from = "y"
            "#,
        )
        .unwrap_err();
        let found: Vec<String> = faults.iter().map(|fault| format!("{}: {fault}", fault.subject)).collect();
        let parts = [
            "format: the recipe is of a format that is not known: found `2`, wanted 1",
            "init: `init` is not the name of a program: found `../evil`",
            "packages: this is not the name of a package: found `-oX=y`",
            "packages.leave_out: a package is left out without a reason: found `perl`",
            "packages: a package is wanted and left out: found `perl`",
            "packages.architecture: not a machine: found `AMD64`",
            "files.leave_out: this is not a pattern: found `usr/*`",
            "user: this is not the name of a user: found `Web`",
            "user.Web: this is not a path: found `/a:b`",
            "directory: this is not a mode: found `4755`",
            "directory: `relative` is relative",
            "symlink: this is not a target",
            "symlink: `/a/../b` has `..` in it",
            "join: this is not a pattern: found `y`",
            "user.Web: the group is not there: found `9`",
            "group: `a` and `b` are one group: found gid 1 twice",
            "group.a: the member is no user: found `ghost`",
        ];
        for part in parts {
            assert!(found.iter().any(|fault| fault.starts_with(part)), "no `{part}` in {found:#?}");
        }
        assert_eq!(found.len(), parts.len(), "{found:#?}");
        assert_eq!(parse("format = 1\nformats = 2\n").unwrap_err()[0].code, "HP-KIT-101");
    }
}
