//! Templates of a tenant's own: made, asked for, and used by lines. They are objects of the inventory, and all devices of the tenant may use them.

use super::{
    carrying::{Carrying, Taken},
    platform,
    smartrest::{
        collection::{Call, Collection},
        csv,
    },
    topics::{self, Topic},
};
use landfall_model::{Cause, Error, ObjectId, Result};

impl Carrying<'_> {
    /// Makes a collection of the lines of a message; of an empty one, tells whether there is one.
    pub(super) async fn make_collection(&self, topic: &Topic<'_>, name: &str, text: &str) -> Taken {
        let (core, user) = (&self.mqtt.core, &self.own.user);
        let done = async {
            if !text.trim().is_empty() {
                let collection = Collection::read(text).map_err(|why| Error::new(Cause::PayloadInvalid, why))?;
                return platform::make_collection(core, user, name, &collection).await;
            }
            let line = match platform::collection(core, user, name).await? {
                Some((object, _)) => csv::written(["20", name, &object.to_string()]),
                None => csv::written(["41", name]),
            };
            self.own.outbox.post(topics::COLLECTIONS, line);
            Ok(())
        };
        match done.await {
            Ok(()) => Ok(true),
            Err(error) => self.refused(topic, name, &error),
        }
    }

    /// Carries lines out by the templates of a collection; `None`: the default one of the clientId.
    pub(super) async fn own_lines(&self, topic: &Topic<'_>, name: Option<&str>, text: &str) -> Taken {
        let none = || Error::new(Cause::ResourceNotFound, "there is no template collection of this name");
        let (name, answers_on) = match (name, self.own.collection.as_deref()) {
            (Some(name), _) => (name, format!("{}{name}", topics::OWN)),
            (None, Some(name)) => (name, topics::OWN_DEFAULT.to_owned()),
            (None, None) => return self.refused(topic, "", &none()),
        };
        let collection = match platform::collection(&self.mqtt.core, &self.own.user, name).await {
            Ok(Some((_, collection))) => Ok(collection),
            Ok(None) => Err(none()),
            Err(error) => Err(error),
        };
        let mut whole = true;
        for line in csv::lines(text) {
            let id = line.as_ref().map_or_else(|unread| unread.id.to_string(), |line| line.id().to_owned());
            let taken = match (&collection, line) {
                (Err(error), _) => Err(error.clone()),
                (Ok(_), Err(unread)) => Err(Error::new(Cause::PayloadInvalid, unread.why)),
                (Ok(collection), Ok(line)) => match collection.call(&line, self.mqtt.core.now()) {
                    Ok(call) => self.call(call, collection, &answers_on).await,
                    Err(why) => Err(Error::new(Cause::PayloadInvalid, why)),
                },
            };
            if let Err(error) = taken {
                whole &= self.refused(topic, &id, &error)?;
            }
        }
        Ok(whole)
    }

    async fn call(&self, call: Call, collection: &Collection, answers_on: &str) -> Result<()> {
        let (core, user) = (&self.mqtt.core, &self.own.user);
        match call {
            Call::Said(said) => self.hearing(&[]).take(said).await,
            Call::Make { external, fragments } => platform::make_object(core, user, external, fragments).await,
            Call::Object { of, change, shown } => {
                let object: ObjectId = platform::named(core, user, &of).await?;
                if !change.is_empty() {
                    platform::change(core, user, object, change).await?;
                }
                if shown {
                    let lines = collection.answers(&platform::document(core, user, object).await?, None);
                    if !lines.is_empty() {
                        self.own.outbox.post(answers_on, lines.join("\n"));
                    }
                }
                Ok(())
            }
        }
    }
}
