//! Notices of subscriptions: what is told of what, and what of a subscription remains when it ends.

use super::tree::{BASE, new, node, text};
use crate::{Ground, cause};
use landfall_core::{InfoChange, OriginCaller, ResourceChange, Target};
use landfall_model::{Cause, Changed, DeviceInfo, Notice, Resource, ResourceKind, Seq, SubscriptionKind};
use serde_json::{Map, Value, json};
use std::sync::Arc;

struct Stage {
    domain: Ground,
    by: OriginCaller,
}

impl Stage {
    async fn new(seed: u64) -> Self {
        let domain = Ground::new(seed).await;
        let by = domain.tenant("t").await.origin(&domain, "Capp").await;
        Self { domain, by }
    }

    async fn container(&self, parent: &Target, name: &str) -> Arc<Resource> {
        self.domain.made(&self.by, parent, new(ResourceKind::Container, name, json!({}))).await
    }

    async fn subscribe(&self, path: &str, name: &str, kinds: &[u8]) -> Arc<Resource> {
        self.subscribe_with(path, name, json!({ "enc": { "net": kinds } })).await
    }

    async fn subscribe_with(&self, path: &str, name: &str, attributes: Value) -> Arc<Resource> {
        let subject = if path.is_empty() { BASE } else { self.domain.at(&self.by, path).await };
        let mut all = json!({ "nu": [format!("https://a.example/{name}")] });
        attributes.as_object().unwrap().iter().for_each(|(name, value)| all[name] = value.clone());
        // Subscriptions are told in the order in which they were made.
        self.domain.advance_s(1);
        self.domain.made(&self.by, &subject, new(ResourceKind::Subscription, name, all)).await
    }

    async fn update(&self, id: &Resource, attributes: Value) -> Arc<Resource> {
        let Value::Object(attributes) = attributes else { panic!("attributes are an object") };
        let change = ResourceChange { attributes, ..ResourceChange::default() };
        self.domain.core.update_resource(&self.by, id.id, change).await.unwrap()
    }

    async fn delete(&self, path: &str) {
        self.domain.core.delete_target(&self.by, &self.domain.at(&self.by, path).await).await.unwrap();
    }

    /// Who was told of what since then: the name of the subscription in its address, `net`, and what is shown.
    async fn told_since(&self, seq: Seq) -> Vec<String> {
        let mut told = vec![];
        for notice in self.domain.notices_since(seq).await {
            let push = self.domain.core.store().subscription(notice.address).await.unwrap().unwrap();
            let to = push.callback_url.rsplit('/').next().unwrap_or_default().to_owned();
            told.push(format!("{to} {} {}", notice.kind, shown(&notice)));
        }
        told
    }
}

fn shown(notice: &Notice) -> String {
    match &notice.changed {
        Changed::Resource(resource) => resource.name.clone(),
        Changed::Instance(instance) => instance.content.clone(),
        Changed::Node { node, .. } => node.name.clone(),
        Changed::Info { info, .. } => info.name.clone(),
        _ => "an id".to_owned(),
    }
}

#[tokio::test]
async fn the_end_of_a_node_is_told_to_who_asked_for_it() {
    let stage = Stage::new(110).await;
    let domain = &stage.domain;
    assert_eq!(domain.provision(&stage.by, vec![node("n")]).await, 0);
    stage.container(&domain.at(&stage.by, "device-communication/n").await, "extra").await;
    for (path, name, kinds) in [
        ("", "base", &[4][..]),
        ("device-communication", "channels", &[4]),
        ("n", "end", &[2]),
        ("n", "changes", &[1, 3, 4]),
        ("n/device-info", "info", &[2]),
        ("device-communication/n/extra", "extra", &[1, 2]),
        ("device-communication/n/outgoing-msg", "box", &[2, 3]),
    ] {
        stage.subscribe(path, name, kinds).await;
    }
    let seq = domain.newest();
    stage.delete("n").await;
    let told = stage.told_since(seq).await;
    let expected =
        ["end 2 n", "info 2 device-info", "extra 2 extra", "box 2 an id", "base 4 n", "channels 4 an id"].map(str::to_owned);
    let sorted = |mut list: Vec<String>| {
        list.sort();
        list
    };
    assert_eq!(sorted(told), sorted(expected.to_vec()));
    let filter = landfall_core::SubscriptionFilter::default();
    let pushes = domain.core.store().subscriptions(&filter, landfall_model::PageRequest { no: 0, size: 100 }).await.unwrap();
    let served = pushes.items.iter().filter(|one| matches!(one.kind, SubscriptionKind::Resource(..)));
    assert!(served.clone().all(|one| !one.callback_url.ends_with("changes")), "who did not ask is served no more");
    assert_eq!(served.count(), 6);
}

