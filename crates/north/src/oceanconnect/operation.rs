//! The one list of operations: the router, the ids that flow control counts by, the error tables and what the tests hold to the contract
//! follow from it.

use super::{
    Errors, OceanConnect, batch, call, capability, command, device, group, history, key, register,
    request::{open, served},
    revocation, shadow, subscription, token,
};
use axum::{
    Router,
    routing::{self, MethodRouter},
};
use std::sync::Arc;

/// An operation of the contract.
#[derive(Debug)]
pub struct Operation {
    /// In lower case.
    pub method: &'static str,
    /// Where it is: the path of the contract, then its `x-other-paths`.
    pub paths: &'static [&'static str],
    /// `operationId` in the contract.
    pub id: &'static str,
    pub(super) errors: &'static Errors,
}

/// `method path | path... id admission handler, errors;` The admission is `served` where it needs a token, else `open`.
macro_rules! operations {
    ($($method:ident $($path:literal)|+ $id:ident $admission:ident $handler:path, $errors:path;)*) => {
        /// Every operation that this version has, sorted by its first path.
        pub const OPERATIONS: &[Operation] = &[$(operations!(@one $method [$($path),+] $id $errors)),*];

        pub(super) fn routes() -> Router<Arc<OceanConnect>> {
            let router = Router::new();
            $(
                let operation = &operations!(@one $method [$($path),+] $id $errors);
                let router = at(router, operation, routing::$method($admission(operation, $handler)));
            )*
            router
        }
    };
    (@one $method:ident [$($path:literal),+] $id:ident $errors:path) => {
        Operation { method: stringify!($method), paths: &[$($path),+], id: stringify!($id), errors: &$errors }
    };
}

fn at(
    router: Router<Arc<OceanConnect>>,
    operation: &Operation,
    handler: MethodRouter<Arc<OceanConnect>>,
) -> Router<Arc<OceanConnect>> {
    operation.paths.iter().fold(router, |router, path| router.route(path, handler.clone()))
}

