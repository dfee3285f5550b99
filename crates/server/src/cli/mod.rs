//! The `landfall` command line for operators: every operation of the admin API of a running server.
//!
//! Answers go to stdout, everything else to stderr. Exit status 0 only on success. Absent: `serve`, `config` and `demo`.

mod account;
mod app;
mod client;
mod codec;
mod command;
mod connect;
mod device;
mod group;
mod import;
mod job;
mod lwm2m;
mod onem2m;
mod output;
mod product;
mod server;
mod subscription;
mod user;

use clap::{Args, CommandFactory, Subcommand};
use client::Client;
use connect::Connection;
use onem2m::originator::Originator;
use output::Output;
use std::{fmt, process::ExitCode};

/// The operators' commands; the program adds its own beside them.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Accounts: the walls between customers
    Account(Group<account::Action>),
    /// Users, who log in with a name and a password
    User(Group<user::Action>),
    /// Northbound applications
    App(Group<app::Action>),
    /// Product models
    Product(Group<product::Action>),
    /// Payload codecs of products
    Codec(Group<codec::Action>),
    /// Devices
    Device(Group<device::Action>),
    /// Groups of devices, and who is in them
    Group(Group<group::Action>),
    /// Lists of nodes that become devices in the background
    Provisioning(Group<onem2m::provisioning::Action>),
    /// Long work on many targets
    Job(Group<job::Action>),
    /// Cached commands to LwM2M devices
    #[command(name = "command")]
    Queue(Group<command::Action>),
    /// One operation at a registered LwM2M device
    Lwm2m(Group<lwm2m::Action>),
    /// Subscriptions and their delivery
    Subscription(Group<subscription::Action>),
    /// Limits in force
    Settings(Group<server::SettingsAction>),
    /// What is running
    Status(Alone),
    /// The server's clock, when it jumped
    Clock(Group<server::ClockAction>),
    /// Print shell completions
    Completions {
        /// The shell
        shell: clap_complete::Shell,
    },
}

/// A family of commands on one noun.
#[derive(Args, Debug)]
pub struct Group<A: Subcommand> {
    #[command(flatten)]
    connection: Connection,
    #[command(subcommand)]
    action: A,
}

/// A command without a family.
#[derive(Args, Debug)]
pub struct Alone {
    #[command(flatten)]
    connection: Connection,
}

/// Runs a command to its end.
pub fn run(command: Command) -> ExitCode {
    let done = match command {
        Command::Completions { shell } => return completions(shell),
        Command::Account(group) => with_client(&group.connection, async |client, out| group.action.run(client, out).await),
        Command::User(group) => with_client(&group.connection, async |client, out| group.action.run(client, out).await),
        Command::App(group) => with_client(&group.connection, async |client, out| group.action.run(client, out).await),
        Command::Product(group) => with_client(&group.connection, async |client, out| group.action.run(client, out).await),
        Command::Codec(group) => with_client(&group.connection, async |client, out| group.action.run(client, out).await),
        Command::Device(group) => with_client(&group.connection, async |client, out| group.action.run(client, out).await),
        Command::Group(group) => with_client(&group.connection, async |client, out| group.action.run(client, out).await),
        Command::Provisioning(group) => with_client(&group.connection, async |client, out| group.action.run(client, out).await),
        Command::Job(group) => with_client(&group.connection, async |client, out| group.action.run(client, out).await),
        Command::Queue(group) => with_client(&group.connection, async |client, out| group.action.run(client, out).await),
        Command::Lwm2m(group) => with_client(&group.connection, async |client, out| group.action.run(client, out).await),
        Command::Subscription(group) => with_client(&group.connection, async |client, out| group.action.run(client, out).await),
        Command::Settings(group) => with_client(&group.connection, async |client, out| group.action.run(client, out).await),
        Command::Clock(group) => with_client(&group.connection, async |client, out| group.action.run(client, out).await),
        Command::Status(alone) => with_client(&alone.connection, async |client, out| server::status(client, out).await),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            eprintln!("landfall: {failure}");
            ExitCode::FAILURE
        }
    }
}

fn with_client(connection: &Connection, action: impl AsyncFnOnce(&Client, &Output) -> Done) -> Done {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|error| Failure::new(format!("cannot start: {error}")))?;
    let client = Client::new(connection.resolve()?);
    runtime.block_on(action(&client, &Output { json: connection.json }))
}

/// Completions of the whole program, commands of other modules included.
fn completions(shell: clap_complete::Shell) -> ExitCode {
    let mut root = crate::Arguments::command();
    let name = root.get_name().to_owned();
    let mut text = vec![];
    clap_complete::generate(shell, &mut root, name, &mut text);
    output::emit(&String::from_utf8_lossy(&text));
    ExitCode::SUCCESS
}

