//! Whether a subscription is still to be served. Asked anew when data goes out: rights may have gone since.

use crate::Core;
use landfall_model::{Result, Subscription};

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
}
