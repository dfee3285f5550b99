//! Labels: what is found by them, and when it no longer is.

use crate::place::*;
use landfall_core::store::*;
use landfall_model::*;

fn labels(account: AccountId, subject: ResourceId, words: &str) -> Write {
    Write::Labels { account, subject, labels: words.split_whitespace().map(str::to_owned).collect() }
}

fn words(words: &str) -> Vec<String> {
    words.split_whitespace().map(str::to_owned).collect()
}

pub async fn subjects_are_found_by_labels(place: Place) {
    let store = place.open();
    let (a, b) = (account("a").id, account("b").id);
    let ids: Vec<ResourceId> = (0..4).map(|_| fresh_id()).collect();
    let writes =
        [labels(a, ids[0], "red"), labels(a, ids[1], "red green green"), labels(a, ids[2], "green"), labels(b, ids[3], "red")];
    store.commit(put(writes)).await.unwrap();
    let cases = [
        (a, "red", None, 9, vec![ids[0], ids[1]]),
        (a, "green red", None, 9, vec![ids[0], ids[1], ids[2]]),
        (a, "green red", None, 2, vec![ids[0], ids[1]]),
        (a, "green red", Some(ids[1]), 2, vec![ids[2]]),
        (b, "red green", None, 9, vec![ids[3]]),
        (b, "Red re red\0", None, 9, vec![]),
        (a, "", None, 9, vec![]),
    ];
    for (account, text, after, limit, expected) in cases {
        assert_eq!(store.labelled(account, &words(text), after, limit).await, Ok(expected), "{text}");
    }
    // Replaced, not added to.
    store.commit(put([labels(a, ids[1], "blue"), labels(a, ids[0], "")])).await.unwrap();
    assert_eq!(store.labelled(a, &words("red"), None, 9).await, Ok(vec![]));
    assert_eq!(store.labelled(a, &words("blue green"), None, 9).await, Ok(vec![ids[1], ids[2]]));
    let many: Vec<String> = (0..1_001).map(|i| i.to_string()).collect();
    assert_eq!(cause(store.labelled(a, &many, None, 9).await), Cause::TooMany);
    let odd = Write::Labels { account: a, subject: ids[0], labels: vec!["a\0b".into()] };
    assert_eq!(cause(store.commit(put([odd])).await), Cause::InvalidField);
}

pub async fn labels_go_with_their_subject(place: Place) {
    let store = place.open();
    let (one, two) = (one_device(&store, "n1").await, one_device(&store, "n2").await);
    let node = |device: &Device| ResourceId::of_device(device.id, DevicePart::Node);
    let info = ResourceId::of_device(one.id, DevicePart::Info(7));
    let below = Resource { device: Some(one.id), ..resource(one.account, node(&one), "r") };
    let writes = [
        write_resource(&below),
        labels(one.account, below.id, "l"),
        labels(one.account, node(&one), "l"),
        labels(one.account, info, "l"),
        labels(two.account, node(&two), "l"),
    ];
    store.commit(put(writes)).await.unwrap();
    assert_eq!(store.labelled(one.account, &words("l"), None, 9).await.unwrap().len(), 3);
    store.commit(put([Write::DeleteDevice(one.id)])).await.unwrap();
    assert_eq!(store.labelled(one.account, &words("l"), None, 9).await, Ok(vec![]));
    assert_eq!(store.labelled(two.account, &words("l"), None, 9).await, Ok(vec![node(&two)]));
}
