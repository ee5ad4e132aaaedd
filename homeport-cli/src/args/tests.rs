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
#[expect(clippy::too_many_lines, reason = "they are the help's")]
fn the_whole_help() {
    let mut command = Cli::command().term_width(100).disable_help_subcommand(true);
    command.build();
    insta::assert_snapshot!(help(&mut command), @r#"
    ==== homeport
    Run small personal services on this machine

    Usage: homeport [OPTIONS] <COMMAND>

    Commands:
      deploy       Deploy a port as a new instance, or confirm the one that is there
      list         List instances
      status       Show how an instance is, or how everything is
      logs         Print the log of an instance
      exec         Run a program in the container of an instance
      start        Start an instance that is stopped
      stop         Stop an instance and keep its public addresses reserved
      restart      Give an instance a new container while its clients wait
      config       Show or change the configuration of an instance
      upgrade      Give an instance another version of its port, with its data and addresses
      rollback     Give an instance the version back that it had before
      history      Tell what was done to an instance, when, and how it ended
      route        Look at public addresses
      snapshot     Copies of an instance's volumes: take, list, prove, restore, prune, export
      schedule     Periodic snapshots
      volume       Look at volumes, take one up, or let one be elsewhere
      remove       Remove an instance and keep its volumes
      purge        Remove an instance and put its volumes into the trash
      trash        Look at what was purged or replaced, put it back, or delete it for good
      repair       Bring to an end what was cut off or is stuck, and say what is in the way
      daemon       Run, look at or end the process that holds the public addresses
      port         Look at ports
      completions  Print the completions of a shell
      man          Write the manual pages into a directory

    Options:
      -h, --help     Print help
      -V, --version  Print version

    Options of every command:
          --root <DIR>       Keep state, data and sockets under DIR [env: HOMEPORT_ROOT]
          --engine <SOCKET>  Use the container engine that listens on SOCKET [env: HOMEPORT_ENGINE]
          --json             Print results and errors as JSON
      -q, --quiet            Print no progress
          --wait <SECONDS>   Wait at most SECONDS for an operation of another process [default: 30]

    Without --root, state and data are in /var/lib/homeport and sockets in /run/homeport. What only
    looks or changes what is there makes no root: a DIR that does not exist is refused.
    A command that is cut off, by Ctrl-C or by a crash, is finished or taken back by the next one.

    Exit codes:
      0  done, or nothing to do
      1  the request or the port is at fault
      2  the command line is wrong
      3  this machine or the container engine failed, wholly or in part
      4  an operation failed, and so did taking it back

    ==== homeport deploy
    Deploy a port as a new instance, or confirm the one that is there

    Usage: homeport deploy [OPTIONS] <PORT>

    Arguments:
      <PORT>  The port: its id, or an image

    Options:
          --name <NAME>               Name the instance; the port's id where it is left out
          --version <REQ>             Take the newest version that fits, for example `^1.2`
          --set <KEY=VALUE>           Set a configuration key; again for more keys or list items
          --set-file <KEY=PATH>       Set a key to what a file holds, or standard input for `-`
          --volume <NAME=PATH>        Keep a volume in this directory
          --route <ENDPOINT=ADDRESS>  Set a public address: PORT, ADDRESS:PORT, random or none
          --dry-run                   Print what would be done, and do nothing
      -h, --help                      Print help

    Examples:
      homeport deploy shell --set-file authorized_keys=$HOME/.ssh/id_ed25519.pub
      homeport deploy shell --name alice --set shell=zsh --route ssh=2222 --volume home=/srv/alice
      homeport deploy homeport/shell:1.0.0 --route ssh=127.0.0.1:random --dry-run

    ==== homeport list
    List instances

    Usage: homeport list [OPTIONS]

    Options:
      -h, --help  Print help

    ==== homeport status
    Show how an instance is, or how everything is

    Usage: homeport status [OPTIONS] [NAME]

    Arguments:
      [NAME]  The instance; all where it is left out

    Options:
      -h, --help  Print help

    ==== homeport logs
    Print the log of an instance

    Usage: homeport logs [OPTIONS] <NAME>

    Arguments:
      <NAME>  The instance

    Options:
      -f, --follow         Go on with what comes, until the container ends or Ctrl-C
      -n, --lines <LINES>  Begin with the last LINES lines; all that is kept where it is left out
      -h, --help           Print help

    ==== homeport exec
    Run a program in the container of an instance

    Usage: homeport exec [OPTIONS] <NAME> -- <CMD>...

    Arguments:
      <NAME>    The instance
      <CMD>...  The program and its arguments

    Options:
      -t, --tty               Give the program a terminal; its input is this terminal's
      -i, --interactive       Give the program standard input
          --user <UID[:GID]>  Run it as this user and group; GID is UID where it is left out
      -h, --help              Print help

    The exit code is the program's own. Its output is passed on as it is, also with --json.

    Examples:
      homeport exec alice -- ps aux
      homeport exec alice -t --user 1000 -- bash -l

    ==== homeport start
    Start an instance that is stopped

    Usage: homeport start [OPTIONS] <NAME>

    Arguments:
      <NAME>  The instance

    Options:
      -h, --help  Print help

    ==== homeport stop
    Stop an instance and keep its public addresses reserved

    Usage: homeport stop [OPTIONS] <NAME>

    Arguments:
      <NAME>  The instance

    Options:
      -h, --help  Print help

    ==== homeport restart
    Give an instance a new container while its clients wait

    Usage: homeport restart [OPTIONS] <NAME>

    Arguments:
      <NAME>  The instance

    Options:
      -h, --help  Print help

    ==== homeport config
    Show or change the configuration of an instance

    Usage: homeport config [OPTIONS] <NAME> [COMMAND]

    Commands:
      show   Show every key, its value and where that comes from; secrets stay hidden
      set    Give keys other values; a running instance gets a new container
      unset  Give keys back to the port's default

    Arguments:
      <NAME>  The instance

    Options:
      -h, --help  Print help

    ==== homeport config show
    Show every key, its value and where that comes from; secrets stay hidden

    Usage: homeport config <NAME> show [OPTIONS]

    Options:
      -h, --help  Print help

    ==== homeport config set
    Give keys other values; a running instance gets a new container

    Usage: homeport config <NAME> set [OPTIONS] [KEY=VALUE]...

    Arguments:
      [KEY=VALUE]...  Keys and values; again for more items of a list

    Options:
          --file <KEY=PATH>  Set a key to what a file holds, or standard input for `-`
      -h, --help             Print help

    ==== homeport config unset
    Give keys back to the port's default

    Usage: homeport config <NAME> unset [OPTIONS] <KEY>...

    Arguments:
      <KEY>...  The keys

    Options:
      -h, --help  Print help

    ==== homeport upgrade
    Give an instance another version of its port, with its data and addresses

    Usage: homeport upgrade [OPTIONS] <NAME>

    Arguments:
      <NAME>  The instance

    Options:
          --to <VERSION|IMAGE>        Go to this version or image, also an older one; the highest
                                      without it
          --set <KEY=VALUE>           Set a configuration key; again for more keys or list items
          --set-file <KEY=PATH>       Set a key to what a file holds, or standard input for `-`
          --route <ENDPOINT=ADDRESS>  Give an endpoint that is new a public address, as for `deploy`
          --dry-run                   Print what would be done, and the token that approves it; do
                                      nothing
          --approve <TOKEN>           Do it: the token that `--dry-run` printed, good for one hour and
                                      one time
      -h, --help                      Print help

    A snapshot is made first, and data is migrated in a copy. Where the new version does not get
    ready, or anything else fails, the version from before runs on the data from before. An approval
    is needed only for what cannot be taken back, and where data is set back to a snapshot.

    Examples:
      homeport upgrade alice --dry-run
      homeport upgrade alice --to 1.1
      homeport upgrade alice --to homeport/shell:1.1.0 --set banner=Hello

    ==== homeport rollback
    Give an instance the version back that it had before

    Usage: homeport rollback [OPTIONS] <NAME>

    Arguments:
      <NAME>  The instance

    Options:
          --route <ENDPOINT=ADDRESS>  Give an endpoint that comes back another public address, or `none`
          --dry-run                   Print what would be done, and the token that approves it; do
                                      nothing
          --approve <TOKEN>           Do it: the token that `--dry-run` printed, good for one hour and
                                      one time
      -h, --help                      Print help

    A snapshot is made first, and data that is set back is kept in the trash. A second rollback leads to
    the present version again, and to the data that it has now where that was set back. An endpoint that
    only the version from before has gets the address that it had, unless another one has it by now;
    then it gets another random port where it had one, and else none.

    ==== homeport history
    Tell what was done to an instance, when, and how it ended

    Usage: homeport history [OPTIONS] <NAME>

    Arguments:
      <NAME>  The instance, which may be removed already

    Options:
      -n, --lines <LINES>  Tell only the last LINES lines
      -h, --help           Print help

    ==== homeport route
    Look at public addresses

    Usage: homeport route [OPTIONS] <COMMAND>

    Commands:
      list     List public addresses and what happens on them
      show     Show everything that is known of an instance's public addresses
      set      Change who may come to a public address, and how; connected clients stay
      top      Show what goes over public addresses now, again and again
      metrics  Print the counters of all public addresses, for Prometheus

    Options:
      -h, --help  Print help

    ==== homeport route list
    List public addresses and what happens on them

    Usage: homeport route list [OPTIONS]

    Options:
      -h, --help  Print help

    ==== homeport route show
    Show everything that is known of an instance's public addresses

    Usage: homeport route show [OPTIONS] <NAME> [ENDPOINT]

    Arguments:
      <NAME>      The instance
      [ENDPOINT]  Only this endpoint

    Options:
      -h, --help  Print help

    ==== homeport route set
    Change who may come to a public address, and how; connected clients stay

    Usage: homeport route set [OPTIONS] <NAME> <ENDPOINT>

    Arguments:
      <NAME>      The instance
      <ENDPOINT>  The endpoint

    Options:
          --connections <NUMBER>     Let so many be connected at once, or `usual`
          --per-source <NUMBER>      Let so many be connected from one address (IPv6: /64), or `usual`
          --new-per-second <NUMBER>  Let so many come in a second, or `usual`
          --allow <NETWORKS>         Let clients come from these networks only (A,B), or `usual`
          --deny <NETWORKS>          Let no client come from these networks (A,B), or `usual`
          --idle <SECONDS>           End connections after so long without a byte, or `usual`
          --hold <SECONDS>           Let clients wait at most so long for a container, or `usual`
          --source <WHOSE>           Show the container the address of the `client`, or our `own`
          --log <WHETHER>            Have connections leave a line in the daemon's log: `on`, `off`
          --backend <BACKEND>        Have `builtin`, `nftables` or `haproxy` carry clients
      -h, --help                     Print help

    ==== homeport route top
    Show what goes over public addresses now, again and again

    Usage: homeport route top [OPTIONS]

    Options:
          --every <SECONDS>  Look again after so many seconds [default: 2]
      -n, --times <TIMES>    End after so many looks
      -h, --help             Print help

    ==== homeport route metrics
    Print the counters of all public addresses, for Prometheus

    Usage: homeport route metrics [OPTIONS]

    Options:
      -h, --help  Print help

    ==== homeport snapshot
    Copies of an instance's volumes: take, list, prove, restore, prune, export

    Usage: homeport snapshot [OPTIONS] <COMMAND>

    Commands:
      create       Take a snapshot of an instance, running or stopped
      list         List snapshots, also of instances that were removed
      show         Show one snapshot in full
      files        List the files of a snapshot, one a line
      verify       Prove that snapshots are whole, by reading every byte of them
      diff         Show what has changed since a snapshot
      restore      Put the volumes of an instance back; what is there now is kept in the trash
      extract      Take one file or directory out of a snapshot
      prune        Remove snapshots that are named, or that a policy does not keep
      give-up      Give up a damaged file in the place of a snapshot, or a snapshot that is gone
      begin-store  Begin a new store of snapshots where the one that was there is lost for good
      export       Write a snapshot into one tar file
      import       Take a snapshot into the store from a file that `export` wrote
      rehearse     Restore a snapshot into a scratch place, compare every byte, and throw it away
      acknowledge  Confirm that volumes are meant to be as small as snapshots found them

    Options:
      -h, --help  Print help

    ==== homeport snapshot create
    Take a snapshot of an instance, running or stopped

    Usage: homeport snapshot create [OPTIONS] <NAME>

    Arguments:
      <NAME>  The instance

    Options:
          --note <TEXT>  Write this beside it, for whoever reads the list
      -h, --help         Print help

    ==== homeport snapshot list
    List snapshots, also of instances that were removed

    Usage: homeport snapshot list [OPTIONS] [NAME]

    Arguments:
      [NAME]  The instance; all where it is left out

    Options:
      -h, --help  Print help

    ==== homeport snapshot show
    Show one snapshot in full

    Usage: homeport snapshot show [OPTIONS] <NAME> [SNAPSHOT]

    Arguments:
      <NAME>      The instance
      [SNAPSHOT]  The snapshot: `latest`, a number, or the beginning of its uuid [default: latest]

    Options:
      -h, --help  Print help

    ==== homeport snapshot files
    List the files of a snapshot, one a line

    Usage: homeport snapshot files [OPTIONS] <NAME> <SNAPSHOT> [VOLUME] [PATH]

    Arguments:
      <NAME>      The instance
      <SNAPSHOT>  The snapshot: `latest`, a number, or the beginning of its uuid
      [VOLUME]    The volume; all where it is left out
      [PATH]      The path in the volume; all of it where it is left out

    Options:
      -h, --help  Print help

    ==== homeport snapshot verify
    Prove that snapshots are whole, by reading every byte of them

    Usage: homeport snapshot verify [OPTIONS] [NAME] [SNAPSHOT]

    Arguments:
      [NAME]      The instance; all where it is left out
      [SNAPSHOT]  The snapshot; all of the instance where it is left out

    Options:
          --quick  Only look whether everything is there, and read no content
      -h, --help   Print help

    ==== homeport snapshot diff
    Show what has changed since a snapshot

    Usage: homeport snapshot diff [OPTIONS] <NAME> <FROM> [TO]

    Arguments:
      <NAME>  The instance
      <FROM>  The older side: `latest`, a number, or the beginning of its uuid
      [TO]    The newer side; the data as it is now where it is left out

    Options:
          --limit <LINES>  List at most LINES changes [default: 50]
      -h, --help           Print help

    ==== homeport snapshot restore
    Put the volumes of an instance back; what is there now is kept in the trash

    Usage: homeport snapshot restore [OPTIONS] <NAME> [SNAPSHOT]

    Arguments:
      <NAME>      The instance
      [SNAPSHOT]  The snapshot: `latest`, a number, or the beginning of its uuid [default: latest]

    Options:
          --volume <VOLUME>  Put only this volume back; again for more
          --devices          Make the device nodes that the snapshot holds, too
          --dry-run          Print what would be done, and the token that approves it; do nothing
          --approve <TOKEN>  Do it: the token that `--dry-run` printed, good for one hour and one time
      -h, --help             Print help

    What is there now is snapshotted first, and then kept in the trash for 30 days: `homeport trash
    restore ID` takes the
    restore back. A running instance is stopped and started again; where it does not get ready with the
    restored data, what
    was there before is back.

    ==== homeport snapshot extract
    Take one file or directory out of a snapshot

    Usage: homeport snapshot extract [OPTIONS] <NAME> <SNAPSHOT> <VOLUME> <PATH> <TO>

    Arguments:
      <NAME>      The instance
      <SNAPSHOT>  The snapshot: `latest`, a number, or the beginning of its uuid
      <VOLUME>    The volume
      <PATH>      The path in the volume; `.` for all of it
      <TO>        Where to put it; nothing may be there

    Options:
          --devices  Make the device nodes that it holds, too
      -h, --help     Print help

    ==== homeport snapshot prune
    Remove snapshots that are named, or that a policy does not keep

    Usage: homeport snapshot prune [OPTIONS] <NAME> [SNAPSHOTS]...

    Arguments:
      <NAME>          The instance
      [SNAPSHOTS]...  The snapshots that are to go

    Options:
          --keep <POLICY>    Keep what this policy keeps, for example `last=3,daily=7,monthly=12`
          --dry-run          Print what would be done, and the token that approves it; do nothing
          --approve <TOKEN>  Do it: the token that `--dry-run` printed, good for one hour and one time
      -h, --help             Print help

    Without snapshots and --keep, what the policy of the instance's schedule does not keep goes.
    Whatever is asked for, the
    newest snapshot that is proven whole stays, and so does what a restore can still be taken back to.

    ==== homeport snapshot give-up
    Give up a damaged file in the place of a snapshot, or a snapshot that is gone

    Usage: homeport snapshot give-up [OPTIONS] <FILE>

    Arguments:
      <FILE>  The file, as `snapshot list` shows it

    Options:
          --dry-run          Print what would be done, and the token that approves it; do nothing
          --approve <TOKEN>  Do it: the token that `--dry-run` printed, good for one hour and one time
      -h, --help             Print help

    While a damaged file is there, nothing is removed from the store. The file is moved aside in the
    store and stays for seven days; what only it needed is set aside by the next prune, and stays for
    seven days from then.

    ==== homeport snapshot begin-store
    Begin a new store of snapshots where the one that was there is lost for good

    Usage: homeport snapshot begin-store [OPTIONS]

    Options:
          --dry-run          Print what would be done, and the token that approves it; do nothing
          --approve <TOKEN>  Do it: the token that `--dry-run` printed, good for one hour and one time
      -h, --help             Print help

    Every snapshot of the store that was there is given up. Where its disk is only not mounted, mount
    it instead. A directory with anything in it is never used, and no volume is touched.

    ==== homeport snapshot export
    Write a snapshot into one tar file

    Usage: homeport snapshot export [OPTIONS] <NAME> <SNAPSHOT> <FILE>

    Arguments:
      <NAME>      The instance
      <SNAPSHOT>  The snapshot: `latest`, a number, or the beginning of its uuid
      <FILE>      The file; nothing may be there

    Options:
      -h, --help  Print help

    The file holds all that the volumes hold, and the instance's configuration with its secrets.
    Only its owner can read it (mode 0600): keep it so where you put it.

    ==== homeport snapshot import
    Take a snapshot into the store from a file that `export` wrote

    Usage: homeport snapshot import [OPTIONS] <FILE>

    Arguments:
      <FILE>  The file

    Options:
      -h, --help  Print help

    ==== homeport snapshot rehearse
    Restore a snapshot into a scratch place, compare every byte, and throw it away

    Usage: homeport snapshot rehearse [OPTIONS] <NAME> [SNAPSHOT]

    Arguments:
      <NAME>      The instance
      [SNAPSHOT]  The snapshot: `latest`, a number, or the beginning of its uuid [default: latest]

    Options:
      -h, --help  Print help

    ==== homeport snapshot acknowledge
    Confirm that volumes are meant to be as small as snapshots found them

    Usage: homeport snapshot acknowledge [OPTIONS] <NAME> [SNAPSHOT]

    Arguments:
      <NAME>      The instance
      [SNAPSHOT]  The snapshot; every one with an open alarm where it is left out

    Options:
          --note <TEXT>  Say why, for whoever reads the list [default: ""]
      -h, --help         Print help

    ==== homeport schedule
    Periodic snapshots

    Usage: homeport schedule [OPTIONS] <COMMAND>

    Commands:
      set    Take snapshots of an instance periodically
      unset  Take no more periodic snapshots of an instance; those that there are stay
      list   List schedules, and what came of the last snapshots and rehearsals

    Options:
      -h, --help  Print help

    ==== homeport schedule set
    Take snapshots of an instance periodically

    Usage: homeport schedule set [OPTIONS] --every <INTERVAL> <NAME>

    Arguments:
      <NAME>  The instance

    Options:
          --every <INTERVAL>  Take one `hourly`, `daily`, `weekly`, or each `30m`, `6h`, `2d`
          --keep <POLICY>     Keep what this policy keeps, for example `last=3,daily=7`; all without it
      -h, --help              Print help

    The policy is the consent to what it removes. It never removes the newest snapshot that is proven
    whole, and nothing
    while a volume is suspiciously small. The daemon takes the snapshots, and rehearses a restore once a
    month.

    ==== homeport schedule unset
    Take no more periodic snapshots of an instance; those that there are stay

    Usage: homeport schedule unset [OPTIONS] <NAME>

    Arguments:
      <NAME>  The instance

    Options:
      -h, --help  Print help

    ==== homeport schedule list
    List schedules, and what came of the last snapshots and rehearsals

    Usage: homeport schedule list [OPTIONS]

    Options:
      -h, --help  Print help

    ==== homeport volume
    Look at volumes, take one up, or let one be elsewhere

    Usage: homeport volume [OPTIONS] <COMMAND>

    Commands:
      list   List volumes, also those of instances that were removed
      check  Check volumes as a start would
      adopt  Make a directory with files in it, or a volume that came from elsewhere, a volume of an
             instance
      move   Let a volume be in another directory

    Options:
      -h, --help  Print help

    ==== homeport volume list
    List volumes, also those of instances that were removed

    Usage: homeport volume list [OPTIONS] [NAME]

    Arguments:
      [NAME]  The instance; all where it is left out

    Options:
      -h, --help  Print help

    ==== homeport volume check
    Check volumes as a start would

    Usage: homeport volume check [OPTIONS] [NAME] [VOLUME]

    Arguments:
      [NAME]    The instance; all where it is left out
      [VOLUME]  The volume; all of the instance where it is left out

    Options:
      -h, --help  Print help

    ==== homeport volume adopt
    Make a directory with files in it, or a volume that came from elsewhere, a volume of an instance

    Usage: homeport volume adopt [OPTIONS] <PORT> <NAME> <VOLUME> <PATH>

    Arguments:
      <PORT>    The port: its id, or an image
      <NAME>    The instance, which may but need not be there
      <VOLUME>  The volume
      <PATH>    The directory

    Options:
          --dry-run          Print what would be done, and the token that approves it; do nothing
          --approve <TOKEN>  Do it: the token that `--dry-run` printed, good for one hour and one time
      -h, --help             Print help

    No file is changed: what is in the directory moves, as it is, into `data` below it. This is also the
    way in for a volume
    that was restored from an older backup, or that belonged to another HomePort.

    ==== homeport volume move
    Let a volume be in another directory

    Usage: homeport volume move [OPTIONS] <NAME> <VOLUME> <PATH>

    Arguments:
      <NAME>    The instance, which must not run
      <VOLUME>  The volume
      <PATH>    The directory where it is by now, or is to be

    Options:
          --dry-run  Print what would be done, and do nothing
      -h, --help     Print help

    Where the volume is at the new place already, HomePort only learns it. On the same file system it is
    renamed. To another
    one, copy it first, with `.homeport` and everything: cp -a OLD NEW; then run this.

    ==== homeport remove
    Remove an instance and keep its volumes

    Usage: homeport remove [OPTIONS] <NAME>

    Arguments:
      <NAME>  The instance

    Options:
          --dry-run  Print what would be done, and do nothing
      -h, --help     Print help

    ==== homeport purge
    Remove an instance and put its volumes into the trash

    Usage: homeport purge [OPTIONS] <NAME>

    Arguments:
      <NAME>  The instance, which may be removed already

    Options:
          --volume <VOLUME>  Of a removed instance, only this volume; again for more
          --dry-run          Print what would be done, and the token that approves it; do nothing
          --approve <TOKEN>  Do it: the token that `--dry-run` printed, good for one hour and one time
      -h, --help             Print help

    The data goes to the trash and stays there for 30 days: `homeport trash restore ID` brings it back.
    Snapshots stay.

    ==== homeport trash
    Look at what was purged or replaced, put it back, or delete it for good

    Usage: homeport trash [OPTIONS] <COMMAND>

    Commands:
      list     List what is in the trash
      restore  Put something back: a purged volume, or what a restore took out
      empty    Delete for good

    Options:
      -h, --help  Print help

    ==== homeport trash list
    List what is in the trash

    Usage: homeport trash list [OPTIONS]

    Options:
      -h, --help  Print help

    ==== homeport trash restore
    Put something back: a purged volume, or what a restore took out

    Usage: homeport trash restore [OPTIONS] <ID>

    Arguments:
      <ID>  The beginning of its id

    Options:
          --dry-run          Print what would be done, and the token that approves it; do nothing
          --approve <TOKEN>  Do it: the token that `--dry-run` printed, good for one hour and one time
      -h, --help             Print help

    ==== homeport trash empty
    Delete for good

    Usage: homeport trash empty [OPTIONS] [IDS]...

    Arguments:
      [IDS]...  The beginnings of ids; what was there for its full time without any

    Options:
          --all              Everything
          --dry-run          Print what would be done, and the token that approves it; do nothing
          --approve <TOKEN>  Do it: the token that `--dry-run` printed, good for one hour and one time
      -h, --help             Print help

    ==== homeport repair
    Bring to an end what was cut off or is stuck, and say what is in the way

    Usage: homeport repair [OPTIONS]

    Options:
      -h, --help  Print help

    ==== homeport daemon
    Run, look at or end the process that holds the public addresses

    Usage: homeport daemon [OPTIONS] <COMMAND>

    Commands:
      run      Run it in the foreground, until it is told to end
      status   Show whether it runs, and what it holds
      restart  Replace it by a new one; addresses stay open, and clients connected
      stop     End it and close the public addresses; instances go on

    Options:
      -h, --help  Print help

    ==== homeport daemon run
    Run it in the foreground, until it is told to end

    Usage: homeport daemon run [OPTIONS]

    Options:
      -h, --help  Print help

    ==== homeport daemon hold
    Keep the sockets of a daemon; it starts this itself

    Usage: homeport daemon hold [OPTIONS]

    Options:
      -h, --help  Print help

    ==== homeport daemon status
    Show whether it runs, and what it holds

    Usage: homeport daemon status [OPTIONS]

    Options:
      -h, --help  Print help

    ==== homeport daemon restart
    Replace it by a new one; addresses stay open, and clients connected

    Usage: homeport daemon restart [OPTIONS]

    Options:
      -h, --help  Print help

    ==== homeport daemon stop
    End it and close the public addresses; instances go on

    Usage: homeport daemon stop [OPTIONS]

    Options:
      -h, --help  Print help

    ==== homeport port
    Look at ports

    Usage: homeport port [OPTIONS] <COMMAND>

    Commands:
      info  Show what a port is, needs and can be told

    Options:
      -h, --help  Print help

    ==== homeport port info
    Show what a port is, needs and can be told

    Usage: homeport port info [OPTIONS] <PORT>

    Arguments:
      <PORT>  The port: its id, or an image

    Options:
      -h, --help  Print help

    ==== homeport completions
    Print the completions of a shell

    Usage: homeport completions [OPTIONS] <SHELL>

    Arguments:
      <SHELL>  The shell [possible values: bash, elvish, fish, powershell, zsh]

    Options:
      -h, --help  Print help

    ==== homeport man
    Write the manual pages into a directory

    Usage: homeport man [OPTIONS] <DIR>

    Arguments:
      <DIR>  The directory, which is made where it is missing

    Options:
      -h, --help  Print help
    "#);
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
        ("route set alice ssh --backend nft", "`nft` is no backend: wanted `builtin`, `nftables` or `haproxy`"),
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
