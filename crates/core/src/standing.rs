//! Whether a subscription is still to be served. Asked anew for each push: rights may have gone since the event happened.

use crate::Core;
use landfall_model::{App, AppId, Result, Subscription, SubscriptionKind};
use std::sync::Arc;

impl Core {
    /// Why a subscription is not served at present; none: it is.
    ///
    /// Its owner and who made it must not be deleted or frozen, and each of them be the application whose devices are meant or be authorized
    /// by it. Whoever subscribed over oneM2M must still be able to retrieve the subject.
    pub async fn suspension(&self, subscription: &Subscription) -> Result<Option<String>> {
        if let SubscriptionKind::Resource(id, _) = subscription.kind
            && let Some(resource) = self.store.resource(id).await?
        {
            return self.unfit_for_subject(&resource).await;
        }
        let Some(target) = self.store.app(subscription.target).await? else {
            return Ok(Some(deleted(subscription.target)));
        };
        for app in [Some(subscription.owner), subscription.by].into_iter().flatten() {
            match self.standing(app).await? {
                Err(reason) => return Ok(Some(reason)),
                Ok(app) if app.id != target.id && !target.authorized.contains(&app.id) => {
                    let (name, by) = (&app.name, &target.name);
                    return Ok(Some(format!("the authorisation of the application {name} by {by} was withdrawn")));
                }
                Ok(_) => {}
            }
        }
        Ok(None)
    }

    /// An application that may come; else why not.
    pub(crate) async fn standing(&self, id: AppId) -> Result<std::result::Result<Arc<App>, String>> {
        Ok(match self.store.app(id).await? {
            None => Err(deleted(id)),
            Some(app) if app.frozen => Err(format!("the application {} is frozen", app.name)),
            Some(app) => Ok(app),
        })
    }
}

fn deleted(id: AppId) -> String {
    format!("the application {id} is deleted")
}
