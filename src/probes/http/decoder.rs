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

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// What came of `pieces`: the status, the headers' number, the body, and how it ended.
    fn decode(pieces: &[&[u8]], answers_head: bool) -> (Vec<(u16, usize)>, String, Result<Progress, Malformed>) {
        let mut decoder = Decoder::new(answers_head);
        let (mut heads, mut body) = (Vec::new(), Vec::new());
        let mut last = Ok(Progress::More);
        for piece in pieces {
            last = decoder.feed(piece, &mut |part| {
                match part {
                    Part::Head(head) => heads.push((head.status, head.headers.len())),
                    Part::Body(bytes) => body.extend_from_slice(bytes),
                }
                Flow::Go
            });
            if last != Ok(Progress::More) {
                break;
            }
        }
        let last = if last == Ok(Progress::More) { decoder.end() } else { last };
        (heads, String::from_utf8(body).unwrap(), last)
    }

    #[track_caller]
    fn check(answer: &str, body: &str, reusable: bool) {
        let (heads, got, end) = decode(&[answer.as_bytes()], false);
        assert_eq!(heads.len(), 1);
        assert_eq!((&*got, end), (body, Ok(Progress::Whole { reusable })), "{answer}");
    }

    #[test]
    fn a_body_ends_where_its_framing_says() {
        check("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nOK", "OK", true);
        check("HTTP/1.1 200 OK\r\ncontent-length: 2, 2\r\n\r\nOK", "OK", true);
        check("HTTP/1.1 200 OK\r\ntransfer-encoding: gzip, Chunked\r\n\r\n2\r\nOK\r\n0\r\n\r\n", "OK", true);
        check("HTTP/1.1 200 OK\r\ntransfer-encoding: gzip\r\n\r\nOK", "OK", false);
        check("HTTP/1.1 200 OK\r\n\r\nOK", "OK", false);
        check("HTTP/1.1 204 No Content\r\ncontent-length: 2\r\n\r\n", "", true);
        check("HTTP/1.1 304 Not Modified\r\ncontent-length: 2\r\n\r\n", "", true);
        check("HTTP/1.1 101 Switching Protocols\r\nupgrade: x\r\n\r\n", "", false);
        let (_, body, end) = decode(&[b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n"], true);
        assert_eq!((&*body, end), ("", Ok(Progress::Whole { reusable: true })));
    }

    #[test]
    fn a_connection_is_used_again_only_if_both_sides_agree() {
        check("HTTP/1.1 200 OK\r\nConnection: foo, Close\r\ncontent-length: 0\r\n\r\n", "", false);
        check("HTTP/1.0 200 OK\r\ncontent-length: 0\r\n\r\n", "", false);
        check("HTTP/1.0 200 OK\r\nconnection: Keep-Alive\r\ncontent-length: 0\r\n\r\n", "", true);
        check("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nOK and more", "OK", false);
        // Two framings: the chunks count, and the connection is given up.
        check(
            "HTTP/1.1 200 OK\r\ncontent-length: 9\r\ntransfer-encoding: chunked\r\n\r\n2\r\nOK\r\n0\r\n\r\n",
            "OK",
            false,
        );
    }

    #[test]
    fn what_contradicts_itself_is_refused() {
        for answer in [
            "HTTP/1.1 200 OK\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\nOK",
            "HTTP/1.1 200 OK\r\ncontent-length: -1\r\n\r\n",
            "HTTP/1.1 200 OK\r\ncontent-length: 99999999999999999999999\r\n\r\n",
            "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n\r\n",
            "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\nOK\r\n0\r\n\r\n",
            "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nOKAY\r\n0\r\n\r\n",
            "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nfffffffffffffffff\r\n",
            "HTTP/9 200 OK\r\n\r\n",
            "<html>",
        ] {
            assert!(decode(&[answer.as_bytes()], false).2.is_err(), "{answer}");
        }
    }

    #[test]
    fn what_has_no_end_is_cut_off() {
        let continuing = "HTTP/1.1 100 Continue\r\n\r\n".repeat(17);
        assert_eq!(decode(&[continuing.as_bytes()], false).2, Err(Malformed("informational answers (1xx) do not end")));
        let trailers =
            format!("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n0\r\n{}", "a: b\r\n".repeat(9_000));
        assert!(decode(&[trailers.as_bytes()], false).2.unwrap_err().0.contains("32 KiB"));
        let headers = format!("HTTP/1.1 200 OK\r\n{}\r\n", "a: b\r\n".repeat(97));
        assert_eq!(decode(&[headers.as_bytes()], false).2, Err(Malformed("the answer has more than 96 headers")));
    }

    proptest! {
        #[test]
        fn it_does_not_matter_in_which_pieces_an_answer_arrives(
            cuts in proptest::collection::btree_set(1_usize..150, 0..12),
            which in 0_usize..4,
        ) {
            let answer: &[u8] = [
                "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\na: b\r\ntransfer-encoding: chunked\r\n\r\n\
                 5;x=y\r\nhello\r\n00000006 \r\n world\r\n0\r\ntrailer: t\r\nother: u\r\n\r\n",
                "HTTP/1.1 200 OK\r\ncontent-length: 11\r\na: b\r\n\r\nhello world",
                "HTTP/1.1 200 OK\r\nconnection: close\r\na: b\r\n\r\nhello world",
                "HTTP/1.1 500 Oh\r\ntransfer-encoding: chunked\r\n\r\nB\r\nhello world\r\nx",
            ][which].as_bytes();
            let mut pieces = Vec::new();
            let mut from = 0;
            for cut in cuts.into_iter().filter(|cut| *cut < answer.len()) {
                pieces.push(&answer[from..cut]);
                from = cut;
            }
            pieces.push(&answer[from..]);
            prop_assert_eq!(decode(&pieces, false), decode(&[answer], false));
        }

        #[test]
        fn no_bytes_make_it_panic(bytes in proptest::collection::vec(any::<u8>(), 0..300), chunked: bool) {
            let head: &[u8] = if chunked { b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n" } else { b"HTTP/1.1 " };
            let mut decoder = Decoder::new(false);
            let _ = decoder.feed(&[head, &bytes].concat(), &mut |_| Flow::Go);
        }
    }
}
