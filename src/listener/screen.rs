//! What an HTTP/1.1 client sends, looked at before it is parsed: where one message ends and the next begins must be
//! beyond doubt.
//!
//! A sender that can make two parties see different ends of a message can hide a request in another one's body (request
//! smuggling). hyper reads what it can (RFC 9112, 6.3 lets it prefer `Transfer-Encoding` to `Content-Length`); here such
//! a message is refused. [`Screen`] is pure: bytes go in, and where a message is ambiguous, a byte of it is replaced by
//! one that no parser accepts, so that hyper answers 400 and closes. It sees every byte before hyper does, follows the
//! same framing, and is no parser: what is merely malformed is left to hyper.

/// What makes a message ambiguous.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(super) enum Ambiguity {
    #[error("a line of a head ends without a carriage return")]
    BareLineFeed,
    #[error("a header goes over several lines")]
    FoldedHeader,
    #[error("both Content-Length and Transfer-Encoding")]
    LengthAndEncoding,
    #[error("Content-Length twice, and not the same")]
    TwoLengths,
    #[error("a Content-Length that is no number")]
    LengthNotANumber,
    #[error("a Transfer-Encoding other than chunked")]
    UnknownEncoding,
    #[error("a chunk that is none")]
    BadChunk,
    #[error("a zero byte in a head")]
    ZeroByte,
}

/// A byte that ends every parser's patience: no token, no number, no line's end.
const POISON: u8 = 0;
/// Begins HTTP/2 (RFC 9113, 3.4), which frames its messages itself.
const HTTP2_PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
/// Longer lines are not looked into: hyper refuses their head for its size.
const LINE_MAX: usize = super::connection::MAX_HEAD_BYTES;
const LENGTH: &[u8] = b"content-length";
const ENCODING: &[u8] = b"transfer-encoding";

/// Follows the bytes of one connection.
#[derive(Debug, Default)]
pub(super) struct Screen {
    at: At,
    /// The beginning of a line that has not ended, where it came in an earlier read.
    cut: Vec<u8>,
    head: Head,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
enum At {
    /// So many bytes of HTTP/2's preface have come, and nothing else.
    #[default]
    Start,
    Head,
    /// So many bytes of a body are to come.
    Body(u64),
    Chunk(Chunk),
    /// What comes is not looked at: HTTP/2, or a line that hyper refuses for its size.
    Over,
    /// A message was refused. Nothing is read after it.
    Refused,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Chunk {
    /// The line with its size.
    Size,
    Data(u64),
    /// The line's end after the data.
    DataEnd,
    Trailers,
}

/// What the head said so far.
#[derive(Debug, Clone, Copy, Default)]
struct Head {
    began: bool,
    length: Option<u64>,
    chunked: bool,
}

impl Screen {
    /// Looks at what was read, in its order. Says when a message was refused.
    pub(super) fn look(&mut self, bytes: &mut [u8]) -> Option<Ambiguity> {
        let mut from = 0;
        while from < bytes.len() {
            let taken = match self.at {
                At::Over | At::Refused => return None,
                At::Start => self.start(&bytes[from..]),
                At::Body(left) => Ok(self.skip(left, bytes.len() - from, At::Body, At::Head)),
                At::Chunk(Chunk::Data(left)) => {
                    let within = |left| At::Chunk(Chunk::Data(left));
                    Ok(self.skip(left, bytes.len() - from, within, At::Chunk(Chunk::DataEnd)))
                }
                At::Head | At::Chunk(Chunk::Size | Chunk::DataEnd | Chunk::Trailers) => self.line(&bytes[from..]),
            };
            match taken {
                Ok(taken) => from += taken,
                Err(ambiguity) => {
                    self.at = At::Refused;
                    poison(&mut bytes[from..]);
                    return Some(ambiguity);
                }
            }
        }
        None
    }

    /// Whether a message was refused: the connection has nothing more to say.
    pub(super) fn has_refused(&self) -> bool {
        self.at == At::Refused
    }

    /// HTTP/2, or the first line of HTTP/1.
    fn start(&mut self, bytes: &[u8]) -> Result<usize, Ambiguity> {
        let known = self.cut.len();
        let rest = &HTTP2_PREFACE[known..];
        let same = bytes.iter().zip(rest).take_while(|(one, two)| one == two).count();
        if same == rest.len() {
            self.at = At::Over;
            return Ok(bytes.len());
        }
        if same == bytes.len() {
            self.cut.extend_from_slice(bytes);
            return Ok(bytes.len());
        }
        // What was kept is the beginning of a line; it may hold line ends, which no request of HTTP/1 has there.
        self.at = At::Head;
        Ok(0)
    }

    fn skip(&mut self, left: u64, here: usize, within: impl Fn(u64) -> At, after: At) -> usize {
        let taken = usize::try_from(left).unwrap_or(usize::MAX).min(here);
        let left = left - taken as u64;
        self.at = if left == 0 { after } else { within(left) };
        taken
    }

