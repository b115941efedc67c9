//! Reads an HTTP/1.1 answer (RFC 9112) from the pieces it arrives in.
//!
//! It does no IO and keeps nothing but a head that came in several pieces. Informational answers are skipped, bodies are
//! unpacked from their framing, and whatever does not follow the framing is refused.

use httparse::{EMPTY_HEADER, Header, Status};

const HEAD_BYTES_MAX: usize = 32 * 1024;
const HEADERS_MAX: usize = 96;
/// Chunk extensions and trailers are skipped, but not for ever.
const FRAMING_BYTES_MAX: u32 = 32 * 1024;
const INFORMATIONAL_MAX: u8 = 16;

/// An answer's head.
#[derive(Debug, Clone, Copy)]
pub(super) struct Head<'a> {
    pub(super) status: u16,
    pub(super) headers: &'a [Header<'a>],
}

impl<'a> Head<'a> {
    /// All values of a header.
    pub(super) fn values(&self, name: &str) -> impl Iterator<Item = &'a [u8]> {
        let headers = self.headers;
        headers.iter().filter(move |header| header.name.eq_ignore_ascii_case(name)).map(|header| header.value)
    }

    /// A header's only or first value, if it is text.
    pub(super) fn text(&self, name: &str) -> Option<&'a str> {
        self.values(name).next().and_then(|value| std::str::from_utf8(value).ok()).map(str::trim)
    }
}

/// A part of an answer.
#[derive(Debug)]
pub(super) enum Part<'a> {
    /// The head, once and first.
    Head(Head<'a>),
    /// Some of the body.
    Body(&'a [u8]),
}

/// What the one who takes the parts wants.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Flow {
    /// The rest.
    Go,
    /// No more: it has seen enough.
    Stop,
}

/// How far an answer is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Progress {
    /// More is to come.
    More,
    /// It is whole.
    Whole {
        /// The connection can carry another request.
        reusable: bool,
    },
    /// Its taker has seen enough.
    Stopped,
}

/// What came is not HTTP/1.1; says why.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Malformed(pub(super) &'static str);

/// Reads one answer.
#[derive(Debug)]
pub(super) struct Decoder {
    state: State,
    head: Vec<u8>,
    answers_head: bool,
    reusable: bool,
    informational: u8,
    framing_bytes: u32,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Head,
    /// Bytes left.
    Sized(u64),
    UntilClose,
    ChunkSize {
        size: u64,
        digits: u8,
    },
    /// Behind a chunk's size, up to the line's end.
    ChunkExtension(u64),
    /// The LF of a chunk's size line.
    ChunkLineFeed(u64),
    ChunkBody(u64),
    /// The CR and LF behind a chunk.
    ChunkEnd {
        carriage_return_seen: bool,
    },
    /// The trailers; whether their current line is still empty.
    Trailers {
        line_is_empty: bool,
    },
    Whole,
}

impl Decoder {
    /// `answers_head`: the request was a HEAD, so that there is no body whatever the head says.
    pub(super) const fn new(answers_head: bool) -> Self {
        Self { state: State::Head, head: Vec::new(), answers_head, reusable: true, informational: 0, framing_bytes: 0 }
    }

