//! Files that users keep with objects and events.
//!
//! Bytes go to the store in parts while they come, so that neither a server nor its database ever has a whole file in memory. A file is there for
//! others with the write that completes it, which goes together with that of what it is kept with; what was left incomplete is deleted after a day.

mod event;
mod object;

use crate::{Core, Permission, UserCaller, batch};
use landfall_model::{Batch, Binary, BinaryId, BinaryOf, BinaryPart, Cause, Error, Result, Write};

/// Characters of a name, and of a media type.
const NAME: usize = 255;

/// A file whose bytes come.
#[derive(Debug)]
pub struct Upload {
    binary: Binary,
    /// What is not in a part yet.
    rest: Vec<u8>,
    parts: u32,
}

impl Upload {
    /// What is known of it.
    pub fn binary(&self) -> &Binary {
        &self.binary
    }

    /// Says more of it, as that may come behind its bytes. `InvalidField`.
    pub fn describe(&mut self, name: &str, media_type: &str) -> Result<()> {
        for (field, text) in [("name", name), ("type", media_type)] {
            if text.is_empty() || text.chars().count() > NAME || text.chars().any(char::is_control) {
                return Err(Error::invalid(field, "must have 1 to 255 characters and no control characters"));
            }
        }
        (self.binary.name, self.binary.media_type) = (name.to_owned(), media_type.to_owned());
        Ok(())
    }

    fn part(&mut self, bytes: Vec<u8>) -> Write {
        let no = self.parts;
        self.parts += 1;
        Write::BinaryPart(Box::new(BinaryPart { of: self.binary.id, no, bytes }))
    }
}

impl Core {
    /// A file of the caller's account that begins to come. `Forbidden`, `TooMany`.
    pub async fn begin_upload(&self, caller: &UserCaller) -> Result<Upload> {
        caller.need(Permission::Speak)?;
        let (files, bytes) = self.store.binary_usage(caller.account()).await?;
        if files >= self.settings.binaries {
            return Err(Error::new(Cause::TooMany, "the account has as many files as it may (limits.binaries)"));
        }
        if bytes >= self.settings.binary_bytes_per_account {
            let detail = "the files of the account have as many bytes as they may (limits.binary_bytes_per_account)";
            return Err(Error::new(Cause::TooMany, detail));
        }
        let binary = Binary {
            id: BinaryId::from_random(self.random_16()),
            account: caller.account(),
            version: 1,
            of: None,
            name: "bin".into(),
            media_type: "application/octet-stream".into(),
            bytes: 0,
            created_at: self.now(),
        };
        self.store.commit(batch(vec![Write::Binary(Box::new(binary.clone()))], vec![])).await?;
        Ok(Upload { binary, rest: vec![], parts: 0 })
    }

    /// Takes the next bytes of a file; returns when they are kept but for less than a part. `ContentTooLarge`.
    pub async fn push_upload(&self, upload: &mut Upload, mut bytes: &[u8]) -> Result<()> {
        upload.binary.bytes += bytes.len() as u64;
        if upload.binary.bytes > self.settings.binary_bytes {
            let detail = format!("the file has more than {} bytes (limits.binary_bytes)", self.settings.binary_bytes);
            return Err(Error::new(Cause::ContentTooLarge, detail));
        }
        while upload.rest.len() + bytes.len() >= Binary::PART_BYTES {
            let (some, more) = bytes.split_at(Binary::PART_BYTES - upload.rest.len());
            upload.rest.extend_from_slice(some);
            bytes = more;
            let full = std::mem::take(&mut upload.rest);
            let part = upload.part(full);
            self.store.commit(batch(vec![part], vec![])).await?;
        }
        upload.rest.extend_from_slice(bytes);
        Ok(())
    }

    /// What makes the file whole: to be committed together with what it is kept with, in place of the file that was kept with it before.
    async fn completed(&self, upload: &Upload, of: BinaryOf) -> Result<Batch> {
        let mut writes = vec![];
        if !upload.rest.is_empty() {
            let part = BinaryPart { of: upload.binary.id, no: upload.parts, bytes: upload.rest.clone() };
            writes.push(Write::BinaryPart(Box::new(part)));
        }
        let earlier = self.store.binary_of(of).await?;
        writes.extend(earlier.map(|earlier| Write::DeleteBinary(earlier.id)));
        writes.push(Write::Binary(Box::new(Binary { version: 2, of: Some(of), ..upload.binary.clone() })));
        Ok(batch(writes, vec![]))
    }

    /// Drops a file that does not become whole.
    pub async fn abandon_upload(&self, upload: Upload) -> Result<()> {
        self.store.commit(batch(vec![Write::DeleteBinary(upload.binary.id)], vec![])).await.map(|_| ())
    }

    /// The file that is kept with something that the caller reaches. `ResourceNotFound`.
    async fn file_of(&self, caller: &UserCaller, of: BinaryOf) -> Result<Binary> {
        let found = self.store.binary_of(of).await?.filter(|binary| binary.account == caller.account());
        found.ok_or_else(no_file)
    }

    /// The next bytes of a file, from part 0 on; none behind its end. `Stale` where it is gone meanwhile.
    pub async fn binary_part(&self, binary: &Binary, no: u32) -> Result<Option<Vec<u8>>> {
        if u64::from(no) * Binary::PART_BYTES as u64 >= binary.bytes {
            return Ok(None);
        }
        let gone = || Error::new(Cause::Stale, "the file was deleted or replaced meanwhile");
        self.store.binary_part(binary.id, no).await?.ok_or_else(gone).map(Some)
    }
}

fn no_file() -> Error {
    Error::new(Cause::ResourceNotFound, "there is no such file")
}
