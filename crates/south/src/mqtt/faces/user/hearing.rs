//! What a device says, carried out: at its object, as reports, alarms and events, and at its operations.

use super::{
    own::Own,
    platform::{self, Found, Service},
    said::{Fragments, Progress, Said, Which},
    smartrest::csv,
    topics,
};
use crate::mqtt::Mqtt;
use landfall_core::NewMeasurement;
use landfall_model::{Cause, DeviceId, Error, ObjectId, Result};
use serde_json::{Map, Value, json};

/// A client that speaks about one device.
pub(super) struct Hearing<'a> {
    pub(super) own: &'a Own,
    pub(super) mqtt: &'a Mqtt,
    /// The ids of the topic, each below the one before; none: the client's own device.
    pub(super) path: &'a [&'a str],
}

impl Hearing<'_> {
    /// Carries a statement out. The error's detail is for the device.
    pub(super) async fn take(&self, said: Said) -> Result<()> {
        let (core, user) = (&self.mqtt.core, &self.own.user);
        match said {
            Said::Made { name, kind } => self.make(name, kind).await,
            Said::Child { id, name, kind } => self.make_child(&id, name, kind).await,
            Said::Service { id, kind, name, status } => {
                let above = self.device().await?;
                platform::service(core, user, above, &id, Service { kind, name, status }).await
            }
            Said::Children => {
                let ids = platform::ids_behind(core, user, self.device().await?).await?;
                self.answer(["106".to_owned()].into_iter().chain(ids));
                Ok(())
            }
            Said::WhoAmI => {
                let object = self.object().await?;
                self.answer(["124".to_owned(), object.to_string()]);
                Ok(())
            }
            Said::Heartbeat => self.heartbeat().await,
            Said::Has(fragments) => self.change(fragments).await,
            Said::HasAtFirst(fragments) => self.change_at_first(fragments).await,
            Said::Profile { executed, id } => self.profile(executed, id).await,
            Said::Installed(software) => self.change_software(|list| installed(list, software)).await,
            Said::Removed(software) => self.change_software(|list| removed(list, &software)).await,
            Said::Measured(measurement) => self.measured(vec![measurement]).await,
            Said::Alarm(alarm) => core.raise_alarm(user, self.device().await?, alarm).await.map(|_| ()),
            Said::AlarmIs { kind, change } => {
                let device = self.device().await?;
                core.change_alarm_of_kind(user, device, &kind, &change).await.map(|_| ())
            }
            Said::Event { event, also } => {
                let fragments = event.fragments.clone();
                core.tell_event(user, self.device().await?, event).await?;
                if also { self.change(fragments).await } else { Ok(()) }
            }
            Said::EventHas { kind, fragments } => platform::change_event(core, user, self.device().await?, kind, fragments).await,
            Said::Pending => {
                self.device().await?;
                self.own.told.lock().clear();
                self.own.outbox.want();
                Ok(())
            }
            Said::Operation { which, progress } => self.progress(&which, progress).await,
            Said::Failed { fragment, reason } => {
                platform::fail_all(core, user, self.device().await?, fragment.as_deref(), reason.as_deref()).await
            }
        }
    }

    /// Keeps measurements, all or none.
    pub(super) async fn measured(&self, measurements: Vec<NewMeasurement>) -> Result<()> {
        let device = self.device().await?;
        let all: Vec<_> = measurements.into_iter().map(|measurement| (device, measurement)).collect();
        self.mqtt.core.measure(&self.own.user, &all).await.map(|_| ())
    }

    /// Changes fragments of the object; `null` takes one away.
    pub(super) async fn change(&self, fragments: Fragments) -> Result<()> {
        platform::change(&self.mqtt.core, &self.own.user, self.object().await?, fragments).await
    }

    /// Makes the device of the topic, which must not be there.
    async fn make(&self, name: Option<String>, kind: Option<String>) -> Result<()> {
        let id = self.path.last().copied().unwrap_or(&self.own.id);
        if self.path.is_empty() && self.own.device().is_some() || self.known(id).await?.is_some() {
            return Err(Error::new(Cause::NameTaken, "Device already existing"));
        }
        match self.path.split_last() {
            None => self.make_own(name, kind).await.map(|_| ()),
            Some((_, above)) => self.make_behind(above, id, name, kind).await.map(|_| ()),
        }
    }

    async fn make_child(&self, id: &str, name: Option<String>, kind: Option<String>) -> Result<()> {
        match self.known(id).await? {
            Some(Found::Device(device)) => {
                platform::put_behind(&self.mqtt.core, &self.own.user, self.device().await?, device).await?;
                self.own.remember(self.mqtt, device, id);
                Ok(())
            }
            Some(Found::Other(_)) => Err(Error::new(Cause::NameTaken, "the id is that of an object which is no device")),
            None => self.make_behind(self.path, id, name, kind).await.map(|_| ()),
        }
    }

    async fn make_own(&self, name: Option<String>, kind: Option<String>) -> Result<DeviceId> {
        let id = &self.own.id;
        let name = name.unwrap_or_else(|| format!("MQTT Device {id}"));
        let kind = kind.unwrap_or_else(|| "c8y_MQTTDevice".into());
        let device = platform::make(&self.mqtt.core, &self.own.user, None, id, name, kind).await?;
        self.own.arrive(self.mqtt, &device).await?;
        Ok(device.id)
    }

    /// Makes a device below that of a path.
    async fn make_behind(&self, above: &[&str], id: &str, name: Option<String>, kind: Option<String>) -> Result<DeviceId> {
        let above = Hearing { path: above, ..*self };
        let above = Box::pin(above.device()).await?;
        let name = name.unwrap_or_else(|| format!("MQTT Device {id}"));
        let kind = kind.unwrap_or_else(|| "c8y_MQTTChildDevice".into());
        let device = platform::make(&self.mqtt.core, &self.own.user, Some(above), id, name, kind).await?;
        self.own.remember(self.mqtt, device.id, id);
        Ok(device.id)
    }

    async fn known(&self, id: &str) -> Result<Option<Found>> {
        platform::find(&self.mqtt.core, &self.own.user, id).await
    }

    /// What the topic names. The own device and those right behind it are made where they are not there.
    async fn found(&self) -> Result<Found> {
        let Some(id) = self.path.last() else {
            let device = match self.own.device() {
                Some(own) => own.device(),
                None => match self.known(&self.own.id).await? {
                    Some(Found::Device(device)) => {
                        self.own.arrive(self.mqtt, &*self.mqtt.core.reached_device(&self.own.user, device).await?).await?;
                        device
                    }
                    Some(Found::Other(_)) => {
                        return Err(Error::new(Cause::NameTaken, "the id is that of an object which is no device"));
                    }
                    None => self.make_own(None, None).await?,
                },
            };
            return Ok(Found::Device(device));
        };
        match self.known(id).await? {
            Some(Found::Device(device)) => {
                self.own.remember(self.mqtt, device, id);
                Ok(Found::Device(device))
            }
            Some(other) => Ok(other),
            None if self.path.len() == 1 => Ok(Found::Device(self.make_behind(&[], id, None, None).await?)),
            None => {
                let detail = "there is no such device; make it with 101 on the topic of the one above it";
                Err(Error::new(Cause::DeviceNotFound, detail))
            }
        }
    }

    async fn device(&self) -> Result<DeviceId> {
        match self.found().await? {
            Found::Device(device) => Ok(device),
            Found::Other(_) => Err(Error::new(Cause::DeviceNotFound, "the id is that of an object which is no device")),
        }
    }

    async fn object(&self) -> Result<ObjectId> {
        self.found().await.map(|found| found.object())
    }

    fn answer(&self, values: impl IntoIterator<Item = String>) {
        self.own.outbox.post(topics::OPERATIONS, csv::written(values));
    }

    async fn heartbeat(&self) -> Result<()> {
        let (core, user) = (&self.mqtt.core, &self.own.user);
        let device = core.reached_device(user, self.device().await?).await?;
        core.heard_from(user, &device).await
    }

    async fn change_at_first(&self, mut fragments: Fragments) -> Result<()> {
        let object = self.object().await?;
        let known = platform::fragments(&self.mqtt.core, &self.own.user, object).await?;
        fragments.retain(|name, _| !known.contains_key(name));
        if fragments.is_empty() {
            return Ok(());
        }
        platform::change(&self.mqtt.core, &self.own.user, object, fragments).await
    }

    async fn change_software(&self, change: impl FnOnce(&mut Vec<Value>)) -> Result<()> {
        let object = self.object().await?;
        let mut known = platform::fragments(&self.mqtt.core, &self.own.user, object).await?;
        let mut list = match known.remove("c8y_SoftwareList") {
            Some(Value::Array(list)) => list,
            _ => vec![],
        };
        change(&mut list);
        platform::change(&self.mqtt.core, &self.own.user, object, one("c8y_SoftwareList", list.into())).await
    }

    async fn profile(&self, executed: bool, id: Option<String>) -> Result<()> {
        let mut profile = fragments(json!({"profileExecuted": executed}));
        match id {
            Some(id) => {
                profile.insert("profileId".into(), id.into());
            }
            None => {
                let device = self.device().await?;
                let going_on = platform::executing(&self.mqtt.core, &self.own.user, device, "c8y_DeviceProfile").await?;
                let about = going_on
                    .into_iter()
                    .flat_map(|operation| operation.fragments)
                    .filter(|(name, _)| matches!(&**name, "profileId" | "profileName"));
                profile.extend(about);
            }
        }
        self.change(one("c8y_Profile", profile.into())).await
    }

    /// Takes a step of an operation, and does what its end means for the object.
    async fn progress(&self, which: &Which, progress: Progress) -> Result<()> {
        let (core, user, device) = (&self.mqtt.core, &self.own.user, self.device().await?);
        let ended = platform::progress(core, user, device, which, &progress).await?;
        let Progress::Successful(results) = progress else { return Ok(()) };
        let changes = consequences(&ended.fragments, results, &core.now().iso());
        if changes.is_empty() {
            return Ok(());
        }
        platform::change(core, user, ObjectId::of_device(ended.device), changes).await
    }
}

