//! Which addresses may be called.

use super::*;

fn policy(allow: &[&str]) -> Policy {
    Policy { allow_private: false, allow: allow.iter().map(|text| Allow::parse(text).unwrap()).collect() }
}

#[test]
fn public_addresses_and_names_are_accepted() {
    let cases = [
        "http://example.com/callback",
        "https://example.com:8443/a/b?c=d",
        "http://Example.COM.:80",
        "https://93.184.216.34:443/x",
        "http://100.63.255.255/",
        "http://100.128.0.1/",
        "http://172.15.0.1/",
        "http://172.32.0.1/",
        "http://[2606:2800:220:1::1]:8080/",
        "http://my_host-1.example/",
        "http://localhost.example/",
    ];
    for url in cases {
        assert_eq!(check_url(url, &Policy::default()), Ok(()), "{url}");
    }
}

#[test]
fn what_is_no_plain_http_address_is_refused_whatever_the_policy() {
    let long = format!("http://example.com/{}", "a".repeat(1006));
    let cases = [
        "",
        "example.com",
        "example.com:80",
        "/callback",
        "ftp://example.com/",
        "file:///etc/passwd",
        "http://",
        "http:///x",
        "http://user@example.com/",
        "http://user:secret@example.com/",
        "http://example.com:0/",
        "http://example.com:65536/",
        "http://example.com:+80/",
        "http://example.com:http/",
        "http://exa mple.com/",
        "http://-..-/",
        "http://2130706433/",
        "http://0x7f000001/",
        "http://0x7f.1/",
        "http://0177.0.0.1/",
        "http://127.1/",
        "http://1.2.3.4.5/",
        "http://256.1.1.1/",
        "http://[::1/",
        "http://[fe80::1%25eth0]/",
        "http://[1.2.3.4]/",
        long.as_str(),
    ];
    let open = Policy { allow_private: true, allow: Vec::new() };
    for url in cases {
        let error = check_url(url, &open).expect_err(url);
        assert_eq!((error.cause, error.path.as_deref()), (Cause::CallbackInvalid, Some("callbackUrl")), "{url}");
        assert!(!error.to_string().contains("secret"), "{error}");
    }
    assert_eq!(check_url(&long[..1024], &open), Ok(()));
}

#[test]
fn addresses_that_are_not_public_are_refused_unless_allowed() {
    let cases = [
        "0.0.0.0",
        "0.1.2.3",
        "10.0.0.1",
        "100.64.0.1",
        "100.127.255.255",
        "127.0.0.1",
        "127.255.255.254",
        "169.254.169.254",
        "172.16.0.1",
        "172.31.255.255",
        "192.0.0.8",
        "192.88.99.1",
        "192.168.1.1",
        "198.18.0.1",
        "198.19.255.255",
        "224.0.0.1",
        "240.0.0.1",
        "255.255.255.255",
        "::",
        "::1",
        "::7f00:1",
        "::ffff:127.0.0.1",
        "::ffff:93.184.216.34",
        "64:ff9b::7f00:1",
        "64:ff9b:1::1",
        "100::1",
        "2001::1",
        "2002:7f00:1::",
        "fc00::1",
        "fd12::1",
        "fe80::1",
        "fec0::1",
        "ff02::1",
    ];
    let open = Policy { allow_private: true, allow: Vec::new() };
    for text in cases {
        let ip: IpAddr = text.parse().unwrap();
        let url = if ip.is_ipv6() { format!("http://[{ip}]:80/") } else { format!("http://{ip}:80/") };
        assert_eq!(check_url(&url, &Policy::default()).map_err(|e| e.cause), Err(Cause::CallbackInvalid), "{url}");
        assert_eq!(check_url(&url, &open), Ok(()), "{url}");
        assert_eq!(check_url(&url, &policy(&[text])), Ok(()), "{url}");
        let name = Host::Name("rebound.example".to_owned());
        assert!(!Policy::default().permits(&name, ip), "{text} behind a name");
    }
}

#[test]
fn the_allow_list_opens_exactly_what_it_names() {
    let cases = [
        (&["10.1.0.0/16"][..], "http://10.1.255.1/", true),
        (&["10.1.0.0/16"], "http://10.2.0.1/", false),
        (&["10.1.0.0/16"], "http://[::ffff:10.1.0.1]/", true),
        (&["0.0.0.0/0"], "http://127.0.0.1/", true),
        (&["0.0.0.0/0"], "http://[::1]/", false),
        (&["::/0"], "http://[fe80::1]/", true),
        (&["fd00::/8"], "http://[fd00::1]/", true),
        (&["fd00::/8"], "http://[fc00::1]/", false),
        (&["LocalHost"], "http://localhost:9000/", true),
        (&["other"], "http://localhost:9000/", false),
        (&[], "http://api.localhost/", false),
    ];
    for (allow, url, expected) in cases {
        assert_eq!(check_url(url, &policy(allow)).is_ok(), expected, "{allow:?} {url}");
    }
    let listed = Host::Name("receiver".to_owned());
    assert!(policy(&["receiver"]).permits(&listed, IpAddr::from([10, 0, 0, 1])));
    for wrong in ["", "10.0.0.0/33", "::/129", "10.0.0/8", "a b", "10.0.0.0/-1", "host/8"] {
        assert!(Allow::parse(wrong).is_err(), "{wrong:?}");
    }
}

#[test]
fn a_target_keeps_what_the_request_needs() {
    let cases = [
        ("http://a.example", false, 80, "a.example", "/"),
        ("https://A.example/x?y=1", true, 443, "A.example", "/x?y=1"),
        ("http://[2001:db8::1]:81/p", false, 81, "[2001:db8::1]:81", "/p"),
    ];
    for (url, tls, port, authority, path) in cases {
        let target = Target::parse(url).unwrap();
        assert_eq!((target.tls, target.port), (tls, port), "{url}");
        assert_eq!((target.authority.to_str().unwrap(), target.path.to_string().as_str()), (authority, path), "{url}");
    }
}
