//! Device management other than reading and writing: 241, 260, 261, 264, 266, 680, 685, 1630, 1635. Absent: what an executed resource does.

use super::*;
use crate::link::{Discovered, parse_discover};

/// What a client tells of a path, as the server reads it.
fn discovered(bench: &mut Bench, request: Result<Request, OperationError>) -> Vec<Discovered> {
    let response = bench.ask(request);
    assert_eq!((response.code, response.content_format), (Code::CONTENT, Some(ContentFormat::LINK)));
    parse_discover(&response.payload, &bench.register.list.root, &LinkLimits::default()).unwrap().links
}

fn names(links: &[Discovered]) -> Vec<String> {
    links.iter().map(|link| link.path.to_string()).collect()
}

fn of<'a>(links: &'a [Discovered], at: &str) -> &'a Attributes {
    &links.iter().find(|link| link.path == path(at)).unwrap().attributes
}

/// `LightweightM2M-1.1-int-241`: the execution is confirmed; the client registers again afterwards.
#[test]
fn int_241_executable_resource_rebooting_the_device() {
    let mut bench = Bench::new(Version::V1_1);
    let request = operation::execute("", &path("/3/0/4"), &[]).unwrap();
    assert_eq!((request.method, request.path.join("/").as_str()), (Method::Post, "3/0/4"));
    assert_eq!((request.content_format, request.payload.len()), (None, 0));
    assert_eq!(bench.ask(Ok(request)).code, Code::CHANGED);
    assert_eq!(bench.client.take_executed(), [(path("/3/0/4"), vec![])]);
    bench.registers();
    assert_eq!(bench.register.endpoint.as_deref(), Some(ENDPOINT));
    assert_eq!(bench.execute("/9/0/4"), Code::NOT_FOUND);
}

/// `LightweightM2M-1.1-int-260`: object, instance and resource, before and after attributes were written.
#[test]
fn int_260_discover_command() {
    let mut bench = Bench::new(Version::V1_1);
    let links = discovered(&mut bench, operation::discover("", &path("/3")));
    for at in ["/3", "/3/0", "/3/0/0", "/3/0/1", "/3/0/2", "/3/0/3", "/3/0/6", "/3/0/7", "/3/0/8", "/3/0/9", "/3/0/11", "/3/0/16"]
    {
        assert!(names(&links).iter().any(|name| name == at), "{at}");
    }
    assert_eq!(bench.attributes("/3", &["pmin=10"]), Code::CHANGED);
    assert_eq!(bench.attributes("/3", &["pmax=200"]), Code::CHANGED);
    let links = discovered(&mut bench, operation::discover("", &path("/3")));
    assert_eq!((of(&links, "/3").pmin_s, of(&links, "/3").pmax_s), (Some(10), Some(200)));
    for query in ["lt=1", "gt=6", "st=1"] {
        assert_eq!(bench.attributes("/3/0/7", &[query]), Code::CHANGED);
    }
    let links = discovered(&mut bench, operation::discover("", &path("/3/0")));
    assert_eq!(["/3/0/6", "/3/0/7", "/3/0/8", "/3/0/11"].map(|at| of(&links, at).dim), [Some(2), Some(2), Some(2), Some(1)]);
    let voltage = of(&links, "/3/0/7");
    assert_eq!((voltage.lt, voltage.gt, voltage.st), (Some(1.0), Some(6.0), Some(1.0)));
    let links = discovered(&mut bench, operation::discover("", &path("/3/0/7")));
    assert_eq!(names(&links), ["/3/0/7", "/3/0/7/0", "/3/0/7/1"]);
}

/// `LightweightM2M-1.1-int-261`: attributes of an object, an instance and a resource instance; taken away again, they are gone.
#[test]
fn int_261_write_attribute_operation_on_a_multiple_resource() {
    let mut bench = Bench::new(Version::V1_1);
    let change = AttributeChange::parse(&["pmin=10", "pmax=200"]).unwrap();
    let request = operation::write_attributes("", &path("/3"), &change).unwrap();
    assert_eq!((request.method, request.query.join("&").as_str()), (Method::Put, "pmin=10&pmax=200"));
    assert_eq!((request.content_format, request.payload.len()), (None, 0));
    assert_eq!(bench.ask(Ok(request)).code, Code::CHANGED);
    assert_eq!(bench.attributes("/3/0", &["pmax=320"]), Code::CHANGED);
    assert_eq!(bench.attributes("/3/0/11/0", &["pmax=100", "epmin=1", "epmax=20"]), Code::CHANGED);
    let links = discovered(&mut bench, operation::discover("", &path("/3/0/11")));
    assert_eq!(names(&links), ["/3/0/11", "/3/0/11/0"]);
    let own = of(&links, "/3/0/11/0").clone();
    assert_eq!((own.pmax_s, own.epmin_s, own.epmax_s), (Some(100), Some(1), Some(20)));
    let links = discovered(&mut bench, operation::discover("", &path("/3")));
    let above = own.inherit(of(&links, "/3/0")).inherit(of(&links, "/3"));
    assert_eq!((above.pmin_s, above.pmax_s), (Some(10), Some(100)), "the nearest counts");
    assert_eq!(bench.attributes("/3/0/11/0", &["pmax"]), Code::CHANGED);
    let links = discovered(&mut bench, operation::discover("", &path("/3/0/11")));
    assert_eq!(of(&links, "/3/0/11/0").pmax_s, None);
}

