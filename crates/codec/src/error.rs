//! What can go wrong with a codec, in words its owner can act on.

/// Why a codec gave no result. Messages name the script `codec.js` and never a path or address of the host.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CodecError {
    /// The source is not JavaScript.
    #[error("{message}{}", at_line(*line))]
    Syntax {
        /// The engine's words, such as `SyntaxError: expecting ';'`.
        message: String,
        /// Line in the source, from 1, where known.
        line: Option<u32>,
    },
    /// The script threw, at its top level or in the called function, or a LoRaWAN function answered with `errors`.
    #[error("the codec threw {message}{}", at_line(line_of(stack)))]
    Threw {
        /// The thrown value as text (at most 1 KiB), such as `Error: frame too short`.
        message: String,
        /// The first lines of its stack, innermost first; empty where the thrown value has none.
        stack: String,
    },
    /// The call used more processor time than allowed.
    #[error("the codec was stopped after {limit_ms} ms of processor time")]
    TimedOut {
        /// The limit that was passed, ms.
        limit_ms: u32,
    },
    /// The script used more memory than allowed.
    #[error("the codec needs more than the {limit_bytes} bytes of memory that it may use")]
    OutOfMemory {
        /// The limit of the script's heap, bytes.
        limit_bytes: usize,
    },
    /// The JSON text or byte string is longer than allowed.
    #[error("the codec's result is longer than {limit_bytes} bytes")]
    OutputTooLarge {
        /// `Limits::output_bytes`.
        limit_bytes: usize,
    },
    /// The script has no such function.
    #[error("the codec defines no function {wanted}")]
    NoFunction {
        /// The names looked for, such as `decode or decodeUplink`.
        wanted: &'static str,
    },
    /// The function returned something that is no result.
    #[error("{message}")]
    BadResult {
        /// What was returned and what is expected.
        message: String,
    },
    /// The source or an argument is longer than allowed; nothing was run.
    #[error("the {what} is longer than {limit_bytes} bytes")]
    TooLarge {
        /// `source` or `input`.
        what: &'static str,
        /// The limit, bytes.
        limit_bytes: usize,
    },
    /// Too many calls are waiting, most of them of this account; try again later.
    #[error("too many codec calls are waiting, most of them of this account")]
    Busy,
    /// The codec was stopped by the clock several times in a row and is not run for a while; nothing was run.
    #[error("the codec is not run for {} s, as it was stopped for taking too long {in_a_row} times in a row", left_ms.div_ceil(1_000))]
    Resting {
        /// Time-outs in a row.
        in_a_row: u32,
        /// Until it is tried again, ms.
        left_ms: u64,
    },
    /// A fault of the caller or of the sandbox, not of the script.
    #[error("codec sandbox: {0}")]
    Internal(String),
}

/// The line in `    at codec.js:3:9`, the innermost of a stack.
pub(crate) fn line_of(stack: &str) -> Option<u32> {
    let place = stack.split_once("codec.js:")?.1;
    place.split(|c: char| !c.is_ascii_digit()).next()?.parse().ok()
}

fn at_line(line: Option<u32>) -> String {
    line.map(|line| format!(" (line {line})")).unwrap_or_default()
}
