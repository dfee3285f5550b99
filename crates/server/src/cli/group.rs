//! `landfall group`.

use super::{
    Done, Failure,
    client::{Client, encoded},
    output::{Columns, Output, emit},
};
use clap::Subcommand;
use serde_json::json;
use std::{
    fs::File,
    io::{BufRead, BufReader},
    path::PathBuf,
};

const COLUMNS: Columns<'_> =
    &[("ID", "/groupId"), ("NAME", "/name"), ("APP", "/appId"), ("MEMBERS", "/members"), ("MOST", "/maxMembers")];
/// Devices of one request.
const SLICE: usize = 1_000;

/// What to do with groups of devices.
#[derive(Debug, Subcommand)]
pub enum Action {
    /// List groups by name
    List {
        /// Of this application, by id or name
        #[arg(long)]
        app: Option<String>,
        /// Of this name
        #[arg(long)]
        name: Option<String>,
        #[command(flatten)]
        paging: super::client::Paging,
    },
    /// Show a group
    Show {
        /// groupId
        id: String,
    },
    /// Print the ids of the devices in a group, one a line
    Members {
        /// groupId
        id: String,
        /// Only those after this device
        #[arg(long, value_name = "DEVICE")]
        after: Option<String>,
    },
    /// Put devices into a group
    Add(Devices),
    /// Take devices out of a group
    Remove(Devices),
}

/// Devices of a group.
#[derive(clap::Args, Debug)]
pub struct Devices {
    /// groupId
    id: String,
    /// deviceIds
    devices: Vec<String>,
    /// A file of deviceIds, one a line; - is stdin
    #[arg(long, value_name = "FILE")]
    file: Option<PathBuf>,
}

impl Action {
    pub(super) async fn run(&self, client: &Client, out: &Output) -> Done {
        match self {
            Self::List { app, name, paging } => {
                let mut query = paging.query();
                query.extend([("app", app.clone()), ("name", name.clone())]);
                out.list(&client.get("/groups", &query).await?, COLUMNS);
            }
            Self::Show { id } => out.record(&client.get(&path(id, ""), &[]).await?),
            Self::Members { id, after } => members(client, id, after.clone()).await?,
            Self::Add(some) => some.send(client, out, "/members").await?,
            Self::Remove(some) => some.send(client, out, "/members/remove").await?,
        }
        Ok(())
    }
}

async fn members(client: &Client, id: &str, mut after: Option<String>) -> Done {
    loop {
        let query = [("after", after.take()), ("pageSize", Some(SLICE.to_string()))];
        let page = client.get(&path(id, "/members"), &query).await?;
        let ids = page["items"].as_array().into_iter().flatten().filter_map(|id| id.as_str());
        emit(&ids.map(|id| format!("{id}\n")).collect::<String>());
        after = page["next"].as_str().map(str::to_owned);
        if after.is_none() {
            return Ok(());
        }
    }
}

impl Devices {
    /// Sends the devices a slice at a time; each is done wholly or not at all.
    async fn send(&self, client: &Client, out: &Output, verb: &str) -> Done {
        let path = path(&self.id, verb);
        let mut ids = self.ids()?;
        let (mut sent, mut last) = (0, json!(null));
        loop {
            let some: Vec<String> = ids.by_ref().take(SLICE).collect::<Done<_>>()?;
            if some.is_empty() && sent > 0 {
                break;
            }
            let done = client.post(&path, &[], json!({ "deviceIds": some })).await;
            last = done.map_err(|failure| Failure::new(format!("{failure} ({sent} devices before that are done)")))?;
            sent += some.len();
            if self.file.is_some() {
                eprintln!("{sent} devices done");
            }
            if some.len() < SLICE {
                break;
            }
        }
        out.done(
            &format!("{sent} devices done, {} in the group", last["members"]),
            &json!({"done": sent, "members": last["members"]}),
        );
        Ok(())
    }

    fn ids(&self) -> Done<Box<dyn Iterator<Item = Done<String>> + '_>> {
        let given = self.devices.iter().cloned().map(Ok);
        let Some(file) = &self.file else { return Ok(Box::new(given)) };
        let failed = |error: std::io::Error| Failure::new(format!("cannot read {}: {error}", file.display()));
        let lines: Box<dyn BufRead> = match file.to_str() {
            Some("-") => Box::new(BufReader::new(std::io::stdin())),
            _ => Box::new(BufReader::new(File::open(file).map_err(failed)?)),
        };
        let line = move |line: std::io::Result<String>| line.map(|line| line.trim().to_owned()).map_err(failed);
        let named = lines.lines().map(line).filter(|line| line.as_ref().is_ok_and(|line| !line.is_empty()) || line.is_err());
        Ok(Box::new(given.chain(named)))
    }
}

fn path(id: &str, rest: &str) -> String {
    format!("/groups/{}{rest}", encoded(id))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn devices_come_from_arguments_and_lines() {
        let file = std::env::temp_dir().join(format!("landfall-group-{}", std::process::id()));
        std::fs::write(&file, "c\n\n d \r\n").unwrap();
        let given = Devices { id: "1".into(), devices: vec!["a".into()], file: Some(file.clone()) };
        assert_eq!(given.ids().unwrap().collect::<Done<Vec<_>>>().unwrap(), ["a", "c", "d"]);
        std::fs::remove_file(file).unwrap();
        let missing = Devices { file: Some("no/such/file".into()), ..given };
        assert!(missing.ids().is_err());
    }
}
