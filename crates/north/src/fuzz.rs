//! Entry points for fuzzers: what reads the bodies of requests while they come must hold whatever they are.

use crate::{
    csv::{COLUMNS, Record, Table},
    http::{Multipart, Piece},
};

/// Reads arbitrary bytes, but for the first, as a form with boundary `B` that has a table, in pieces as large as the first byte says; what is read
/// does not hang on the pieces.
pub fn fuzz_upload(bytes: &[u8]) {
    let Some((size, body)) = bytes.split_first() else { return };
    assert_eq!(read(body, usize::from(*size).max(1)), read(body, body.len().max(1)));
}

/// The records of the tables in the parts of a form, and what is wrong with it.
fn read(body: &[u8], size: usize) -> (Vec<Record>, Option<String>) {
    let mut records = vec![];
    let fault = read_into(body, size, &mut records).err();
    for record in &records {
        if let Record::Header(names) = record {
            assert!(names.len() <= COLUMNS);
        }
    }
    (records, fault)
}

fn read_into(body: &[u8], size: usize, records: &mut Vec<Record>) -> Result<(), String> {
    let mut form = Multipart::of("multipart/form-data; boundary=B").map_err(|why| why.0)?;
    let mut table = Table::default();
    for piece in body.chunks(size).chain([&[][..]]) {
        form.feed(piece);
        if piece.is_empty() {
            form.close();
        }
        while let Some(piece) = form.next().map_err(|why| why.0)? {
            match piece {
                Piece::Part(_) => finish(&mut table, records)?,
                Piece::Data(data) => {
                    table.feed(&data);
                    take(&mut table, records)?;
                }
            }
        }
    }
    finish(&mut table, records)
}

fn take(table: &mut Table, records: &mut Vec<Record>) -> Result<(), String> {
    while let Some(record) = table.next().map_err(|why| why.0)? {
        records.push(record);
    }
    Ok(())
}

fn finish(table: &mut Table, records: &mut Vec<Record>) -> Result<(), String> {
    table.close();
    let done = take(table, records);
    *table = Table::default();
    // A part without a table is none of a fault.
    if records.is_empty() { Ok(()) } else { done }
}

#[cfg(test)]
mod tests {
    use super::fuzz_upload;

    #[test]
    fn mutated_uploads_are_read_or_refused() {
        let corpus: [&[u8]; 3] = [
            b"\x07--B\r\nContent-Disposition: form-data; name=\"file\"; filename=\"a.csv\"\r\nContent-Type: text/csv\r\n\r\nID;CREDENTIALS\r\na;\"1;\"\"\"\r\n\r\nb;2\r\n--B--\r\n",
            b"\x01--B\nContent-Disposition: form-data; name=file\n\n\xef\xbb\xbfID,\"TYPE\n,\"\na,b\n--B",
            b"Apreamble\r\n--B\r\nx: y\r\n\r\n\r\n--B\r\ncontent-disposition: form-data; name=\"file\"\r\n\r\nID\tx\r\n\"\r\n--Bx",
        ];
        landfall_testkit::mutate::run(&corpus, 1, 20_000, fuzz_upload);
    }
}
