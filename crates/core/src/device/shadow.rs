//! The shadow of a device (1.4.8, 1.4.9, 1.5.4): what applications desire, kept until the device has taken it.

use crate::{
    Core, DeviceCaller, HistoryFilter, Scope, SettingFilter, Step, Wake, Work, WorkOf, batch, device_event, product::check,
    turns::Record, uplink::message,
};
use landfall_model::{
    AppId, Batch, Cause, Desired, Device, DeviceId, Error, EventBody, Page, PageRequest, Product, Result, Setting, Shadow, Write,
};
use serde_json::{Map, Value};
use std::{collections::BTreeMap, sync::Arc};

/// Desired values of one service.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DesiredRequest {
    /// Service of the product.
    pub service_id: String,
    /// JSON object of property values.
    pub desired: String,
}

/// Services one request may name.
const SERVICES: usize = 100;

impl Core {
    /// Sets desired values (1.4.8), merged property by property into those that are there. They go out at once where the device can hear
    /// them, else when it comes.
    ///
    /// `DeviceNotFound`, `DeviceForeign`, `ModelNotFound`, `ServiceNotFound`, `PropertiesEmpty`, `PropertyUnknown`, `PropertyReadOnly`,
    /// `InvalidField`, `TakesNoWork`.
    pub async fn set_desired(&self, scope: &Scope, id: DeviceId, requests: &[DesiredRequest]) -> Result<()> {
        let device = self.device(scope, id).await?;
        let product =
            self.product_of(&device).await.map_err(|_| Error::new(Cause::ModelNotFound, "the device has no product"))?;
        if requests.is_empty() || requests.len() > SERVICES {
            return Err(Error::invalid("serviceDesireds", format!("must have 1 to {SERVICES} entries")));
        }
        let requests = requests.iter().map(|request| check_desired(&product, request)).collect::<Result<Vec<_>>>()?;
        self.check_takes_desired(&device, &product).await?;
        let now = self.now();
        self.decide(&[Record::Device(id)], || {
            Box::pin(async {
                let shadow = wished(self.shadow_of(id).await?, &requests, scope.by, now)?;
                let settings = requests.iter().map(|request| Write::Setting(Box::new(setting(&device, request, now))));
                Ok((batch(settings.chain([Write::Shadow(Box::new(shadow))]).collect(), vec![]), ()))
            })
        })
        .await?;
        self.live.wake(id, Wake::Work);
        Ok(())
    }

    /// The desired half of a device's shadow (1.4.9), by service.
    pub async fn desired(&self, device: &Device) -> Result<Vec<Desired>> {
        Ok(self.shadow_of(device.id).await?.services)
    }

    async fn shadow_of(&self, device: DeviceId) -> Result<Shadow> {
        Ok(self.store.shadow(device).await?.unwrap_or(Shadow { device, version: 0, services: vec![] }))
    }

    /// Settings of the scope, newest first (1.5.4); devices and times as in [`Core::history`].
    pub async fn desired_history(
        &self,
        scope: &Scope,
        filter: HistoryFilter,
        service_id: Option<String>,
        property: Option<String>,
        page: PageRequest,
    ) -> Result<Page<Setting>> {
        let of = self.history_of(scope, &filter).await?;
        let filter = SettingFilter { of, service_id, property, after: filter.after, before: filter.before };
        self.store.settings(&filter, page).await
    }

    /// The next service with values that the device has not taken and that differ from what it reported; those that do not differ count
    /// as delivered.
    pub(crate) async fn next_desired(&self, device: &Arc<Device>) -> Result<Option<Work>> {
        let open = |service: &&Desired| !service.open.is_empty();
        let Some(found) = self.store.shadow(device.id).await?.and_then(|s| s.services.iter().find(open).cloned()) else {
            return Ok(None);
        };
        let product = self.product_of(device).await?;
        let reported = self.store.device_state(device.id).await?.services;
        let reported = reported.iter().find(|service| service.service_id == found.service_id);
        let reported = reported.map(|service| object(&service.data)).transpose()?.unwrap_or_default();
        let desired = object(&found.desired)?;
        if self.refuse_barred(device, &found, &desired).await? {
            return Box::pin(self.next_desired(device)).await;
        }
        let (steps, properties) = to_write(&product, &found, &desired, &reported);
        if steps.is_empty() {
            let properties = found.open.iter().filter_map(|name| Some((name.clone(), desired.get(name)?.clone())));
            let properties = Value::Object(properties.collect()).to_string();
            self.desired_outcome_of(device, &found.service_id, &properties, true).await?;
            return Box::pin(self.next_desired(device)).await;
        }
        let of = WorkOf::Desired { service_id: found.service_id, properties: Value::Object(properties).to_string() };
        Ok(Some(Work { of, steps }))
    }

