//! Messages to a device through its `outgoing-msg` container: asked one after the other, moved to `sent-msg`, answered in `received-msg`
//! (D2C, device-communication).
//!
//! A message is a text: `GET /3/0`, `DISCOVER /3`, `PUT /1/0/1 300`, `POST /3/0/4 0='now'`, `OBSERVE /3303/0/5700`, `CANCEL /3303/0/5700`.

use crate::{
    Core, DeviceCaller, NodeFault, Outcome, Step, Target, Wake, Work, WorkOf,
    onem2m::edit::{changed_node, follow_labels},
    turns::Record,
};
use landfall_model::{
    Batch, Cause, Device, DevicePart, Error, Instance, MessageBox, NodeObservation, ResourceId, Result, Sort, Write,
};
use std::sync::Arc;

/// Resources that applications may observe at one device.
const OBSERVED: usize = 64;

/// A message, understood.
#[derive(Clone, Debug, PartialEq)]
enum Order {
    Ask(Step),
    Observe(String),
    Cancel(String),
}

impl Core {
    /// The next message for a device. What is wrong with one is told in `error-msg`, and the next one's turn has come; one whose application
    /// may not act for the device any more goes no further than that. A message is in `sent-msg` when this returns.
    pub(crate) async fn next_message(&self, device: &Arc<Device>) -> Result<Option<Work>> {
        if device.node.is_none() {
            return Ok(None);
        }
        let container = ResourceId::of_device(device.id, DevicePart::Box(MessageBox::Outgoing));
        loop {
            let Some(message) = self.store.end_instance(container, self.now(), Sort::Ascending).await? else { return Ok(None) };
            if let Some(reason) = self.bar_at(device, message.by).await? {
                self.refused(device, "message.rights", &Error::new(Cause::Forbidden, reason));
                let mut whole = self.faulted(device, NodeFault::ProcessNotification, &text_of(&message)).await?;
                whole.writes.push(Write::DeleteInstance(message.id));
                self.store.commit(whole).await?;
                continue;
            }
            let order = parse(&text_of(&message));
            let whole = self.moved_to_sent(device, &message).await?;
            self.store.commit(whole).await?;
            match order {
                Ok(Order::Ask(step)) => return Ok(Some(Work { of: WorkOf::Message(message.id), steps: vec![step] })),
                Ok(Order::Observe(path)) => self.observe(device, &path, true).await?,
                Ok(Order::Cancel(path)) => self.observe(device, &path, false).await?,
                Err(_) => self.fault(device, NodeFault::ProcessNotification, &text_of(&message)).await?,
            }
        }
    }

    async fn moved_to_sent(&self, device: &Arc<Device>, message: &Instance) -> Result<Batch> {
        let Some(account) = self.store.account(device.account).await? else { return Ok(Batch::default()) };
        let within = Target::Box(device.clone(), MessageBox::Sent);
        let same = crate::NewInstance {
            name: Some(message.name.clone()),
            content: message.content.clone(),
            size: message.size,
            format: message.format.clone(),
            labels: message.labels.clone(),
            other: message.other.clone(),
            expires_at: None,
        };
        // It keeps its id: who sent it asks for it by that.
        let mut whole = Batch { writes: vec![Write::DeleteInstance(message.id)], events: vec![] };
        let moved = self.new_append(message.id, account.id, &within, message.creator.clone(), same)?;
        let appended = self.append_batch(&account, &within, moved).await?;
        whole.merge(appended);
        Ok(whole)
    }

    /// Begins or ends an observation on behalf of applications.
    async fn observe(&self, device: &Arc<Device>, path: &str, wanted: bool) -> Result<()> {
        let random = self.random_16();
        let id = device.id;
        let full = self
            .decide(&[Record::Device(id)], || {
                Box::pin(async {
                    let Some(device) = self.store.device(id).await? else { return Ok((Batch::default(), false)) };
                    let mut full = false;
                    let now = self.now();
                    let (next, mut whole) = changed_node(&device, now, |device, node| {
                        let label = format!("d2c_resource_{path}:");
                        node.observed.retain(|one| one.path != path);
                        node.labels.retain(|one| !one.starts_with(&label));
                        full = wanted && node.observed.len() >= OBSERVED;
                        if wanted && !full {
                            let id = uuid::Builder::from_random_bytes(random).into_uuid().to_string();
                            node.observed.push(NodeObservation { path: path.to_owned(), id });
                        }
                        follow_labels(&device.node_id, node);
                        Ok(())
                    })?;
                    whole.merge(self.node_changed(&device, &Arc::new(next), None, now).await?);
                    Ok((whole, full))
                })
            })
            .await?;
        if full {
            return self.fault(device, NodeFault::CreateSubscription, path).await;
        }
        self.live.wake(id, Wake::ObserveAnew);
        Ok(())
    }

