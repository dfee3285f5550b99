//! Columns: which header lines are none, and what a row of which cells asks for.

use super::*;
use crate::csv::{Record, Table};

/// What each row of a file asks for.
fn rows(file: &str, tenants: bool) -> Result<Vec<Result<Asked, Unread>>, String> {
    let mut table = Table::default();
    table.feed(file.as_bytes());
    table.close();
    let Ok(Some(Record::Header(names))) = table.next() else { panic!("no header line") };
    let columns = Columns::read(names, tenants)?;
    let mut rows = vec![];
    while let Some(Record::Row(row)) = table.next().unwrap() {
        rows.push(columns.row(&row));
    }
    Ok(rows)
}

/// What the one row of a file asks for.
fn row(file: &str) -> Result<Asked, Unread> {
    rows(file, false).unwrap().remove(0)
}

fn object(file: &str) -> NewDeviceObject {
    row(&format!("ID;CREDENTIALS;TYPE;NAME;{file}")).unwrap().object.unwrap()
}

#[test]
fn a_header_line_must_make_sense() {
    let deep = format!("ID;CREDENTIALS;TYPE;NAME;{}", ["a"; DEPTH + 1].join("."));
    for (header, tenants, expected) in [
        ("id;Credentials", false, ""),
        (" ID ;CREDENTIALS;TENANT", false, ""),
        ("ID;CREDENTIALS;TENANT", true, ""),
        ("ID;CREDENTIALS;AUTH_TYPE", false, ""),
        ("ID;CREDENTIALS;TYPE;NAME;ICCID;IDTYPE;PATH;SHELL;external-a;external-b;c.d;c.e;C.d;x", false, ""),
        ("ID;CREDENTIALS;TYPE;NAME;{a}", false, ""),
        ("CREDENTIALS;TYPE", false, "the column ID is missing"),
        ("ID;TYPE", false, "the column CREDENTIALS is missing"),
        ("ID;CREDENTIALS", true, "the column TENANT is missing"),
        ("ID;CREDENTIALS;id", false, "the columns 1 and 3 have the same name: id"),
        ("ID;CREDENTIALS;TYPE;NAME;x;x", false, "the columns 5 and 6 have the same name: x"),
        ("ID;CREDENTIALS;TYPE;NAME;external-a;EXTERNAL-a", false, "the columns 5 and 6 have the same name: EXTERNAL-a"),
        ("ID;CREDENTIALS;", false, "the column 3 has no name"),
        ("ID;CREDENTIALS;TYPE", false, "the column NAME is missing, which TYPE needs"),
        ("ID;CREDENTIALS;NAME", false, "the column TYPE is missing, which NAME needs"),
        ("ID;CREDENTIALS;iccid", false, "the column TYPE is missing, which iccid needs"),
        ("ID;CREDENTIALS;IDTYPE;TYPE", false, "the column NAME is missing, which TYPE needs"),
        ("ID;CREDENTIALS;PATH", false, "the column TYPE is missing, which PATH needs"),
        ("ID;CREDENTIALS;SHELL", false, "the column TYPE is missing, which SHELL needs"),
        ("ID;CREDENTIALS;external-c8y_Imei", false, "the column TYPE is missing, which external-c8y_Imei needs"),
        ("ID;CREDENTIALS;mine", false, "the column TYPE is missing, which mine needs"),
        ("ID;CREDENTIALS;TYPE;NAME;external-", false, "the column 5 names no type of external ids of 1 to 256 characters"),
        ("ID;CREDENTIALS;TYPE;NAME;a..b", false, "the name of the column 5 must be up to 10 names with dots between them"),
        (&deep, false, "the name of the column 5 must be up to 10 names with dots between them"),
        ("ID;CREDENTIALS;TYPE;NAME;owner.x", false, "the column owner.x stands for what the server says of each object"),
        ("ID;CREDENTIALS;TYPE;NAME;a.b;a", false, "the column a gives a text to what another column fills"),
        ("ID;CREDENTIALS;TYPE;NAME;ICCID;c8y_Mobile", false, "the column c8y_Mobile gives a text to what another column fills"),
        (
            "ID;CREDENTIALS;TYPE;NAME;ICCID;c8y_Mobile.iccid",
            false,
            "the column c8y_Mobile.iccid gives a text to what another column fills",
        ),
        (
            "ID;CREDENTIALS;TYPE;NAME;SHELL;c8y_SupportedOperations.a",
            false,
            "the column c8y_SupportedOperations.a fills what the column SHELL makes a list",
        ),
    ] {
        let found = Columns::read(header.split(';').map(|name| name.trim().to_owned()).collect(), tenants);
        assert_eq!(found.err().unwrap_or_default(), expected, "{header}");
    }
}