    /// Takes what arrived.
    pub(super) fn feed(
        &mut self,
        mut input: &[u8],
        take: &mut dyn FnMut(Part<'_>) -> Flow,
    ) -> Result<Progress, Malformed> {
        while !input.is_empty() && self.state != State::Whole {
            let flow = if self.state == State::Head {
                self.feed_head(&mut input, take)?
            } else {
                self.feed_body(&mut input, take)?
            };
            if flow == Flow::Stop {
                return Ok(Progress::Stopped);
            }
        }
        if self.state != State::Whole {
            return Ok(Progress::More);
        }
        // What comes after the answer is nothing that anybody asked for.
        Ok(Progress::Whole { reusable: self.reusable && input.is_empty() })
    }

    /// Nothing more will arrive.
    pub(super) fn end(&self) -> Result<Progress, Malformed> {
        match self.state {
            State::UntilClose | State::Whole => Ok(Progress::Whole { reusable: false }),
            State::Head => Err(Malformed("the connection was closed within the answer's head")),
            State::Sized(_) => Err(Malformed("the connection was closed before the body had its announced length")),
            State::ChunkSize { .. }
            | State::ChunkExtension(_)
            | State::ChunkLineFeed(_)
            | State::ChunkBody(_)
            | State::ChunkEnd { .. }
            | State::Trailers { .. } => Err(Malformed("the connection was closed before the body's last chunk")),
        }
    }

    fn feed_head(&mut self, input: &mut &[u8], take: &mut dyn FnMut(Part<'_>) -> Flow) -> Result<Flow, Malformed> {
        let earlier = std::mem::take(&mut self.head);
        if earlier.is_empty() {
            return match self.parse_head(input, take)? {
                Some((length, flow)) => {
                    *input = &input[length..];
                    Ok(flow)
                }
                None => self.keep_head(earlier, input),
            };
        }
        let before = earlier.len();
        let mut joined = earlier;
        joined.extend_from_slice(input);
        // A head can only end where a line does.
        let parsed = if input.contains(&b'\n') { self.parse_head(&joined, take)? } else { None };
        match parsed {
            Some((length, flow)) => {
                *input = &input[length - before..];
                Ok(flow)
            }
            None => {
                joined.truncate(before);
                self.keep_head(joined, input)
            }
        }
    }

    fn keep_head(&mut self, mut head: Vec<u8>, input: &mut &[u8]) -> Result<Flow, Malformed> {
        head.extend_from_slice(input);
        *input = &[];
        if head.len() > HEAD_BYTES_MAX {
            return Err(Malformed("the answer's head is longer than 32 KiB"));
        }
        self.head = head;
        Ok(Flow::Go)
    }

    /// The head's length and what its taker wants, or nothing if it is not whole.
    fn parse_head(
        &mut self,
        bytes: &[u8],
        take: &mut dyn FnMut(Part<'_>) -> Flow,
    ) -> Result<Option<(usize, Flow)>, Malformed> {
        let mut headers = [EMPTY_HEADER; HEADERS_MAX];
        let mut parsed = httparse::Response::new(&mut headers);
        let length = match parsed.parse(bytes) {
            Ok(Status::Complete(length)) => length,
            Ok(Status::Partial) => return Ok(None),
            Err(httparse::Error::TooManyHeaders) => return Err(Malformed("the answer has more than 96 headers")),
            Err(_) => return Err(Malformed("it is not HTTP/1.1")),
        };
        let head = Head { status: parsed.code.unwrap_or_default(), headers: parsed.headers };
        if (100..200).contains(&head.status) && head.status != 101 {
            self.informational += 1;
            let endless = self.informational > INFORMATIONAL_MAX;
            return if endless {
                Err(Malformed("informational answers (1xx) do not end"))
            } else {
                Ok(Some((length, Flow::Go)))
            };
        }
        self.state = self.framing(&head)?;
        self.reusable &= self.state != State::UntilClose && persists(&head, parsed.version == Some(1));
        Ok(Some((length, take(Part::Head(head)))))
    }

    /// RFC 9112, 6.3.
    fn framing(&mut self, head: &Head<'_>) -> Result<State, Malformed> {
        if head.status == 101 {
            self.reusable = false;
            return Ok(State::Whole);
        }
        if self.answers_head || matches!(head.status, 204 | 304) {
            return Ok(State::Whole);
        }
        let length = content_length(head)?;
        let Some(last_coding) = last_token(head, "transfer-encoding") else {
            return Ok(match length {
                Some(0) => State::Whole,
                Some(length) => State::Sized(length),
                None => State::UntilClose,
            });
        };
        if length.is_some() {
            // Somebody between us may have understood it the other way: nothing more on this connection.
            self.reusable = false;
        }
        let chunked = last_coding.eq_ignore_ascii_case(b"chunked");
        Ok(if chunked { State::ChunkSize { size: 0, digits: 0 } } else { State::UntilClose })
    }

    fn feed_body(&mut self, input: &mut &[u8], take: &mut dyn FnMut(Part<'_>) -> Flow) -> Result<Flow, Malformed> {
        match self.state {
            State::Sized(left) => {
                let (flow, left) = pass(input, left, take);
                self.state = if left == 0 { State::Whole } else { State::Sized(left) };
                Ok(flow)
            }
            State::ChunkBody(left) => {
                let (flow, left) = pass(input, left, take);
                self.state =
                    if left == 0 { State::ChunkEnd { carriage_return_seen: false } } else { State::ChunkBody(left) };
                Ok(flow)
            }
            State::UntilClose => Ok(pass(input, u64::MAX, take).0),
            State::ChunkSize { .. }
            | State::ChunkExtension(_)
            | State::ChunkLineFeed(_)
            | State::ChunkEnd { .. }
            | State::Trailers { .. } => {
                let byte = input[0];
                *input = &input[1..];
                self.state = self.after_framing_byte(byte)?;
                Ok(Flow::Go)
            }
            State::Head | State::Whole => Ok(Flow::Go),
        }
    }

    fn after_framing_byte(&mut self, byte: u8) -> Result<State, Malformed> {
        const BAD_CHUNK: Malformed = Malformed("a chunk of the body is malformed");
        Ok(match (self.state, byte) {
            (State::ChunkSize { size, digits }, b'0'..=b'9' | b'a'..=b'f' | b'A'..=b'F') if digits < 15 => {
                let digit = char::from(byte).to_digit(16).unwrap_or_default();
                State::ChunkSize { size: size * 16 + u64::from(digit), digits: digits + 1 }
            }
            (State::ChunkSize { size, digits: 1.. }, b'\r') => State::ChunkLineFeed(size),
            (State::ChunkSize { size, digits: 1.. }, b';' | b' ' | b'\t') => State::ChunkExtension(size),
            (State::ChunkExtension(size), b'\r') => State::ChunkLineFeed(size),
            (State::ChunkExtension(size), _) => {
                self.count_framing()?;
                State::ChunkExtension(size)
            }
            (State::ChunkLineFeed(0), b'\n') => State::Trailers { line_is_empty: true },
            (State::ChunkLineFeed(size), b'\n') => State::ChunkBody(size),
            (State::ChunkEnd { carriage_return_seen: false }, b'\r') => State::ChunkEnd { carriage_return_seen: true },
            (State::ChunkEnd { carriage_return_seen: true }, b'\n') => State::ChunkSize { size: 0, digits: 0 },
            (State::Trailers { line_is_empty: true }, b'\n') => State::Whole,
            (State::Trailers { line_is_empty }, b'\r') => State::Trailers { line_is_empty },
            (State::Trailers { .. }, other) => {
                self.count_framing()?;
                State::Trailers { line_is_empty: other == b'\n' }
            }
            (
                State::ChunkSize { .. }
                | State::ChunkLineFeed(_)
                | State::ChunkEnd { .. }
                | State::Head
                | State::Sized(_)
                | State::UntilClose
                | State::ChunkBody(_)
                | State::Whole,
                _,
            ) => return Err(BAD_CHUNK),
        })
    }

    fn count_framing(&mut self) -> Result<(), Malformed> {
        self.framing_bytes += 1;
        if self.framing_bytes > FRAMING_BYTES_MAX {
            return Err(Malformed("the body's chunk extensions and trailers are longer than 32 KiB"));
        }
        Ok(())
    }
}

/// Hands on what of `input` belongs to the next `left` bytes of the body; what is left then.
fn pass(input: &mut &[u8], left: u64, take: &mut dyn FnMut(Part<'_>) -> Flow) -> (Flow, u64) {
    let count = usize::try_from(left).unwrap_or(usize::MAX).min(input.len());
    let (body, rest) = input.split_at(count);
    *input = rest;
    (take(Part::Body(body)), left - count as u64)
}

/// Whether the server keeps the connection (RFC 9112, 9.3).
fn persists(head: &Head<'_>, is_http11: bool) -> bool {
    let has = |wanted: &[u8]| tokens(head, "connection").any(|token| token.eq_ignore_ascii_case(wanted));
    if is_http11 { !has(b"close") } else { has(b"keep-alive") }
}

fn content_length(head: &Head<'_>) -> Result<Option<u64>, Malformed> {
    let mut length = None;
    for token in tokens(head, "content-length") {
        let digits = !token.is_empty() && token.iter().all(u8::is_ascii_digit);
        let value = std::str::from_utf8(token).ok().filter(|_| digits).and_then(|text| text.parse::<u64>().ok());
        let Some(value) = value else { return Err(Malformed("its content-length is no number")) };
        if length.is_some_and(|earlier| earlier != value) {
            return Err(Malformed("it has two different content-lengths"));
        }
        length = Some(value);
    }
    Ok(length)
}

fn last_token<'a>(head: &Head<'a>, name: &str) -> Option<&'a [u8]> {
    tokens(head, name).last()
}

fn tokens<'a>(head: &Head<'a>, name: &str) -> impl Iterator<Item = &'a [u8]> {
    head.values(name).flat_map(|value| value.split(|byte| *byte == b',')).map(<[u8]>::trim_ascii)
}