operations! {
    get    "/iocm/app/batchtask/v1.1.0/taskDetails"                list_batch_task_details     served batch::details, batch::READ;
    post   "/iocm/app/batchtask/v1.1.0/tasks"                      create_batch_task           served batch::create, batch::CREATE;
    get    "/iocm/app/batchtask/v1.1.0/tasks/{taskId}"
         | "/iocm/app/batchtask/v1.1.0/tasks"                      get_batch_task              served batch::get, batch::READ;
    get    "/iocm/app/cmd/v1.4.0/deviceCommandCancelTasks"         list_command_cancel_tasks   served revocation::list, revocation::BOTH;
    post   "/iocm/app/cmd/v1.4.0/deviceCommandCancelTasks"
         | "/iocm/app/cmd/v1.2.0/cancelCmd"                        create_command_cancel_task  served revocation::create, revocation::BOTH;
    get    "/iocm/app/cmd/v1.4.0/deviceCommands"
         | "/iocm/app/cmd/v1.2.0/devices/{deviceId}/commands"
         | "/iocm/app/cmd/v1.2.0/queryCmd"                         list_device_commands        served command::list, command::LIST;
    post   "/iocm/app/cmd/v1.4.0/deviceCommands"
         | "/iocm/app/cmd/v1.2.0/devices/{deviceId}/commands"      create_device_command       served command::create, command::CREATE;
    put    "/iocm/app/cmd/v1.4.0/deviceCommands/{deviceCommandId}"
         | "/iocm/app/cmd/v1.2.0/devices/{deviceId}/commands/{deviceCommandId}"
                                                                   modify_device_command       served command::cancel, command::CANCEL;
    get    "/iocm/app/data/v1.1.0/deviceCapabilities"
         | "/iocm/app/data/v1.2.0/deviceCapabilities"              get_device_capabilities     served capability::list, capability::LIST;
    get    "/iocm/app/data/v1.2.0/deviceDataHistory"
         | "/iocm/app/data/v1.1.0/deviceDataHistory"               list_device_data_history    served history::list, history::LIST;
    get    "/iocm/app/devgroup/v1.3.0/devGroups"                   list_device_groups          served group::list, group::LIST;
    post   "/iocm/app/devgroup/v1.3.0/devGroups"                   create_device_group         served group::create, group::CREATE;
    delete "/iocm/app/devgroup/v1.3.0/devGroups/{devGroupId}"      delete_device_group         served group::delete, group::DELETE;
    get    "/iocm/app/devgroup/v1.3.0/devGroups/{devGroupId}"      get_device_group            served group::get, group::GET;
    put    "/iocm/app/devgroup/v1.3.0/devGroups/{devGroupId}"      modify_device_group         served group::modify, group::MODIFY;
    post   "/iocm/app/dm/v1.1.0/devices/addDevGroupTagToDevices"   add_device_group_members    served group::add, group::ADD;
    post   "/iocm/app/dm/v1.1.0/devices/deleteDevGroupTagFromDevices"
                                                                   remove_device_group_members served group::remove, group::REMOVE;
    get    "/iocm/app/dm/v1.2.0/devices/ids"                       list_device_group_members   served group::members, group::MEMBERS;
    get    "/iocm/app/dm/v1.4.0/devices"
         | "/iocm/app/dm/v1.3.0/devices"
         | "/iocm/app/dm/v1.1.0/devices"                           list_devices                served device::list, device::LIST;
    delete "/iocm/app/dm/v1.4.0/devices/{deviceId}"
         | "/iocm/app/dm/v1.1.0/devices/{deviceId}"                delete_device               served device::delete, device::DELETE;
    get    "/iocm/app/dm/v1.4.0/devices/{deviceId}"
         | "/iocm/app/dm/v1.3.0/devices/{deviceId}"
         | "/iocm/app/dm/v1.1.0/devices/{deviceId}"                get_device                  served device::get, device::GET;
    put    "/iocm/app/dm/v1.4.0/devices/{deviceId}"
         | "/iocm/app/dm/v1.2.0/devices/{deviceId}"
         | "/iocm/app/dm/v1.1.0/devices/{deviceId}"                modify_device               served device::modify, device::MODIFY;
    post   "/iocm/app/reg/v1.1.0/deviceCredentials"
         | "/iocm/app/reg/v1.2.0/devices"
         | "/iocm/app/reg/v1.1.0/devices"                          register_device_verify_code served register::by_code, register::BY_CODE;
    get    "/iocm/app/reg/v1.1.0/deviceCredentials/{deviceId}"
         | "/iocm/app/reg/v1.1.0/devices/{deviceId}"               get_device_activation       served device::activation, device::ACTIVATION;
    put    "/iocm/app/reg/v1.1.0/deviceCredentials/{deviceId}"
         | "/iocm/app/reg/v1.1.0/devices/{deviceId}"               refresh_device_key          served key::refresh, key::REFRESH;
    post   "/iocm/app/reg/v2.0.0/deviceCredentials"                register_device_password    served register::by_secret, register::BY_SECRET;
    post   "/iocm/app/sec/v1.1.0/login"                            login                       open   token::login, token::LOGIN;
    post   "/iocm/app/sec/v1.1.0/refreshToken"                     refresh_token               open   token::refresh, token::REFRESH;
    get    "/iocm/app/shadow/v1.5.0/deviceDesiredHistory"          list_shadow_history         served shadow::history, shadow::HISTORY;
    get    "/iocm/app/shadow/v1.5.0/devices/{deviceId}"            get_device_shadow           served shadow::get, shadow::GET;
    put    "/iocm/app/shadow/v1.5.0/devices/{deviceId}"            modify_device_shadow        served shadow::modify, shadow::MODIFY;
    post   "/iocm/app/signaltrans/v1.1.0/devices/{deviceId}/services/{serviceId}/sendCommand"
                                                                   call_device_service         served call::send, call::SEND;
    delete "/iocm/app/sub/v1.2.0/subscriptions"                    delete_subscriptions        served subscription::delete_matching, subscription::ONE;
    get    "/iocm/app/sub/v1.2.0/subscriptions"                    list_subscriptions          served subscription::list, subscription::LIST;
    post   "/iocm/app/sub/v1.2.0/subscriptions"
         | "/iocm/app/sub/v1.2.0/subscribe"
         | "/iocm/app/sub/v1.1.0/subscribe"                        subscribe_service_data      served subscription::create, subscription::CREATE;
    delete "/iocm/app/sub/v1.2.0/subscriptions/{subscriptionId}"   delete_subscription         served subscription::delete, subscription::ONE;
    get    "/iocm/app/sub/v1.2.0/subscriptions/{subscriptionId}"   get_subscription            served subscription::get, subscription::ONE;
}

