//! Codecs tried before they are taken: on frames and on commands, without keeping anything.

use super::{
    check::{check_call, check_report},
    frame::{Asked, cloud_request},
    next_codec,
};
use crate::{
    CodecRun, Core, Scope,
    uplink::{acknowledgement::cloud_response, message},
};
use landfall_model::{Codec, Error, Product, ProductId, Result, SampleFrame};
use serde::Deserialize;
use serde_json::{Value, value::RawValue};

/// Commands of one trial.
const COMMANDS: usize = 50;

/// What a codec made of one frame.
#[derive(Clone, Debug, PartialEq)]
pub struct CodecTrial {
    /// The frame, in hex.
    pub hex: String,
    /// What it gave, or why it failed or does not fit.
    pub outcome: std::result::Result<Decoded, String>,
}

/// What a frame gave.
#[derive(Clone, Debug, PartialEq)]
pub struct Decoded {
    /// The JSON that `decode` returned.
    pub result: Value,
    /// The frame that acknowledges it, in hex, where the codec asks for one.
    pub acknowledgement: Option<String>,
}

/// A command to try a codec on.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct CommandSample {
    /// Service of the product.
    pub service_id: String,
    /// Command of the service.
    pub cmd: String,
    /// JSON object of parameters.
    pub paras: Box<RawValue>,
    /// Number of the command.
    #[serde(default = "first")]
    pub mid: u16,
}

fn first() -> u16 {
    1
}

/// What a codec made of one command.
#[derive(Clone, Debug, PartialEq)]
pub struct CommandTrial {
    /// The JSON that `encode` was given.
    pub command: String,
    /// The frame, in hex, or why it failed or does not fit.
    pub outcome: std::result::Result<String, String>,
}

impl Core {
    /// Runs a codec on sample frames: every result is also checked against the product's model.
    pub async fn try_codec(
        &self,
        scope: &Scope,
        id: ProductId,
        source: &str,
        samples: &[SampleFrame],
    ) -> Result<Vec<CodecTrial>> {
        let product = self.product(scope, id).await?;
        let codec = next_codec(&product, source, samples, self.now())?;
        let mut trials = Vec::with_capacity(samples.len());
        for sample in samples {
            let outcome = self.try_frame(CodecRun::trial(&product, &codec), &product, sample).await;
            trials.push(CodecTrial { hex: sample.hex.clone(), outcome });
        }
        Ok(trials)
    }

    /// Runs a codec on commands, each checked against the product's model first.
    pub async fn try_commands(
        &self,
        scope: &Scope,
        id: ProductId,
        source: &str,
        commands: &[CommandSample],
    ) -> Result<Vec<CommandTrial>> {
        let product = self.product(scope, id).await?;
        let codec = next_codec(&product, source, &[], self.now())?;
        if commands.len() > COMMANDS {
            return Err(Error::invalid("commands", format!("must be at most {COMMANDS}")));
        }
        let mut trials = Vec::with_capacity(commands.len());
        for command in commands {
            trials.push(self.try_command(&product, &codec, command).await?);
        }
        Ok(trials)
    }

    async fn try_frame(
        &self,
        run: CodecRun<'_>,
        product: &Product,
        sample: &SampleFrame,
    ) -> std::result::Result<Decoded, String> {
        let bytes = hex::decode(&sample.hex).map_err(|e| format!("is no hex: {e}"))?;
        let decoded = self.codecs.decode(run, &bytes, "{}").await.map_err(|e| e.to_string())?;
        let result: Value = serde_json::from_str(&decoded).map_err(|e| e.to_string())?;
        if let Some(expected) = &sample.expected
            && *expected != result
        {
            return Err(format!("gives {result}, expected {expected}"));
        }
        let text = message::text(decoded.as_bytes()).map_err(|e| e.to_string())?;
        let message::Message::Report(items) = message::read(&text).map_err(|e| e.to_string())? else {
            return Ok(Decoded { result, acknowledgement: None });
        };
        for item in items {
            let service = product.service(&item.service_id);
            let service = service.ok_or_else(|| format!("the product has no service {:.64}", item.service_id))?;
            check_report(service, &item.data).map_err(|e| e.to_string())?;
        }
        let acknowledgement = match cloud_response(&text, &bytes).map_err(|e| e.to_string())? {
            Some(request) => {
                let frame = self.codecs.encode(run, &request).await;
                Some(hex::encode(frame.map_err(|error| format!("the acknowledgement (cloudRsp): {error}"))?))
            }
            None => None,
        };
        Ok(Decoded { result, acknowledgement })
    }

    async fn try_command(&self, product: &Product, codec: &Codec, sample: &CommandSample) -> Result<CommandTrial> {
        let CommandSample { service_id, cmd, paras, mid } = sample;
        let sent = |paras: &str| cloud_request(&Asked { service_id, method: cmd, mid: *mid, paras }, true);
        let fitting = || {
            let service = product.service(service_id).ok_or_else(|| format!("the product has no service {service_id:.64}"))?;
            let model = service.command(cmd).ok_or_else(|| format!("the service has no command {cmd:.64}"))?;
            check_call(model, paras.get()).map_err(|error| error.to_string())
        };
        let paras = match fitting() {
            Ok(paras) => paras,
            Err(error) => return Ok(CommandTrial { command: sent(paras.get())?, outcome: Err(error) }),
        };
        let command = sent(&paras)?;
        let encoded = self.codecs.encode(CodecRun::trial(product, codec), &command).await;
        Ok(CommandTrial { command, outcome: encoded.map(hex::encode).map_err(|error| error.to_string()) })
    }
}