    /// What became of a message: the answer goes to `received-msg`, a refusal or silence to `error-msg`.
    pub async fn message_outcome(&self, caller: &DeviceCaller, outcome: Outcome) -> Result<()> {
        let device = self.caller_device(caller).await?;
        match outcome {
            Outcome::Done(data) => {
                let whole = self.received(&device, &data).await?;
                self.store.commit(whole).await.map(|_| ())
            }
            Outcome::Refused(data) | Outcome::Failed(data) => self.fault(&device, NodeFault::ProcessNotification, &data).await,
            Outcome::Unanswered => self.fault(&device, NodeFault::GetDeviceData, "").await,
            Outcome::Delivered => Ok(()),
        }
    }
}

/// The content of a message: a JSON text as it is, anything else as JSON.
fn text_of(message: &Instance) -> String {
    serde_json::from_str::<String>(&message.content).unwrap_or_else(|_| message.content.clone())
}

fn parse(text: &str) -> Result<Order> {
    let wrong = || Error::invalid("con", "must be GET, DISCOVER, PUT, POST, OBSERVE or CANCEL, a path, and what belongs to it");
    let (method, rest) = text.trim().split_once(' ').ok_or_else(wrong)?;
    let (path, rest) = rest.trim_start().split_once(' ').unwrap_or((rest.trim(), ""));
    let levels = path.strip_prefix('/').ok_or_else(wrong)?;
    if levels.split('/').count() > 4 || !levels.split('/').all(|level| level.parse::<u16>().is_ok()) {
        return Err(wrong());
    }
    let (path, rest) = (path.to_owned(), rest.trim());
    Ok(match (method.to_ascii_uppercase().as_str(), rest.is_empty()) {
        ("GET", true) => Order::Ask(Step::Read { path }),
        ("DISCOVER", true) => Order::Ask(Step::Discover { path }),
        ("OBSERVE", true) => Order::Observe(path),
        ("CANCEL", true) => Order::Cancel(path),
        ("PUT", false) => {
            let is_json = serde_json::from_str::<serde_json::Value>(rest).is_ok();
            let value = if is_json { rest.to_owned() } else { serde_json::Value::from(rest).to_string() };
            Order::Ask(Step::Write { path, data_type: String::new(), value })
        }
        ("POST", _) => {
            let arguments = rest.split(',').filter(|one| !one.is_empty()).map(|one| serde_json::Value::from(one).to_string());
            Order::Ask(Step::Execute { path, arguments: arguments.take(10).collect() })
        }
        _ => return Err(wrong()),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_are_read_or_refused() {
        let path = || "/3/0".to_owned();
        let write =
            |value: &str| Order::Ask(Step::Write { path: "/1/0/1".into(), data_type: String::new(), value: value.into() });
        let cases = [
            ("GET /3/0", Some(Order::Ask(Step::Read { path: path() }))),
            (" get  /3/0 ", Some(Order::Ask(Step::Read { path: path() }))),
            ("DISCOVER /3/0", Some(Order::Ask(Step::Discover { path: path() }))),
            ("PUT /1/0/1 300", Some(write("300"))),
            ("PUT /1/0/1 on air", Some(write("\"on air\""))),
            ("POST /3/0", Some(Order::Ask(Step::Execute { path: path(), arguments: vec![] }))),
            ("POST /3/0 a,5", Some(Order::Ask(Step::Execute { path: path(), arguments: vec!["\"a\"".into(), "\"5\"".into()] }))),
            ("OBSERVE /3/0", Some(Order::Observe(path()))),
            ("CANCEL /3/0", Some(Order::Cancel(path()))),
            ("", None),
            ("GET", None),
            ("GET 3/0", None),
            ("GET /3/x", None),
            ("GET /3/0/1/2/3", None),
            ("GET /70000", None),
            ("GET /3/0 more", None),
            ("PUT /3/0", None),
            ("DELETE /3/0", None),
        ];
        for (text, expected) in cases {
            assert_eq!(parse(text).ok(), expected, "{text:?}");
        }
    }
}
