//! What waits in the queue: a thing to do, with the way back to who asked for it.

use std::sync::Arc;

use tokio::sync::oneshot;

use crate::error::CodecError;
use crate::rest::Pass;
use crate::script::{Exports, Function, Script};
use crate::turns::Owner;

/// What goes back to the caller.
pub(crate) type Answer<T> = Result<T, CodecError>;

/// One thing to do.
pub(crate) enum Job {
    WarmUp(oneshot::Sender<Answer<()>>),
    Check { source: Arc<str>, reply: oneshot::Sender<Answer<Exports>> },
    Call(Call),
}

/// One call of a function of a script.
pub(crate) struct Call {
    pub(crate) script: Script,
    pub(crate) function: Function,
    pub(crate) bytes: Vec<u8>,
    pub(crate) json: String,
    pub(crate) pass: Pass,
    pub(crate) reply: oneshot::Sender<Answer<Vec<u8>>>,
}

impl Job {
    /// Whose turn it takes.
    pub(crate) fn owner(&self) -> Owner {
        match self {
            Job::Call(call) => Owner { account: call.script.account, codec: call.script.id },
            Job::WarmUp(_) | Job::Check { .. } => Owner { account: 0, codec: 0 },
        }
    }

    /// Answers without having run. A caller that no longer waits is no error, hence the ignored sends.
    pub(crate) fn refuse(self, error: CodecError) {
        match self {
            Job::WarmUp(reply) => drop(reply.send(Err(error))),
            Job::Check { reply, .. } => drop(reply.send(Err(error))),
            Job::Call(call) => drop(call.reply.send(Err(error))),
        }
    }
}
