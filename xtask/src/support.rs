//! `docs/support.md`: what is supported, for people, from `spec/index.tsv`.

use std::fmt::Write as _;

use crate::spec::{Row, Status};

/// Where the page is.
pub(crate) const PATH: &str = "docs/support.md";

/// Group, heading and the contract it comes from; groups appear in this order, unknown ones behind.
const GROUPS: [(&str, &str, &str); 13] = [
    ("oceanconnect", "OceanConnect northbound API", "../spec/oceanconnect/huawei-northbound.md"),
    ("oceanconnect-push", "OceanConnect notifications", "../spec/oceanconnect/huawei-northbound.md"),
    ("device-side", "MQTT and AgentLite devices", "../spec/device-side/device-side.md"),
    ("agentlite", "AgentLite agent API", "../spec/device-side/agentlite.yaml"),
    ("mqtt", "MQTT 3.1.1 and 5", ""),
    ("orbiwan", "OrbiWAN REST and push", "../spec/orbiwan/orbiwan.md"),
    ("devicecontrol", "Device control (Cumulocity)", "../spec/devicecontrol/cumulocity-devicecontrol.md"),
    ("onem2m", "oneM2M device-to-cloud", "../spec/onem2m/onem2m-d2c.md"),
    ("lwm2m", "LwM2M over CoAP", ""),
    ("coap", "CoAP", ""),
    ("dtls", "DTLS", ""),
    ("tls", "TLS", ""),
    ("lorawan", "LoRaWAN", ""),
];

/// The page for these requirements.
pub(crate) fn render(rows: &[Row]) -> String {
    let mut page =
        "# What Landfall supports\n\nGenerated from [spec/index.tsv](../spec/index.tsv) by `make support`; do not edit.\n\
                    `yes` means wholly and tested, `partly` with the gap named, `planned` not yet, `no` on purpose.\n\n"
            .to_owned();
    let mut groups: Vec<&str> = GROUPS.iter().map(|(group, _, _)| *group).collect();
    for row in rows {
        if !groups.contains(&row.group()) {
            groups.push(row.group());
        }
    }
    groups.retain(|group| rows.iter().any(|row| row.group() == *group));
    page.push_str("| part | yes | partly | planned | no |\n|---|---|---|---|---|\n");
    for group in &groups {
        let count = |status| rows.iter().filter(|r| r.group() == *group && r.status == status).count().to_string();
        let counts: Vec<String> = Status::ALL.into_iter().map(count).collect();
        let _ = writeln!(page, "| {} | {} |", heading(group).0, counts.join(" | "));
    }
    for group in groups {
        section(&mut page, group, rows);
    }
    page
}

fn heading(group: &str) -> (&str, &str) {
    GROUPS.iter().find(|(g, _, _)| *g == group).map_or((group, ""), |(_, title, contract)| (*title, *contract))
}

fn section(page: &mut String, group: &str, rows: &[Row]) {
    let (title, contract) = heading(group);
    let _ = write!(page, "\n## {title}\n\n");
    if !contract.is_empty() {
        let name = contract.rsplit('/').next().unwrap_or(contract);
        let _ = write!(page, "Contract: [{name}]({contract}).\n\n");
    }
    page.push_str("| requirement | status | what | where |\n|---|---|---|---|\n");
    for row in rows.iter().filter(|r| r.group() == group) {
        let file = row.file.as_deref().map_or_else(String::new, |f| format!("[{}](../{f})", name(f)));
        let _ = writeln!(page, "| {} | {} | {} | {} |", row.requirement(), row.status.word(), row.note, file);
    }
}

/// The file, with its folder where that says what it is.
fn name(path: &str) -> &str {
    let parts = if path.ends_with("/mod.rs") { 2 } else { 1 };
    let start = path.rmatch_indices('/').nth(parts - 1).map_or(0, |(at, _)| at + 1);
    path.get(start..).unwrap_or(path)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::spec::parse;

    #[test]
    fn groups_are_counted_and_listed() {
        let text = "id\tstatus\tfile\tnote\nother/x\tno\t-\tNever\noceanconnect/1.3.1\tyes\ta/login.rs\tLogin\n";
        let page = render(&parse(text).unwrap());
        let (ocean, other) = (page.find("## OceanConnect northbound API"), page.find("## other"));
        assert!(ocean.is_some() && ocean < other, "{page}");
        assert!(page.contains("| OceanConnect northbound API | 1 | 0 | 0 | 0 |\n| other | 0 | 0 | 0 | 1 |\n"), "{page}");
        assert!(page.contains("| 1.3.1 | yes | Login | [login.rs](../a/login.rs) |\n"), "{page}");
        assert!(!page.contains("LoRaWAN"), "groups without rows are left out");
    }
}
