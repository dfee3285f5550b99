//! Short verbs of the oneM2M tree.

use super::{Ground, Tenant, cause};
use landfall_core::{NewResource, OriginCaller, ProvisioningRequest, Target};
use landfall_model::{Cause, EventBody, NodeRequest, Notice, Resource, Seq};
use std::sync::Arc;

impl Tenant {
    /// The application's own originator, which is made on the way.
    pub async fn origin(&self, ground: &Ground, name: &str) -> OriginCaller {
        ground.core.set_originator(&self.all, self.app.id, Some(name)).await.unwrap();
        let token = ground.core.rotate_originator_token(&self.all, self.app.id).await.unwrap();
        let account = ground.core.account(&ground.operator, self.all.account()).await.unwrap();
        ground.core.originator(Some(&account.name), token.expose(), name).await.unwrap()
    }
}

impl Ground {
    /// Provisions these nodes to the end; returns how many failed.
    pub async fn provision(&self, by: &OriginCaller, nodes: Vec<NodeRequest>) -> u64 {
        let request = ProvisioningRequest { name: None, labels: vec![], nodes };
        let request = self.core.request_provisioning(by, request).await.unwrap();
        while self.core.turn_jobs().await.unwrap().more {}
        match self.core.find_id(by, request.id).await.unwrap() {
            Target::Request(request) => request.failed,
            other => panic!("{other:?} is no request"),
        }
    }

    /// The resource that is made below `parent`.
    pub async fn made(&self, by: &OriginCaller, parent: &Target, new: NewResource) -> Arc<Resource> {
        self.core.create_resource(by, parent, new).await.unwrap()
    }

    /// What stands at a path.
    pub async fn at(&self, by: &OriginCaller, path: &str) -> Target {
        self.core.find(by, &path.split('/').collect::<Vec<_>>()).await.unwrap()
    }

    /// Why nothing is found at a path.
    pub async fn absent(&self, by: &OriginCaller, path: &str) -> Cause {
        cause(self.core.find(by, &path.split('/').collect::<Vec<_>>()).await)
    }

    /// The notices since `seq`.
    pub async fn notices_since(&self, seq: Seq) -> Vec<Notice> {
        let told = self.events_since(seq).await;
        let notice = |body: &EventBody| if let EventBody::Notice(notice) = body { Some((**notice).clone()) } else { None };
        told.iter().filter_map(|stored| notice(&stored.event.body)).collect()
    }
}
