//! Tables: what is read out of which text, whatever the pieces are that it comes in.

use super::*;
use proptest::prelude::*;

/// All records of a file that comes in pieces of so many bytes.
fn read(file: &[u8], piece: usize) -> Result<Vec<Record>, NoTable> {
    let (mut table, mut records) = (Table::default(), vec![]);
    for bytes in file.chunks(piece) {
        table.feed(bytes);
        while let Some(record) = table.next()? {
            records.push(record);
        }
        assert!(table.pending.len() - table.taken <= LINE + piece, "what was read is let go");
    }
    table.close();
    while let Some(record) = table.next()? {
        records.push(record);
    }
    Ok(records)
}

/// Cells of the lines, the header line first; a line with a fault is its text.
fn cells(file: impl AsRef<[u8]>) -> Vec<Vec<String>> {
    let records = read(file.as_ref(), 7).unwrap();
    let shown = |record: &Record| match record {
        Record::Header(names) => names.clone(),
        Record::Row(Row { fault: Some(fault), number, .. }) => {
            vec![format!("{number}{}: {}", fault.column.map_or(String::new(), |at| format!(".{at}")), fault.detail)]
        }
        Record::Row(row) => row.cells.clone(),
    };
    records.iter().map(shown).collect()
}

#[test]
fn the_separator_is_the_most_frequent_one_of_the_header_line() {
    for (file, expected) in [
        ("a;b,c;d\n", vec!["a", "b,c", "d"]),
        ("a,b;c,d\n", vec!["a", "b;c", "d"]),
        ("a\tb;c\n", vec!["a", "b;c"]),
        ("a\tb,c\n", vec!["a", "b,c"]),
        ("a;b,c\n", vec!["a", "b,c"]),
        ("\"a,b,c\";d\n", vec!["a,b,c", "d"]),
        ("\"a,\"\",b,c\";d\n", vec!["a,\",b,c", "d"]),
        ("\"a\nb,c,d\";e\n", vec!["a\nb,c,d", "e"]),
        ("alone\n", vec!["alone"]),
        ("a;b", vec!["a", "b"]),
        ("\u{feff}a;b\r\n", vec!["a", "b"]),
        ("\u{feff}\"a;x\";b\r\n", vec!["a;x", "b"]),
        ("\r\n \t\n\u{feff}\n a ;b \n", vec!["a", "b"]),
    ] {
        assert_eq!(cells(file), [expected], "{file:?}");
    }
}

#[test]
fn rows_are_read_with_their_quotes_and_line_ends() {
    let rows = |file: &str| cells(format!("a;b\n{file}"))[1..].to_vec();
    for (file, expected) in [
        ("1;2\n3;4", vec![["1", "2"], ["3", "4"]]),
        ("1;2\r\n\r\n\n  \n\t\n3;4\r\n\r\n", vec![["1", "2"], ["3", "4"]]),
        ("\"1;x\";\"say \"\"hi\"\"\"\n", vec![["1;x", "say \"hi\""]]),
        ("\"two\r\nlines\";\"\n\"\n3;4\n", vec![["two\r\nlines", "\n"], ["3", "4"]]),
        (";\n", vec![["", ""]]),
        ("5\" pipe;=1+1\n", vec![["5\" pipe", "=1+1"]]),
        ("", vec![]),
    ] {
        assert_eq!(rows(file), expected, "{file:?}");
    }
}

#[test]
fn a_bad_row_says_what_is_wrong_and_the_next_one_is_read() {
    let long = "x".repeat(CELL + 1);
    let longer = format!("{long};").repeat(LINE / CELL + 1);
    let many = ";".repeat(400);
    for (bad, expected) in [
        ("1", "1: has 1 values; the header line has 2 columns".to_owned()),
        ("1;2;3", "1: has 3 values; the header line has 2 columns".to_owned()),
        (&many, "1: has 401 values; the header line has 2 columns".to_owned()),
        (&format!("1;{long}"), format!("1.1: has more than {CELL} bytes")),
        (&longer, format!("1: has more than {LINE} bytes")),
    ] {
        assert_eq!(cells(format!("a;b\n{bad}\n3;4\n")), [vec!["a", "b"], vec![&*expected], vec!["3", "4"]]);
    }
    assert_eq!(cells(b"a;b\n1;\xe4\n3;4\n")[1..], [vec!["1.1: is not UTF-8 from its byte 1 on"], vec!["3", "4"]]);
    assert_eq!(cells("a;b\n1;2\n3;\"4\n5;6\n")[1..], [vec!["1", "2"], vec!["2: has a quote that is not closed"]]);
    let Ok([Record::Header(_), Record::Row(row)]) = <[_; 2]>::try_from(read(b"a;b\n1;\xe4x;3", 2).unwrap()) else { panic!() };
    assert_eq!(row.cells, ["1", "\u{fffd}x", "3"], "what could be read is there");
}

#[test]
fn what_is_no_table_says_why() {
    let wide = "a;".repeat(COLUMNS);
    let long = "a".repeat(LINE + 1);
    for (file, expected) in [
        (&b""[..], "the file has no header line"),
        (b"\xef\xbb\xbf\r\n\n", "the file has no header line"),
        (b"a;\"b\nc;d\n", "a quote in the header line is not closed"),
        (b"a;\xff\n", "the header line, column 2 is not UTF-8 from its byte 1 on"),
        (b"\xff\xfea\0;\0b\0\n\0", "the file is UTF-16; it must be UTF-8"),
        (wide.as_bytes(), "the header line has 201 columns; there may be 200"),
        (long.as_bytes(), "the header line has more than 1048576 bytes"),
    ] {
        assert_eq!(read(file, 1_000), Err(NoTable(expected.into())));
    }
    assert!(
        matches!(&read(&wide.as_bytes()[..wide.len() - 1], 9).unwrap()[..], [Record::Header(names)] if names.len() == COLUMNS)
    );
}

/// Writes a cell the way others do.
fn written(cell: &str, separator: char, always: bool) -> String {
    let plain = !always && !cell.contains([separator, '"', '\n', '\r']) && !cell.trim().is_empty();
    if plain { cell.to_owned() } else { format!("\"{}\"", cell.replace('"', "\"\"")) }
}

proptest! {
    #[test]
    fn what_others_write_is_read_as_they_meant_it(
        rows in prop::collection::vec(prop::collection::vec("[a;,\t\"\n\r =ü]{0,6}", 3), 0..20),
        separator in prop::sample::select(vec![',', ';', '\t']), crlf: bool, always: bool, bom: bool, piece in 1usize..50,
    ) {
        let line = |cells: &[String]| {
            let cells: Vec<_> = cells.iter().map(|cell| written(cell, separator, always)).collect();
            cells.join(&separator.to_string()) + if crlf { "\r\n" } else { "\n" }
        };
        let header = ["ID", "NAME", "x"].map(str::to_owned);
        let lines: String = rows.iter().map(|row| line(row)).collect();
        let file = (if bom { "\u{feff}" } else { "" }).to_owned() + &line(&header) + &lines;
        let mut expected = vec![Record::Header(header.to_vec())];
        expected.extend((1..).zip(rows).map(|(number, cells)| Record::Row(Row { number, cells, fault: None })));
        prop_assert_eq!(read(file.as_bytes(), piece).unwrap(), expected);
    }
}
