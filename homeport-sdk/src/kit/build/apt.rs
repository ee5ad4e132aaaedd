//! Asks the distribution's package manager: which packages belong together, what the archive offers, and for their files.
//! Never installs anything on the machine that builds, and never says from which host something comes.

use std::path::Path;
use std::process::{Command, Stdio};

use homeport_core::fault::Fault;
use homeport_core::unit::Bytes;

use super::error::BuildError;
use super::lock::LockedDeb;
use super::recipe::Packages;

/// A package that was chosen.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Chosen {
    pub(super) name: String,
    pub(super) version: String,
    /// Where it comes from, as the archive calls itself: `Debian:12.15/oldstable`.
    origins: Vec<String>,
}

/// The wanted packages and all that they depend on, as if nothing were installed, without those that are left out.
pub(super) fn closure(packages: &Packages) -> Result<Vec<Chosen>, BuildError> {
    let mut args = vec![
        "-o".to_owned(),
        // An empty list of what is installed: the image starts from nothing, whatever this machine has.
        "Dir::State::status=/dev/null".to_owned(),
        "-o".to_owned(),
        format!("APT::Architecture={}", packages.architecture),
        "--no-install-recommends".to_owned(),
        "--simulate".to_owned(),
        "install".to_owned(),
    ];
    args.extend(packages.want.iter().cloned());
    let said = run("apt-get", &args, None)?;
    let mut chosen: Vec<Chosen> = said.lines().filter_map(chosen_line).collect();
    chosen.retain(|chosen| !packages.leave_out.contains_key(&chosen.name));
    chosen.sort();
    let faults = misfits(packages, &chosen);
    if faults.is_empty() { Ok(chosen) } else { Err(BuildError::Choice(faults)) }
}

/// Reads one line of a simulated installation: `Inst NAME (VERSION ORIGIN, ORIGIN [ARCHITECTURE])`.
fn chosen_line(line: &str) -> Option<Chosen> {
    let (name, rest) = line.strip_prefix("Inst ")?.split_once(' ')?;
    let (inside, _) = rest.split_once('(')?.1.split_once(')')?;
    let (version, rest) = inside.split_once(' ')?;
    let origins = rest.split_once(" [").map_or(rest, |(origins, _)| origins);
    let name = name.split(':').next().unwrap_or(name);
    let origins = origins.split(", ").map(str::to_owned).collect();
    Some(Chosen { name: name.to_owned(), version: version.to_owned(), origins })
}

/// What does not come from the release that the recipe names.
fn misfits(packages: &Packages, chosen: &[Chosen]) -> Vec<Fault> {
    let Packages { distribution, release, .. } = packages;
    // `Debian:12.15/oldstable` and `Debian-Security:12/oldstable-security` are both of Debian 12.
    let fits = |origin: &str| {
        let (label, suite) = origin.split_once(':').unwrap_or((origin, ""));
        let version = suite.split('/').next().unwrap_or_default();
        (label == distribution || label.strip_prefix(distribution.as_str()).is_some_and(|rest| rest.starts_with('-')))
            && (version == release || version.strip_prefix(release.as_str()).is_some_and(|rest| rest.starts_with('.')))
    };
    chosen
        .iter()
        .filter(|chosen| !chosen.origins.iter().any(|origin| fits(origin)))
        .map(|chosen| {
            Fault::new("HP-KIT-130", chosen.name.clone(), format!("`{}` comes from another archive", chosen.name))
                .actual(format!("`{}`", chosen.origins.join(", ")))
                .expected(format!("`{distribution}:{release}`"))
                .remedy("choose the packages on a machine or in a container of that release")
        })
        .collect()
}

/// What the archive says of these versions of these packages; what it has no more is left out.
pub(super) fn show<'a>(wanted: impl Iterator<Item = (&'a str, &'a str)>) -> Result<Vec<LockedDeb>, BuildError> {
    let mut args = vec!["show".to_owned()];
    args.extend(wanted.map(|(name, version)| format!("{name}={version}")));
    if args.len() == 1 {
        return Ok(Vec::new());
    }
    // It exits with an error when it does not know one of them, and still shows the others.
    let output =
        command("apt-cache").args(&args).output().map_err(|error| failed("apt-cache", &args, &error.to_string()))?;
    let mut debs: Vec<LockedDeb> = String::from_utf8_lossy(&output.stdout).split("\n\n").filter_map(record).collect();
    debs.sort();
    debs.dedup();
    Ok(debs)
}

/// The versions that the archive offers of a package, the one that would be installed first.
pub(super) fn versions(name: &str) -> Vec<String> {
    let output = command("apt-cache").args(["madison", name]).output();
    let text = output.map(|output| String::from_utf8_lossy(&output.stdout).into_owned()).unwrap_or_default();
    let mut versions: Vec<String> =
        text.lines().filter_map(|line| Some(line.split('|').nth(1)?.trim().to_owned())).collect();
    versions.dedup();
    versions
}