    /// Gives up values whose application may not set them any more; whether there were any.
    async fn refuse_barred(&self, device: &Arc<Device>, service: &Desired, desired: &Map<String, Value>) -> Result<bool> {
        let mut barred = Map::new();
        for (name, by) in &service.by {
            if let Some(reason) = self.bar_at(device, Some(*by)).await? {
                self.refused(device, "shadow.rights", &Error::new(Cause::Forbidden, reason).at(name.clone()));
                barred.insert(name.clone(), desired.get(name).cloned().unwrap_or_default());
            }
        }
        if barred.is_empty() {
            return Ok(false);
        }
        self.desired_outcome_of(device, &service.service_id, &Value::Object(barred).to_string(), false).await?;
        Ok(true)
    }

    /// The device took desired values, or refused them: told once, and not tried again (1.6.7.14). Without an answer nothing is to be
    /// called; they are tried again when the device comes.
    pub async fn desired_outcome(
        &self,
        caller: &DeviceCaller,
        service_id: &str,
        properties: &str,
        delivered: bool,
    ) -> Result<()> {
        let device = self.caller_device(caller).await?;
        self.desired_outcome_of(&device, service_id, properties, delivered).await
    }

    async fn desired_outcome_of(&self, device: &Arc<Device>, service_id: &str, properties: &str, delivered: bool) -> Result<()> {
        let sent = object(properties)?;
        self.decide(&[Record::Device(device.id)], || {
            Box::pin(async {
                let Some(shadow) = settled(self.shadow_of(device.id).await?, service_id, &sent)? else {
                    return Ok((Batch::default(), ()));
                };
                let body = EventBody::DesiredDelivered {
                    service_id: service_id.to_owned(),
                    properties: properties.to_owned(),
                    delivered,
                };
                Ok((batch(vec![Write::Shadow(Box::new(shadow))], vec![device_event(device, self.now(), body)]), ()))
            })
        })
        .await
    }
}

fn setting(device: &Device, request: &DesiredRequest, now: landfall_model::Time) -> Setting {
    Setting {
        account: device.account,
        app: device.app(),
        device: device.id,
        gateway: device.gateway_id(),
        service_id: request.service_id.clone(),
        desired: request.desired.clone(),
        at: now,
    }
}

/// The shadow with more values desired of the device, each of them open; `by` is who desires them, where an application does.
fn wished(mut shadow: Shadow, requests: &[DesiredRequest], by: Option<AppId>, now: landfall_model::Time) -> Result<Shadow> {
    shadow.version += 1;
    requests.iter().try_for_each(|request| merge(&mut shadow, request, by, now))?;
    Ok(shadow)
}

/// The shadow once the device took or refused these values of a service; a value that was set anew meanwhile stays open. `None` for a service
/// that it does not have.
fn settled(mut shadow: Shadow, service_id: &str, sent: &Map<String, Value>) -> Result<Option<Shadow>> {
    shadow.version += 1;
    let Some(service) = shadow.services.iter_mut().find(|service| service.service_id == service_id) else { return Ok(None) };
    let desired = object(&service.desired)?;
    service.open.retain(|name| sent.get(name).is_none_or(|value| desired.get(name) != Some(value)));
    service.by.retain(|name, _| service.open.contains(name));
    Ok(Some(shadow))
}

