//! Values against a product model (1.5.5): known names, data types, ranges, lengths and enumerations.
//!
//! What applications send, parameters and desired values, is taken in the other spelling too: a number or flag written as a string where its type
//! is no string, and the other way round. Devices get it as the model says. What devices report is taken as it is.

use super::frame::AGENT;
use crate::uplink::message::properties;
use landfall_model::{Cause, Error, Parameter, Property, Result, Service, ServiceCommand};
use std::{borrow::Cow, collections::HashSet};

/// Checks the data of a report against its service. `PayloadInvalid` names the property and the rule.
pub(crate) fn check_report(service: &Service, data: &str) -> Result<()> {
    for (name, value) in properties(data)? {
        let property = service.properties.iter().find(|property| property.parameter.name == name);
        let property = property.ok_or_else(|| invalid(&name, "is no property of the service"))?;
        check_value(&property.parameter, value.get())?;
    }
    Ok(())
}

/// Checks desired properties against their service and spells them as it does. `InvalidField` names the property and the rule.
pub(crate) fn check_desired<'a>(service: &Service, desired: &'a str) -> Result<Cow<'a, str>> {
    let (text, _) = spelled(desired, |name| {
        let property = service.properties.iter().find(|property| property.parameter.name == name);
        property.map(|property| &property.parameter).ok_or("is no property of the service")
    })?;
    Ok(text)
}

/// The part of the data of a report that fits its service, if any does, and why the rest does not.
pub(crate) fn fitting(service: &Service, data: &str) -> Result<(Option<String>, Vec<Error>)> {
    let (mut fit, mut errors) = (vec![], vec![]);
    for (name, value) in properties(data)? {
        let property = service.properties.iter().find(|property| property.parameter.name == name);
        let checked = property.ok_or_else(|| invalid(&name, "is no property of the service"));
        match checked.and_then(|property| check_value(&property.parameter, value.get())) {
            Ok(()) => fit.push(format!("{}:{}", serde_json::Value::from(&*name), value.get())),
            Err(error) => errors.push(error),
        }
    }
    Ok(((!fit.is_empty()).then(|| format!("{{{}}}", fit.join(","))), errors))
}

/// Checks the parameters of a call against its command and spells them as it does. `InvalidField` names the parameter and the rule.
pub(crate) fn check_call<'a>(command: &ServiceCommand, paras: &'a str) -> Result<Cow<'a, str>> {
    let known = |name: &str| command.paras.iter().find(|para| para.name == name).ok_or("is no parameter of the command");
    let (text, names) = spelled(paras, known)?;
    match command.paras.iter().find(|para| para.required && !names.contains(para.name.as_str())) {
        Some(missing) => Err(Error { cause: Cause::InvalidField, ..invalid(&missing.name, "is mandatory") }),
        None => Ok(text),
    }
}

/// An application's object with each value spelled as its parameter says, as it came where nothing differs; and its names.
fn spelled<'a, 'm>(
    object: &'a str,
    known: impl Fn(&str) -> std::result::Result<&'m Parameter, &'static str>,
) -> Result<(Cow<'a, str>, HashSet<Cow<'a, str>>)> {
    let wrong = |error: Error| Error { cause: Cause::InvalidField, ..error };
    let (mut members, mut names, mut differs) = (vec![], HashSet::new(), false);
    for (name, value) in properties(object).map_err(wrong)? {
        let parameter = known(&name).map_err(|rule| wrong(invalid(&name, rule)))?;
        let text = spell(parameter, value.get());
        check_value(parameter, &text).map_err(wrong)?;
        differs |= *text != *value.get();
        members.push(format!("{}:{text}", serde_json::Value::from(&*name)));
        names.insert(name);
    }
    let text = if differs { Cow::Owned(format!("{{{}}}", members.join(","))) } else { Cow::Borrowed(object) };
    Ok((text, names))
}

