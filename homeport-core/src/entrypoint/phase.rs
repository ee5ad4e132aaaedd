//! Owns what the host can ask of an init, and how it is asked on the command line.
//! Never carries a phase out.

use std::fmt;

use crate::name::{CommandName, VolumeName};
use crate::unit::Format;

/// What an init is asked to do: its first argument. [spec: ENT-2]
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Phase {
    /// Prints the manifest's bytes; touches nothing.
    Describe,
    /// Reports every problem of configuration and volumes; writes nothing.
    Check,
    /// Takes one volume's data one format up or down.
    Migrate {
        /// The volume whose data is migrated.
        volume: VolumeName,
        /// The format that the data has.
        from: Format,
        /// The format that it shall have: one above or one below.
        to: Format,
    },
    /// Runs the port until it is told to stop.
    Run,
    /// Answers whether the port works right now.
    Health,
    /// Runs one of the manifest's commands.
    Command {
        /// The command's name in the manifest.
        name: CommandName,
        /// What the operator gave it, after `--`.
        args: Vec<String>,
    },
}

/// Arguments that are no phase: exit 64. [spec: ENT-3]
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PhaseError {
    /// There was no argument at all.
    #[error("no phase was given: wanted one of {}", Phase::NAMES.join(", "))]
    Missing,
    /// The first argument is not a phase.
    #[error("`{found}` is not a phase: wanted one of {}", Phase::NAMES.join(", "))]
    Unknown {
        /// The argument as given.
        found: String,
    },
    /// The phase is known, its arguments are not right.
    #[error("phase `{phase}` cannot take `{found}`: wanted `{usage}`")]
    Arguments {
        /// The phase that was asked for.
        phase: &'static str,
        /// The arguments as given, joined by blanks.
        found: String,
        /// How they should have looked.
        usage: &'static str,
    },
}

impl Phase {
    /// Every phase's name, in the order of the specification.
    pub const NAMES: [&'static str; 6] = ["describe", "check", "migrate", "run", "health", "command"];

    /// The phase's name, as in `HOMEPORT_PHASE`.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Describe => "describe",
            Self::Check => "check",
            Self::Migrate { .. } => "migrate",
            Self::Run => "run",
            Self::Health => "health",
            Self::Command { .. } => "command",
        }
    }

    /// Reads a phase from the arguments after the program's name.
    pub fn parse<S: AsRef<str>>(args: &[S]) -> Result<Self, PhaseError> {
        let args: Vec<&str> = args.iter().map(AsRef::as_ref).collect();
        let (first, rest) = args.split_first().ok_or(PhaseError::Missing)?;
        let plain = |phase: Self| {
            let wrong = || PhaseError::Arguments { phase: phase.name(), found: rest.join(" "), usage: phase.name() };
            if rest.is_empty() { Ok(phase.clone()) } else { Err(wrong()) }
        };
        match *first {
            "describe" => plain(Self::Describe),
            "check" => plain(Self::Check),
            "run" => plain(Self::Run),
            "health" => plain(Self::Health),
            "migrate" => Self::parse_migrate(rest),
            "command" => Self::parse_command(rest),
            other => Err(PhaseError::Unknown { found: other.to_owned() }),
        }
    }

    fn parse_migrate(rest: &[&str]) -> Result<Self, PhaseError> {
        let parsed = match rest {
            ["--volume", volume, "--from", from, "--to", to] => {
                let steps = format(from).zip(format(to)).filter(|(from, to)| from.get().abs_diff(to.get()) == 1);
                volume.parse().ok().zip(steps)
            }
            _ => None,
        };
        parsed.map(|(volume, (from, to))| Self::Migrate { volume, from, to }).ok_or_else(|| PhaseError::Arguments {
            phase: "migrate",
            found: rest.join(" "),
            usage: "migrate --volume NAME --from FORMAT --to FORMAT",
        })
    }

    fn parse_command(rest: &[&str]) -> Result<Self, PhaseError> {
        let parsed = match rest {
            [name] => name.parse().ok().map(|name| (name, Vec::new())),
            [name, "--", args @ ..] => {
                name.parse().ok().map(|name| (name, args.iter().map(|arg| (*arg).to_owned()).collect()))
            }
            _ => None,
        };
        parsed.map(|(name, args)| Self::Command { name, args }).ok_or_else(|| PhaseError::Arguments {
            phase: "command",
            found: rest.join(" "),
            usage: "command NAME [-- ARGUMENTS]",
        })
    }

    /// The arguments that ask for this phase: what `parse` reads.
    pub fn to_args(&self) -> Vec<String> {
        let mut args = vec![self.name().to_owned()];
        match self {
            Self::Migrate { volume, from, to } => {
                args.extend(["--volume".into(), volume.to_string(), "--from".into(), from.to_string()]);
                args.extend(["--to".into(), to.to_string()]);
            }
            Self::Command { name, args: given } => {
                args.extend([name.to_string(), "--".into()]);
                args.extend(given.iter().cloned());
            }
            Self::Describe | Self::Check | Self::Run | Self::Health => {}
        }
        args
    }
}

/// A format as arguments have it: decimal from 1 to 65535, no sign, no leading zero.
fn format(text: &str) -> Option<Format> {
    let plain = text.bytes().all(|b| b.is_ascii_digit()) && !text.starts_with('0');
    plain.then(|| text.parse::<u16>().ok()).flatten().map(|format| Format::new(format.into()))
}

impl fmt::Display for Phase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_phase_survives_its_own_arguments() {
        let phases = [
            Phase::Describe,
            Phase::Check,
            Phase::Run,
            Phase::Health,
            Phase::Migrate { volume: "home".parse().unwrap(), from: Format::new(1), to: Format::new(2) },
            Phase::Command { name: "users-add".parse().unwrap(), args: vec!["--".into(), "a b".into()] },
        ];
        for phase in phases {
            assert_eq!(Phase::parse(&phase.to_args()).unwrap(), phase);
        }
    }

    #[test]
    fn what_is_not_a_phase_is_refused_with_what_was_wanted() {
        assert_eq!(Phase::parse::<&str>(&[]).unwrap_err(), PhaseError::Missing);
        assert!(matches!(Phase::parse(&["Run"]).unwrap_err(), PhaseError::Unknown { .. }));
        for bad in [
            &["run", "x"][..],
            &["migrate"],
            &["migrate", "--volume", "h", "--from", "x", "--to", "2"],
            &["migrate", "--volume", "h", "--from", "1", "--to", "3"],
            &["migrate", "--volume", "h", "--from", "0", "--to", "1"],
            &["migrate", "--volume", "h", "--from", "+1", "--to", "02"],
            &["command"],
        ] {
            assert!(matches!(Phase::parse(bad).unwrap_err(), PhaseError::Arguments { .. }), "{bad:?}");
        }
    }
}
