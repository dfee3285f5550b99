//! Callback addresses of calls and commands (1.7.1, 1.7.7): hidden subscriptions with a life and a limit of their own.
//!
//! An address is made in the commit of the first call or command that names it, so that it is there when the answer comes, whatever limit was
//! reached meanwhile. It goes in the background once no waiting call and no open command names it and all that was told to it is delivered, or
//! given up by the account's retention.

use crate::{Core, SubscriptionFilter, batch, subscription::changed};
use landfall_model::{
    AccountId, AppId, Batch, Cause, Channel, Cursor, Error, PageRequest, Result, Subscription, SubscriptionId, SubscriptionKind,
    Write,
};

const ONE: PageRequest = PageRequest { no: 0, size: 1 };

/// Where a call or command is told of.
#[derive(Default)]
pub(crate) struct Address {
    /// The hidden subscription; absent: the subscribers are told.
    pub(crate) id: Option<SubscriptionId>,
    /// What makes it, where it is not there; goes with what is told.
    pub(crate) made: Batch,
}

impl Core {
    /// The address of a call or command that was taken, for a device of `app`. It belongs to the application that asked, `by`, so that it is
    /// served only while that one may act for the device's.
    pub(crate) async fn address(
        &self,
        account: AccountId,
        (app, by): (Option<AppId>, Option<AppId>),
        url: Option<&str>,
    ) -> Result<Address> {
        let Some(url) = url else { return Ok(Address::default()) };
        let app =
            app.ok_or_else(|| Error::new(Cause::CallbackInvalid, "an address is an application's, and none sees the device"))?;
        let by = by.filter(|by| *by != app);
        let owner = by.unwrap_or(app);
        let same = SubscriptionFilter {
            target: Some(app),
            callback_url: Some(url.to_owned()),
            ..SubscriptionFilter::addresses(account, owner)
        };
        if let Some(found) = self.store.subscriptions(&same, ONE).await?.items.first() {
            return Ok(Address { id: Some(found.id), made: Batch::default() });
        }
        let made = Subscription {
            id: SubscriptionId::from_random(self.random_16()),
            account,
            version: 1,
            owner,
            target: app,
            by,
            kind: SubscriptionKind::CallAddress,
            channel: Channel::Http,
            callback_url: url.to_owned(),
            created_at: self.now(),
        };
        let (id, news) = (made.id, changed(&made, made.created_at));
        let cursor = Cursor { subscription: id, read_to: self.store.newest(), open: vec![] };
        let writes = vec![Write::Subscription(Box::new(made)), Write::Cursor(cursor)];
        Ok(Address { id: Some(id), made: batch(writes, vec![news]) })
    }

    /// The address of a call or command that is to be taken. `TooMany` for one address more than the application may use at a time.
    pub(crate) async fn new_address(
        &self,
        account: AccountId,
        (app, by): (Option<AppId>, Option<AppId>),
        url: Option<&str>,
    ) -> Result<Address> {
        let address = self.address(account, (app, by), url).await?;
        let most = self.settings.call_addresses;
        if let Some(own) = by.or(app).filter(|_| !address.made.writes.is_empty())
            && self.store.subscriptions(&SubscriptionFilter::addresses(account, own), ONE).await?.total >= most
        {
            let detail = format!(
                "the application uses {most} callback addresses of calls and commands, as many as it may (limits.call_addresses): \
                 one is free once its commands are over and what is told to it was taken by its receiver, so use fewer"
            );
            return Err(Error::new(Cause::TooMany, detail));
        }
        Ok(address)
    }

    /// Frees addresses that are no longer needed. Returns whether more is left.
    pub(crate) async fn free_addresses(&self) -> Result<bool> {
        const ROUND: u32 = 500;
        let idle = self.store.idle_addresses(ROUND).await?;
        let now = self.now();
        let writes = idle.iter().map(|address| Write::FreeAddress(address.id)).collect();
        let whole = batch(writes, idle.iter().map(|address| changed(address, now)).collect());
        if !idle.is_empty() {
            self.store.commit(whole).await?;
        }
        Ok(idle.len() as u32 == ROUND)
    }
}
