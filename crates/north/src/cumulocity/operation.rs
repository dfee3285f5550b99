//! The one list of operations: the router and what the tests hold to the contract follow from it.

use super::{
    Cumulocity, alarm, binaries, bulk, control, device_request, event, identity,
    inventory::{self, children},
    measurement, realtime,
    request::{open, served},
    tenant, user,
};
use axum::{Router, routing};
use landfall_core::Permission;
use std::sync::Arc;

/// An operation of the contract.
#[derive(Debug)]
pub struct Operation {
    /// In lower case.
    pub method: &'static str,
    /// As the contract writes it.
    pub path: &'static str,
    /// `operationId` in the contract.
    pub id: &'static str,
    /// The name in the media type of its answer.
    pub media: &'static str,
}

/// `method path id permission handler media;` The permission is one of [`Permission`], or `open` where everybody may.
macro_rules! operations {
    ($($method:ident $path:literal $id:ident $permission:ident $handler:path, $media:literal;)*) => {
        /// Every operation that this version has, sorted by path.
        pub const OPERATIONS: &[Operation] = &[$(operations!(@one $method $path $id $media)),*];

        pub(super) fn routes() -> Router<Arc<Cumulocity>> {
            let router = Router::new();
            $(
                let operation = &operations!(@one $method $path $id $media);
                let router = router.route($path, routing::$method(operations!(@served operation $permission $handler)));
            )*
            router
        }
    };
    (@one $method:ident $path:literal $id:ident $media:literal) => {
        Operation { method: stringify!($method), path: $path, id: stringify!($id), media: $media }
    };
    (@served $operation:ident open $handler:path) => { open($operation, $handler) };
    (@served $operation:ident $permission:ident $handler:path) => { served($operation, Permission::$permission, $handler) };
}

