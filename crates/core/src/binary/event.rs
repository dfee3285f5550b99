//! Files of events, one of each.

use super::{Upload, no_file};
use crate::{Core, Permission, UserCaller, batch, device_event, turns::Record};
use landfall_model::{Batch, Binary, BinaryOf, Cause, Device, DeviceEvent, DeviceEventId, Error, EventBody, Result, Write};
use serde_json::{Map, Value, json};

/// The fragment of an event that tells of its file.
const IS_BINARY: &str = "c8y_IsBinary";

impl Core {
    /// The file of an event that the caller reaches. `Forbidden`, `ResourceNotFound`.
    pub async fn event_binary(&self, caller: &UserCaller, id: DeviceEventId) -> Result<Binary> {
        self.device_event(caller, id).await?;
        self.file_of(caller, BinaryOf::Event(id)).await
    }

    /// Whether an event that the caller may speak for has a file. `Forbidden`, `ResourceNotFound`.
    pub async fn event_has_binary(&self, caller: &UserCaller, id: DeviceEventId) -> Result<bool> {
        caller.need(Permission::Speak)?;
        self.device_event(caller, id).await?;
        Ok(self.store.binary_of(BinaryOf::Event(id)).await?.is_some())
    }

    /// Keeps a file that has come with an event: a first one, or with `replace` one in the place of another. `Forbidden`, `ResourceNotFound`,
    /// `ResourceExists`.
    pub async fn keep_event_binary(&self, caller: &UserCaller, id: DeviceEventId, upload: &Upload, replace: bool) -> Result<()> {
        let file = &upload.binary;
        let shown = json!({ "name": file.name, "type": file.media_type, "length": file.bytes });
        self.with_event(caller, id, shown, || {
            Box::pin(async move {
                match (self.event_has_binary(caller, id).await?, replace) {
                    (true, false) => Err(Error::new(Cause::ResourceExists, "the event has a file already")),
                    (false, true) => Err(no_file()),
                    _ => self.completed(upload, BinaryOf::Event(id)).await,
                }
            })
        })
        .await
    }

    /// Deletes the file of an event. `Forbidden`, `ResourceNotFound`.
    pub async fn delete_event_binary(&self, caller: &UserCaller, id: DeviceEventId) -> Result<()> {
        self.with_event(caller, id, Value::Null, || {
            Box::pin(async move {
                let file = self.event_binary(caller, id).await?;
                Ok(batch(vec![Write::DeleteBinary(file.id)], vec![]))
            })
        })
        .await
    }

    /// Commits what is done to the file of an event with what the event then shows of it.
    async fn with_event<'a>(
        &'a self,
        caller: &'a UserCaller,
        id: DeviceEventId,
        shown: Value,
        done: impl Fn() -> Doing<'a> + Send + Sync,
    ) -> Result<()> {
        caller.need(Permission::Speak)?;
        let device = self.device_event(caller, id).await?.device;
        let (done, shown) = (&done, &shown);
        self.decide(&[Record::Device(device)], || {
            Box::pin(async move {
                let event = self.device_event(caller, id).await?;
                let device = self.reached_device(caller, device).await?;
                let mut whole = done().await?;
                whole.merge(self.showing(&device, &event, shown));
                Ok((whole, ()))
            })
        })
        .await
    }

    fn showing(&self, device: &Device, event: &DeviceEvent, shown: &Value) -> Batch {
        let mut fragments: Map<String, Value> = serde_json::from_str(&event.fragments).unwrap_or_default();
        match shown {
            Value::Null => drop(fragments.remove(IS_BINARY)),
            shown => drop(fragments.insert(IS_BINARY.to_owned(), shown.clone())),
        }
        let (version, fragments, modified_at) = (event.version + 1, Value::Object(fragments).to_string(), self.now());
        let next = Box::new(DeviceEvent { version, fragments, modified_at, ..event.clone() });
        let told = device_event(device, next.modified_at, EventBody::DeviceEvent(next.clone()));
        batch(vec![Write::DeviceEvent(next)], vec![told])
    }
}

type Doing<'a> = std::pin::Pin<Box<dyn Future<Output = Result<Batch>> + Send + 'a>>;
