//! The one list of operations: the router is made of it, and a test holds it against the OpenAPI document.

use super::{
    Admin, FORM, accounts, apps, codecs, devices, error, groups, imports, jobs, manage, onem2m, package::PACKAGE_BYTES, products,
    queue, register, server, subscriptions, users,
};
use crate::http::guarded;
use axum::{Router, extract::DefaultBodyLimit, http::Method, routing};
use std::sync::Arc;

/// Greatest body of an operation.
const BODY_BYTES: usize = PACKAGE_BYTES;

macro_rules! operations {
    ($($method:ident $path:literal $id:ident $handler:path;)*) => {
        /// Method, path under /api/v1 and operationId, sorted by path.
        pub const OPERATIONS: &[(&str, &str, &str)] = &[$((stringify!($method), $path, stringify!($id)),)*];

        fn routes() -> Router<Arc<Admin>> {
            Router::new()$(.route($path, routing::$method($handler)))*
        }
    };
}

operations! {
    get    "/accounts"                              listAccounts          accounts::list;
    post   "/accounts"                              createAccount         accounts::create;
    get    "/accounts/{account}"                    showAccount           accounts::show;
    patch  "/accounts/{account}"                    changeAccount         accounts::change;
    post   "/accounts/{account}/token"              rotateAccountToken    accounts::rotate_token;
    get    "/apps"                                  listApps              apps::list;
    post   "/apps"                                  createApp             apps::create;
    delete "/apps/{app}"                            deleteApp             apps::delete;
    get    "/apps/{app}"                            showApp               apps::show;
    patch  "/apps/{app}"                            changeApp             apps::change;
    delete "/apps/{app}/authorized/{other}"         deauthorizeApp        apps::deauthorize;
    put    "/apps/{app}/authorized/{other}"         authorizeApp          apps::authorize;
    delete "/apps/{app}/originator"                 clearAppOriginator    onem2m::originator::clear;
    put    "/apps/{app}/originator"                 setAppOriginator      onem2m::originator::set;
    post   "/apps/{app}/originator/token"           rotateOriginatorToken onem2m::originator::rotate_token;
    post   "/apps/{app}/secret"                     rotateAppSecret       apps::rotate_secret;
    get    "/apps/{app}/why"                        listAppWhy            apps::why;
    post   "/clock/accept"                          acceptClock           server::accept_clock;
    get    "/commands/{command}"                    showCommand           queue::show;
    post   "/commands/{command}/cancel"             cancelCommand         queue::cancel;
    get    "/devices"                               listDevices           devices::list;
    post   "/devices"                               registerDevice        register::register;
    post   "/devices/bulk"                          registerDevices       register::bulk;
    get    "/devices/clashes"                       listNameClashes       devices::clashes;
    delete "/devices/{device}"                      deleteDevice          devices::delete;
    get    "/devices/{device}"                      showDevice            devices::show;
    patch  "/devices/{device}"                      changeDevice          devices::change;
    get    "/devices/{device}/children"             listChildren          devices::children;
    post   "/devices/{device}/children"             addChild              devices::add_child;
    get    "/devices/{device}/commands"             listCommands          queue::list;
    post   "/devices/{device}/commands"             sendCommand           queue::send;
    get    "/devices/{device}/history"              listHistory           devices::history;
    post   "/devices/{device}/lwm2m"                manageDevice          manage::manage;
    get    "/devices/{device}/shadow"               showShadow            queue::shadow;
    put    "/devices/{device}/shadow"               setDesired            queue::set_desired;
    get    "/devices/{device}/state"                showDeviceState       devices::state;
    get    "/devices/{device}/why"                  listDeviceWhy         devices::why;
    get    "/groups"                                listGroups            groups::list;
    get    "/groups/{group}"                        showGroup             groups::show;
    get    "/groups/{group}/members"                listGroupMembers      groups::members;
    post   "/groups/{group}/members"                addGroupMembers       groups::add;
    post   "/groups/{group}/members/remove"         removeGroupMembers    groups::remove;
    post   "/imports"                               beginImport           imports::begin;
    get    "/imports/{job}/failed"                  listFailedRows        imports::failed;
    post   "/imports/{job}/undo"                    undoImport            imports::undo;
    get    "/jobs"                                  listJobs              jobs::list;
    get    "/jobs/{job}"                            showJob               jobs::show;
    post   "/jobs/{job}/pause"                      pauseJob              jobs::pause;
    post   "/jobs/{job}/resume"                     resumeJob             jobs::resume;
    post   "/jobs/{job}/retry"                      retryJob              jobs::retry;
    post   "/jobs/{job}/stop"                       stopJob               jobs::stop;
    get    "/jobs/{job}/targets"                    listJobTargets        jobs::targets;
    get    "/openapi.yaml"                          showDocument          server::document;
    get    "/products"                              listProducts          products::list;
    post   "/products"                              createProduct         products::create;
    post   "/products/import"                       importProduct         products::import;
    delete "/products/{product}"                    deleteProduct         products::delete;
    get    "/products/{product}"                    showProduct           products::show;
    patch  "/products/{product}"                    changeProduct         products::change;
    put    "/products/{product}"                    replaceProduct        products::replace;
    get    "/products/{product}/codecs"             listCodecs            codecs::list;
    post   "/products/{product}/codecs"             uploadCodec           codecs::upload;
    post   "/products/{product}/codecs/redecode"    redecodeHistory       codecs::redecode;
    get    "/products/{product}/codecs/{version}"   showCodec             codecs::show;
    delete "/products/{product}/secret"             disableProductSecret  products::secret_off;
    put    "/products/{product}/secret"             enableProductSecret   products::secret_on;
    get    "/provisioning"                          listProvisioning      onem2m::provisioning::list;
    post   "/provisioning"                          submitProvisioning    onem2m::provisioning::submit;
    post   "/provisioning/dry-run"                  tryProvisioning       onem2m::provisioning::dry_run;
    get    "/provisioning/{request}"                showProvisioning      onem2m::provisioning::show;
    get    "/provisioning/{request}/failed-request" showFailedRequest     onem2m::provisioning::failed_request;
    get    "/provisioning/{request}/failures"       listFailedNodes       onem2m::provisioning::failures;
    get    "/settings"                              showSettings          server::settings;
    get    "/status"                                showStatus            server::status;
    get    "/subscriptions"                         listSubscriptions     subscriptions::list;
    delete "/subscriptions/{subscription}"          deleteSubscription    subscriptions::delete;
    get    "/subscriptions/{subscription}"          showSubscription      subscriptions::show;
    patch  "/subscriptions/{subscription}"          moveSubscription      subscriptions::change;
    get    "/subscriptions/{subscription}/delivery" showDelivery          subscriptions::delivery;
    post   "/subscriptions/{subscription}/replay"   replaySubscription    subscriptions::replay;
    get    "/users"                                 listUsers             users::list;
    post   "/users"                                 createUser            users::create;
    delete "/users/{user}"                          deleteUser            users::delete;
    get    "/users/{user}"                          showUser              users::show;
    patch  "/users/{user}"                          changeUser            users::change;
    post   "/users/{user}/password"                 setUserPassword       users::set_password;
    get    "/why"                                   listUnknownWhy        server::why_unknown;
}

