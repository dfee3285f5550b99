//! Files that are objects of the inventory.
//!
//! Every user of an account may read them, also a device that does not own them: firmware is one. Who made one may change and delete it, and
//! administrators.

use super::{Upload, no_file};
use crate::{Core, ManagedObject, NewObject, Permission, UserCaller, inventory::plan, turns::Record};
use landfall_model::{Batch, Binary, BinaryOf, Cause, Error, Object, ObjectId, ObjectOf, Result, Write};
use serde_json::{Map, Value, json};
use std::sync::Arc;

/// Marks an object that is a file.
const IS_BINARY: &str = "c8y_IsBinary";
/// Marks that such an object does not have.
const OTHERS: [&str; 2] = ["c8y_IsDevice", "c8y_IsDeviceGroup"];

impl Core {
    /// Makes an object of a file that has come. `Forbidden`, `InvalidField`, `ContentTooLarge`.
    pub async fn create_binary_object(&self, caller: &UserCaller, upload: &Upload, new: NewObject) -> Result<ManagedObject> {
        caller.need(Permission::Speak)?;
        if let Some(mark) = OTHERS.into_iter().find(|mark| new.fragments.contains_key(*mark)) {
            return Err(Error::invalid(mark, "an object that is a file is nothing else"));
        }
        let mut fragments = new.fragments;
        describe(&mut fragments, &upload.binary);
        let owner = Some(caller.user().name.to_string());
        let new = NewObject { kind: new.kind, name: new.name, owner, fragments, ..NewObject::default() };
        let id = ObjectId::stamped(self.stamp());
        let record = plan::record(id, caller.account(), ObjectOf::Itself, new, self.now())?;
        let mut whole = self.completed(upload, BinaryOf::Object(id)).await?;
        whole.writes.push(Write::Object(Box::new(record.clone())));
        self.store.commit(whole).await?;
        Ok(ManagedObject::of_record(Arc::new(record)))
    }

    /// An object that is a file, and the file. `Forbidden`, `ResourceNotFound`.
    pub async fn binary_object(&self, caller: &UserCaller, id: ObjectId) -> Result<(ManagedObject, Binary)> {
        caller.need(Permission::See)?;
        let object = self.object_of(caller.account(), id).await?.ok_or_else(no_file)?;
        Ok((object, self.file_of(caller, BinaryOf::Object(id)).await?))
    }

    /// The same for somebody who wants to change or delete it. `Forbidden`, `ResourceNotFound`.
    pub async fn own_binary_object(&self, caller: &UserCaller, id: ObjectId) -> Result<(ManagedObject, Binary)> {
        caller.need(Permission::Speak)?;
        let found = self.binary_object(caller, id).await?;
        if found.0.owner() != Some(&*caller.user().name) {
            caller.need(Permission::Administer)?;
        }
        Ok(found)
    }

    /// Puts a file that has come in the place of that of an object. `Forbidden`, `ResourceNotFound`.
    pub async fn replace_binary_object(&self, caller: &UserCaller, id: ObjectId, upload: &Upload) -> Result<ManagedObject> {
        self.decide(&[Record::Object(id)], || {
            Box::pin(async move {
                let (object, _) = self.own_binary_object(caller, id).await?;
                let before = object.record().ok_or_else(no_file)?;
                let mut fragments = object.fragments();
                describe(&mut fragments, &upload.binary);
                let fragments = Value::Object(fragments).to_string();
                let record = Object { version: before.version + 1, fragments, modified_at: self.now(), ..(**before).clone() };
                let mut whole = self.completed(upload, BinaryOf::Object(id)).await?;
                whole.writes.push(Write::Object(Box::new(record.clone())));
                Ok((whole, ManagedObject::of_record(Arc::new(record))))
            })
        })
        .await
    }

    /// Deletes an object with its file, and what was added to it. `Forbidden`, `ResourceNotFound`.
    pub async fn delete_binary_object(&self, caller: &UserCaller, id: ObjectId) -> Result<()> {
        self.own_binary_object(caller, id).await?;
        match self.delete_object(caller, id, false).await {
            Err(error) if error.cause == Cause::ResourceNotFound => Err(no_file()),
            done => done,
        }
    }

    /// With an object goes its file.
    pub(crate) async fn without_file(&self, of: BinaryOf) -> Result<Batch> {
        let file = self.store.binary_of(of).await?;
        Ok(crate::batch(file.map(|file| Write::DeleteBinary(file.id)).into_iter().collect(), vec![]))
    }
}

fn describe(fragments: &mut Map<String, Value>, file: &Binary) {
    fragments.entry(IS_BINARY).or_insert_with(|| json!({}));
    fragments.insert("contentType".into(), file.media_type.as_str().into());
    fragments.insert("length".into(), file.bytes.into());
}
