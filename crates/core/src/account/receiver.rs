//! The session that an application keeps with the listener over which it receives.

use crate::{AppCaller, Core, batch, turns::Record};
use landfall_model::{App, Batch, ReceiverSession, Result, SubscribedFilter, Write};

impl Core {
    /// The kept session of an application, unless it is over.
    pub async fn receiver_session(&self, caller: &AppCaller) -> Result<Option<ReceiverSession>> {
        let app = self.store.app(caller.app.id).await?;
        let session = app.and_then(|app| app.session.clone());
        Ok(session.filter(|session| session.expires_at.is_none_or(|until| until > self.earliest())))
    }

    /// Keeps the session of an application: while it is connected, or for `seconds` once it is not, cut to the server's limit. Returns once
    /// that is durable.
    pub async fn keep_receiver_session(
        &self,
        caller: &AppCaller,
        subscriptions: &[SubscribedFilter],
        seconds: Option<u32>,
    ) -> Result<()> {
        let expires_at = seconds.map(|seconds| self.end_of(seconds.min(self.settings.session_s).into()));
        self.set_receiver_session(caller, Some(ReceiverSession { subscriptions: subscriptions.to_vec(), expires_at })).await
    }

    /// Forgets it.
    pub async fn drop_receiver_session(&self, caller: &AppCaller) -> Result<()> {
        self.set_receiver_session(caller, None).await
    }

    /// Does nothing for an application that was deleted.
    async fn set_receiver_session(&self, caller: &AppCaller, session: Option<ReceiverSession>) -> Result<()> {
        let id = caller.app.id;
        self.decide(&[Record::App(id)], || {
            Box::pin(async {
                let changed = self.store.app(id).await?.filter(|app| app.session != session);
                let Some(app) = changed else { return Ok((Batch::default(), ())) };
                let next = App { version: app.version + 1, session: session.clone(), ..(*app).clone() };
                Ok((batch(vec![Write::App(Box::new(next))], vec![]), ()))
            })
        })
        .await
    }
}
