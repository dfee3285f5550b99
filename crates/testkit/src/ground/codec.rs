//! A payload codec that follows a script, so that tests need no sandbox.

use async_trait::async_trait;
use landfall_core::{CodecRun, PayloadCodec};
use landfall_model::{Cause, Error, Result};

/// A number that no command may hold if it is to be put into a frame.
pub const UNWRITABLE: u32 = 987_654_321;

/// Frames are the text of the JSON itself, those of commands backwards. Words change what it does.
///
/// - Of a source: `broken` fails, `inverted` frames have all bits turned over, `A->B` replaces A in the result, `meta` returns what the codec
///   is told beside the frame, and `forwards` does not turn commands.
/// - Of a frame: one that begins with `broken` fails, and for `busy` there is no time.
pub struct ScriptedCodec;

#[async_trait]
impl PayloadCodec for ScriptedCodec {
    async fn decode(&self, run: CodecRun<'_>, bytes: &[u8], meta: &str) -> Result<String> {
        let source = &*run.codec.source;
        if source.contains("broken") || bytes.starts_with(b"broken") {
            return Err(failed("decode: broken"));
        }
        if bytes == b"busy" {
            return Err(Error::new(Cause::Overloaded, "all codecs are busy"));
        }
        if source == "meta" && meta != "{}" {
            return Ok(meta.to_owned());
        }
        let turned = if source.contains("inverted") { 0xff } else { 0 };
        let bytes = bytes.iter().map(|byte| byte ^ turned).collect();
        let text = String::from_utf8(bytes).map_err(failed)?;
        Ok(source.split_once("->").map_or(text.clone(), |(from, to)| text.replace(from, to)))
    }

    async fn encode(&self, run: CodecRun<'_>, command: &str) -> Result<Vec<u8>> {
        if command.contains(&UNWRITABLE.to_string()) {
            return Err(failed("encode: unwritable"));
        }
        let mut bytes = command.as_bytes().to_vec();
        if &*run.codec.source != "forwards" {
            bytes.reverse();
        }
        Ok(bytes)
    }
}

fn failed(why: impl ToString) -> Error {
    Error::new(Cause::CodecFailed, why.to_string())
}