/// What a command comes to.
type Done<T = ()> = Result<T, Failure>;

/// Why a command failed, in one line.
#[derive(Debug, PartialEq, Eq)]
pub struct Failure(String);

impl Failure {
    fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&output::printable(&self.0))
    }
}

/// Writes a file with secrets, which nobody else may read.
fn write_private(path: &std::path::Path, text: &str) -> Done {
    use std::io::Write;
    let written = private_file(path)?.write_all(text.as_bytes());
    written.map_err(|error| Failure::new(format!("cannot write {}: {error}", path.display())))
}

/// A file that only the user may read, emptied.
fn private_file(path: &std::path::Path) -> Done<std::fs::File> {
    let mut options = std::fs::OpenOptions::new();
    options.write(true).create(true).truncate(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path).map_err(|error| Failure::new(format!("cannot write {}: {error}", path.display())))
}

/// Reads a file that the user named.
fn read_file(path: &std::path::Path) -> Done<Vec<u8>> {
    std::fs::read(path).map_err(|error| Failure::new(format!("cannot read {}: {error}", path.display())))
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;

    #[derive(Parser, Debug)]
    #[command(name = "landfall")]
    struct Program {
        #[command(subcommand)]
        command: Command,
    }

    #[test]
    fn the_command_line_is_consistent() {
        Program::command().debug_assert();
    }

    #[test]
    fn options_of_the_connection_go_anywhere() {
        for line in [
            "landfall app create shop --json --data d",
            "landfall app --data d create shop --json",
            "landfall product import f.zip --replace --dry-run --account a",
            "landfall device import f.csv --dry-run --failed g.csv",
            "landfall device import f.csv --all-or-nothing --app a",
            "landfall device import undo 0-0",
            "landfall device why",
            "landfall device shadow n",
            "landfall device desire n Connection lifetime=3600 --json",
            "landfall device registration n",
            "landfall device register n --psk 00112233 --psk-identity i --secure",
            "landfall command send n Device REBOOT --expire 0",
            "landfall command send n Valve SET position=OPEN --retransmit 3 --callback http://a.example/",
            "landfall command list n --after 2026-01-01T00:00:00Z --page 1",
            "landfall command show 1",
            "landfall command cancel 1",
            "landfall product set p --plain-coap true",
            "landfall codec try 1 f.js --sample 00ff",
            "landfall codec redecode 1 --device d --from 2026-01-01T00:00:00Z --to 2026-01-02T00:00:00Z --dry-run",
            "landfall subscription replay 1 --from 2026-01-01T00:00:00Z",
            "landfall lwm2m read n /3/0/0 --wait 60 --format tlv --json",
            "landfall app originator set shop Cshop",
            "landfall app originator token shop --json",
            "landfall app originator clear shop",
            "landfall provisioning list --app shop --page 1",
            "landfall provisioning show 0123456789abcdef01234567",
            "landfall provisioning watch 0123456789abcdef01234567 --json",
            "landfall provisioning failed 0123456789abcdef01234567 --page-size 1000",
            "landfall provisioning failed 0123456789abcdef01234567 --json-request",
            "landfall provisioning failed 0123456789abcdef01234567 --json-request again.json",
            "landfall provisioning check f.json --app shop",
            "landfall provisioning submit f.json --app shop --watch",
            "landfall group list --app shop --name floor --page 1",
            "landfall group members 1 --after d",
            "landfall group add 1 d e",
            "landfall group remove 1 --file -",
            "landfall job list --app shop --kind commands --state open --page 1",
            "landfall job show 00000000-0000-4000-8000-000000000000",
            "landfall job watch 00000000-0000-4000-8000-000000000000 --json",
            "landfall job pause 00000000-0000-4000-8000-000000000000",
            "landfall job resume 00000000-0000-4000-8000-000000000000",
            "landfall job stop 00000000-0000-4000-8000-000000000000",
            "landfall job failed 00000000-0000-4000-8000-000000000000 --json",
            "landfall job retry 00000000-0000-4000-8000-000000000000 --name again --watch",
            "landfall account set a --tenant acme --device-app shop",
            "landfall user add max --role reader --account a",
            "landfall user add management/devicebootstrap --role bootstrap --password-stdin",
            "landfall user list --tenant acme --role device --page 1",
            "landfall user set acme/max --enabled false --role admin",
            "landfall user password acme/max",
            "landfall user delete max --json",
            "landfall settings show",
            "landfall status --server https://example.org:8743 --token-file t",
            "landfall completions bash",
        ] {
            let parsed = Program::try_parse_from(line.split(' '));
            assert!(parsed.is_ok(), "{line}: {}", parsed.err().map(|e| e.to_string()).unwrap_or_default());
        }
        assert!(Program::try_parse_from(["landfall", "app", "create"]).is_err());
    }
}
