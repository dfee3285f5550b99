//! A file while it comes: as the part `file` of a form, with `object` that describes it before or behind it, or as the whole body.

use crate::{
    cumulocity::{Fault, media},
    http::{Malformed, Multipart, Pace, Part, Piece, media_type, parameter},
};
use axum::{
    extract::Request,
    http::{HeaderMap, header},
};
use futures_util::StreamExt;
use landfall_core::{Core, Upload, UserCaller};
use serde_json::{Map, Value};

/// Bytes of the part `object`, and of what else a form may have besides its file.
const OBJECT: usize = 128 * 1024;
const BESIDES: u64 = 512 * 1024;
/// Seconds for a file.
const READ_S: u32 = 3_600;
/// Bytes of the listener's budget for a body that is not kept.
const BUDGET_BYTES: usize = 1024 * 1024;

/// A file that has come.
pub(super) struct Received {
    pub upload: Upload,
    /// What was said of it; empty for a body without a form.
    pub object: Map<String, Value>,
}

/// Reads the file of a request; what of one came that is refused is dropped.
pub(super) async fn receive(core: &Core, caller: &UserCaller, name: Option<String>, request: Request) -> Result<Received, Fault> {
    let most = core.settings().binary_bytes;
    let form = is_form(request.headers()).then(|| Multipart::of(text(request.headers(), header::CONTENT_TYPE)));
    let form = form.transpose().map_err(|Malformed(why)| Fault::malformed(why))?;
    let announced = text(request.headers(), header::CONTENT_LENGTH).parse::<u64>().unwrap_or(0);
    if announced > most + if form.is_some() { BESIDES } else { 0 } {
        return Err(Fault::too_large());
    }
    Pace::set(request.extensions(), |pace| {
        (pace.deadline_s, pace.budget_bytes, pace.streamed) = (Some(READ_S), BUDGET_BYTES, true);
    });
    let of_body = Part {
        name: String::new(),
        file_name: name.or_else(|| parameter(text(request.headers(), header::CONTENT_DISPOSITION), "filename")),
        content_type: media::content(request.headers()),
    };
    let upload = core.begin_upload(caller).await?;
    let mut receiving = Receiving { core, upload, object: vec![], at: At::Elsewhere, file: None };
    match receiving.all(form, of_body, request, most).await {
        Ok(object) => Ok(Received { upload: receiving.upload, object }),
        Err(fault) => {
            core.abandon_upload(receiving.upload).await?;
            Err(fault)
        }
    }
}

/// Where in a form reading is.
#[derive(Clone, Copy, PartialEq, Eq)]
enum At {
    Object,
    File,
    Elsewhere,
}

struct Receiving<'a> {
    core: &'a Core,
    upload: Upload,
    object: Vec<u8>,
    at: At,
    /// What the part with the file says of it.
    file: Option<Part>,
}

impl Receiving<'_> {
    async fn all(
        &mut self,
        form: Option<Multipart>,
        of_body: Part,
        request: Request,
        most: u64,
    ) -> Result<Map<String, Value>, Fault> {
        let (mut form, mut body, mut read) = (form, request.into_body().into_data_stream(), 0);
        while let Some(bytes) = body.next().await {
            let bytes = bytes.map_err(|error| Fault::malformed(format!("the body broke off: {error}")))?;
            read += bytes.len() as u64;
            match &mut form {
                Some(_) if read > most + BESIDES => return Err(Fault::too_large()),
                Some(form) => {
                    form.feed(&bytes);
                    self.pieces(form).await?;
                }
                None => self.core.push_upload(&mut self.upload, &bytes).await?,
            }
        }
        match &mut form {
            Some(form) => {
                form.close();
                self.pieces(form).await?;
            }
            None => self.file = Some(of_body),
        }
        let file = self.file.take().ok_or_else(|| Fault::invalid("file", "the form has no part of this name"))?;
        let object = object(&self.object)?;
        self.describe(&file, &object)?;
        Ok(object)
    }

    async fn pieces(&mut self, form: &mut Multipart) -> Result<(), Fault> {
        while let Some(piece) = form.next().map_err(|Malformed(why)| Fault::malformed(why))? {
            match piece {
                Piece::Part(part) => {
                    self.at = match part.name.as_str() {
                        "object" => At::Object,
                        "file" => At::File,
                        _ => At::Elsewhere,
                    };
                    if self.at == At::File && self.file.replace(part).is_some() {
                        return Err(Fault::invalid("file", "the form has more than one part of this name"));
                    }
                }
                Piece::Data(data) if self.at == At::File => self.core.push_upload(&mut self.upload, &data).await?,
                Piece::Data(data) if self.at == At::Object => {
                    if self.object.len() + data.len() > OBJECT {
                        return Err(Fault::too_large());
                    }
                    self.object.extend_from_slice(&data);
                }
                Piece::Data(_) => {}
            }
        }
        Ok(())
    }

    /// The name is the object's, else the file's; the media type is the file's own, else the object's where it names one.
    fn describe(&mut self, file: &Part, object: &Map<String, Value>) -> Result<(), Fault> {
        let said = |name: &str| object.get(name).and_then(Value::as_str).filter(|text| !text.is_empty());
        let usual = self.upload.binary().clone();
        let name = said("name").or(file.file_name.as_deref()).filter(|name| !name.is_empty()).unwrap_or(&usual.name);
        let of_object = said("contentType").or(said("type").filter(|kind| kind.contains('/')));
        let of_file = file.content_type.as_deref().filter(|kind| of_object.is_none() || *kind != usual.media_type);
        let media_type = of_file.or(of_object).unwrap_or(&usual.media_type);
        if !media_type.contains('/') || !media_type.bytes().all(|byte| (b' '..=b'~').contains(&byte)) {
            return Err(Fault::invalid("contentType", "must be a media type"));
        }
        Ok(self.upload.describe(name, media_type)?)
    }
}

/// The object that a part has; an empty one where there is none.
fn object(bytes: &[u8]) -> Result<Map<String, Value>, Fault> {
    if bytes.trim_ascii().is_empty() {
        return Ok(Map::new());
    }
    let text = landfall_core::json::sound(bytes).map_err(|why| Fault::invalid("object", why.to_string()))?;
    match serde_json::from_str(&text) {
        Ok(Value::Object(fields)) => Ok(fields),
        _ => Err(Fault::invalid("object", "must be an object in JSON")),
    }
}

fn is_form(headers: &HeaderMap) -> bool {
    media_type(text(headers, header::CONTENT_TYPE)) == "multipart/form-data"
}

fn text(headers: &HeaderMap, name: header::HeaderName) -> &str {
    headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
}
