//! `spec/index.tsv`: one row per requirement of the contracts; the only truth about what is supported.

use std::collections::BTreeMap;

/// Where the table is.
pub(crate) const INDEX: &str = "spec/index.tsv";
const HEADER: &str = "id\tstatus\tfile\tnote";

/// How far a requirement is met.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Status {
    Yes,
    Partly,
    Planned,
    No,
}

impl Status {
    pub(crate) const ALL: [Self; 4] = [Self::Yes, Self::Partly, Self::Planned, Self::No];

    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Yes => "yes",
            Self::Partly => "partly",
            Self::Planned => "planned",
            Self::No => "no",
        }
    }
}

/// One requirement.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Row {
    /// Line in the table, from 1.
    pub line: usize,
    /// `group/requirement`; the group is a folder of `spec/` or a protocol.
    pub id: String,
    pub status: Status,
    /// The source or test that meets it; `None` for `-`.
    pub file: Option<String>,
    pub note: String,
}

impl Row {
    pub(crate) fn group(&self) -> &str {
        self.id.split_once('/').map_or(self.id.as_str(), |(group, _)| group)
    }

    pub(crate) fn requirement(&self) -> &str {
        self.id.split_once('/').map_or("", |(_, requirement)| requirement)
    }
}

/// Reads the table, or tells every fault with its line.
pub(crate) fn parse(text: &str) -> Result<Vec<Row>, Vec<(usize, String)>> {
    let (mut rows, mut faults, mut seen) = (Vec::new(), Vec::new(), BTreeMap::new());
    if text.lines().next() != Some(HEADER) {
        faults.push((1, format!("the first line must be {HEADER:?}")));
    }
    for (line, text) in (1..).zip(text.lines()).skip(1) {
        match row(line, text) {
            Ok(row) => {
                if let Some(first) = seen.insert(row.id.clone(), line) {
                    faults.push((line, format!("{} is there already, in line {first}", row.id)));
                }
                rows.push(row);
            }
            Err(fault) => faults.push((line, fault)),
        }
    }
    if faults.is_empty() { Ok(rows) } else { Err(faults) }
}

fn row(line: usize, text: &str) -> Result<Row, String> {
    let cells: Vec<&str> = text.split('\t').collect();
    let [id, status, file, note] = cells.as_slice() else { return Err(format!("{} cells, not 4", cells.len())) };
    let (group, requirement) = id.split_once('/').ok_or_else(|| format!("{id:?} is not group/requirement"))?;
    if group.is_empty() || requirement.is_empty() || id.contains(char::is_whitespace) {
        return Err(format!("{id:?} is not group/requirement without blanks"));
    }
    let status = Status::ALL.into_iter().find(|s| s.word() == *status);
    let status = status.ok_or_else(|| format!("{:?} is no status (yes, partly, planned, no)", cells.get(1)))?;
    if note.contains('|') {
        return Err("a note must not hold a bar: it becomes a table cell".to_owned());
    }
    let file = (*file != "-").then(|| (*file).to_owned());
    Ok(Row { line, id: (*id).to_owned(), status, file, note: (*note).to_owned() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_read() {
        let rows = parse("id\tstatus\tfile\tnote\na/1.2\tyes\tsrc/x.rs\tText\na/1.3\tno\t-\t\n").unwrap();
        assert_eq!(rows.len(), 2);
        assert_eq!((rows[0].group(), rows[0].requirement(), rows[0].status), ("a", "1.2", Status::Yes));
        assert_eq!((rows[1].file.as_deref(), rows[1].line), (None, 3));
    }

    #[test]
    fn faults_are_told_with_their_line() {
        let head = "id\tstatus\tfile\tnote\n";
        let cases = [
            ("", 1, "first line"),
            ("id\tstatus\n", 1, "first line"),
            (&format!("{head}a/b\tyes\t-\n"), 2, "3 cells"),
            (&format!("{head}ab\tyes\t-\t\n"), 2, "group/requirement"),
            (&format!("{head}a/\tyes\t-\t\n"), 2, "group/requirement"),
            (&format!("{head}a/b c\tyes\t-\t\n"), 2, "without blanks"),
            (&format!("{head}a/b\tdone\t-\t\n"), 2, "no status"),
            (&format!("{head}a/b\tyes\t-\tx|y\n"), 2, "bar"),
            (&format!("{head}a/b\tyes\t-\t\na/b\tno\t-\t\n"), 3, "in line 2"),
        ];
        for (text, line, why) in cases {
            let faults = parse(text).unwrap_err();
            assert!(faults.iter().any(|(l, m)| *l == line && m.contains(why)), "{text:?}: {faults:?}");
        }
    }
}