#[tokio::test]
async fn whoever_watches_the_base_learns_of_nodes_however_they_come_and_go() {
    let stage = Stage::new(111).await;
    let (domain, core) = (&stage.domain, &stage.domain.core);
    let (mine, theirs) = domain.two_tenants().await;
    let by = mine.origin(domain, "Cmine").await;
    let watch = json!({ "nu": ["https://a.example/base"], "enc": { "net": [3, 4] } });
    domain.made(&by, &BASE, new(ResourceKind::Subscription, "s", watch)).await;
    let kinds = async |seq: Seq| domain.notices_since(seq).await.iter().map(|one| one.kind).collect::<Vec<_>>();
    let seq = domain.newest();
    assert_eq!(domain.provision(&by, vec![node("a"), node("b")]).await, 0);
    assert_eq!(kinds(seq).await, [3, 3], "provisioned");
    let seq = domain.newest();
    let gateway = domain.device(&mine, "gateway").await;
    let told = domain.notices_since(seq).await;
    assert_eq!((told.len(), shown(&told[0])), (1, gateway.id.to_string()), "registered in another dialect");
    let seq = domain.newest();
    let caller = core.device_caller(&gateway);
    for name in ["c1", "c2", "c3"] {
        core.add_child(&caller, name, None, DeviceInfo::default()).await.unwrap();
    }
    assert_eq!(kinds(seq).await, [3, 3, 3], "behind a gateway");
    let seq = domain.newest();
    let child = core.add_child(&caller, "c4", None, DeviceInfo::default()).await.unwrap();
    core.remove_child(&caller, child.id).await.unwrap();
    assert_eq!(kinds(seq).await, [3, 4], "removed by its gateway");
    let seq = domain.newest();
    core.delete_device(&mine.scope, gateway.id, true).await.unwrap();
    assert_eq!(kinds(seq).await, [4, 4, 4, 4], "the gateway with those behind it");
    let seq = domain.newest();
    domain.device(&theirs, "other").await;
    assert!(kinds(seq).await.is_empty(), "another account's is nobody's business");
}

#[tokio::test]
async fn objects_of_a_node_are_its_children() {
    let stage = Stage::new(112).await;
    let (domain, core) = (&stage.domain, &stage.domain.core);
    assert_eq!(domain.provision(&stage.by, vec![node("n")]).await, 0);
    let device = domain.at(&stage.by, "n").await.device().unwrap();
    stage.subscribe("n", "node", &[1, 3, 4]).await;
    stage.subscribe("n/device-info", "info", &[1, 2]).await;
    let change = |attributes: Value| InfoChange { attributes: attributes.as_object().cloned().unwrap_or_default(), labels: None };
    let seq = domain.newest();
    core.set_info(&stage.by, device, 0, &change(json!({ "man": "ACME" }))).await.unwrap();
    assert_eq!(domain.notices_since(seq).await[0].modified, ["man"]);
    core.create_info(&stage.by, device, "more", &change(json!({}))).await.unwrap();
    core.set_node_labels(&stage.by, device, &["d2c:1.0".into(), "a:b".into()]).await.unwrap();
    stage.delete("n/credentials").await;
    core.create_credentials(&stage.by, device, "n-id", b"key").await.unwrap();
    stage.delete("n/device-info").await;
    let expected = [
        "info 1 device-info",
        "node 3 more",
        "node 1 n",
        "node 4 an id",
        "node 3 an id",
        "info 2 device-info",
        "node 4 device-info",
    ];
    assert_eq!(stage.told_since(seq).await, expected);
    assert_eq!(domain.absent(&stage.by, "n/device-info/info").await, Cause::ResourceNotFound, "it went with its subject");
    core.create_info(&stage.by, device, "device-info", &change(json!({}))).await.unwrap();
    assert_eq!(domain.absent(&stage.by, "n/device-info/info").await, Cause::ResourceNotFound);
}