/// A value as its type writes it, where it converts exactly.
fn spell<'a>(parameter: &Parameter, raw: &'a str) -> Cow<'a, str> {
    let number = |text: &str| text.parse::<serde_json::Number>().is_ok();
    let flag = |text: &str| matches!(text, "true" | "false");
    let quoted = raw.strip_prefix('"').and_then(|rest| rest.strip_suffix('"'));
    match (Kind::of(&parameter.data_type), quoted) {
        (Some(Kind::Integer | Kind::Decimal), Some(text)) if number(text) => Cow::Borrowed(text),
        (Some(Kind::Boolean), Some(text)) if flag(text) => Cow::Borrowed(text),
        (Some(Kind::Text), None) if number(raw) || flag(raw) => Cow::Owned(format!("\"{raw}\"")),
        _ => Cow::Borrowed(raw),
    }
}

/// Checks the services of a model: ids, unique names, limits. `InvalidField` names the place.
pub(crate) fn check_services(services: &[Service]) -> Result<()> {
    limit("services", services.len(), 500)?;
    unique("services.serviceId", services.iter().map(|s| s.service_id.as_str()))?;
    if services.iter().any(|service| service.service_id == AGENT) {
        return Err(Error::invalid("services.serviceId", format!("{AGENT} is the platform's own word to devices")));
    }
    for service in services {
        limit("properties", service.properties.len(), 1_000)?;
        limit("commands", service.commands.len(), 500)?;
        unique("properties.propertyName", service.properties.iter().map(|p| p.parameter.name.as_str()))?;
        unique("commands.commandName", service.commands.iter().map(|c| c.name.as_str()))?;
        service.properties.iter().try_for_each(check_property)?;
        for command in &service.commands {
            unique("commands.paras.paraName", command.paras.iter().map(|p| p.name.as_str()))?;
            command.execute.as_deref().map_or(Ok(()), |path| check_path(path, 3))?;
            command.paras.iter().chain(command.responses.iter().flat_map(|r| &r.paras)).try_for_each(check_parameter)?;
        }
    }
    Ok(())
}

fn check_property(property: &Property) -> Result<()> {
    if !property.method.chars().all(|letter| "RWE".contains(letter)) {
        return Err(Error::invalid(property.parameter.name.clone(), "method must consist of the letters R, W and E"));
    }
    check_parameter(&property.parameter)
}

/// A path of an LwM2M resource or, with `most` 4, also of one of its instances (LwM2M core, 7.3); numbers up to 65534.
pub(crate) fn check_path(path: &str, most: usize) -> Result<()> {
    let digits = |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit());
    let parts: Vec<&str> = path.strip_prefix('/').map(|rest| rest.split('/').collect()).unwrap_or_default();
    let numbers = parts.iter().all(|part| digits(part) && part.parse::<u16>().is_ok_and(|n| n < u16::MAX));
    if (3..=most).contains(&parts.len()) && numbers {
        return Ok(());
    }
    Err(Error::invalid("path", format!("{path:.64} is no path of an LwM2M resource such as /3303/0/5700")))
}

/// A binding of LwM2M that has UDP, which alone is served here: letters, each once.
pub(crate) fn check_binding(binding: &str) -> Result<()> {
    let once = |letter: char| binding.chars().filter(|other| *other == letter).count() == 1;
    if binding.contains('U') && binding.chars().all(|letter| "UTSNMHQ".contains(letter) && once(letter)) {
        return Ok(());
    }
    Err(Error::invalid("lwm2m.binding", "must be U with other letters of LwM2M bindings, each once, such as UQ"))
}

fn check_parameter(parameter: &Parameter) -> Result<()> {
    parameter.path.as_deref().map_or(Ok(()), |path| check_path(path, 4))?;
    for bound in [&parameter.min, &parameter.max].into_iter().flatten() {
        if !bound.is_empty() && !bound.parse().is_ok_and(f64::is_finite) {
            return Err(Error::invalid(parameter.name.clone(), "min and max must be numbers"));
        }
    }
    if Kind::of(&parameter.data_type).is_none() {
        let known = "int, long, decimal, double, number, string, DateTime, date-time, jsonObject, enum, boolean, bool, array or string list";
        return Err(Error::invalid(
            parameter.name.clone(),
            format!("data type {:.32} is unknown: use {known}", parameter.data_type),
        ));
    }
    Ok(())
}

fn limit(path: &'static str, len: usize, max: usize) -> Result<()> {
    if len > max {
        return Err(Error::invalid(path, format!("has {len} entries, at most {max} are allowed")));
    }
    Ok(())
}

