//! The command line as it is typed and as it explains itself.

use clap::{CommandFactory as _, Parser as _};

use super::Cli;

/// The help of a command and of every one below it, as a page of 100 columns shows it. What every command takes is told
/// once, with the first.
fn help(command: &mut clap::Command) -> String {
    let name = command.get_bin_name().unwrap_or("homeport").to_owned();
    let mut page = command.render_help().to_string();
    if name != "homeport" {
        let from = page.find("Options of every command:").unwrap_or_else(|| panic!("{name} has not all options"));
        let to = page[from..].find("\n\n").map_or(page.len(), |end| from + end + 2);
        page.replace_range(from..to, "");
    }
    let mut text = format!("==== {name}\n{}\n\n", page.trim_end());
    for child in command.get_subcommands_mut() {
        text += &help(child);
    }
    text
}

#[test]
fn the_grammar_has_no_contradictions() {
    Cli::command().debug_assert();
}

#[test]
fn every_option_is_explained_on_one_line_and_imperatively_without_a_period() {
    fn look(command: &clap::Command) {
        let about = command.get_about().map(ToString::to_string).unwrap_or_default();
        assert!(about.starts_with(char::is_uppercase) && !about.ends_with('.'), "{}: {about}", command.get_name());
        for argument in command.get_arguments().filter(|argument| !argument.is_hide_set()) {
            let text = argument.get_help().map(ToString::to_string).unwrap_or_default();
            assert!(!text.is_empty() && !text.ends_with('.') && text.len() <= 75, "{}: {text}", argument.get_id());
        }
        command.get_subcommands().for_each(look);
    }
    look(&Cli::command());
}

#[test]
fn the_whole_help() {
    let mut command = Cli::command().term_width(100).disable_help_subcommand(true);
    command.build();
    insta::assert_snapshot!(help(&mut command));
}

#[test]
fn what_every_command_takes_stands_before_or_after_its_own_words() {
    for words in [
        "homeport --root /r --json --wait 5 list",
        "homeport list --root /r --json --wait 5",
        "homeport --json route --wait 5 list --root /r",
    ] {
        let cli = Cli::try_parse_from(words.split(' ')).unwrap();
        assert_eq!(cli.global.root.as_deref(), Some(std::path::Path::new("/r")), "{words}");
        assert!(cli.global.json && cli.global.wait == 5, "{words}");
    }
}

#[test]
fn a_program_keeps_its_own_options() {
    let cli = Cli::try_parse_from(["homeport", "exec", "a", "--user", "1:2", "--", "ls", "--json", "-t"]).unwrap();
    assert!(!cli.global.json);
    let super::Command::Exec(args) = cli.command else { panic!("not exec") };
    assert_eq!(args.argv, ["ls", "--json", "-t"]);
    assert!(!args.tty);
}