operations! {
    delete "/alarm/alarms" deleteAlarms Speak alarm::delete_many, "alarm";
    get "/alarm/alarms" listAlarms See alarm::list, "alarmCollection";
    post "/alarm/alarms" createAlarm Speak alarm::create, "alarm";
    put "/alarm/alarms" updateAlarms Speak alarm::change_many, "alarm";
    get "/alarm/alarms/count" countAlarms See alarm::count, "alarm";
    delete "/alarm/alarms/{alarmId}" deleteAlarm Speak alarm::delete, "alarm";
    get "/alarm/alarms/{alarmId}" getAlarm See alarm::get, "alarm";
    put "/alarm/alarms/{alarmId}" updateAlarm Speak alarm::change, "alarm";
    post "/cep/realtime" talkRealtimeCep See realtime::all, "realtime";
    post "/devicecontrol/bulkNewDeviceRequests" createBulkNewDeviceRequests Administer bulk::create, "bulkNewDeviceRequest";
    post "/devicecontrol/deviceCredentials" createDeviceCredentials Bootstrap device_request::credentials, "deviceCredentials";
    get "/devicecontrol/newDeviceRequests" listNewDeviceRequests See device_request::list, "newDeviceRequestCollection";
    post "/devicecontrol/newDeviceRequests" createNewDeviceRequest Administer device_request::create, "newDeviceRequest";
    post "/devicecontrol/newDeviceRequests/acceptAll" acceptAllNewDeviceRequests Administer device_request::accept_all, "newDeviceRequestAcceptAll";
    get "/devicecontrol/newDeviceRequests/limit" getNewDeviceRequestLimit See device_request::limit, "newDeviceRequestLimit";
    delete "/devicecontrol/newDeviceRequests/{requestId}" deleteNewDeviceRequest Administer device_request::delete, "newDeviceRequest";
    get "/devicecontrol/newDeviceRequests/{requestId}" getNewDeviceRequest See device_request::get, "newDeviceRequest";
    put "/devicecontrol/newDeviceRequests/{requestId}" updateNewDeviceRequest See device_request::accept, "newDeviceRequest";
    get "/devicecontrol/operations" listOperations See control::list, "operationCollection";
    post "/devicecontrol/operations" createOperation Speak control::create, "operation";
    get "/devicecontrol/operations/{operationId}" getOperation See control::get, "operation";
    put "/devicecontrol/operations/{operationId}" updateOperation Speak control::change, "operation";
    delete "/event/events" deleteEvents Speak event::delete_many, "event";
    get "/event/events" listEvents See event::list, "eventCollection";
    post "/event/events" createEvent Speak event::create, "event";
    delete "/event/events/{eventId}" deleteEvent Speak event::delete, "event";
    get "/event/events/{eventId}" getEvent See event::get, "event";
    put "/event/events/{eventId}" updateEvent Speak event::change, "event";
    delete "/event/events/{eventId}/binaries" deleteEventBinary Speak binaries::event::delete, "event";
    get "/event/events/{eventId}/binaries" getEventBinary See binaries::event::get, "event";
    post "/event/events/{eventId}/binaries" createEventBinary Speak binaries::event::create, "event";
    put "/event/events/{eventId}/binaries" replaceEventBinary Speak binaries::event::replace, "event";
    delete "/identity/externalIds/{type}/{externalId}" deleteExternalId Speak identity::remove, "externalId";
    get "/identity/externalIds/{type}/{externalId}" getExternalId See identity::get, "externalId";
    get "/identity/globalIds/{id}/externalIds" listExternalIds See identity::list, "externalIdCollection";
    post "/identity/globalIds/{id}/externalIds" createExternalId Speak identity::add, "externalId";
    get "/inventory/binaries" listBinaries See binaries::object::list, "managedObjectCollection";
    post "/inventory/binaries" createBinary Speak binaries::object::create, "managedObject";
    delete "/inventory/binaries/{id}" deleteBinary Speak binaries::object::delete, "managedObject";
    get "/inventory/binaries/{id}" getBinary See binaries::object::get, "managedObject";
    put "/inventory/binaries/{id}" replaceBinary Speak binaries::object::replace, "managedObject";
    get "/inventory/managedObjects" listManagedObjects See inventory::list, "managedObjectCollection";
    post "/inventory/managedObjects" createManagedObject Speak inventory::create, "managedObject";
    delete "/inventory/managedObjects/{id}" deleteManagedObject Speak inventory::delete, "managedObject";
    get "/inventory/managedObjects/{id}" getManagedObject See inventory::get, "managedObject";
    put "/inventory/managedObjects/{id}" updateManagedObject Speak inventory::change, "managedObject";
    get "/inventory/managedObjects/{id}/childAdditions" listChildAdditions See children::list, "managedObjectReferenceCollection";
    post "/inventory/managedObjects/{id}/childAdditions" addChildAddition Speak children::add, "managedObjectReference";
    delete "/inventory/managedObjects/{id}/childAdditions/{childId}" removeChildAddition Speak children::remove, "managedObjectReference";
    get "/inventory/managedObjects/{id}/childAdditions/{childId}" getChildAddition See children::get, "managedObjectReference";
    get "/inventory/managedObjects/{id}/childAssets" listChildAssets See children::list, "managedObjectReferenceCollection";
    post "/inventory/managedObjects/{id}/childAssets" addChildAsset Speak children::add, "managedObjectReference";
    delete "/inventory/managedObjects/{id}/childAssets/{childId}" removeChildAsset Speak children::remove, "managedObjectReference";
    get "/inventory/managedObjects/{id}/childAssets/{childId}" getChildAsset See children::get, "managedObjectReference";
    get "/inventory/managedObjects/{id}/childDevices" listChildDevices See children::list, "managedObjectReferenceCollection";
    post "/inventory/managedObjects/{id}/childDevices" addChildDevice Speak children::add, "managedObjectReference";
    delete "/inventory/managedObjects/{id}/childDevices/{childId}" removeChildDevice Speak children::remove, "managedObjectReference";
    get "/inventory/managedObjects/{id}/childDevices/{childId}" getChildDevice See children::get, "managedObjectReference";
    get "/measurement/measurements" listMeasurements See measurement::list, "measurementCollection";
    post "/measurement/measurements" createMeasurement Speak measurement::create, "measurement";
    get "/measurement/measurements/{measurementId}" getMeasurement See measurement::get, "measurement";
    post "/notification/operations" talkOperations See realtime::operations, "realtime";
    post "/notification/realtime" talkRealtime See realtime::all, "realtime";
    get "/tenant/currentTenant" getCurrentTenant See tenant::current, "currentTenant";
    get "/tenant/loginOptions" listLoginOptions open tenant::login_options, "loginOptionCollection";
    get "/tenant/loginOptions/{type}" getLoginOption open tenant::login_option, "loginOption";
    get "/user/currentUser" getCurrentUser See user::current, "currentUser";
    put "/user/currentUser" updateCurrentUser See user::change, "currentUser";
    put "/user/currentUser/password" updateCurrentUserPassword See user::change_password, "currentUser";
}

/// Whether there is a deletion of what is below this path.
pub(super) fn deletes_below(path: &str) -> bool {
    let paths = OPERATIONS.iter().filter(|operation| operation.method == "delete").map(|operation| operation.path);
    paths.filter_map(|template| template.rsplit_once("/{")).any(|(list, _)| list == path)
}
