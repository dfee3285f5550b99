//! `landfall command`: cached commands to LwM2M devices.

use super::{
    Done, Failure,
    client::{Client, Paging, encoded},
    device::path,
    output::{Columns, Output},
};
use clap::{Args, Subcommand};
use serde_json::{Map, Value, json};

const COLUMNS: Columns<'_> = &[
    ("ID", "/commandId"),
    ("SERVICE", "/serviceId"),
    ("COMMAND", "/method"),
    ("PARAMETERS", "/paras"),
    ("STATE", "/state"),
    ("SENDS", "/issuedTimes"),
    ("CREATED", "/createdAt"),
    ("RESULT", "/result"),
];

/// What to do with commands. DEVICE is a deviceId or a nodeId.
#[derive(Debug, Subcommand)]
pub enum Action {
    /// Queue a command; it goes out at once where the device can hear it, else when the device comes
    Send(Box<Send>),
    /// List the commands of a device, newest first
    List {
        /// deviceId or nodeId
        device: String,
        /// Made later than this time in UTC
        #[arg(long)]
        after: Option<String>,
        /// Made earlier than this time in UTC
        #[arg(long)]
        before: Option<String>,
        #[command(flatten)]
        paging: Paging,
    },
    /// Show a command
    Show {
        /// commandId
        command: String,
    },
    /// Cancel a command that was not sent yet
    Cancel {
        /// commandId
        command: String,
    },
}

/// A command to be queued.
#[derive(Args, Debug)]
pub struct Send {
    /// deviceId or nodeId
    device: String,
    /// Service of the product
    service: String,
    /// Command of the service
    command: String,
    /// Parameters; a value that is no JSON is taken as text
    #[arg(value_name = "NAME=VALUE")]
    paras: Vec<String>,
    /// Seconds for which it may wait; 0: now or never; default: that of the server
    #[arg(long, value_name = "SECONDS")]
    expire: Option<u32>,
    /// Sends after the first, 0 to 3
    #[arg(long, value_name = "N", default_value_t = 0)]
    retransmit: u8,
    /// Address that takes a push on every change of state
    #[arg(long, value_name = "URL")]
    callback: Option<String>,
}

impl Action {
    pub(super) async fn run(&self, client: &Client, out: &Output) -> Done {
        match self {
            Self::Send(send) => {
                let path = format!("{}/commands", path(client, &send.device).await?);
                out.record(&client.post(&path, &[], send.body()?).await?);
            }
            Self::List { device, after, before, paging } => {
                let mut query = paging.query();
                query.extend([("after", after.clone()), ("before", before.clone())]);
                out.list(&client.get(&format!("{}/commands", path(client, device).await?), &query).await?, COLUMNS);
            }
            Self::Show { command } => out.record(&client.get(&format!("/commands/{}", encoded(command)), &[]).await?),
            Self::Cancel { command } => {
                let path = format!("/commands/{}/cancel", encoded(command));
                out.record(&client.post(&path, &[], json!({})).await?);
            }
        }
        Ok(())
    }
}

impl Send {
    fn body(&self) -> Done<Value> {
        Ok(json!({
            "serviceId": self.service,
            "method": self.command,
            "paras": values(&self.paras)?,
            "expireSeconds": self.expire,
            "maxRetransmit": self.retransmit,
            "callbackUrl": self.callback,
        }))
    }
}

/// `NAME=VALUE` pairs as an object; a value that is no JSON is taken as text.
pub(super) fn values(pairs: &[String]) -> Done<Map<String, Value>> {
    let pair = |text: &String| {
        let (name, value) = text.split_once('=').ok_or_else(|| Failure::new(format!("{text} must be NAME=VALUE")))?;
        Ok((name.to_owned(), serde_json::from_str(value).unwrap_or_else(|_| value.into())))
    };
    pairs.iter().map(pair).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_json_or_text() {
        let pairs = ["n=1.5", "on=true", "text=two words", "quoted=\"7\"", "empty=", "eq=a=b"].map(str::to_owned);
        let expected = json!({ "n": 1.5, "on": true, "text": "two words", "quoted": "7", "empty": "", "eq": "a=b" });
        assert_eq!(Value::Object(values(&pairs).unwrap()), expected);
        assert_eq!(values(&["x".to_owned()]), Err(Failure::new("x must be NAME=VALUE")));
    }
}
