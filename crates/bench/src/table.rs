//! The result as a Markdown table, and its place in a document. Absent: the measurements.

/// One line of the table.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Row {
    /// What was measured.
    pub measure: String,
    /// Landfall's value.
    pub landfall: String,
    /// The peer and its value.
    pub peer: String,
    /// Landfall to peer.
    pub ratio: String,
    /// What is wanted, where something is.
    pub aim: String,
    /// Whether it was reached.
    pub met: Option<bool>,
}

impl Row {
    /// A row with only its name and Landfall's value.
    pub fn new(measure: impl Into<String>, landfall: impl Into<String>) -> Self {
        Self { measure: measure.into(), landfall: landfall.into(), ..Self::default() }
    }

    /// With a peer.
    pub fn against(mut self, peer: impl Into<String>, ratio: f64) -> Self {
        self.peer = peer.into();
        self.ratio = if ratio.is_finite() { format!("{ratio:.2}") } else { String::new() };
        self
    }

    /// With a peer that is no measure of the same thing.
    pub fn beside(mut self, peer: impl Into<String>) -> Self {
        self.peer = peer.into();
        self
    }

    /// With an aim.
    pub fn aims(mut self, aim: impl Into<String>, met: bool) -> Self {
        self.aim = aim.into();
        self.met = Some(met);
        self
    }
}

/// The table.
pub fn markdown(rows: &[Row]) -> String {
    let mut text = String::from("| measure | Landfall | peer | ratio | aim | met? |\n|---|---|---|---|---|---|\n");
    for row in rows {
        let met = row.met.map_or("", |met| if met { "yes" } else { "**no**" });
        let cells = [&row.measure, &row.landfall, &row.peer, &row.ratio, &row.aim].map(|cell| escape(cell));
        text.push_str(&format!("| {} | {met} |\n", cells.join(" | ")));
    }
    text
}

fn escape(cell: &str) -> String {
    let cell = if cell.is_empty() { "–" } else { cell };
    cell.replace('|', "\\|").replace('\n', " ")
}

/// `document` with what stands between the markers `<!-- name:begin -->` and `<!-- name:end -->` replaced; `None` when they are not there.
pub fn replace_between(document: &str, name: &str, text: &str) -> Option<String> {
    let (begin, end) = (format!("<!-- {name}:begin -->"), format!("<!-- {name}:end -->"));
    let from = document.find(&begin)? + begin.len();
    let to = from + document.get(from..)?.find(&end)?;
    Some(format!("{}\n{}\n{}", document.get(..from)?, text.trim_end(), document.get(to..)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_become_cells() {
        let rows = [
            Row::new("a|b", "1").against("m 2", 0.5).aims(">= 3", false),
            Row::new("c", "4").against("none", f64::NAN).aims("x", true),
            Row::new("d", "5").beside("note"),
        ];
        let text = markdown(&rows);
        let lines: Vec<&str> = text.lines().skip(2).collect();
        assert_eq!(
            lines,
            ["| a\\|b | 1 | m 2 | 0.50 | >= 3 | **no** |", "| c | 4 | none | – | x | yes |", "| d | 5 | note | – | – |  |"]
        );
    }

    #[test]
    fn only_the_marked_part_is_replaced() {
        let document = "head\n<!-- t:begin -->\nold\n<!-- t:end -->\ntail\n";
        let expected = "head\n<!-- t:begin -->\nnew\n<!-- t:end -->\ntail\n";
        assert_eq!(replace_between(document, "t", "new\n").as_deref(), Some(expected));
        assert_eq!(replace_between(expected, "t", "new").as_deref(), Some(expected), "writing again changes nothing");
        for broken in ["", "<!-- t:begin -->", "<!-- t:end --><!-- t:begin -->"] {
            assert_eq!(replace_between(broken, "t", "new"), None, "{broken}");
        }
    }
}