/// Whether something with an id is deleted below this path.
pub(super) fn deletes_below(path: &str) -> bool {
    let paths = OPERATIONS.iter().filter(|operation| operation.method == "delete").flat_map(|operation| operation.paths);
    paths.filter_map(|template| template.rsplit_once("/{")).any(|(list, _)| list == path)
}

#[cfg(test)]
mod tests {
    use super::*;
    use landfall_testkit::Contract;
    use std::collections::{BTreeMap, BTreeSet};

    const INDEX: &str = include_str!("../../../../spec/index.tsv");

    fn parameters(path: &str) -> BTreeSet<&str> {
        path.split('/').filter(|segment| segment.starts_with('{')).collect()
    }

    #[test]
    fn the_contract_has_every_operation_with_its_paths() {
        for Operation { method, paths, id, .. } in OPERATIONS {
            let contract = Contract::oceanconnect().operation_by_id(id).unwrap_or_else(|| panic!("no {id} in the contract"));
            assert_eq!(contract.method.to_lowercase(), *method, "{id}");
            assert_eq!(contract.paths().collect::<Vec<_>>(), *paths, "{id}: x-other-paths are those after the first");
            for path in *paths {
                // An id that is left out is refused by its operation.
                let left_out = paths[0].rsplit_once("/{").is_some_and(|(list, _)| list == *path);
                let more: Vec<_> = parameters(path).difference(&parameters(paths[0])).copied().collect();
                assert!(
                    left_out || parameters(path).is_superset(&parameters(paths[0])),
                    "{id} {path}: its handler reads them by name"
                );
                // What an earlier version has in the path stands in the query or the body of its successor.
                assert!(more.is_empty() || more == ["{deviceId}"], "{id} {path}: {more:?}");
            }
        }
    }

    #[test]
    fn operations_are_sorted_and_each_stands_once() {
        let keys: Vec<_> = OPERATIONS.iter().map(|operation| (operation.paths[0], operation.method)).collect();
        assert!(keys.is_sorted(), "keep the list sorted");
        assert_eq!(OPERATIONS.iter().map(|operation| operation.id).collect::<BTreeSet<_>>().len(), OPERATIONS.len());
        let _ = routes();
    }

    /// So the page that is made of the index counts them.
    #[test]
    fn the_index_of_requirements_says_which_operations_there_are() {
        let rows = INDEX.lines().filter(|row| row.starts_with("oceanconnect/1.")).map(|row| row.split('\t').collect::<Vec<_>>());
        let said: BTreeMap<_, _> = rows.filter_map(|row| Some((row[3].split('`').nth(1)?, row[1]))).collect();
        for contract in Contract::oceanconnect().operations() {
            let here = OPERATIONS.iter().any(|operation| operation.id == contract.id);
            let status = said.get(contract.id.as_str()).copied().unwrap_or_else(|| panic!("no row has `{}`", contract.id));
            assert_eq!(["yes", "partly"].contains(&status), here, "{}: {status}", contract.id);
        }
    }
}