fn unique<'a>(path: &'static str, names: impl Iterator<Item = &'a str>) -> Result<()> {
    let mut seen = HashSet::new();
    for name in names {
        if name.is_empty() || name.chars().count() > 256 {
            return Err(Error::invalid(path, "must be 1 to 256 characters"));
        }
        if !seen.insert(name) {
            return Err(Error::invalid(path, format!("{name:.64} stands twice")));
        }
    }
    Ok(())
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Integer,
    Decimal,
    Text,
    Object,
    Boolean,
    List,
}

impl Kind {
    fn of(data_type: &str) -> Option<Self> {
        const KINDS: [(&str, Kind); 16] = [
            ("int", Kind::Integer),
            ("integer", Kind::Integer),
            ("long", Kind::Integer),
            ("decimal", Kind::Decimal),
            ("double", Kind::Decimal),
            ("float", Kind::Decimal),
            ("number", Kind::Decimal),
            ("string", Kind::Text),
            ("datetime", Kind::Text),
            ("date-time", Kind::Text),
            ("enum", Kind::Text),
            ("jsonobject", Kind::Object),
            ("boolean", Kind::Boolean),
            ("bool", Kind::Boolean),
            ("array", Kind::List),
            ("string list", Kind::List),
        ];
        KINDS.into_iter().find(|(name, _)| data_type.eq_ignore_ascii_case(name)).map(|(_, kind)| kind)
    }
}

fn check_value(parameter: &Parameter, raw: &str) -> Result<()> {
    let name = &parameter.name;
    match Kind::of(&parameter.data_type) {
        Some(Kind::Integer) => {
            let number = raw.parse::<i64>().map_err(|_| invalid(name, "must be an integer"))?;
            check_range(parameter, number as f64)
        }
        Some(Kind::Decimal) => {
            let number = raw.parse::<f64>().ok().filter(|_| raw.starts_with(|c: char| c == '-' || c.is_ascii_digit()));
            check_range(parameter, number.ok_or_else(|| invalid(name, "must be a number"))?)
        }
        Some(Kind::Text) => check_text(parameter, raw),
        Some(Kind::Object) => must(raw.starts_with('{'), name, "must be an object"),
        Some(Kind::Boolean) => must(matches!(raw, "true" | "false"), name, "must be true or false"),
        Some(Kind::List) => must(raw.starts_with('['), name, "must be an array"),
        None => Ok(()),
    }
}

fn check_range(parameter: &Parameter, number: f64) -> Result<()> {
    let bound = |text: &Option<String>| text.as_deref().and_then(|text| text.parse::<f64>().ok());
    if let Some(min) = bound(&parameter.min).filter(|min| number < *min) {
        return Err(invalid(&parameter.name, format!("is below {min}")));
    }
    if let Some(max) = bound(&parameter.max).filter(|max| number > *max) {
        return Err(invalid(&parameter.name, format!("is above {max}")));
    }
    Ok(())
}

fn check_text(parameter: &Parameter, raw: &str) -> Result<()> {
    let text: Cow<'_, str> = serde_json::from_str(raw).map_err(|_| invalid(&parameter.name, "must be a string"))?;
    if let Some(max) = parameter.max_length.filter(|max| *max > 0 && text.chars().count() > *max as usize) {
        return Err(invalid(&parameter.name, format!("is longer than {max} characters")));
    }
    if !parameter.enum_list.is_empty() && !parameter.enum_list.iter().any(|allowed| *allowed == *text) {
        return Err(invalid(&parameter.name, format!("must be one of {:.200}", parameter.enum_list.join(", "))));
    }
    Ok(())
}

fn must(holds: bool, name: &str, rule: &'static str) -> Result<()> {
    if holds { Ok(()) } else { Err(invalid(name, rule)) }
}

