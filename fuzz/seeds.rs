//! Writes what the search begins with: for each target some inputs that are well-formed, made with the crates themselves, so that they do not
//! go out of date. Usage: `seeds DIR`; they become `DIR/TARGET/seed-N`.

mod seeds {
    pub mod binary;
    pub mod text;
}

use std::{fs, path::Path};

/// The inputs of a target.
type Seeds = Vec<Vec<u8>>;

fn all() -> [(&'static str, Seeds); 18] {
    use seeds::{binary, text};
    [
        ("coap_endpoint", binary::coap_traffic()),
        ("coap_message", binary::coap_datagrams()),
        ("core_message", text::device_messages()),
        ("dtls_conversation", binary::dtls_scripts()),
        ("dtls_datagrams", binary::dtls_datagrams()),
        ("dtls_saved", binary::dtls_saved()),
        ("lwm2m_client", binary::lwm2m_requests()),
        ("lwm2m_documents", text::lwm2m_documents()),
        ("lwm2m_payload", binary::lwm2m_payloads()),
        ("mqtt_connection", binary::mqtt_connections()),
        ("mqtt_identity", text::mqtt_identities()),
        ("mqtt_smartrest", text::mqtt_smartrest()),
        ("mqtt_topics", text::mqtt_topics()),
        ("onem2m_primitive", text::onem2m_primitives()),
        ("profile_package", text::profile_packages()),
        ("provisioning_list", text::provisioning_lists()),
        ("proxy_header", binary::proxy_headers()),
        ("uploaded_table", text::uploaded_tables()),
    ]
}

fn main() -> std::io::Result<()> {
    let dir = std::env::args().nth(1).ok_or_else(|| std::io::Error::other("usage: seeds DIR"))?;
    for (target, seeds) in all() {
        let dir = Path::new(&dir).join(target);
        fs::create_dir_all(&dir)?;
        for (number, seed) in seeds.iter().enumerate() {
            fs::write(dir.join(format!("seed-{number:02}")), seed)?;
        }
    }
    Ok(())
}
