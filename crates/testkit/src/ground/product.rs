//! Product models to test with, and the pieces to make more of.

use landfall_core::ProductDraft;
use landfall_model::{CommandResponse, DataFormat, Lwm2mModel, Parameter, ProductKey, Property, Service, ServiceCommand};

/// A parameter.
#[must_use]
pub fn parameter(name: &str, data_type: &str) -> Parameter {
    Parameter { name: name.into(), data_type: data_type.into(), ..Parameter::default() }
}

/// A parameter that is bound to an LwM2M resource.
#[must_use]
pub fn bound(name: &str, data_type: &str, path: &str) -> Parameter {
    Parameter { path: Some(path.into()), ..parameter(name, data_type) }
}

/// A property; `method` holds some of `R`, `W` and `E`.
#[must_use]
pub fn property(method: &str, parameter: Parameter) -> Property {
    Property { parameter, method: method.into() }
}

/// A service of the type that its id says.
#[must_use]
pub fn service(id: &str, properties: Vec<Property>, commands: Vec<ServiceCommand>) -> Service {
    Service { service_id: id.into(), service_type: id.into(), properties, commands, ..Service::default() }
}

/// A command without responses.
#[must_use]
pub fn command(name: &str, paras: Vec<Parameter>) -> ServiceCommand {
    ServiceCommand { name: name.into(), paras, ..ServiceCommand::default() }
}

/// A command that executes an LwM2M resource.
#[must_use]
pub fn execute(name: &str, paras: Vec<Parameter>, path: &str) -> ServiceCommand {
    ServiceCommand { execute: Some(path.into()), ..command(name, paras) }
}

/// A model of the manufacturer Acme.
#[must_use]
pub fn draft(device_type: &str, model: &str, protocol: &str, format: DataFormat, services: Vec<Service>) -> ProductDraft {
    ProductDraft {
        key: ProductKey {
            manufacturer_id: "acme".into(),
            manufacturer_name: "Acme".into(),
            device_type: device_type.into(),
            model: model.into(),
            protocol_type: protocol.into(),
        },
        name: format!("{device_type} {model}"),
        format,
        services,
        lwm2m: Lwm2mModel::default(),
        auto_register: None,
        claims: None,
    }
}

/// Reports `temperature` in the service `Thermometer`; its service `Switch` has the command `SET`.
#[must_use]
pub fn thermometer(format: DataFormat) -> ProductDraft {
    let temperature = property("RE", parameter("temperature", "decimal"));
    let set = command("SET", vec![Parameter { required: true, ..parameter("value", "int") }]);
    let services = vec![service("Thermometer", vec![temperature], vec![]), service("Switch", vec![], vec![set])];
    draft("Thermometer", "T1", "MQTT", format, services)
}

/// A model that is bound to LwM2M resources. Its service `Meter` is not, and so has frames where the format is binary.
#[must_use]
pub fn sensor() -> ProductDraft {
    let settings = vec![
        property("RW", bound("interval", "int", "/1/0/2")),
        property("R", bound("seen", "int", "/1/0/3")),
        property("RW", parameter("label", "int")),
    ];
    let reboot = execute("REBOOT", vec![parameter("delay", "int")], "/3/0/4");
    let offset = command("OFFSET", vec![bound("offset", "string", "/3/0/14")]);
    let responses = vec![CommandResponse { name: "ASK-RSP".into(), paras: vec![] }];
    let ask = ServiceCommand { responses, ..command("ASK", vec![]) };
    let services = vec![
        service("Settings", settings, vec![]),
        service("Device", vec![], vec![reboot, offset]),
        service("Meter", vec![property("R", parameter("value", "int"))], vec![ask]),
    ];
    // The same kind of thing as the thermometer, spoken to in another way.
    draft("Thermometer", "L1", "LWM2M", DataFormat::Json, services)
}