/// `LightweightM2M-1.2-int-264`: the object and its instances, not their resources.
#[test]
fn int_264_discover_with_depth_1() {
    let mut bench = Bench::new(Version::V1_2);
    let request = operation::discover_depth("", &path("/3"), 1).unwrap();
    assert_eq!((request.query.join("&").as_str(), request.accept), ("depth=1", Some(ContentFormat::LINK)));
    let links = discovered(&mut bench, Ok(request));
    assert_eq!(names(&links), ["/3", "/3/0"]);
}

/// `LightweightM2M-1.2-int-266`: down to the resource instances.
#[test]
fn int_266_discover_with_depth_3() {
    let mut bench = Bench::new(Version::V1_2);
    let links = discovered(&mut bench, operation::discover_depth("", &path("/3"), 3));
    let names = names(&links);
    for at in ["/3", "/3/0", "/3/0/7", "/3/0/7/0", "/3/0/7/1", "/3/0/11/0"] {
        assert!(names.iter().any(|name| name == at), "{at}");
    }
    assert_eq!(of(&links, "/3/0/7").dim, Some(2));
    assert!(operation::discover_depth("", &path("/3"), 4).is_err());
}

/// `LightweightM2M-1.1-int-680`: there is one device; a second is refused with 4.05.
#[test]
fn int_680_device_object_create_object_instance() {
    let mut bench = Bench::new(Version::V1_1);
    let create = operation::create("", &path("/3"), ContentFormat::TLV, &[entry("/3/1/9", 1)]);
    let answer = bench.ask(create);
    assert_eq!((answer.code, answer.location.len()), (Code::METHOD_NOT_ALLOWED, 0));
    assert_eq!(bench.ask(operation::read("", &path("/3/1"), None)).code, Code::NOT_FOUND);
}

/// `LightweightM2M-1.1-int-685`: the device cannot be deleted.
#[test]
fn int_685_device_object_delete_object_instance() {
    let mut bench = Bench::new(Version::V1_1);
    assert_eq!(bench.ask(operation::delete("", &path("/3/0"))).code, Code::METHOD_NOT_ALLOWED);
    assert_eq!(bench.value("/3/0/0"), "Open Mobile Alliance".value());
}

/// `LightweightM2M-1.1-int-1630`: with four identities; where it was made is told, and the list of objects has it.
#[test]
fn int_1630_create_portfolio_object_instance() {
    let identities = ["Host Device ID", "Host Device Manufacturer", "Host Device Model", "Host Device Software Version"];
    let entries: Vec<Entry> =
        (0..).zip(identities).map(|(at, text)| Entry::new(Path::resource_instance(16, 0, 0, at), text.value())).collect();
    for format in ALL_OBJECT_FORMATS {
        let mut bench = Bench::new(Version::V1_2);
        let request = operation::create("", &path("/16"), format, &entries).unwrap();
        assert_eq!((request.method, request.path.join("/").as_str()), (Method::Post, "16"));
        let answer = bench.ask(Ok(request));
        assert_eq!((answer.code, answer.location.join("/").as_str()), (Code::CREATED, "16/0"), "{format}");
        assert_eq!(bench.read("/16/0", format), entries);
        bench.registers();
        assert!(bench.register.list.has_instance(16, 0));
        assert_eq!(bench.ask(operation::create("", &path("/16"), format, &entries)).code, Code::BAD_REQUEST, "it is there");
    }
}

/// `LightweightM2M-1.1-int-1635`: the instance goes, from the list of objects too.
#[test]
fn int_1635_delete_portfolio_object_instance() {
    let mut bench = Bench::new(Version::V1_1);
    bench.set(&[entry("/16/0/0/0", "Host Device ID")]);
    let request = operation::delete("", &path("/16/0")).unwrap();
    assert_eq!((request.method, request.path.join("/").as_str()), (Method::Delete, "16/0"));
    assert_eq!(bench.ask(Ok(request)).code, Code::DELETED);
    assert_eq!(bench.ask(operation::read("", &path("/16/0"), None)).code, Code::NOT_FOUND);
    bench.registers();
    assert!(!bench.register.list.has_object(16));
}
