//! Callback addresses of calls and commands.

use crate::place::*;
use landfall_core::store::*;
use landfall_model::*;
use landfall_store::SharedStore;

/// An address of the device's application, with its cursor.
async fn address(store: &SharedStore, de: &Device, url: &str) -> Subscription {
    let made = subscription(de.account, de.app().unwrap(), SubscriptionKind::CallAddress, url);
    let cursor = Cursor { subscription: made.id, read_to: store.newest(), open: vec![] };
    store.commit(put([Write::Subscription(Box::new(made.clone())), Write::Cursor(cursor)])).await.unwrap();
    made
}

fn confirmed(de: &Device, address: SubscriptionId) -> Event {
    let body = EventBody::MessageConfirmed {
        status: Confirmation::Sent,
        request_id: "r".into(),
        service_id: "s".into(),
        to: String::new(),
        address: Some(address),
    };
    Event { account: de.account, principals: Some(de.principals.clone()), device: Some(de.id), at: START, body }
}

async fn idle(store: &SharedStore) -> Vec<SubscriptionId> {
    store.idle_addresses(10).await.unwrap().iter().map(|address| address.id).collect()
}

async fn free(store: &SharedStore, id: SubscriptionId) -> bool {
    store.commit(put([Write::FreeAddress(id)])).await.unwrap();
    let gone = store.subscription(id).await.unwrap().is_none();
    assert_eq!(store.cursor(id).await.unwrap().is_none(), gone);
    gone
}

pub async fn addresses_stay_while_they_are_named(place: Place) {
    let store = place.open();
    let (de, other) = (one_device(&store, "n").await, one_device(&store, "o").await);
    let (mine, theirs) = (address(&store, &de, "http://x").await, address(&store, &other, "http://x").await);
    let named = ServiceCall { callback_url: Some("http://x".into()), ..call(&de, 1, START) };
    let waiting = command(&de, 1, START);
    store.commit(put([Write::Call(Box::new(named.clone())), Write::Command(Box::new(waiting.clone()))])).await.unwrap();
    assert_eq!(idle(&store).await, [theirs.id], "the other application's is its own");
    store.commit(put([Write::Call(Box::new(named.clone()))])).await.unwrap();
    store.commit(put([Write::DeleteCall(named.id)])).await.unwrap();
    assert!(!free(&store, mine.id).await, "the command names it");
    let over = Command { version: 2, state: CommandState::Canceled, due_at: None, ..waiting };
    store.commit(put([Write::Command(Box::new(over))])).await.unwrap();
    assert!(free(&store, mine.id).await);
    let again = address(&store, &de, "http://x").await;
    store.commit(put([Write::Command(Box::new(command(&de, 2, START)))])).await.unwrap();
    assert!(!free(&store, again.id).await);
    store.commit(put([Write::DeleteDevice(de.id)])).await.unwrap();
    assert!(free(&store, again.id).await, "commands go with their device");
    let notify = subscription(de.account, de.app().unwrap(), SubscriptionKind::Notify(NotifyType::DeviceAdded), "http://x");
    let cursor = Cursor { subscription: notify.id, read_to: store.newest(), open: vec![] };
    store.commit(put([Write::Subscription(Box::new(notify.clone())), Write::Cursor(cursor)])).await.unwrap();
    assert!(!free(&store, notify.id).await, "no address");
}

pub async fn addresses_stay_while_they_owe(place: Place) {
    let store = place.open();
    let de = one_device(&store, "n").await;
    let mine = address(&store, &de, "http://x").await;
    let told = seq(store.commit(tell(vec![gone(&de, START), confirmed(&de, mine.id)])).await).unwrap();
    let cursor = |read_to, open| put([Write::Cursor(Cursor { subscription: mine.id, read_to, open })]);
    for (read_to, open) in [(Seq(told.0 - 1), vec![]), (Seq(told.0 + 5), vec![told])] {
        store.commit(cursor(read_to, open)).await.unwrap();
        assert!(!free(&store, mine.id).await, "{read_to:?}");
        assert!(idle(&store).await.is_empty());
    }
    store.commit(cursor(told, vec![])).await.unwrap();
    assert_eq!(idle(&store).await, [mine.id]);
    let later = seq(store.commit(tell(vec![confirmed(&de, mine.id)])).await).unwrap();
    assert!(!free(&store, mine.id).await, "told in between");
    store.commit(cursor(later, vec![])).await.unwrap();
    assert!(free(&store, mine.id).await);
}

pub async fn nothing_is_told_to_an_address_that_is_gone(place: Place) {
    let store = place.open();
    let de = one_device(&store, "n").await;
    let mine = address(&store, &de, "http://x").await;
    let told = confirmed(&de, mine.id);
    let ended = Write::Call(Box::new(call(&de, 1, START)));
    assert!(free(&store, mine.id).await);
    let before = store.newest();
    let batch = Batch { writes: vec![ended.clone()], events: vec![told.clone()] };
    let (refused, fine) = tokio::join!(store.commit(batch), store.commit(tell(vec![gone(&de, START)])));
    assert_eq!((cause(refused), fine.is_ok()), (Cause::Stale, true));
    assert!(store.calls(de.id).await.unwrap().is_empty(), "the batch leaves nothing");
    assert_eq!(store.newest().0, before.0 + 1);
    let again = address(&store, &de, "http://x").await;
    let twice = subscription(de.account, de.app().unwrap(), SubscriptionKind::CallAddress, "http://x");
    assert_eq!(cause(store.commit(put([Write::Subscription(Box::new(twice))])).await), Cause::Stale, "made meanwhile");
    let batch = Batch { writes: vec![ended], events: vec![confirmed(&de, again.id)] };
    store.commit(batch).await.unwrap();
}