#[tokio::test]
async fn each_subject_of_a_subtree_tells_of_its_own_end() {
    let stage = Stage::new(113).await;
    let top = stage.container(&BASE, "top").await;
    stage.container(&Target::Resource(top), "inner").await;
    for (path, name, kinds) in
        [("", "base", &[4][..]), ("top", "top", &[2, 4]), ("top/inner", "inner", &[2]), ("top/inner", "others", &[1])]
    {
        stage.subscribe(path, name, kinds).await;
    }
    let seq = stage.domain.newest();
    stage.delete("top").await;
    assert_eq!(stage.told_since(seq).await, ["top 2 top", "inner 2 inner", "base 4 top"]);
}

#[tokio::test]
async fn updates_tell_what_changed_and_what_is_held() {
    let stage = Stage::new(114).await;
    let (domain, core) = (&stage.domain, &stage.domain.core);
    let c = stage.container(&BASE, "c").await;
    let within = Target::Resource(c.clone());
    for (name, more) in [
        ("all", json!({})),
        ("changed", json!({ "nct": 2 })),
        ("id", json!({ "nct": 3 })),
        ("limits", json!({ "enc": { "net": [1], "atr": ["mni", "mbs"] } })),
        ("children", json!({ "enc": { "net": [3], "atr": ["lbl"] } })),
    ] {
        stage.subscribe_with("c", name, more).await;
    }
    for n in 0..3 {
        core.append(&stage.by, &within, text(&format!("i{n}"))).await.unwrap();
    }
    let seq = domain.newest();
    let labels = ResourceChange { labels: Some(vec!["a:b".into()]), ..ResourceChange::default() };
    core.update_resource(&stage.by, c.id, labels).await.unwrap();
    assert_eq!(stage.told_since(seq).await, ["all 1 c", "changed 1 c", "id 1 c"]);
    let told = domain.notices_since(seq).await;
    assert_eq!(told.iter().map(|one| one.content).collect::<Vec<_>>(), [1, 2, 3]);
    let held = told[0].held.unwrap();
    assert_eq!((held.state, held.instances, held.bytes), (4, 3, 6), "the update counts");
    assert!(told.iter().all(|one| one.modified == ["lbl"]));
    let seq = domain.newest();
    stage.update(&c, json!({ "mni": 1 })).await;
    let told = domain.notices_since(seq).await;
    assert_eq!(told.len(), 4);
    let held = told[0].held.unwrap();
    assert_eq!((held.state, held.instances, held.bytes, &told[3].modified[..]), (5, 1, 2, &["mni".to_owned()][..]));
    assert_eq!(core.store().container_state(c.id).await.unwrap(), held);
    let seq = domain.newest();
    let made = core.append(&stage.by, &within, text("new")).await.unwrap();
    let told = domain.notices_since(seq).await;
    assert!(matches!(&told[..], [one] if matches!(&one.changed, Changed::Instance(i) if i.state == 6)), "{told:?}");
    assert_eq!(made.state, 6);
    stage.update(&c, json!({ "mni": 0 })).await;
    assert_eq!(domain.absent(&stage.by, "c/la").await, Cause::ResourceNotFound);
    let within = domain.at(&stage.by, "c").await;
    assert_eq!(core.append(&stage.by, &within, text("x")).await.unwrap().state, 8, "counted, and not kept");
    assert_eq!(domain.absent(&stage.by, "c/la").await, Cause::ResourceNotFound);
}

#[tokio::test]
async fn what_changed_goes_with_updates_alone() {
    let stage = Stage::new(115).await;
    stage.container(&BASE, "c").await;
    let c = stage.domain.at(&stage.by, "c").await;
    for (kinds, good) in [(json!([1]), true), (json!([3]), false), (json!([1, 2]), false)] {
        let attributes = json!({ "nu": ["https://a.example/x"], "nct": 2, "enc": { "net": kinds } });
        let made = stage.domain.core.create_resource(&stage.by, &c, new(ResourceKind::Subscription, "s", attributes)).await;
        assert_eq!(made.is_ok(), good, "{kinds}");
    }
    let subscription = stage.domain.at(&stage.by, "c/s").await.id(stage.by.account().id);
    let attributes = Map::from_iter([("enc".to_owned(), json!({ "net": [4] }))]);
    let change = ResourceChange { attributes, ..ResourceChange::default() };
    assert_eq!(cause(stage.domain.core.update_resource(&stage.by, subscription, change).await), Cause::InvalidField);
}