/// The operationId of what a request asks for; empty where it is none.
pub(super) fn operation(method: &Method, path: &str) -> &'static str {
    let path = path.strip_prefix("/api/v1").unwrap_or(path);
    let asked = |one: &&(&str, &str, &str)| one.1 == path && method.as_str().eq_ignore_ascii_case(one.0);
    OPERATIONS.iter().find(asked).map_or("", |(_, _, id)| id)
}

/// The admin API under /api/v1.
pub fn router(admin: Arc<Admin>) -> Router {
    let api = routes()
        .fallback(error::no_such_path)
        .method_not_allowed_fallback(error::no_such_method)
        .layer(DefaultBodyLimit::max(BODY_BYTES))
        .with_state(Arc::clone(&admin));
    guarded(Router::new().nest("/api/v1", api), FORM, move || admin.core.now())
}

#[cfg(test)]
mod tests {
    use super::{super::DOCUMENT, *};
    use std::collections::BTreeSet;

    /// Method, path and operationId of every operation of the document, read by its indentation.
    fn documented() -> BTreeSet<(String, String, String)> {
        let paths = DOCUMENT.yaml.split("\npaths:\n").nth(1).and_then(|rest| rest.split("\ncomponents:\n").next()).unwrap();
        let (mut path, mut method, mut found) = (String::new(), String::new(), BTreeSet::new());
        for line in paths.lines() {
            if let Some(name) = line.strip_prefix("  /") {
                path = format!("/{}", name.trim_end_matches(':'));
            } else if let Some(name) = line.strip_prefix("    ").filter(|rest| !rest.starts_with([' ', '-'])) {
                method = name.trim_end_matches(':').to_owned();
            } else if let Some(id) = line.strip_prefix("      operationId: ") {
                assert!(found.insert((method.clone(), path.clone(), id.to_owned())), "{id} stands twice");
            }
        }
        found
    }

    #[test]
    fn the_document_and_the_router_have_the_same_operations() {
        let routed = OPERATIONS.iter().map(|(method, path, id)| ((*method).to_owned(), (*path).to_owned(), (*id).to_owned()));
        assert_eq!(routed.collect::<BTreeSet<_>>(), documented());
    }

    #[test]
    fn operations_are_sorted_and_unique() {
        let keys: Vec<_> = OPERATIONS.iter().map(|(method, path, _)| (*path, *method)).collect();
        assert!(keys.is_sorted(), "keep the list sorted");
        assert_eq!(keys.iter().collect::<BTreeSet<_>>().len(), keys.len());
        assert_eq!(OPERATIONS.iter().map(|(_, _, id)| id).collect::<BTreeSet<_>>().len(), keys.len());
    }

    #[test]
    fn the_router_is_made_without_clashes() {
        let _ = routes();
    }
}