/// What is to be written for the open values of a service that differ from what was reported, and these values.
fn to_write(
    product: &Product,
    service: &Desired,
    desired: &Map<String, Value>,
    reported: &Map<String, Value>,
) -> (Vec<Step>, Map<String, Value>) {
    let (mut steps, mut values) = (vec![], Map::new());
    for name in &service.open {
        let Some(value) = desired.get(name).filter(|value| reported.get(name) != Some(value)) else { continue };
        let Some((path, data_type)) = path_of(product, &service.service_id, name) else { continue };
        steps.push(Step::Write { path: path.to_owned(), data_type: data_type.to_owned(), value: value.to_string() });
        values.insert(name.clone(), value.clone());
    }
    (steps, values)
}

fn merge(shadow: &mut Shadow, request: &DesiredRequest, by: Option<AppId>, now: landfall_model::Time) -> Result<()> {
    let place = shadow.services.binary_search_by(|service| service.service_id.cmp(&request.service_id)).unwrap_or_else(|place| {
        let new = Desired {
            service_id: request.service_id.clone(),
            desired: "{}".into(),
            set_at: now,
            open: vec![],
            by: BTreeMap::new(),
        };
        shadow.services.insert(place, new);
        place
    });
    let service = &mut shadow.services[place];
    let mut merged = object(&service.desired)?;
    for (name, value) in object(&request.desired)? {
        if !service.open.contains(&name) {
            service.open.push(name.clone());
        }
        match by {
            Some(by) => drop(service.by.insert(name.clone(), by)),
            None => drop(service.by.remove(&name)),
        }
        merged.insert(name, value);
    }
    service.desired = Value::Object(merged).to_string();
    service.set_at = now;
    Ok(())
}

fn object(text: &str) -> Result<Map<String, Value>> {
    serde_json::from_str(text).map_err(|error| Error::invalid("desired", error.to_string()))
}

/// Only what LwM2M itself defines can be set (1.4.8): a property that is bound to a resource.
fn path_of<'p>(product: &'p Product, service_id: &str, name: &str) -> Option<(&'p str, &'p str)> {
    let property = product.service(service_id)?.properties.iter().find(|property| property.parameter.name == name)?;
    Some((property.parameter.path.as_deref()?, &property.parameter.data_type))
}

/// The request as the model spells it, once all is known to fit.
fn check_desired(product: &Product, request: &DesiredRequest) -> Result<DesiredRequest> {
    let service = product.service(&request.service_id);
    let service = service.ok_or_else(|| Error::new(Cause::ServiceNotFound, "the product has no such service").at("serviceId"))?;
    if service.properties.is_empty() {
        return Err(Error::new(Cause::PropertiesEmpty, "the service has no properties").at("serviceId"));
    }
    let desired = message::properties(&request.desired)?;
    if desired.is_empty() {
        return Err(Error::invalid("desired", "must name at least one property"));
    }
    for (name, _) in &desired {
        check_property(service, name).map_err(|error| error.at(name.to_string()))?;
    }
    let desired = check::check_desired(service, &request.desired)?.into_owned();
    Ok(DesiredRequest { service_id: request.service_id.clone(), desired })
}