fn invalid(path: &str, rule: impl Into<Cow<'static, str>>) -> Error {
    Error::new(Cause::PayloadInvalid, rule).at(path.chars().take(64).collect::<String>())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parameter(data_type: &str) -> Parameter {
        Parameter {
            name: "p".into(),
            data_type: data_type.into(),
            min: Some("-5".into()),
            max: Some("100".into()),
            max_length: Some(3),
            ..Parameter::default()
        }
    }

    #[test]
    fn values_are_held_to_their_types() {
        let cases = [
            ("int", "7", ""),
            ("int", "7.5", "p: must be an integer"),
            ("int", "\"7\"", "p: must be an integer"),
            ("long", "101", "p: is above 100"),
            ("Decimal", "-5.1", "p: is below -5"),
            ("decimal", "1e1", ""),
            ("decimal", "null", "p: must be a number"),
            ("string", "\"abc\"", ""),
            ("string", "\"äöüß\"", "p: is longer than 3 characters"),
            ("string", "1", "p: must be a string"),
            ("jsonObject", "[]", "p: must be an object"),
            ("boolean", "true", ""),
            ("boolean", "0", "p: must be true or false"),
            ("bool", "false", ""),
            ("Bool", "\"true\"", "p: must be true or false"),
            ("number", "7", ""),
            ("number", "-1.5e1", "p: is below -5"),
            ("Number", "\"7\"", "p: must be a number"),
            ("string list", "[\"a\"]", ""),
        ];
        for (data_type, value, expected) in cases {
            let data = format!("{{\"p\":{value}}}");
            let service = Service {
                properties: vec![Property { parameter: parameter(data_type), method: "R".into() }],
                ..Service::default()
            };
            let got = check_report(&service, &data).err().map(|e| e.to_string()).unwrap_or_default();
            assert_eq!(got, expected, "{data_type} {value}");
        }
    }

    #[test]
    fn calls_need_their_mandatory_parameters_and_no_others() {
        let para = Parameter { name: "value".into(), data_type: "int".into(), required: true, ..Parameter::default() };
        let command = ServiceCommand { name: "SET".into(), paras: vec![para], ..ServiceCommand::default() };
        assert_eq!(check_call(&command, r#"{"value":4}"#), Ok(r#"{"value":4}"#.into()));
        for (paras, expected) in [("{}", "value: is mandatory"), (r#"{"value":4,"x":1}"#, "x: is no parameter of the command")] {
            let error = check_call(&command, paras).unwrap_err();
            assert_eq!((error.cause, error.to_string().as_str()), (Cause::InvalidField, expected));
        }
    }

    /// Programs write numbers and flags as strings, as the library of the original platform converts them.
    #[test]
    fn what_applications_send_is_spelled_as_the_model_says() {
        let cases = [
            ("int", r#""7""#, "7"),
            ("decimal", r#""-1.50""#, "-1.50"),
            ("boolean", r#""true""#, "true"),
            ("string", "12", r#""12""#),
            ("string", "1.0", r#""1.0""#),
            ("string", r#""12""#, r#""12""#),
            ("int", r#""007""#, "p: must be an integer"),
            ("int", r#"" 7""#, "p: must be an integer"),
            ("int", r#""7.5""#, "p: must be an integer"),
            ("int", r#""101""#, "p: is above 100"),
            ("int", r#""""#, "p: must be an integer"),
            ("boolean", "1", "p: must be true or false"),
            ("string", "1234", "p: is longer than 3 characters"),
            ("string", "null", "p: must be a string"),
        ];
        for (data_type, value, expected) in cases {
            let given = format!(r#"{{ "p" : {value} }}"#);
            let command = ServiceCommand { paras: vec![parameter(data_type)], ..ServiceCommand::default() };
            let property = Property { parameter: parameter(data_type), method: "W".into() };
            let service = Service { properties: vec![property], ..Service::default() };
            for got in [check_call(&command, &given), check_desired(&service, &given)] {
                let same = if expected == value { given.clone() } else { format!(r#"{{"p":{expected}}}"#) };
                match got {
                    Ok(text) => assert_eq!(text, same, "{data_type} {value}"),
                    Err(error) => assert_eq!((error.cause, error.to_string().as_str()), (Cause::InvalidField, expected)),
                }
            }
        }
    }

    #[test]
    fn models_with_twins_or_unknown_types_are_refused() {
        let twice = vec![Service { service_id: "a".into(), ..Service::default() }; 2];
        assert!(check_services(&twice).is_err());
        assert!(check_services(&[Service { service_id: "$agent".into(), ..Service::default() }]).is_err(), "the platform's own");
        let odd = Property {
            parameter: Parameter { name: "p".into(), data_type: "blob".into(), ..Parameter::default() },
            method: "R".into(),
        };
        assert!(check_services(&[Service { service_id: "a".into(), properties: vec![odd], ..Service::default() }]).is_err());
    }
}
