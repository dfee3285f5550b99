//! The resources that a simulated client begins with. Absent: object 0, which its owner or a bootstrap writes.

use std::collections::BTreeMap;

use crate::path::Path;
use crate::value::Value;

/// Objects 1, 3, 4, 5, 6, 19 and 3303. The serial number is the endpoint name.
pub(super) fn resources(endpoint: &str) -> BTreeMap<Path, Value> {
    let text = |text: &str| Value::Text(text.to_owned());
    let single = [
        ((1, 0, 0), Value::Integer(1)),
        ((1, 0, 1), Value::Integer(86_400)),
        ((1, 0, 2), Value::Integer(0)),
        ((1, 0, 3), Value::Integer(0)),
        ((1, 0, 6), Value::Boolean(false)),
        ((1, 0, 7), text("U")),
        ((3, 0, 0), text("Landfall")),
        ((3, 0, 1), text("Simulated device")),
        ((3, 0, 2), text(endpoint)),
        ((3, 0, 3), text("1.0.0")),
        ((3, 0, 9), Value::Integer(100)),
        ((3, 0, 16), text("U")),
        ((4, 0, 0), Value::Integer(7)),
        ((4, 0, 2), Value::Integer(-92)),
        ((4, 0, 8), Value::Integer(12_345)),
        ((5, 0, 1), text("")),
        ((5, 0, 3), Value::Integer(0)),
        ((5, 0, 5), Value::Integer(0)),
        ((5, 0, 9), Value::Integer(2)),
        ((6, 0, 0), Value::Float(54.32)),
        ((6, 0, 1), Value::Float(10.13)),
        ((6, 0, 5), Value::Time(1_700_000_000)),
        ((19, 0, 0), Value::Opaque(Vec::new())),
        ((19, 1, 0), Value::Opaque(Vec::new())),
        ((3303, 0, 5601), Value::Float(21.5)),
        ((3303, 0, 5602), Value::Float(21.5)),
        ((3303, 0, 5700), Value::Float(21.5)),
        ((3303, 0, 5701), text("Cel")),
    ];
    let multiple = [
        ((3, 0, 6, 0), Value::Integer(1)),
        ((3, 0, 7, 0), Value::Integer(3_600)),
        ((3, 0, 11, 0), Value::Integer(0)),
        ((4, 0, 1, 0), Value::Integer(7)),
        ((4, 0, 4, 0), text("192.0.2.7")),
    ];
    let single = single.into_iter().map(|((object, instance, id), value)| (Path::resource(object, instance, id), value));
    let multiple = multiple
        .into_iter()
        .map(|((object, instance, id, at), value)| (Path::resource_instance(object, instance, id, at), value));
    single.chain(multiple).collect()
}