#[test]
fn a_wrong_command_line_is_told_with_what_was_wanted() {
    let rows: [&[&str]; 13] = [
        &["deploy"],
        &["deply"],
        &["deploy", "Shell!"],
        &["deploy", "shell", "--set", "a"],
        &["deploy", "shell", "--set-file", "a="],
        &["deploy", "shell", "--volume", "home"],
        &["deploy", "shell", "--route", "ssh=localhost:22"],
        &["deploy", "shell", "--name", "Bob"],
        &["deploy", "shell", "--version", "newest"],
        &["exec", "alice", "ls"],
        &["exec", "alice", "--user", "root", "--", "ls"],
        &["config", "alice", "set"],
        &["list", "--wait", "-1"],
    ];
    let told = rows.map(|row| {
        let error = Cli::try_parse_from(["homeport"].iter().chain(row)).unwrap_err();
        assert_eq!(error.exit_code(), 2, "{row:?}");
        let text = error.to_string();
        let what = text.lines().take_while(|line| !line.starts_with("Usage")).collect::<Vec<_>>().join("\n");
        format!("$ homeport {}\n{}\n", row.join(" "), what.trim_end())
    });
    insta::assert_snapshot!(told.join("\n"), @r#"
    $ homeport deploy
    error: the following required arguments were not provided:
      <PORT>

    $ homeport deply
    error: unrecognized subcommand 'deply'

      tip: a similar subcommand exists: 'deploy'

    $ homeport deploy Shell!
    error: invalid value 'Shell!' for '<PORT>': `Shell!` names no port: wanted a port's id such as `shell`, or an image such as `homeport/shell:1.0.0`

    For more information, try '--help'.

    $ homeport deploy shell --set a
    error: invalid value 'a' for '--set <KEY=VALUE>': wanted KEY=VALUE

    For more information, try '--help'.

    $ homeport deploy shell --set-file a=
    error: invalid value 'a=' for '--set-file <KEY=PATH>': wanted KEY=PATH, or KEY=- for standard input

    For more information, try '--help'.

    $ homeport deploy shell --volume home
    error: invalid value 'home' for '--volume <NAME=PATH>': wanted NAME=PATH

    For more information, try '--help'.

    $ homeport deploy shell --route ssh=localhost:22
    error: invalid value 'ssh=localhost:22' for '--route <ENDPOINT=ADDRESS>': `localhost:22` is not a public address: wanted `PORT`, `random`, `ADDRESS:PORT`, `ADDRESS:random` or `none`

    For more information, try '--help'.

    $ homeport deploy shell --name Bob
    error: invalid value 'Bob' for '--name <NAME>': `Bob` cannot be used as instance name: wanted 1 to 40 of a-z, 0-9 and `-`, a letter first, no `-` last

    For more information, try '--help'.

    $ homeport deploy shell --version newest
    error: invalid value 'newest' for '--version <REQ>': unexpected character 'n' while parsing major version number

    For more information, try '--help'.

    $ homeport exec alice ls
    error: unexpected argument 'ls' found

    $ homeport exec alice --user root -- ls
    error: invalid value 'root' for '--user <UID[:GID]>': wanted UID or UID:GID, both numbers

    For more information, try '--help'.

    $ homeport config alice set
    error: the following required arguments were not provided:
      <KEY=VALUE>...

    $ homeport list --wait -1
    error: unexpected argument '-1' found
    "#);
}

#[test]
fn what_takes_data_away_is_planned_or_approved_and_not_both() {
    let token = homeport_host::approval::Token::from_bits([7; 10]).to_string();
    for words in [
        "purge alice --dry-run",
        "purge alice --approve TOKEN --volume home",
        "snapshot restore alice",
        "snapshot restore alice 12 --volume home --dry-run",
        "snapshot prune alice 3 4 --approve TOKEN",
        "snapshot prune alice --keep last=3,daily=7",
        "snapshot give-up 00000012-5f0c1122-3344-4566-8788-99aabbccddee.snapshot --dry-run",
        "snapshot begin-store --approve TOKEN",
        "trash empty --all --approve TOKEN",
        "trash empty 5f0c11 --dry-run",
        "volume adopt shell alice home /srv/alice --dry-run",
        "schedule set alice --every 6h --keep last=3",
    ] {
        let words = words.replace("TOKEN", &token);
        let parsed = Cli::try_parse_from(["homeport"].into_iter().chain(words.split(' ')));
        assert!(parsed.is_ok(), "{words}: {}", parsed.unwrap_err());
    }
    for (words, wanted) in [
        ("purge alice --dry-run --approve TOKEN", "cannot be used with"),
        ("purge alice --approve yes", "invalid value"),
        ("snapshot restore alice newest", "names no snapshot"),
        ("snapshot give-up --dry-run", "<FILE>"),
        ("snapshot begin-store --dry-run --approve TOKEN", "cannot be used with"),
        ("snapshot prune alice 3 --keep last=3", "cannot be used with"),
        ("snapshot prune alice --keep last=0", "is no number of snapshots"),
        ("trash empty 5f0c11 --all", "cannot be used with"),
        ("trash restore ../../etc", "names nothing in the trash"),
        ("schedule set alice --every 10s", "is not an interval"),
        ("schedule set alice", "--every"),
    ] {
        let words = words.replace("TOKEN", &token);
        let error = Cli::try_parse_from(["homeport"].into_iter().chain(words.split(' '))).unwrap_err().to_string();
        assert!(error.contains(wanted), "{words}: {error}");
    }
}

#[test]
fn a_version_is_named_by_its_beginning_or_as_an_image_and_a_change_is_planned_or_approved() {
    let token = homeport_host::approval::Token::from_bits([7; 10]).to_string();
    for words in [
        "upgrade alice",
        "upgrade alice --to 1.1 --dry-run",
        "upgrade alice --to homeport/shell:1.1.0 --set banner=Hello --set-file key=- --approve TOKEN",
        "rollback alice --dry-run",
        "route set alice ssh --connections usual --per-source 4 --new-per-second 20 --allow 10.0.0.0/8,::1 --deny usual",
        "route set alice ssh --idle 600 --hold usual --log on --source client",
        "route set alice ssh --backend nftables",
        "route show alice",
        "route show alice ssh",
        "route top --every 1 -n 3",
        "route metrics",
        "rollback alice --approve TOKEN",
        "rollback alice --route web=8080",
        "history alice -n 20",
        "repair",
    ] {
        let words = words.replace("TOKEN", &token);
        let parsed = Cli::try_parse_from(["homeport"].into_iter().chain(words.split(' ')));
        assert!(parsed.is_ok(), "{words}: {}", parsed.unwrap_err());
    }
    for (words, wanted) in [
        ("upgrade", "<NAME>"),
        ("upgrade alice 1.1", "unexpected argument"),
        ("upgrade alice --to v1.1", "`v1.1` is no version: wanted `1.1.0`, `1.1`, `1`, or an image"),
        ("upgrade alice --dry-run --approve TOKEN", "cannot be used with"),
        ("rollback alice --to 1.0", "unexpected argument"),
        ("route set alice ssh", "required arguments were not provided"),
        ("route set alice ssh --per-source 0", "wanted a number from 1, or `usual`"),
        ("route set alice ssh --allow 10.0.0.0/33", "`10.0.0.0/33` is no network: wanted `192.0.2.0/24`"),
        (
            "route set alice ssh --backend nft",
            "`nft` is no backend: wanted `nftables`, `haproxy` or `builtin`, which is `usual`",
        ),
        ("route top -n 0", "0 is not in 1.."),
        ("rollback alice --approve yes", "invalid value"),
        ("history", "<NAME>"),
        ("history alice -n 0", "0 is not in 1.."),
        ("repair alice", "unexpected argument"),
    ] {
        let words = words.replace("TOKEN", &token);
        let error = Cli::try_parse_from(["homeport"].into_iter().chain(words.split(' '))).unwrap_err();
        assert_eq!(error.exit_code(), 2, "{words}");
        assert!(error.to_string().contains(wanted), "{words}: {error}");
    }
}
