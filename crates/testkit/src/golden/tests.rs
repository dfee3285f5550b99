//! Playing, capturing, refusing and rewriting golden texts.

use super::*;

const LOGIN: &str = "# Login, then use.\n>>> POST /login\nContent-Type: application/x-www-form-urlencoded\n\nappId={{app}}\n\
<<< 200\nContent-Type: application/json\n\n{\"token\":\"{{access:token}}\",\"n\":{{n:int}}}\n\n\
# With the token.\n>>> GET /devices?id={{n}}\nAuthorization: Bearer {{access}}\n<<< 204\n";

fn server(request: &Request) -> Response {
    let json = vec![("content-type".to_owned(), "application/json".to_owned()), ("date".to_owned(), "now".to_owned())];
    match request.path.as_str() {
        "/login" if request.body == b"appId=a1" => {
            Response { status: 200, headers: json, body: br#"{"token":"t0k/en==","n":17}"#.to_vec() }
        }
        "/devices?id=17" if request.headers[0].1 == "Bearer t0k/en==" => Response { status: 204, ..Response::default() },
        other => Response { status: 404, headers: json, body: format!("no {other}").into_bytes() },
    }
}

fn bound() -> Bindings {
    let mut bindings = Bindings::default();
    bindings.set("app", "a1");
    bindings
}

#[test]
fn exchanges_share_what_they_capture() {
    let mut bindings = bound();
    let played = play(LOGIN, &mut bindings, |r| server(&r)).unwrap();
    assert_eq!(played, Played { text: LOGIN.to_owned(), mismatches: vec![] });
    assert_eq!((bindings.get("access"), bindings.get("n")), (Some("t0k/en=="), Some("17")));
}

#[test]
fn every_part_that_differs_is_told_with_its_line() {
    let cases = [
        ("<<< 204", "<<< 200", "12: GET /devices?id={{n}}: status 204, not 200"),
        (
            "Content-Type: application/json",
            "Content-Type: text/plain",
            "header Content-Type: \"application/json\", not \"text/plain\"",
        ),
        ("\"n\":{{n:int}}", "\"m\":{{n:int}}", "body: \"n\\\":17}\", not \"m\\\":\""),
        ("{{access:token}}", "{{access:uuid}}", "not {{access:uuid}}"),
        ("{{n:int}}}", "{{n:int}}", "goes on with \"}\""),
        ("<<< 204\n", "<<< 204\n\nmore\n", "body: \"\", not \"more\""),
    ];
    for (from, to, why) in cases {
        let played = play(&LOGIN.replace(from, to), &mut bound(), |r| server(&r)).unwrap();
        let told = played.mismatches.join("\n");
        assert!(told.contains(why), "{to}: {told}");
    }
}

#[test]
fn a_rewrite_keeps_placeholders_and_then_matches() {
    let stale = LOGIN.replace("<<< 204\n", "<<< 500\n\nold\n").replace("\"n\":{{n:int}}", "\"old\":1,\"n\":{{n:int}}");
    let rewritten = play(&stale, &mut bound(), |r| server(&r)).unwrap();
    assert_eq!(rewritten.mismatches.len(), 3, "{:?}", rewritten.mismatches);
    assert_eq!(rewritten.text, LOGIN);
}

#[test]
fn an_exchange_without_answer_is_recorded_with_what_is_bound() {
    let mut bindings = bound();
    bindings.set("access", "t0k/en==");
    let fresh = "# Login.\n>>> POST /login\n\nappId={{app}}\n";
    let played = play(fresh, &mut bindings, |r| server(&r)).unwrap();
    assert_eq!(played.mismatches, ["2: POST /login: has no answer yet"]);
    let answer = "<<< 200\nContent-Type: application/json\n\n{\"token\":\"{{access}}\",\"n\":17}\n";
    assert_eq!(played.text, format!("{fresh}{answer}"));
    assert_eq!(play(&played.text, &mut bindings, |r| server(&r)).unwrap().mismatches, Vec::<String>::new());
}

#[test]
fn kinds_take_what_they_name() {
    let uuid = "92d3f8da-200a-4143-8d0d-591a7e11de6c";
    let cases = [
        ("{{x:uuid}}", uuid, true),
        ("{{x:uuid}}", "92D3F8DA-200a-4143-8d0d-591a7e11de6c", false),
        ("{{x:uuid}}", "92d3f8da-200a-4143-8d0d-591a7e11de6", false),
        ("{{x:hex32}}", "0123456789abcdef0123456789abcdef", true),
        ("{{x:hex32}}", "0123456789abcdef0123456789abcdefa", false),
        ("{{x:hex24}}", "0123456789abcdef01234567", true),
        ("{{x:hex24}}", "0123456789abcdef0123456", false),
        ("{{x:stamp}}", "20260511T131500,250000", true),
        ("{{x:stamp}}", "20260511T131500,250001", false),
        ("{{x:hex}}", "0af", true),
        ("{{x:hex}}", "", false),
        ("{{x:time}}", "20151212T121212Z", true),
        ("{{x:time}}", "2015-12-12T12:12:12Z", false),
        ("{{x:int}}", "12", true),
        ("{{x:int}}", "-12", false),
        ("a {{x:any}} b", "a é b b", false),
        ("\"{{x:any}}\"", "\"é ü\"", true),
        ("{{x}}-{{x}}", "1-1-1-1", false),
        ("{{x:int}}-{{x:int}}", "1-1", true),
        ("{{x:int}}-{{x:int}}", "1-2", false),
        ("{{x:none}}", "{{x:none}}", true),
        ("{{{x:int}}}", "{5}", true),
        ("{\"a\":{\"b\":{{x:int}}}}", "{\"a\":{\"b\":5}}", true),
    ];
    for (template, given, good) in cases {
        assert_eq!(Bindings::default().check(template, given).is_ok(), good, "{template} {given}");
    }
}

#[test]
fn what_is_no_golden_file_is_refused_with_its_line() {
    let cases = [
        ("text", "1: expected a comment"),
        ("<<< 200", "1: an answer to nothing"),
        (">>> GET /\n<<< ok", "2: the status is no number"),
        (">>> GET /\nno header\n", "2: a header needs a colon"),
        (">>> GET\n<<< 200\n", "1: needs a method"),
        (">>> GET /{{unknown}}\n<<< 200\n", "1: {{unknown}} is not bound"),
    ];
    for (text, why) in cases {
        let error = play(text, &mut Bindings::default(), |r| server(&r)).unwrap_err();
        assert!(error.starts_with(why), "{text:?}: {error}");
    }
}
