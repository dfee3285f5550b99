//! Whether an application may still come.

use crate::Core;
use landfall_model::{App, AppId, Result};
use std::sync::Arc;

impl Core {
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