    /// A line, if its end is there; else it is kept.
    fn line(&mut self, bytes: &[u8]) -> Result<usize, Ambiguity> {
        let Some(end) = memchr::memchr(b'\n', bytes) else {
            if self.cut.len() + bytes.len() > LINE_MAX {
                self.at = At::Over;
            } else {
                self.cut.extend_from_slice(bytes);
            }
            return Ok(bytes.len());
        };
        if self.cut.is_empty() {
            self.whole_line(&bytes[..end])?;
        } else {
            let mut line = std::mem::take(&mut self.cut);
            line.extend_from_slice(&bytes[..end]);
            self.whole_line(&line)?;
        }
        Ok(end + 1)
    }

    /// `line` is without its line feed.
    fn whole_line(&mut self, line: &[u8]) -> Result<(), Ambiguity> {
        let Some(line) = line.strip_suffix(b"\r") else { return Err(Ambiguity::BareLineFeed) };
        if memchr::memchr(0, line).is_some() {
            return Err(Ambiguity::ZeroByte);
        }
        match self.at {
            At::Chunk(Chunk::Size) => {
                let size = chunk_size(line).ok_or(Ambiguity::BadChunk)?;
                self.at = At::Chunk(if size == 0 { Chunk::Trailers } else { Chunk::Data(size) });
            }
            At::Chunk(Chunk::DataEnd) if line.is_empty() => self.at = At::Chunk(Chunk::Size),
            At::Chunk(Chunk::DataEnd) => return Err(Ambiguity::BadChunk),
            At::Chunk(Chunk::Trailers) if line.is_empty() => self.at = At::Head,
            At::Chunk(Chunk::Trailers | Chunk::Data(_)) | At::Start | At::Body(_) | At::Over | At::Refused => {}
            At::Head => self.head_line(line)?,
        }
        Ok(())
    }

    fn head_line(&mut self, line: &[u8]) -> Result<(), Ambiguity> {
        let Some(first) = line.first() else {
            // Empty lines before a request are passed over, as RFC 9112 (2.2) wants.
            if self.head.began {
                let Head { length, chunked, .. } = std::mem::take(&mut self.head);
                self.at = match length {
                    _ if chunked => At::Chunk(Chunk::Size),
                    Some(length) if length > 0 => At::Body(length),
                    Some(_) | None => At::Head,
                };
            }
            return Ok(());
        };
        if !self.head.began {
            self.head.began = true;
            return Ok(());
        }
        match first {
            b' ' | b'\t' => Err(Ambiguity::FoldedHeader),
            b'c' | b'C' => value_of(LENGTH, line).map_or(Ok(()), |value| self.length(value)),
            b't' | b'T' => value_of(ENCODING, line).map_or(Ok(()), |value| self.encoding(value)),
            _ => Ok(()),
        }
    }

    fn length(&mut self, value: &[u8]) -> Result<(), Ambiguity> {
        let length = number(value, 10).ok_or(Ambiguity::LengthNotANumber)?;
        if self.head.chunked {
            return Err(Ambiguity::LengthAndEncoding);
        }
        if self.head.length.is_some_and(|known| known != length) {
            return Err(Ambiguity::TwoLengths);
        }
        self.head.length = Some(length);
        Ok(())
    }

    fn encoding(&mut self, value: &[u8]) -> Result<(), Ambiguity> {
        if self.head.length.is_some() {
            return Err(Ambiguity::LengthAndEncoding);
        }
        if self.head.chunked || !value.eq_ignore_ascii_case(b"chunked") {
            return Err(Ambiguity::UnknownEncoding);
        }
        self.head.chunked = true;
        Ok(())
    }
}

/// What hyper sees in place of what comes: a byte that is wrong, and the end of the head, so that it does not wait for it.
fn poison(bytes: &mut [u8]) {
    for (index, byte) in bytes.iter_mut().enumerate() {
        *byte = match index {
            0 => POISON,
            odd if odd % 2 == 1 => b'\r',
            _ => b'\n',
        };
    }
}

/// The value of the header `name`, without the blanks around it, if that is the one in `line`. Blanks before the colon
/// are left to hyper, which refuses them.
fn value_of<'l>(name: &[u8], line: &'l [u8]) -> Option<&'l [u8]> {
    let (is, rest) = line.split_at_checked(name.len())?;
    let value = rest.strip_prefix(b":")?;
    is.eq_ignore_ascii_case(name).then(|| value.trim_ascii())
}

/// The size before a chunk's extensions.
fn chunk_size(line: &[u8]) -> Option<u64> {
    let size = line.split(|byte| *byte == b';').next()?;
    number(size.trim_ascii_end(), 16)
}

