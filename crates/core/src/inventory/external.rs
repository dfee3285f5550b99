//! Other names of objects. The nodeId of a device is its `c8y_Serial` where nothing else was registered for it.

use super::{ManagedObject, plan, unknown};
use crate::{Core, Permission, UserCaller};
use landfall_model::{Cause, Error, ExternalId, ObjectId, Result, Write};

/// The type of name that the nodeId of a device stands for.
const SERIAL: &str = "c8y_Serial";

impl Core {
    /// The object that has a name, of those that the user reaches. `ResourceNotFound`.
    pub async fn external(&self, caller: &UserCaller, kind: &str, value: &str) -> Result<ManagedObject> {
        caller.need(Permission::See)?;
        let name = ExternalId { account: caller.account(), kind: kind.to_owned(), value: value.to_owned() };
        let id = self.object_with_name(&name).await?.ok_or_else(unknown)?;
        self.reached_object(caller, id).await
    }

    /// The object of an account that has a name, whoever asks.
    pub(crate) async fn object_with_name(&self, name: &ExternalId) -> Result<Option<ObjectId>> {
        match self.store.object_named(name).await? {
            Some(id) => Ok(Some(id)),
            None => self.device_called(name).await,
        }
    }

    /// The device that is found by its nodeId, as it has no other name.
    pub(crate) async fn device_called(&self, name: &ExternalId) -> Result<Option<ObjectId>> {
        if name.kind != SERIAL {
            return Ok(None);
        }
        let (account, node_id) = (name.account, &name.value);
        let device = self.store.device_by_node(node_id).await?.filter(|device| device.account == account);
        let Some(id) = device.map(|device| ObjectId::of_device(device.id)) else { return Ok(None) };
        Ok(self.store.external_ids(id).await?.is_empty().then_some(id))
    }

    /// Names an object. `ResourceNotFound`, `InvalidField`, `NameTaken` where an object has the name, `TooMany`, `Forbidden`.
    pub async fn bind_external(&self, caller: &UserCaller, id: ObjectId, kind: &str, value: &str) -> Result<ExternalId> {
        caller.need(Permission::Speak)?;
        let object = self.reached_object(caller, id).await?;
        let name = ExternalId { account: object.account(), kind: kind.to_owned(), value: value.to_owned() };
        plan::check_external(&name)?;
        let holder = self.store.object_named(&name).await?;
        if holder.is_some() || self.object_with_name(&name).await?.is_some_and(|holder| holder != id) {
            return Err(Error::new(Cause::NameTaken, "an object has this external id"));
        }
        self.store.commit(crate::batch(vec![Write::ExternalId(Box::new((name.clone(), id)))], vec![])).await?;
        Ok(name)
    }

    /// Takes a name from the object that has it. `ResourceNotFound`, `Forbidden`.
    pub async fn unbind_external(&self, caller: &UserCaller, kind: &str, value: &str) -> Result<()> {
        caller.need(Permission::Speak)?;
        let name = ExternalId { account: caller.account(), kind: kind.to_owned(), value: value.to_owned() };
        let id = self.store.object_named(&name).await?.ok_or_else(unknown)?;
        self.reached_object(caller, id).await?;
        self.store.commit(crate::batch(vec![Write::DeleteExternalId(Box::new(name))], vec![])).await.map(|_| ())
    }

    /// The other names of an object, by kind. `ResourceNotFound`.
    pub async fn external_ids(&self, caller: &UserCaller, id: ObjectId) -> Result<Vec<ExternalId>> {
        caller.need(Permission::See)?;
        let object = self.reached_object(caller, id).await?;
        let mut names = self.store.external_ids(id).await?;
        if let (true, Some(device)) = (names.is_empty(), object.device()) {
            names.push(ExternalId { account: device.account, kind: SERIAL.into(), value: device.node_id.clone() });
        }
        Ok(names)
    }
}