#[tokio::test]
async fn a_subscription_ends_with_its_last_notice() {
    let stage = Stage::new(116).await;
    let (domain, core) = (&stage.domain, &stage.domain.core);
    let within = Target::Resource(stage.container(&BASE, "c").await);
    let more = json!({ "enc": { "net": [3] }, "exc": 3, "su": "https://a.example/over", "nu": ["https://a.example/x", "https://b.example/y"] });
    let counted = stage.subscribe_with("c", "s", more).await;
    let asked = std::mem::take(&mut *domain.callbacks.asked.lock());
    assert_eq!(asked, ["https://a.example/x", "https://b.example/y", "https://a.example/over"], "each must answer");
    core.append(&stage.by, &within, text("1")).await.unwrap();
    assert_eq!(core.store().resource(counted.id).await.unwrap().unwrap().attributes["exc"], 2);
    assert!(core.store().subscriptions_of(within.id(stage.by.account().id))[0].attributes["exc"] == 2);
    let seq = domain.newest();
    let texts = ["2", "3", "4", "5"].map(text);
    let all = texts.map(|new| core.append(&stage.by, &within, new));
    for made in futures_util::future::join_all(all).await {
        made.unwrap();
    }
    let told = domain.notices_since(seq).await;
    let ends = told.iter().filter(|one| one.changed == Changed::Ended).count();
    assert_eq!((told.len(), ends), (5, 1), "two more at both addresses, and the end: {told:?}");
    assert_eq!(told[4].changed, Changed::Ended, "the last of all");
    assert_eq!(domain.absent(&stage.by, "c/s").await, Cause::ResourceNotFound);
    assert!(core.store().subscriptions_of(within.id(stage.by.account().id)).is_empty());
}

#[tokio::test]
async fn who_subscribed_learns_of_the_end_however_it_comes() {
    let stage = Stage::new(117).await;
    let domain = &stage.domain;
    assert_eq!(domain.provision(&stage.by, vec![node("n")]).await, 0);
    stage.container(&BASE, "c").await;
    let own = json!({ "su": "https://a.example/over" });
    for (subject, gone) in [("c", "c/s"), ("c", "c"), ("n", "n")] {
        stage.subscribe_with(subject, "s", own.clone()).await;
        let seq = domain.newest();
        stage.delete(gone).await;
        let told = domain.notices_since(seq).await;
        assert!(matches!(&told[..], [one] if one.changed == Changed::Ended), "{gone}: {told:?}");
        let push = domain.core.store().subscription(told[0].address).await.unwrap().expect("it is served on");
        assert_eq!(push.callback_url, "https://a.example/over");
    }
}

#[tokio::test]
async fn notices_say_how_long_they_wait_for_one_another() {
    let stage = Stage::new(118).await;
    let domain = &stage.domain;
    let within = Target::Resource(stage.container(&BASE, "c").await);
    for (name, batch) in
        [("both", json!({ "num": 5, "dur": "PT7S" })), ("num", json!({ "num": 3 })), ("dur", json!({ "dur": "P1D" }))]
    {
        stage.subscribe_with("c", name, json!({ "enc": { "net": [3] }, "bn": batch })).await;
    }
    let seq = domain.newest();
    domain.core.append(&stage.by, &within, text("x")).await.unwrap();
    let told = domain.notices_since(seq).await;
    let waits: Vec<_> = told.iter().map(|one| one.batch.map(|batch| (batch.most, batch.wait_ms))).collect();
    assert_eq!(waits, [Some((5, 7_000)), Some((3, 60_000)), Some((100, 86_400_000))]);
    stage.delete("c/both").await;
    let push = domain.core.store().subscription(told[0].address).await.unwrap();
    assert!(push.is_some(), "what waits is sent all the same");
}

#[tokio::test]
async fn an_instance_goes_with_its_last_retrieval() {
    let stage = Stage::new(119).await;
    let (domain, core) = (&stage.domain, &stage.domain.core);
    let within = Target::Resource(stage.container(&BASE, "c").await);
    stage.subscribe("c", "s", &[4]).await;
    let other = Map::from_iter([("dcnt".to_owned(), json!(2))]);
    core.append(&stage.by, &within, landfall_core::NewInstance { other, ..text("x") }).await.unwrap();
    for (left, told) in [(2, 0), (1, 1)] {
        let seq = domain.newest();
        let Target::Instance(found, within) = domain.at(&stage.by, "c/la").await else { panic!("an instance") };
        assert_eq!(found.other["dcnt"], left);
        core.retrieved(&stage.by, &found, &within).await.unwrap();
        assert_eq!(domain.notices_since(seq).await.len(), told);
    }
    assert_eq!(domain.absent(&stage.by, "c/la").await, Cause::ResourceNotFound);
}