/// Digits and nothing else, and no more than fit.
fn number(digits: &[u8], radix: u32) -> Option<u64> {
    if digits.is_empty() || digits.len() > 20 {
        return None;
    }
    digits.iter().try_fold(0_u64, |number, digit| {
        let digit = char::from(*digit).to_digit(radix)?;
        number.checked_mul(u64::from(radix))?.checked_add(u64::from(digit))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// What is said of the bytes, however they are cut.
    fn seen(text: &str) -> Option<Ambiguity> {
        let whole = Screen::default().look(&mut text.as_bytes().to_vec());
        let mut screen = Screen::default();
        let one_by_one = text.bytes().find_map(|byte| screen.look(&mut [byte]));
        assert_eq!(whole, one_by_one, "{text:?} in pieces");
        whole
    }

    #[test]
    fn what_every_client_sends_passes() {
        for text in [
            "GET / HTTP/1.1\r\nHost: a\r\n\r\n",
            "\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\nGET / HTTP/1.1\r\n\r\n",
            "POST / HTTP/1.1\r\nContent-Length: 5\r\n\r\na\nb\ncGET / HTTP/1.1\r\nHost: a\r\n\r\n",
            "POST / HTTP/1.1\r\nContent-Length: 0\r\ncontent-length: 0\r\n\r\nGET / HTTP/1.1\r\n\r\n",
            "POST / HTTP/1.1\r\nTransfer-Encoding: Chunked\r\n\r\n3;x=y\r\na\nb\r\nA\r\n0123456789\r\n0\r\nX: y\r\n\r\nGET / HTTP/1.1\r\n\r\n",
            "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\n\n\0\0 : anything",
            "PRIORITY / HTTP/1.1\r\n\r\n",
        ] {
            assert_eq!(seen(text), None, "{text:?}");
        }
    }

    #[test]
    fn what_two_parties_could_read_in_two_ways_is_refused() {
        let post = |headers: &str| format!("POST / HTTP/1.1\r\nHost: a\r\n{headers}\r\n\r\n");
        for (headers, ambiguity) in [
            ("Content-Length: 5\r\nTransfer-Encoding: chunked", Ambiguity::LengthAndEncoding),
            ("transfer-encoding: chunked\r\ncontent-length: 5", Ambiguity::LengthAndEncoding),
            ("Content-Length: 5\r\nContent-Length: 6", Ambiguity::TwoLengths),
            ("Content-Length: 5, 5", Ambiguity::LengthNotANumber),
            ("Content-Length: +5", Ambiguity::LengthNotANumber),
            ("Content-Length: 0x5", Ambiguity::LengthNotANumber),
            ("Content-Length:", Ambiguity::LengthNotANumber),
            ("Content-Length: 99999999999999999999", Ambiguity::LengthNotANumber),
            ("Transfer-Encoding: gzip, chunked", Ambiguity::UnknownEncoding),
            ("Transfer-Encoding: identity", Ambiguity::UnknownEncoding),
            ("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked", Ambiguity::UnknownEncoding),
            ("Transfer-Encoding: \"chunked\"", Ambiguity::UnknownEncoding),
            ("X-A: b\r\n folded", Ambiguity::FoldedHeader),
            ("X-A: b\nX-B: c", Ambiguity::BareLineFeed),
            ("X-A: b\0", Ambiguity::ZeroByte),
        ] {
            assert_eq!(seen(&post(headers)), Some(ambiguity), "{headers:?}");
            assert_eq!(seen(&format!("GET / HTTP/1.1\r\n\r\n{}", post(headers))), Some(ambiguity), "the second one");
        }
        let chunked = |body: &str| format!("POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n{body}");
        for body in ["x\r\n", "-1\r\n", "3\r\nabcd\r\n", "11111111111111111\r\n", "\r\n"] {
            assert_eq!(seen(&chunked(body)), Some(Ambiguity::BadChunk), "{body:?}");
        }
        assert_eq!(seen(&chunked("3\nabc")), Some(Ambiguity::BareLineFeed));
    }

    #[test]
    fn what_is_refused_is_not_to_be_read_by_anybody() {
        let mut bytes = *b"GET / HTTP/1.1\r\nA: b\nC: d\r\n\r\nGET";
        assert_eq!(Screen::default().look(&mut bytes), Some(Ambiguity::BareLineFeed));
        assert_eq!(bytes, *b"GET / HTTP/1.1\r\n\0\r\n\r\n\r\n\r\n\r\n\r\n\r\n\r");
    }

    proptest! {
        #[test]
        fn cuts_change_nothing(text in "(GET|POST) / HTTP/1.1\r\n(content-length: [0-9]\r\n|transfer-encoding: chunked\r\n|x: y\r?\n| z\r\n){0,3}\r\n[0-3a\r\n]{0,12}") {
            seen(&text);
        }
    }
}
