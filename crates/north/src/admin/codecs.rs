//! /products/{product}/codecs: payload codecs, tried on sample frames before they are taken, and history decoded again with them.

use super::{
    caller::{JsonBody, Over, device_id},
    error::Answer,
    products::one,
    query::{cut, listed, time},
    view,
};
use axum::{Json, extract::Path, http::StatusCode};
use landfall_core::{CodecTrial, CommandSample, CommandTrial, Decoded, RedecodeRequest};
use landfall_model::{Cause, Error, SampleFrame, Time};
use serde::Deserialize;
use serde_json::{Value, json};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct UploadBody {
    /// JavaScript; a dry run without it runs the codec in force.
    source: Option<String>,
    #[serde(default)]
    samples: Vec<SampleFrame>,
    /// For a dry run.
    #[serde(default)]
    commands: Vec<CommandSample>,
}

pub(super) async fn upload(
    over: Over,
    Path(product): Path<String>,
    JsonBody(body): JsonBody<UploadBody>,
) -> Answer<(StatusCode, Json<Value>)> {
    over.params.only(&["dryRun"])?;
    let product = one(&over, &product).await?;
    if over.params.flag("dryRun")? {
        let source = match body.source {
            Some(source) => source.into(),
            None => product.codec().map(|codec| codec.source.clone()).ok_or_else(none)?,
        };
        let trials = over.core.try_codec(&over.scope, product.id, &source, &body.samples).await?;
        let commands = over.core.try_commands(&over.scope, product.id, &source, &body.commands).await?;
        let ok = trials.iter().all(|trial| trial.outcome.is_ok()) && commands.iter().all(|trial| trial.outcome.is_ok());
        let trials: Vec<Value> = trials.iter().map(trial).collect();
        let commands: Vec<Value> = commands.iter().map(command_trial).collect();
        return Ok((StatusCode::OK, Json(json!({ "ok": ok, "trials": trials, "commands": commands }))));
    }
    if !body.commands.is_empty() {
        return Err(Error::invalid("commands", "are for a dry run").into());
    }
    let source = body.source.ok_or_else(|| Error::invalid("source", "is missing"))?;
    let product = over.core.upload_codec(&over.scope, product.id, &source, &body.samples).await?;
    let codec = product.codec().ok_or_else(none)?;
    Ok((StatusCode::CREATED, Json(view::codec(codec))))
}

pub(super) async fn list(over: Over, Path(product): Path<String>) -> Answer {
    let page = over.params.paged(&[])?;
    let product = one(&over, &product).await?;
    Ok(listed(&cut(product.codecs.iter().rev().collect(), page), |codec| view::codec(codec)))
}

pub(super) async fn show(over: Over, Path((product, version)): Path<(String, String)>) -> Answer {
    over.params.only(&[])?;
    let product = one(&over, &product).await?;
    let version = version.parse::<u32>().ok();
    let codec = product.codecs.iter().find(|codec| Some(codec.version) == version).ok_or_else(none)?;
    let mut shown = view::codec(codec);
    shown["source"] = (*codec.source).into();
    Ok(Json(shown))
}

/// Frames of a call that names no limit: well within the patience of a client, even with a slow codec.
const REDECODE_FRAMES: u32 = 1_000;

#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct RedecodeBody {
    device: Option<String>,
    from: Option<String>,
    to: Option<String>,
    after: Option<String>,
    limit: Option<u32>,
}

pub(super) async fn redecode(over: Over, Path(product): Path<String>, JsonBody(body): JsonBody<RedecodeBody>) -> Answer {
    over.params.only(&["dryRun"])?;
    let product = one(&over, &product).await?;
    let request = RedecodeRequest {
        device: body.device.as_deref().map(device_id).transpose()?,
        from: body.from.as_deref().map(|text| time("from", text)).transpose()?,
        to: body.to.as_deref().map(|text| time("to", text)).transpose()?,
        after: body.after.as_deref().map(str::parse).transpose()?,
        limit: body.limit.unwrap_or(REDECODE_FRAMES),
        dry_run: over.params.flag("dryRun")?,
    };
    let page = over.core.redecode(&over.scope, product.id, &request).await?;
    let failure = page.first_failure.map(|failure| {
        json!({ "deviceId": failure.device.to_string(), "receivedAt": Time::iso(failure.received_at), "error": failure.error })
    });
    Ok(Json(json!({
        "devices": page.devices,
        "frames": page.frames,
        "changed": page.changed,
        "failed": page.failed,
        "firstFailure": failure,
        "next": page.next.map(|next| next.to_string()),
    })))
}

fn none() -> Error {
    Error::new(Cause::CodecNotFound, "the product has no codec, or none of this version")
}

fn trial(trial: &CodecTrial) -> Value {
    match &trial.outcome {
        Ok(Decoded { result, acknowledgement: None }) => json!({ "hex": trial.hex, "ok": true, "result": result }),
        Ok(Decoded { result, acknowledgement }) => {
            json!({ "hex": trial.hex, "ok": true, "result": result, "acknowledgement": acknowledgement })
        }
        Err(error) => json!({ "hex": trial.hex, "ok": false, "error": error }),
    }
}

fn command_trial(trial: &CommandTrial) -> Value {
    match &trial.outcome {
        Ok(hex) => json!({ "command": trial.command, "ok": true, "hex": hex }),
        Err(error) => json!({ "command": trial.command, "ok": false, "error": error }),
    }
}