fn check_property(service: &landfall_model::Service, name: &str) -> Result<()> {
    let property = service.properties.iter().find(|property| property.parameter.name == name);
    let property = property.ok_or_else(|| Error::new(Cause::PropertyUnknown, "the service has no such property"))?;
    if !property.method.contains(['W', 'w']) {
        return Err(Error::new(Cause::PropertyReadOnly, "the property cannot be written"));
    }
    if property.parameter.path.is_none() {
        return Err(Error::new(Cause::PropertyUnknown, "the property is bound to no LwM2M resource, so it cannot be set"));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use landfall_model::{AccountId, DataFormat, Lwm2mModel, Parameter, ProductId, ProductKey, Property, Service, Time};
    use serde_json::json;

    const NOW: Time = Time(7);

    fn empty() -> Shadow {
        Shadow { device: DeviceId::from_random([1; 16]), version: 3, services: vec![] }
    }

    fn request(service_id: &str, desired: Value) -> DesiredRequest {
        DesiredRequest { service_id: service_id.into(), desired: desired.to_string() }
    }

    fn map(value: Value) -> Map<String, Value> {
        value.as_object().unwrap().clone()
    }

    #[test]
    fn wishes_are_merged_by_property_and_each_has_who_made_it() {
        let (first, second) = (AppId::from_random([1; 16]), AppId::from_random([2; 16]));
        let shadow = wished(empty(), &[request("b", json!({"x": 1, "y": 1}))], Some(first), NOW).unwrap();
        let shadow = wished(shadow, &[request("b", json!({"y": 2})), request("a", json!({"z": 1}))], Some(second), NOW).unwrap();
        let shadow = wished(shadow, &[request("b", json!({"x": 3}))], None, NOW).unwrap();
        assert_eq!(shadow.version, 6);
        let [a, b] = shadow.services.as_slice() else { panic!("{shadow:?}") };
        assert_eq!((a.service_id.as_str(), a.desired.as_str()), ("a", r#"{"z":1}"#), "services are in order");
        assert_eq!(object(&b.desired).unwrap(), map(json!({"x": 3, "y": 2})));
        assert_eq!((b.open.as_slice(), b.set_at), (["x".to_owned(), "y".to_owned()].as_slice(), NOW));
        assert_eq!(b.by, [("y".to_owned(), second)].into(), "an operator's wish is nobody's");
    }

    #[test]
    fn what_was_sent_is_settled_unless_it_was_set_anew() {
        let by = Some(AppId::from_random([1; 16]));
        let shadow = || wished(empty(), &[request("s", json!({"x": 1, "y": 2}))], by, NOW).unwrap();
        for (sent, open) in [
            (json!({"x": 1, "y": 2}), vec![]),
            (json!({"x": 1}), vec!["y"]),
            (json!({"x": 9, "y": 2}), vec!["x"]),
            (json!({}), vec!["x", "y"]),
        ] {
            let after = settled(shadow(), "s", &map(sent.clone())).unwrap().unwrap();
            assert_eq!(after.services[0].open, open, "{sent}");
            assert_eq!(after.services[0].by.keys().collect::<Vec<_>>(), open, "{sent}");
        }
        assert_eq!(settled(shadow(), "t", &Map::new()).unwrap(), None);
    }

    #[test]
    fn only_open_values_that_differ_and_have_a_resource_are_written() {
        let property = |name: &str, path: Option<&str>| Property {
            parameter: Parameter {
                name: name.into(),
                data_type: "int".into(),
                path: path.map(str::to_owned),
                ..Parameter::default()
            },
            method: "RW".into(),
        };
        let properties = vec![property("x", Some("/1/0/1")), property("y", Some("/1/0/2")), property("loose", None)];
        let product = Product {
            id: ProductId::from_random([1; 16]),
            account: AccountId::from_random([1; 16]),
            version: 1,
            key: ProductKey::default(),
            name: "p".into(),
            format: DataFormat::Json,
            services: vec![Service { service_id: "s".into(), properties, ..Service::default() }],
            codecs: vec![],
            lwm2m: Lwm2mModel::default(),
            secret: None,
            auto_register: None,
            claims: true,
            created_at: NOW,
            modified_at: NOW,
        };
        let desired = json!({"x": 1, "y": 2, "loose": 3, "gone": 4});
        let shadow = wished(empty(), &[request("s", desired.clone())], None, NOW).unwrap();
        let mut service = shadow.services[0].clone();
        for (open, reported, expected) in [
            (vec!["x", "y", "loose", "gone"], json!({}), json!({"x": 1, "y": 2})),
            (vec!["x", "y"], json!({"x": 1, "y": 1}), json!({"y": 2})),
            (vec!["y"], json!({}), json!({"y": 2})),
            (vec![], json!({}), json!({})),
        ] {
            service.open = open.iter().map(|name| (*name).to_owned()).collect();
            let (steps, values) = to_write(&product, &service, &map(desired.clone()), &map(reported.clone()));
            assert_eq!(
                (Value::Object(values), steps.len()),
                (expected.clone(), expected.as_object().unwrap().len()),
                "{open:?} {reported}"
            );
        }
        service.open = vec!["x".into()];
        let (steps, _) = to_write(&product, &service, &map(desired), &Map::new());
        assert_eq!(steps, [Step::Write { path: "/1/0/1".into(), data_type: "int".into(), value: "1".into() }]);
    }
}
