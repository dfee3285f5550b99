//! CSV (RFC 4180): read into rows, and written so that it can be read again.

use super::{Done, Failure};

/// Reads rows of cells; quoted cells may hold commas, quotes and line ends. Empty lines are skipped.
pub(super) fn read(text: &str) -> Done<Vec<Vec<String>>> {
    let mut rows = vec![];
    let (mut row, mut cell, mut quoted, mut was_quoted) = (vec![], String::new(), false, false);
    let mut chars = text.strip_prefix('\u{feff}').unwrap_or(text).chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            '"' if quoted && chars.peek() == Some(&'"') => {
                chars.next();
                cell.push('"');
            }
            '"' if quoted => quoted = false,
            '"' if cell.is_empty() && !was_quoted => (quoted, was_quoted) = (true, true),
            '"' => {
                return Err(Failure::new(format!(
                    "row {}: a quote inside a cell must be doubled, and the cell quoted",
                    rows.len() + 1
                )));
            }
            ',' if !quoted => {
                row.push(std::mem::take(&mut cell));
                was_quoted = false;
            }
            '\r' if !quoted && chars.peek() == Some(&'\n') => {}
            '\n' if !quoted => {
                end_row(&mut rows, &mut row, &mut cell, was_quoted);
                was_quoted = false;
            }
            c => cell.push(c),
        }
    }
    if quoted {
        return Err(Failure::new(format!("row {}: the last quote is not closed", rows.len() + 1)));
    }
    end_row(&mut rows, &mut row, &mut cell, was_quoted);
    Ok(rows)
}

fn end_row(rows: &mut Vec<Vec<String>>, row: &mut Vec<String>, cell: &mut String, was_quoted: bool) {
    if row.is_empty() && cell.is_empty() && !was_quoted {
        return;
    }
    row.push(std::mem::take(cell));
    rows.push(std::mem::take(row));
}

/// Writes rows.
pub(super) fn write<'a>(rows: impl IntoIterator<Item = &'a Vec<String>>) -> String {
    let mut out = String::new();
    for row in rows {
        let cells: Vec<String> = row.iter().map(|cell| written(cell)).collect();
        out.push_str(&cells.join(","));
        out.push_str("\r\n");
    }
    out
}

fn written(cell: &str) -> String {
    if cell.is_empty() || cell.contains([',', '"', '\n', '\r']) {
        return format!("\"{}\"", cell.replace('"', "\"\""));
    }
    cell.to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cells_are_read() {
        let cases: [(&str, &[&[&str]]); 5] = [
            ("a,b\r\n1,2\r\n", &[&["a", "b"], &["1", "2"]]),
            ("\u{feff}a\n\nb", &[&["a"], &["b"]]),
            ("\"x,y\",\"say \"\"hi\"\"\",\"two\nlines\"", &[&["x,y", "say \"hi\"", "two\nlines"]]),
            ("a,\n,b\n", &[&["a", ""], &["", "b"]]),
            ("", &[]),
        ];
        for (text, expected) in cases {
            assert_eq!(read(text).unwrap(), expected, "{text:?}");
        }
        for bad in ["\"open", "a\"b", "\"a\"\"", "\"a\"\"b\n"] {
            assert!(read(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn what_is_written_can_be_read() {
        let rows = vec![vec!["a,b".to_owned(), String::new(), "\"q\"\r\n".into()], vec!["plain".into(), "ü".into(), "x".into()]];
        assert_eq!(read(&write(&rows)).unwrap(), rows);
    }
}