/// Reads one paragraph of package descriptions.
fn record(paragraph: &str) -> Option<LockedDeb> {
    let field = |name: &str| {
        paragraph
            .lines()
            .find_map(|line| line.strip_prefix(name)?.strip_prefix(": "))
            .map(|value| value.trim().to_owned())
    };
    Some(LockedDeb {
        name: field("Package")?,
        version: field("Version")?,
        architecture: field("Architecture")?,
        size: Bytes::new(field("Size")?.parse().ok()?),
        sha256: field("SHA256")?.parse().ok()?,
        filename: field("Filename")?.rsplit('/').next()?.to_owned(),
    })
}

/// Asks the archive for the files of these packages, into a directory, under names that the package manager chooses.
pub(super) fn download<'a>(wanted: impl Iterator<Item = &'a LockedDeb>, into: &Path) -> Result<(), BuildError> {
    let mut args =
        vec!["-o".to_owned(), "APT::Sandbox::User=root".to_owned(), "--quiet".to_owned(), "download".to_owned()];
    args.extend(wanted.map(|deb| format!("{}={}", deb.name, deb.version)));
    run("apt-get", &args, Some(into)).map(|_said| ())
}

/// Brings the package lists up to date; needs root.
pub(super) fn update() -> Result<(), BuildError> {
    run("apt-get", &["-o".to_owned(), "DPkg::Lock::Timeout=300".to_owned(), "update".to_owned()], None).map(|_said| ())
}

fn command(program: &str) -> Command {
    let mut command = Command::new(program);
    command.env("LC_ALL", "C").env("DEBIAN_FRONTEND", "noninteractive").stdin(Stdio::null());
    command
}

fn failed(program: &str, args: &[String], said: &str) -> BuildError {
    BuildError::Apt { command: format!("{program} {}", args.join(" ")), said: said.to_owned() }
}

fn run(program: &str, args: &[String], dir: Option<&Path>) -> Result<String, BuildError> {
    let mut command = command(program);
    command.args(args);
    if let Some(dir) = dir {
        command.current_dir(dir);
    }
    let output = command.output().map_err(|error| failed(program, args, &error.to_string()))?;
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
    }
    let said = String::from_utf8_lossy(&output.stderr);
    let errors: Vec<&str> = said.lines().filter(|line| line.starts_with("E:")).collect();
    let said = if errors.is_empty() { said.trim().to_owned() } else { errors.join(" ") };
    Err(failed(program, args, &said))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn packages() -> Packages {
        Packages {
            distribution: "Debian".to_owned(),
            release: "12".to_owned(),
            architecture: "amd64".to_owned(),
            want: vec!["zsh".to_owned()],
            leave_out: std::collections::BTreeMap::new(),
        }
    }

    #[test]
    fn a_simulated_installation_is_read_line_by_line() {
        let rows = [
            ("Inst zsh (5.9-4+b15 Debian:12.15/oldstable [amd64])", "zsh", "5.9-4+b15", 1),
            (
                "Inst less (590-2.1~deb12u2 Debian:12.15/oldstable, Debian-Security:12/oldstable-security [amd64]) []",
                "less",
                "590-2.1~deb12u2",
                2,
            ),
            ("Inst libc6:amd64 (2.36 Debian:12/x [amd64])", "libc6", "2.36", 1),
        ];
        for (line, name, version, origins) in rows {
            let chosen = chosen_line(line).unwrap();
            assert_eq!((chosen.name.as_str(), chosen.version.as_str(), chosen.origins.len()), (name, version, origins));
        }
        for other in ["Conf zsh (5.9 Debian:12 [amd64])", "Reading package lists...", "Inst broken"] {
            assert_eq!(chosen_line(other), None, "{other}");
        }
    }

    #[test]
    fn only_the_release_of_the_recipe_fits() {
        let of = |origin: &str| {
            let line = format!("Inst zsh (1.0 {origin} [amd64])");
            misfits(&packages(), &[chosen_line(&line).unwrap()])
        };
        for good in [
            "Debian:12.15/oldstable",
            "Debian:12/stable",
            "Debian-Security:12/oldstable-security",
            "X:1/y, Debian:12/s",
        ] {
            assert_eq!(of(good), [], "{good}");
        }
        for bad in ["Debian:13.1/stable", "Debian:120/x", "Ubuntu:12/x", "Debianish:12/x", "nodistro"] {
            assert_eq!(of(bad).len(), 1, "{bad}");
        }
        let fault = of("Node:20/x").remove(0);
        assert_eq!(fault.to_string(), "`zsh` comes from another archive: found `Node:20/x`, wanted `Debian:12`");
    }

    #[test]
    fn a_description_becomes_a_line_of_the_lock() {
        let sha = "933cd92a2329f9bf26d22660a834ae18ebdbe8df9c6127e4d9fcb098dac9cf72";
        let text = format!(
            "Package: openssh-server\nVersion: 1:9.2p1-2+deb12u10\nArchitecture: amd64\nInstalled-Size: 1930\n\
             Filename: pool/main/o/openssh/openssh-server_9.2p1-2+deb12u10_amd64.deb\nSize: 456584\nSHA256: {sha}\n"
        );
        let deb = record(&text).unwrap();
        assert_eq!(deb.filename, "openssh-server_9.2p1-2+deb12u10_amd64.deb");
        assert_eq!((deb.size.get(), deb.sha256.to_string().as_str()), (456_584, sha));
        assert_eq!(record("Package: x\nVersion: 1\n"), None);
    }
}