/// What the end of an operation means for the object of its device.
fn consequences(operation: &Fragments, results: Vec<String>, now: &str) -> Fragments {
    let mut changes = Fragments::new();
    if operation.contains_key("c8y_RelayArray") && !results.is_empty() {
        changes.insert("c8y_RelayArray".into(), results.clone().into());
    }
    if let Some(mode) = operation.get("c8y_CommunicationMode") {
        changes.insert("c8y_CommunicationMode".into(), mode.clone());
    }
    if let Some(dump) = operation.get("c8y_DownloadConfigFile").and_then(|file| file.get("c8y_ConfigurationDump")) {
        let time = results.into_iter().next().unwrap_or_else(|| now.to_owned());
        changes.insert("c8y_ConfigurationDump".into(), json!({"id": dump.get("id"), "time": time}));
    }
    changes
}

fn one(name: &str, value: Value) -> Fragments {
    Map::from_iter([(name.to_owned(), value)])
}

fn fragments(value: Value) -> Fragments {
    if let Value::Object(fragments) = value { fragments } else { Map::new() }
}

fn installed(list: &mut Vec<Value>, software: Vec<Value>) {
    for one in software {
        list.retain(|known| known.get("name") != one.get("name"));
        list.push(one);
    }
}

fn removed(list: &mut Vec<Value>, software: &[(String, String)]) {
    let is_one = |known: &Value, (name, version): &(String, String)| {
        known.get("name").is_some_and(|known| known == name)
            && (version.is_empty() || known.get("version").is_some_and(|known| known == version))
    };
    list.retain(|known| !software.iter().any(|one| is_one(known, one)));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn software_is_added_and_taken_away() {
        let item = |name: &str, version: &str| json!({"name": name, "version": version});
        let mut list = vec![item("a", "1"), item("b", "1")];
        installed(&mut list, vec![item("b", "2"), item("c", "1")]);
        assert_eq!(list, [item("a", "1"), item("b", "2"), item("c", "1")]);
        let removes =
            |pairs: &[(&str, &str)]| pairs.iter().map(|(name, version)| ((*name).into(), (*version).into())).collect::<Vec<_>>();
        removed(&mut list, &removes(&[("a", "9"), ("b", "2"), ("c", ""), ("d", "")]));
        assert_eq!(list, [item("a", "1")]);
    }

    #[test]
    fn an_operation_that_is_done_changes_the_object() {
        let after = |operation: Value, results: &[&str]| {
            Value::Object(consequences(&fragments(operation), results.iter().map(|result| (*result).into()).collect(), "now"))
        };
        let mode = json!({"c8y_CommunicationMode": {"mode": "SMS"}});
        let dump = json!({"c8y_DownloadConfigFile": {"url": "u", "c8y_ConfigurationDump": {"id": "7"}}});
        assert_eq!(
            after(json!({"c8y_RelayArray": ["OPEN"]}), &["OPEN", "CLOSED"]),
            json!({"c8y_RelayArray": ["OPEN", "CLOSED"]})
        );
        assert_eq!(after(mode.clone(), &[]), mode);
        assert_eq!(after(dump.clone(), &[]), json!({"c8y_ConfigurationDump": {"id": "7", "time": "now"}}));
        assert_eq!(after(dump, &["then"]), json!({"c8y_ConfigurationDump": {"id": "7", "time": "then"}}));
        assert_eq!(after(json!({"c8y_Command": {"text": "ls"}}), &["out"]), json!({}));
    }
}
