//! Defaults, overrides, and what is refused.

use super::*;

fn load(variables: &[(&str, &str)]) -> Result<Config, String> {
    Config::load(None, variables.iter().map(|(n, v)| ((*n).to_owned(), (*v).to_owned())))
}

#[test]
fn everything_has_a_default_and_the_printed_form_is_read_back() {
    let config = load(&[]).unwrap();
    assert_eq!(config, Config::default());
    let printed = toml::to_string(&config).unwrap();
    assert_eq!(toml::from_str::<Config>(&printed).unwrap(), config);
}

#[test]
fn each_protocol_has_its_section_and_its_addresses() {
    let config = Config::default();
    for protocol in PROTOCOLS {
        let section = config.section(protocol.name);
        assert!(protocol.at_least_1.iter().all(|key| section[key].is_number()), "{}: {section}", protocol.name);
        let variable = format!("LANDFALL_{}_{}", protocol.name, protocol.at_least_1[0]).to_uppercase();
        assert!(load(&[(&variable, "0")]).unwrap_err().contains("must be at least 1"), "{variable}");
        for listener in protocol.listeners {
            assert!(matches!(config.listen.address(listener.key), Address::On(_)), "{}", listener.key);
        }
    }
}

#[test]
fn limits_of_jobs_have_limits() {
    assert!(load(&[("LANDFALL_LIMITS_JOB_IN_FLIGHT", "0")]).unwrap_err().contains("must be at least 1"));
    assert!(load(&[("LANDFALL_LIMITS_JOBS", "100001")]).unwrap_err().contains("limits.jobs must be at most 100000"));
    assert!(load(&[("LANDFALL_LIMITS_JOBS", "100000")]).is_ok());
}

#[test]
fn variables_override() {
    let config = load(&[
        ("LANDFALL_LISTEN_MQTT_WS", "off"),
        ("LANDFALL_PUSH_ALLOW_PRIVATE", "true"),
        ("LANDFALL_DATA", "/x"),
        ("HOME", "/"),
    ])
    .unwrap();
    assert_eq!(config.listen.mqtt_ws, Address::Off);
    assert!(config.push.allow_private);
}

#[test]
fn keys_of_dialects_are_taken_where_they_stood_before() {
    for dialect in DIALECTS {
        for (former, key) in dialect.former_keys {
            let variable = |name: &str| format!("LANDFALL_{}", name.replace('.', "_").to_uppercase());
            let (old, new) = (variable(former), variable(&format!("{}.{key}", dialect.name)));
            let printed = toml::Table::try_from(Config::default()).unwrap();
            let value = match &printed[dialect.name][*key] {
                toml::Value::Boolean(off) => (!off).to_string(),
                _ => "7".to_owned(),
            };
            let moved = load(&[(&old, &value)]).unwrap();
            assert_ne!(moved, Config::default());
            assert_eq!(moved, load(&[(&new, &value)]).unwrap());
            let error = load(&[(&old, &value), (&new, &value)]).unwrap_err();
            assert!(error.contains(former) && error.contains(key), "{error}");
        }
    }
}

#[test]
fn what_is_wrong_is_named() {
    for (name, value, expected) in [
        ("LANDFALL_LISTEN_HTPS", "off", "htps"),
        ("LANDFALL_NOPE_KEY", "1", "nope"),
        ("LANDFALL_LISTEN_HTTPS", "everywhere", "everywhere"),
        ("LANDFALL_TLS_KEY", "k.pem", "tls.certificate"),
        ("LANDFALL_TLS_RSA_KEY", "k.pem", "tls.rsa_certificate"),
        ("LANDFALL_PUSH_CONCURRENCY", "0", "push.concurrency"),
        ("LANDFALL_PROXY_PROTOCOL_FROM", "['10.0.0.0/40']", "proxy.protocol_from"),
        ("LANDFALL_PROXY_FORWARDED_FOR_FROM", "['proxy']", "proxy.forwarded_for_from"),
        ("LANDFALL_PROXY_PROTOCOL_ON", "['coaps']", "proxy.protocol_on"),
        ("LANDFALL_ONEM2M_CALLS", "1", "onem2m: unknown field `calls`"),
    ] {
        let error = load(&[(name, value)]).unwrap_err();
        assert!(error.contains(expected), "{error}");
    }
}
