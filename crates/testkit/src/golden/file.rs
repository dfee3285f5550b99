//! The text form of golden files: parse and render, and the request and answer they speak of.

use super::template::Bindings;

/// A request to send.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Request {
    /// In upper case.
    pub method: String,
    /// With the query.
    pub path: String,
    /// Name and value, in the order of the file.
    pub headers: Vec<(String, String)>,
    /// Empty for none.
    pub body: Vec<u8>,
}

/// An answer that was received.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Response {
    /// HTTP status.
    pub status: u16,
    /// Name and value.
    pub headers: Vec<(String, String)>,
    /// Empty for none.
    pub body: Vec<u8>,
}

impl Response {
    /// The first value of a header, by name in any case.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(n, _)| n.eq_ignore_ascii_case(name)).map(|(_, v)| v.as_str())
    }
}

/// A parsed golden file.
#[derive(Debug, Default)]
pub(super) struct File {
    pub exchanges: Vec<Exchange>,
    /// Comment lines behind the last exchange.
    tail: String,
}

/// One request and the answer to it.
#[derive(Debug, Default)]
pub(super) struct Exchange {
    /// Line of the `>>>`, from 1.
    pub line: usize,
    /// Method and path as written.
    pub target: String,
    pub answer: Option<Answer>,
    comment: String,
    headers: Vec<(String, String)>,
    body: String,
}

/// The answer a file asks for, as templates.
#[derive(Debug, Default)]
pub(super) struct Answer {
    pub status: u16,
    pub headers: Vec<(String, String)>,
    pub body: String,
}

impl Answer {
    /// What was answered, with `Content-Type` as the only header.
    pub(super) fn record(response: &Response, bindings: &Bindings) -> Self {
        let content_type = response.header("content-type").map(|v| ("Content-Type".to_owned(), v.to_owned()));
        let body = bindings.abstracted(&String::from_utf8_lossy(&response.body));
        Self { status: response.status, headers: content_type.into_iter().collect(), body }
    }
}

impl Exchange {
    pub(super) fn request(&self, bindings: &Bindings) -> Result<Request, String> {
        let (method, path) = self.target.split_once(' ').ok_or("needs a method and a path")?;
        let headers = self.headers.iter().map(|(n, v)| Ok((n.clone(), bindings.fill(v)?))).collect::<Result<_, String>>()?;
        let (path, body) = (bindings.fill(path.trim())?, bindings.fill(&self.body)?.into_bytes());
        Ok(Request { method: method.to_uppercase(), path, headers, body })
    }
}

/// Where the parser is within an exchange.
#[derive(Clone, Copy, PartialEq)]
enum At {
    Outside,
    Headers,
    Body,
}

impl File {
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        let (mut file, mut at) = (Self::default(), At::Outside);
        for (number, line) in (1..).zip(text.lines()) {
            let fail = |what: &str| format!("{number}: {what}");
            if let Some(target) = line.strip_prefix(">>> ") {
                let comment = std::mem::take(&mut file.tail);
                file.exchanges.push(Exchange { line: number, target: target.trim().to_owned(), comment, ..Exchange::default() });
                at = At::Headers;
            } else if let Some(status) = line.strip_prefix("<<< ") {
                let exchange =
                    file.exchanges.last_mut().filter(|e| e.answer.is_none()).ok_or_else(|| fail("an answer to nothing"))?;
                let status = status.trim().parse().map_err(|_| fail("the status is no number"))?;
                exchange.answer = Some(Answer { status, ..Answer::default() });
                at = At::Headers;
            } else {
                at = file.line(at, line).map_err(fail)?;
            }
        }
        for exchange in &mut file.exchanges {
            exchange.body.truncate(exchange.body.trim_end_matches('\n').len());
            if let Some(answer) = &mut exchange.answer {
                answer.body.truncate(answer.body.trim_end_matches('\n').len());
            }
        }
        Ok(file)
    }

    fn line(&mut self, at: At, line: &str) -> Result<At, &'static str> {
        let Some(exchange) = self.exchanges.last_mut().filter(|_| at != At::Outside) else {
            return outside(&mut self.tail, line);
        };
        let has_answer = exchange.answer.is_some();
        // Between exchanges a comment may stand; JSON and form bodies never start a line with '#'.
        if has_answer && line.starts_with('#') {
            return outside(&mut self.tail, line);
        }
        let (headers, body) = match &mut exchange.answer {
            Some(answer) => (&mut answer.headers, &mut answer.body),
            None => (&mut exchange.headers, &mut exchange.body),
        };
        if at == At::Body {
            body.push_str(line);
            body.push('\n');
        } else if !line.is_empty() {
            let (name, value) = line.split_once(':').ok_or("a header needs a colon")?;
            headers.push((name.trim().to_owned(), value.trim().to_owned()));
            return Ok(At::Headers);
        }
        Ok(At::Body)
    }

    pub(super) fn render(&self) -> String {
        let mut out = String::new();
        for (i, exchange) in self.exchanges.iter().enumerate() {
            if i > 0 {
                out.push('\n');
            }
            out.push_str(&exchange.comment);
            message(&mut out, &format!(">>> {}", exchange.target), &exchange.headers, &exchange.body);
            if let Some(answer) = &exchange.answer {
                message(&mut out, &format!("<<< {}", answer.status), &answer.headers, &answer.body);
            }
        }
        out + &self.tail
    }
}

fn outside(comment: &mut String, line: &str) -> Result<At, &'static str> {
    if !line.is_empty() && !line.starts_with('#') {
        return Err("expected a comment or >>>");
    }
    if !line.is_empty() {
        comment.push_str(line);
        comment.push('\n');
    }
    Ok(At::Outside)
}

fn message(out: &mut String, first: &str, headers: &[(String, String)], body: &str) {
    out.push_str(first);
    out.push('\n');
    for (name, value) in headers {
        out.push_str(&format!("{name}: {value}\n"));
    }
    if !body.is_empty() {
        out.push_str(&format!("\n{body}\n"));
    }
}