#[test]
fn a_row_that_is_no_good_says_its_column_and_never_its_password() {
    let long = "x".repeat(2_000);
    let deep = ["g"; DEPTH + 1].join("/");
    for (header, cells, id, expected) in [
        ("ID;CREDENTIALS", "a", Some("a"), "has 1 values; the header line has 2 columns"),
        ("CREDENTIALS;ID", "secret", None, "has 1 values; the header line has 2 columns"),
        ("ID;CREDENTIALS", "a;secret;x", Some("a"), "has 3 values; the header line has 2 columns"),
        ("ID;CREDENTIALS", ";secret", None, "ID: must not be empty"),
        ("ID;CREDENTIALS", "a;", Some("a"), "CREDENTIALS: must not be empty"),
        ("ID;CREDENTIALS", "a b;secret", Some("a b"), "ID: must be without white space and control characters"),
        ("ID;CREDENTIALS", &format!("{long};secret"), None, "ID: must be at most 1000 characters"),
        ("ID;CREDENTIALS", "..;secret", Some(".."), "ID: must not be a dot or two"),
        (
            "ID;CREDENTIALS;auth_type",
            "a;;Certificates",
            Some("a"),
            "AUTH_TYPE: certificates of devices are not supported; only BASIC is",
        ),
        ("ID;CREDENTIALS;AUTH_TYPE", "a;secret;x", Some("a"), "AUTH_TYPE: must be BASIC"),
        (
            "ID;CREDENTIALS;TYPE;NAME;PATH",
            "a;secret;t;n;g//h",
            Some("a"),
            "PATH: must be up to 10 names of 1 to 254 characters with / between them",
        ),
        (
            "ID;CREDENTIALS;TYPE;NAME;PATH",
            &format!("a;secret;t;n;{deep}"),
            Some("a"),
            "PATH: must be up to 10 names of 1 to 254 characters with / between them",
        ),
        ("ID;CREDENTIALS;TYPE;NAME;idtype", &format!("a;secret;t;n;{long}"), Some("a"), "IDTYPE: must be at most 256 characters"),
        (
            "ID;CREDENTIALS;TYPE;NAME;external-x",
            &format!("a;secret;t;n;{long}"),
            Some("a"),
            "external-x: must be at most 1024 characters",
        ),
    ] {
        let bad = row(&format!("{header}\n{cells}\n")).unwrap_err();
        let told = bad.column.map_or(String::new(), |column| format!("{column}: ")) + &bad.reason;
        assert_eq!((bad.given["id"].as_str(), &*told), (id, expected), "{header}");
        assert!(!told.contains("secret") && !bad.given.to_string().contains("secret"));
    }
}

#[test]
fn only_the_server_itself_names_a_tenant() {
    let file = "ID;CREDENTIALS;TENANT\na;1;t1\nb;2;\n";
    let tenants = |tenants| rows(file, tenants).unwrap().into_iter().map(|row| row.map(|row| row.tenant)).collect::<Vec<_>>();
    let missing = Unread { column: Some("TENANT".into()), reason: EMPTY.into(), given: json!({"id": "b", "tenant": null}) };
    assert_eq!(tenants(true), [Ok(Some("t1".to_owned())), Err(missing)]);
    assert_eq!(tenants(false), [Ok(None), Ok(None)]);
}

#[test]
fn cells_become_an_object() {
    for (file, expected) in [
        ("x\na;1;t;n;", json!({})),
        ("x\na;1;t;n;=1+1", json!({"x": "=1+1"})),
        ("x\na;1;t;n;{\"y\":1}", json!({"x": "{\"y\":1}"})),
        (
            "a.b;a.c;com_cumulocity_model_Agent.active\nd;1;t;n;1;2;true",
            json!({"a": {"b": "1", "c": "2"}, "com_cumulocity_model_Agent": {"active": "true"}}),
        ),
        ("ICCID;c8y_Mobile.imei\na;1;t;n;89;35", json!({"c8y_Mobile": {"iccid": "89", "imei": "35"}})),
        ("SHELL\na;1;t;n;1", json!({"c8y_SupportedOperations": ["c8y_Command"]})),
        ("SHELL\na;1;t;n;0", json!({})),
        ("SHELL\na;1;t;n;yes", json!({})),
        (
            "shell;c8y_SupportedOperations\na;1;t;n; 1;c8y_Restart, c8y_Command",
            json!({"c8y_SupportedOperations": ["c8y_Restart", "c8y_Command"]}),
        ),
        ("shell;c8y_SupportedOperations\na;1;t;n;;c8y_Restart", json!({"c8y_SupportedOperations": "c8y_Restart"})),
    ] {
        assert_eq!(Value::Object(object(file).fragments), expected, "{file}");
    }
    let whole = object("IDTYPE;external-a;PATH;External-B.c;external-d\nx;1;t;n;c8y_Imei;1;top/below;2;");
    let external = [("a", "1"), ("B.c", "2")].map(|(kind, value)| (kind.to_owned(), value.to_owned()));
    assert_eq!((&*whole.kind, &*whole.name, &*whole.id_type), ("t", "n", "c8y_Imei"));
    assert_eq!((whole.external, whole.path), (external.to_vec(), vec!["top".to_owned(), "below".to_owned()]));
    for without in ["a;1;;n;1", "a;1;t;;1"] {
        assert_eq!(row(&format!("ID;CREDENTIALS;TYPE;NAME;SHELL\n{without}")).unwrap().object, None, "{without}");
    }
}

#[test]
fn the_file_of_the_contract_is_read() {
    let rows: Vec<_> = rows(include_str!("seed.csv"), false).unwrap().into_iter().map(|row| row.unwrap()).collect();
    let id = |number: &str| format!("id_{number}");
    assert_eq!(rows.iter().map(|row| &*row.id).collect::<Vec<_>>(), ["101", "102", "111", "112", "121", "122", "131"].map(id));
    assert!(rows.iter().all(|row| row.password.expose() == "abcd1234"));
    let objects: Vec<_> = rows.iter().filter_map(|row| row.object.as_ref()).collect();
    let having = |fragment: &str| objects.iter().filter(|object| object.fragments.contains_key(fragment)).count();
    assert_eq!((objects.len(), having("c8y_SupportedOperations"), having("c8y_Mobile")), (7, 3, 5));
    assert_eq!(objects.iter().filter(|object| object.id_type == "c8y_Imei").count(), 1);
    assert_eq!(objects[6].path, ["csv device1", "subgroup3"]);
}
