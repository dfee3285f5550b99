//! Files over REST: those that are objects of the inventory, and those of events.

pub(super) mod event;
pub(super) mod object;
mod upload;

use super::{Fault, Inbound, Reply, request::encoded};
use axum::{
    body::Body,
    http::{HeaderValue, header},
    response::Response,
};
use bytes::Bytes;
use futures_util::stream;
use landfall_core::Core;
use landfall_model::Binary;
use std::sync::Arc;

/// The bytes of a file, read while they are sent.
fn download(inbound: &Inbound, file: Binary) -> Reply {
    let core: Arc<Core> = inbound.dialect.core.clone();
    let headers = [
        (header::CONTENT_TYPE, HeaderValue::from_str(&file.media_type).ok()),
        (header::CONTENT_DISPOSITION, HeaderValue::from_str(&disposition(&file.name)).ok()),
        (header::CONTENT_LENGTH, Some(HeaderValue::from(file.bytes))),
        // A file of a user is never a page of this server.
        (header::X_CONTENT_TYPE_OPTIONS, Some(HeaderValue::from_static("nosniff"))),
    ];
    let parts = stream::try_unfold((core, file, 0), |(core, file, no)| async move {
        let part = core.binary_part(&file, no).await?;
        Ok::<_, landfall_model::Error>(part.map(|part| (Bytes::from(part), (core, file, no + 1))))
    });
    let mut response = Response::new(Body::from_stream(parts));
    response.headers_mut().extend(headers.into_iter().filter_map(|(name, value)| Some((name, value?))));
    Reply::Raw(response)
}

/// RFC 6266; a name beyond ASCII a second time, encoded.
fn disposition(name: &str) -> String {
    let plain = |char: char| match char {
        '"' | '\\' => format!("\\{char}"),
        ' '..='~' => char.to_string(),
        _ => "_".to_owned(),
    };
    let quoted: String = name.chars().map(plain).collect();
    let more = if name.is_ascii() { String::new() } else { format!("; filename*=UTF-8''{}", encoded(name)) };
    format!("attachment; filename=\"{quoted}\"{more}")
}

#[cfg(test)]
mod tests;
