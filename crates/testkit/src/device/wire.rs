//! LwM2M in CoAP messages, from the side of a device. Absent: the server's side, which is written apart so that a mistake there shows.

use landfall_coap::{Code, ContentFormat, Message};
use landfall_lwm2m::{self as lwm2m, Method, Observe, Request, Response};

const METHODS: [(Code, Method); 6] = [
    (Code::GET, Method::Get),
    (Code::POST, Method::Post),
    (Code::PUT, Method::Put),
    (Code::DELETE, Method::Delete),
    (Code::FETCH, Method::Fetch),
    (Code::IPATCH, Method::Ipatch),
];

/// What the device asks.
pub(super) fn asking(request: &Request) -> Message {
    let code = METHODS.iter().find(|(_, method)| *method == request.method).map_or(Code::GET, |(code, _)| *code);
    let message = Message::new(code).with_path(&request.path.join("/"));
    let message = request.query.iter().fold(message, |message, item| message.with_query(item));
    let message = match request.accept {
        Some(format) => message.with_accept(ContentFormat(format.0)),
        None => message,
    };
    body(message, request.content_format, &request.payload)
}

/// What the server asks; `None` for a method that LwM2M does not use.
pub(super) fn asked(message: &Message) -> Option<Request> {
    let (_, method) = METHODS.iter().find(|(code, _)| *code == message.code)?;
    let options = message.opts();
    let mut request = Request::new(*method, options.uri_path().map(str::to_owned).collect());
    request.query = options.uri_query().map(str::to_owned).collect();
    request.content_format = options.content_format().map(|format| lwm2m::ContentFormat(format.0));
    request.accept = options.accept().map(|format| lwm2m::ContentFormat(format.0));
    request.observe = match options.observe() {
        Some(0) => Some(Observe::Register),
        Some(_) => Some(Observe::Cancel),
        None => None,
    };
    request.payload = message.payload.to_vec();
    Some(request)
}

/// What the device answers or notifies.
pub(super) fn answering(response: &Response) -> Message {
    let mut message = Message::new(Code(response.code.0));
    if !response.location.is_empty() {
        message = message.with_location(&response.location.join("/"));
    }
    if let Some(number) = response.observe {
        message = message.with_observe(number);
    }
    body(message, response.content_format, &response.payload)
}

fn body(message: Message, format: Option<lwm2m::ContentFormat>, payload: &[u8]) -> Message {
    match format {
        Some(format) => message.with_body(ContentFormat(format.0), payload.to_vec()),
        None => message.with_payload(payload.to_vec()),
    }
}
