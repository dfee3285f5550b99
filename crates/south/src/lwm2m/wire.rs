//! Requests and answers of LwM2M as messages of CoAP, and back.

use landfall_coap::{self as coap, Check, CheckKind, Message, OptionNumber};
use landfall_lwm2m::{self as lwm2m, ContentFormat, Method, Observe, Request, Response};

/// A request of ours.
pub(super) fn message(request: Request) -> Message {
    let code = match request.method {
        Method::Get => coap::Code::GET,
        Method::Post => coap::Code::POST,
        Method::Put => coap::Code::PUT,
        Method::Delete => coap::Code::DELETE,
        Method::Fetch => coap::Code::FETCH,
        Method::Ipatch => coap::Code::IPATCH,
    };
    let mut message = Message::new(code);
    if let Some(observe) = request.observe {
        message = message.with_observe(u32::from(observe == Observe::Cancel));
    }
    for segment in &request.path {
        message.options.add(OptionNumber::URI_PATH, segment.as_bytes());
    }
    if let Some(format) = request.content_format {
        message.options.add_uint(OptionNumber::CONTENT_FORMAT, format.0.into());
    }
    for query in &request.query {
        message = message.with_query(query);
    }
    if let Some(format) = request.accept {
        message.options.add_uint(OptionNumber::ACCEPT, format.0.into());
    }
    message.with_payload(request.payload)
}

/// A client's request; `None` for a method that LwM2M does not use.
pub(super) fn request(message: &Message) -> Option<Request> {
    let method = match message.code {
        coap::Code::GET => Method::Get,
        coap::Code::POST => Method::Post,
        coap::Code::PUT => Method::Put,
        coap::Code::DELETE => Method::Delete,
        coap::Code::FETCH => Method::Fetch,
        coap::Code::IPATCH => Method::Ipatch,
        _ => return None,
    };
    let options = message.opts();
    Some(Request {
        method,
        path: options.uri_path().map(str::to_owned).collect(),
        query: options.uri_query().map(str::to_owned).collect(),
        content_format: options.content_format().map(|format| ContentFormat(format.0)),
        accept: options.accept().map(|format| ContentFormat(format.0)),
        observe: options.observe().map(|value| if value == 0 { Observe::Register } else { Observe::Cancel }),
        payload: message.payload.to_vec(),
    })
}

/// A client's answer or notification.
pub(super) fn response(message: &Message) -> Response {
    let options = message.opts();
    Response {
        code: lwm2m::Code(message.code.0),
        content_format: options.content_format().map(|format| ContentFormat(format.0)),
        location: options.location_path().map(str::to_owned).collect(),
        observe: options.observe(),
        payload: message.payload.to_vec(),
    }
}

/// An answer of ours.
pub(super) fn answer(response: Response) -> Message {
    let mut message = Message::new(coap::Code(response.code.0));
    for segment in &response.location {
        message.options.add(OptionNumber::LOCATION_PATH, segment.as_bytes());
    }
    if let Some(format) = response.content_format {
        message.options.add_uint(OptionNumber::CONTENT_FORMAT, format.0.into());
    }
    message.with_payload(response.payload)
}

/// A refused message in words.
pub(super) fn told(check: &Check) -> String {
    let what = match check.kind {
        CheckKind::Format => "the datagram is no CoAP message",
        CheckKind::Protocol => "the message is not allowed here",
        CheckKind::Option => "an option is unknown, malformed or repeated",
        CheckKind::Transfer => "the blocks of a body do not fit together",
        CheckKind::Limit => "above a limit of this server",
    };
    if check.source == "-" { what.to_owned() } else { format!("{what} ({})", check.source) }
}
