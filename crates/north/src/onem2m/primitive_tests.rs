//! Requests and what they are read as.

use super::*;
use axum::http::HeaderValue;

const ID: &str = "0123456789abcdef01234567";

fn headers(given: &[(&'static str, &'static str)]) -> HeaderMap {
    let always = [("x-m2m-origin", "CmyApplication"), ("x-m2m-ri", "123")];
    let mut headers = HeaderMap::new();
    for (name, value) in always.iter().chain(given) {
        match *value {
            "-" => drop(headers.remove(*name)),
            value => drop(headers.insert(*name, HeaderValue::from_static(value))),
        }
    }
    headers
}

fn read(method: Method, path: &str, query: &str, given: &[(&'static str, &'static str)]) -> Result<Primitive, Fault> {
    Primitive::read(&method, path, query, &headers(given))
}

fn get(query: &str) -> Result<Primitive, Fault> {
    read(Method::GET, "t", query, &[])
}

#[test]
fn headers_make_the_operation() {
    const JSON: (&str, &str) = ("content-type", "application/json");
    type Case = (Method, &'static [(&'static str, &'static str)], Result<Operation, u16>);
    let cases: [Case; 21] = [
        (Method::GET, &[], Ok(Operation::Retrieve)),
        (Method::GET, &[JSON], Ok(Operation::Retrieve)),
        (Method::DELETE, &[], Ok(Operation::Delete)),
        (Method::PUT, &[JSON], Ok(Operation::Update)),
        (Method::POST, &[("content-type", "application/json;ty=28")], Ok(Operation::Create(28))),
        (Method::POST, &[("content-type", "Application/JSON; charset=utf-8; ty=3")], Ok(Operation::Create(3))),
        (Method::POST, &[("content-type", "application/vnd.onem2m-res+json;ty=4")], Ok(Operation::Create(4))),
        (Method::POST, &[JSON], Err(4000)),
        (Method::POST, &[("content-type", "application/json;ty=x")], Err(4000)),
        (Method::POST, &[("content-type", "application/xml;ty=3")], Err(4015)),
        (Method::POST, &[], Err(4015)),
        (Method::PUT, &[], Err(4015)),
        (Method::PATCH, &[JSON], Err(4005)),
        (Method::HEAD, &[], Err(4005)),
        (Method::GET, &[("x-m2m-origin", "-")], Err(4000)),
        (Method::GET, &[("x-m2m-ri", "-")], Err(4000)),
        (Method::GET, &[("x-m2m-ri", " ")], Err(4000)),
        (Method::GET, &[("x-m2m-rvi", "2a")], Ok(Operation::Retrieve)),
        (Method::GET, &[("x-m2m-rvi", "9")], Err(4001)),
        (Method::GET, &[("accept", "application/json, text/html;q=0.5")], Ok(Operation::Retrieve)),
        (Method::GET, &[("accept", "text/html, application/json;q=0")], Err(5207)),
    ];
    for (method, given, expected) in cases {
        let found = read(method.clone(), "t", "", given).map(|read| read.operation).map_err(|fault| fault.rsc);
        assert_eq!(found, expected, "{method} {given:?}");
    }
    let missing = read(Method::GET, "t", "", &[("x-m2m-origin", "-")]).unwrap_err();
    assert_eq!(missing.text, "invalid arguments/attributes: from/originator parameter is mandatory in request");
}

#[test]
fn the_answer_takes_over_what_it_needs() {
    for (accept, only) in [
        ("*/*", false),
        ("application/*", false),
        ("application/json", false),
        ("application/vnd.onem2m-res+json", true),
        ("application/vnd.onem2m-res+json, application/json", false),
    ] {
        assert_eq!(echo(&headers(&[("accept", accept)])).onem2m_media_type, only, "{accept}");
    }
    let full = echo(&headers(&[("fullname", "True")]));
    assert!(full.full_names && full.request_id.is_some_and(|id| id == "123"));
}

#[test]
fn addresses_are_names_or_ids() {
    let names = |names: &[&str]| Some(To::Names(names.iter().map(|name| (*name).to_owned()).collect()));
    let id = |names: &[&str]| Some(To::Id(ID.parse().unwrap(), names.iter().map(|name| (*name).to_owned()).collect()));
    let cases = [
        ("t".to_owned(), names(&[])),
        ("t/".to_owned(), names(&[])),
        ("t/a%20b/c".to_owned(), names(&["a b", "c"])),
        ("t/-/a".to_owned(), names(&["a"])),
        (format!("t/{ID}"), names(&[ID])),
        (format!("~/t/{ID}"), id(&[])),
        (format!("t/~/t/{ID}/la"), id(&["la"])),
        ("~/t/t".to_owned(), names(&[])),
        ("~/t/t/a".to_owned(), names(&["a"])),
        ("~/t/-/a".to_owned(), names(&["a"])),
        ("~/t/a".to_owned(), names(&["a"])),
        ("~/t".to_owned(), names(&[])),
        (format!("_/any.host/t/{ID}"), id(&[])),
        ("_/any.host/t/t/a".to_owned(), names(&["a"])),
        (format!("t/_/any.host/t/{ID}/la"), id(&["la"])),
        ("t/_/any.host/t/-/a".to_owned(), names(&["a"])),
        (format!("{ID}/la"), id(&["la"])),
        (format!("t/~/other/{ID}"), None),
        (format!("t/_/any.host/other/{ID}"), None),
        ("t/_".to_owned(), None),
        ("t//a".to_owned(), None),
        (String::new(), None),
        ("t/%zz".to_owned(), None),
        ("t/%ff".to_owned(), None),
        ("t/%4".to_owned(), None),
        ("t/a".repeat(40), None),
    ];
    for (path, expected) in cases {
        let found = address(&path);
        assert_eq!(found.as_ref().ok().map(|(_, to)| to.clone()), expected, "{path}");
        match found {
            Ok((tenant, _)) => assert_eq!(tenant.as_deref(), (!path.starts_with(ID)).then_some("t"), "{path}"),
            Err(fault) => assert_eq!(fault.rsc, 4004, "{path}"),
        }
    }
}

#[test]
fn ids_in_bodies_have_every_form() {
    let names = |names: &[&str]| Some(To::Names(names.iter().map(|name| (*name).to_owned()).collect()));
    for (text, expected) in [
        (ID, names(&[ID])),
        ("t", names(&[])),
        ("/t", names(&[])),
        ("t/a/b", names(&["a", "b"])),
        ("-/a", names(&["a"])),
        ("a/b", names(&["a", "b"])),
        ("/t/-/a", names(&["a"])),
        ("/t/t/a", names(&["a"])),
        ("//any.host/t/t/a", names(&["a"])),
        ("//any.host/t", names(&[])),
        ("/other/a", None),
        ("//any.host/other/a", None),
        ("///t/a", None),
        ("//any.host", None),
        ("", None),
        ("/", None),
        ("t//a", None),
    ] {
        assert_eq!(To::of_id(text, "t"), expected, "{text}");
    }
    assert_eq!(To::of_id(&format!("/t/{ID}"), "t"), names(&[ID]));
}

#[test]
fn filters_are_read() {
    let read = get(
        "fu=1&ty=14+3&ty=4&lbl=a%2Bb+c%20d&crb=20260102T030405&cra=20260101T000000,500000&cr=Cx&fo=2&lvl=3&lim=20&ofst=5&drt=2",
    );
    let read = read.unwrap();
    assert_eq!((read.operation, read.result), (Operation::Discover, 11));
    assert_eq!(read.criteria.types, [14, 3, 4]);
    assert_eq!(read.criteria.labels, ["a+b", "c d"]);
    assert_eq!(read.criteria.created_before, Time::parse_onem2m("20260102T030405"));
    assert_eq!((read.criteria.creator.as_deref(), read.criteria.any, read.criteria.levels), (Some("Cx"), true, Some(3)));
    assert_eq!((read.limit, read.offset, read.unstructured), (20, 5, true));
    let list = get("rcn=4&ty=14&limit=1000000000&offset=7&").unwrap();
    assert_eq!((list.operation, list.result, list.limit, list.offset), (Operation::Retrieve, 4, 10_000, 7));
    let plain = get("").unwrap();
    assert_eq!((plain.result, plain.limit, plain.offset, plain.unstructured), (1, 1_000, 0, false));
    assert_eq!(get("ofs=3").unwrap().offset, 3);
    assert_eq!(get("atrl=rn+labels&rcn=1&atrl=st").unwrap().attributes, ["rn", "lbl", "st"]);
}

#[test]
fn bad_filters_are_refused_by_name() {
    for (query, name) in [
        ("foo=1", "foo"),
        ("fu=1&cty=text", "cty"),
        ("fu=3", "fu"),
        ("rcn=x", "rcn"),
        ("rcn=2", "rcn"),
        ("rcn=11", "rcn"),
        ("fu=1&rcn=4", "rcn"),
        ("ty=300", "ty"),
        ("ty=a", "ty"),
        ("crb=2026-01-01", "crb"),
        ("fo=3", "fo"),
        ("lvl=0", "lvl"),
        ("lim=0", "lim"),
        ("limit=-1", "limit"),
        ("offset=x", "offset"),
        ("lim=1&lim=2", "lim"),
        ("lbl=%f", "lbl"),
        ("drt=3", "drt"),
        ("atrl=rn+colour", "atrl"),
        ("atrl=rn&rcn=4", "atrl"),
        ("atrl=rn&fu=1", "atrl"),
    ] {
        let fault = get(query).unwrap_err();
        assert!(fault.rsc == 4000 && fault.text.starts_with(&format!("{name}:")), "{query}: {}", fault.text);
    }
    assert_eq!(get("rt=1").unwrap_err().rsc, 5001);
    assert!(get("rt=3").is_ok());
}

#[test]
fn results_depend_on_the_operation() {
    for (operation, default, known) in [
        (Operation::Create(3), 1, vec![0, 1, 2, 3, 9]),
        (Operation::Retrieve, 1, vec![1, 4, 5, 6, 8]),
        (Operation::Discover, 11, vec![6, 11]),
        (Operation::Update, 1, vec![0, 1, 9]),
        (Operation::Delete, 0, vec![0, 1]),
    ] {
        assert_eq!(result(operation, None).unwrap(), default);
        let taken: Vec<u64> = (0..20).filter(|rcn| result(operation, Some(*rcn)).is_ok()).collect();
        assert_eq!(taken, known, "{operation:?}");
    }
}

#[test]
fn contents_have_one_root() {
    let (_, attributes) = content(b"\xef\xbb\xbf{\"m2m:cnt\": {\"rn\": \"a\", \"rn\": \"b\"}}\0").unwrap();
    assert_eq!(attributes["rn"], "b");
    let (root, attributes) = content(br#"{"m2m:cnt": {"rn": "a"}}"#).unwrap();
    assert_eq!((root.as_str(), attributes["rn"].as_str()), ("m2m:cnt", Some("a")));
    for bad in [
        &b""[..],
        b"[]",
        b"{}",
        br#"{"a": 1}"#,
        br#"{"a": {}, "b": {}}"#,
        br#"{"a": {"noRNe": : "x"}}"#,
        br#"{"a": {"lt": "x",}}"#,
        br#"{"a": {}} x"#,
        b"{\"a\": {\"b\": \"\xff\"}}",
    ] {
        assert_eq!(content(bad).unwrap_err().rsc, 4000, "{}", String::from_utf8_lossy(bad));
    }
    assert_eq!(content(br#"{"a": {"k": "secret",}}"#).unwrap_err().text, "no JSON at line 1 column 22");
}

#[test]
fn mutated_requests_are_read_or_refused() {
    let corpus: [&[u8]; 5] = [
        b"POST\nt/device-group\nrcn=3\napplication/json;ty=28\n*/*\n{\"dtiot:devGr\":{\"cnd\":\"com.telekom.iot.orchestrator.deviceGroup\",\"nds\":[\"a\"]}}",
        b"POST\nt\n\napplication/json;ty=23\napplication/json\n{\"m2m:sub\":{\"nu\":[\"http://a\"],\"enc\":{\"net\":[1,3]},\"nct\":1,\"et\":\"20300101T000000\"}}",
        b"GET\nt/~/t/0123456789abcdef01234567/la\nfu=1&ty=14+3&lbl=a%2Bb&crb=20260102T030405&limit=9\n\n\n",
        b"POST\nt\n\napplication/json;ty=1\n*/*;q=0.1\n{\"m2m:acp\":{\"pv\":{\"acr\":[{\"acor\":[\"all\"],\"acop\":63}]},\"pvs\":{\"acr\":[]}}}",
        b"PUT\nt/a%20b/-\nrcn=9\napplication/json\n\n{\"m2m:cnt\":{\"mni\":5,\"mbs\":null,\"lbl\":[\"x\"]}}",
    ];
    landfall_testkit::mutate::run(&corpus, 1, 20_000, fuzz_primitive);
}
