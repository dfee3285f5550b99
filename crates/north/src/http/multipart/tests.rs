//! Multipart bodies: what is read out of which bytes, whatever the pieces are that they come in.

use super::*;

/// Name and data of each part of a body that comes in pieces of so many bytes.
fn read(body: &[u8], piece: usize) -> Result<Vec<(String, Vec<u8>)>, Malformed> {
    read_of("multipart/form-data; boundary=B", body, piece)
}

fn read_of(content_type: &str, body: &[u8], piece: usize) -> Result<Vec<(String, Vec<u8>)>, Malformed> {
    let mut multipart = Multipart::of(content_type)?;
    let mut parts: Vec<(String, Vec<u8>)> = vec![];
    let mut take = |multipart: &mut Multipart| {
        while let Some(piece) = multipart.next()? {
            match (piece, parts.last_mut()) {
                (Piece::Part(part), _) => parts.push((part.name, vec![])),
                (Piece::Data(data), Some((_, all))) => all.extend_from_slice(&data),
                (Piece::Data(_), None) => panic!("data before a part"),
            }
        }
        Ok(())
    };
    for bytes in body.chunks(piece) {
        multipart.feed(bytes);
        take(&mut multipart)?;
        assert!(multipart.pending.len() <= HEADERS + piece, "what was read is let go");
    }
    multipart.close();
    take(&mut multipart)?;
    Ok(parts)
}

const HEAD: &str = "--B\r\nContent-Disposition: form-data; name=\"file\"\r\nContent-Type: plain/text\r\n\r\n";

#[test]
fn parts_are_read_in_whatever_pieces_they_come() {
    let file = |data: &str| vec![("file".to_owned(), data.as_bytes().to_vec())];
    for (body, expected) in [
        (format!("{HEAD}a;b\r\n1;2\r\n--B--\r\n"), file("a;b\r\n1;2")),
        (format!("{HEAD}a;b\r\n1;2\r\n\r\n--B--"), file("a;b\r\n1;2\r\n")),
        (format!("preamble\r\n{HEAD}a\r\n--B--\r\nepilogue\r\n--B\r\nx"), file("a")),
        (format!("{HEAD}\r\n--B--"), file("")),
        (format!("{HEAD}--B--"), file("")),
        // No closing dashes, no boundary, nothing at all behind the header fields.
        (format!("{HEAD}a\r\n--B"), file("a")),
        (format!("{HEAD}a\r\n--B\r\n"), file("a")),
        (format!("{HEAD}a\r\n--B \t\r\n\r\n"), vec![("file".into(), b"a".to_vec()), (String::new(), vec![])]),
        (format!("{HEAD}a\r\nb\r\n"), file("a\r\nb\r\n")),
        (HEAD.to_owned(), file("")),
        // Lines that end in LF alone.
        (format!("{HEAD}a\r\nb\r\n--B--\r\n").replace("\r\n", "\n"), file("a\nb")),
        (format!("{}a\r\nb\n--B", HEAD.replace("\r\n", "\n")), file("a\r\nb")),
        // What only looks like a boundary.
        (format!("{HEAD}a\r\n--Bx\r\n--\r\n-B\r--B\n\r\n--B--"), file("a\r\n--Bx\r\n--\r\n-B\r--B\n")),
        (format!("{HEAD}1\r\n{HEAD}2\r\n--B--"), [file("1"), file("2")].concat()),
        (
            "--B\r\ncontent-disposition: FORM-DATA; filename=\"a;name=\\\"x\\\".csv\"; Name=file\r\n folded: no\r\n\r\na\r\n--B--".to_owned(),
            file("a"),
        ),
        ("--B\r\nX: y\r\n\r\na\r\n--B--".to_owned(), vec![(String::new(), b"a".to_vec())]),
        ("--B--".to_owned(), vec![]),
    ] {
        for piece in [1, 2, 3, 5, 1_000] {
            assert_eq!(read(body.as_bytes(), piece).as_ref(), Ok(&expected), "{body:?} by {piece}");
        }
    }
}

#[test]
fn a_malformed_body_says_why() {
    let long = format!("--B\r\nX: {}", "y".repeat(HEADERS));
    let preamble = "x".repeat(PREAMBLE + 1);
    let padded = format!("--B{}", " ".repeat(PADDING + 1));
    let no_boundary = "the body does not begin with the boundary that its Content-Type names";
    let open = "the header fields of a part do not end within 8192 bytes";
    for (body, expected) in [
        ("", no_boundary),
        ("a;b\n1;2\n", no_boundary),
        ("--C\r\n\r\n--C--", no_boundary),
        (&preamble, no_boundary),
        ("--B\r\nX: y\r\n", open),
        (&long, open),
        ("--B\r\nno colon\r\n\r\n", "a line among the header fields of a part has no colon"),
        (&padded, "a boundary is followed by more than spaces"),
    ] {
        assert_eq!(read(body.as_bytes(), 100), Err(Malformed(expected.into())), "{}", &body[..body.len().min(99)]);
    }
}

#[test]
fn the_boundary_is_what_the_content_type_names() {
    for (content_type, expected) in [
        ("multipart/form-data; boundary=myBoundary", Some("\n--myBoundary")),
        ("multipart/form-data;boundary=\"a b;c\"", Some("\n--a b;c")),
        ("multipart/form-data; charset=utf-8; BOUNDARY=x", Some("\n--x")),
        ("multipart/form-data; charset; boundary=x", Some("\n--x")),
        ("multipart/form-data", Some("")),
        ("multipart/form-data; boundary=", None),
        ("multipart/form-data; boundary=\"x", Some("")),
    ] {
        let delimiter = Multipart::of(content_type).map(|multipart| multipart.delimiter).ok();
        assert_eq!(delimiter.as_deref(), expected.map(str::as_bytes), "{content_type}");
    }
    let long = format!("multipart/form-data; boundary={}", "x".repeat(BOUNDARY + 1));
    assert!(Multipart::of(&long).is_err());
    assert_eq!(media_type(" Multipart/Form-Data ;boundary=x"), "multipart/form-data");
}

#[test]
fn the_first_line_names_the_boundary_where_the_content_type_does_not() {
    let file = vec![("file".to_owned(), b"a\r\n--Cb".to_vec())];
    for body in [format!("{HEAD}a\r\n--Cb\r\n--B--\r\n"), format!("{HEAD}a\r\n--Cb\r\n--B").replace("--B\r\nC", "--B \t\r\nC")] {
        for piece in [1, 2, 7, 1_000] {
            assert_eq!(read_of("multipart/form-data", body.as_bytes(), piece).as_ref(), Ok(&file), "{body:?} by {piece}");
        }
    }
    let long = format!("--{}", "x".repeat(BOUNDARY + 1));
    let endless = "-".repeat(BOUNDARY + PADDING + 1);
    for body in ["", "\r\n", "--", "--\r\n", "a;b\r\n--B", &long, &endless] {
        for piece in [1, 1_000] {
            assert_eq!(read_of("multipart/form-data", body.as_bytes(), piece), Err(no_boundary()), "{body:?}");
        }
    }
}
