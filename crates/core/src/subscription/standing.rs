//! Whether what an application wanted is still to be done. Asked anew when data goes out, to it or to a device: rights may have gone since.

use crate::Core;
use landfall_model::{App, AppId, Result, Subscription};
use std::sync::Arc;

impl Core {
    /// Why a subscription is not served at present; none: it is.
    ///
    /// Its owner and who made it must not be deleted or frozen, and each of them be the application whose devices are meant or be authorized
    /// by it. Whoever subscribed to a resource must still be able to retrieve it.
    pub async fn suspension(&self, subscription: &Subscription) -> Result<Option<String>> {
        if let Some(judged) = self.suspension_by_extension(subscription).await? {
            return Ok(judged);
        }
        match self.bar(subscription.target, Some(subscription.owner)).await? {
            None => self.bar(subscription.target, subscription.by).await,
            reason => Ok(reason),
        }
    }

    /// Why an application may not act for the devices of `target` at present; none: it may, as an operator (`by` is absent) always may.
    pub(crate) async fn bar(&self, target: AppId, by: Option<AppId>) -> Result<Option<String>> {
        let Some(by) = by else { return Ok(None) };
        let Some(target) = self.store.app(target).await? else { return Ok(Some(deleted(target))) };
        Ok(match self.standing(by).await? {
            Err(reason) => Some(reason),
            Ok(app) if app.id != target.id && !target.authorized.contains(&app.id) => {
                Some(format!("the authorisation of the application {} by {} was withdrawn", app.name, target.name))
            }
            Ok(_) => None,
        })
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
