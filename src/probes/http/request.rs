//! A request: for HTTP/1.1 its bytes, built once, for HTTP/2 its fields.

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Uri, Version, header};
use http_body_util::Full;

use crate::config::probe::{Connection, HttpProbe, HttpVersion};
use crate::probes::error::Error;

/// Headers that belong to one connection and have no place in HTTP/2 (RFC 9113, 8.2.2), and `host`, whose place there is
/// in `:authority`.
const NOT_IN_HTTP2: [HeaderName; 5] = [
    header::CONNECTION,
    header::HOST,
    header::UPGRADE,
    HeaderName::from_static("keep-alive"),
    HeaderName::from_static("proxy-connection"),
];

/// One request, as often as it is sent.
#[derive(Debug)]
pub(super) struct Prepared {
    is_head: bool,
    /// Head and body.
    wire: Bytes,
    /// Where in `wire` a token's header goes: behind the request line.
    token_at: usize,
    /// Not there where HTTP/2 cannot be agreed on, which is most targets: it is several times as large as `wire`.
    http2: Option<Box<Fields>>,
}

/// A request for HTTP/2.
#[derive(Debug)]
struct Fields {
    method: Method,
    /// Absolute, without a user, and with the host that is asked for.
    url: Uri,
    headers: HeaderMap,
    body: Bytes,
}

/// How the request names what it wants.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Form {
    /// To the target itself, or through a tunnel.
    Origin,
    /// To a proxy, with the header that lets us in, if it wants one.
    Absolute(Option<HeaderValue>),
}

impl Prepared {
    pub(super) fn new(
        probe: &HttpProbe,
        form: Form,
        authorization: Option<HeaderValue>,
        user_agent: &HeaderValue,
    ) -> Result<Self, Error> {
        let authority = host_and_port(&probe.url).ok_or(Error::Url { whose: "probe", problem: "it has no host" })?;
        let mut headers = HeaderMap::with_capacity(probe.headers.len() + 6);
        let host = HeaderValue::from_str(&authority).map_err(|_| Error::Credentials("host"))?;
        headers.insert(header::HOST, host);
        headers.insert(header::USER_AGENT, user_agent.clone());
        headers.insert(header::ACCEPT, HeaderValue::from_static("*/*"));
        if probe.connection == Connection::Fresh {
            headers.insert(header::CONNECTION, HeaderValue::from_static("close"));
        }
        let has_length = !probe.body.is_empty() || matches!(probe.method, Method::POST | Method::PUT | Method::PATCH);
        if has_length {
            headers.insert(header::CONTENT_LENGTH, HeaderValue::from(probe.body.len()));
        }
        for name in probe.headers.keys() {
            if *name == header::CONTENT_LENGTH || *name == header::TRANSFER_ENCODING {
                return Err(Error::Header(name.clone()));
            }
            headers.remove(name);
            for value in probe.headers.get_all(name) {
                headers.append(name.clone(), value.clone());
            }
        }
        if let Some(authorization) = authorization {
            headers.insert(header::AUTHORIZATION, authorization);
        }
        let url = absolute(&probe.url, &authority)?;
        let (wire, token_at) = wire(&probe.method, &url, &headers, &form, &probe.body);
        let may_be_http2 = match probe.version {
            HttpVersion::Auto => probe.url.scheme_str() == Some("https"),
            HttpVersion::Http1 => false,
            HttpVersion::Http2 => true,
        };
        let http2 = may_be_http2.then(|| Box::new(Fields::new(probe, url, headers)));
        Ok(Self { is_head: probe.method == Method::HEAD, wire, token_at, http2 })
    }

    /// Whether the answer has no body whatever it says.
    pub(super) const fn is_head(&self) -> bool {
        self.is_head
    }

    /// For HTTP/1.1.
    pub(super) fn wire(&self, token: Option<&HeaderValue>) -> Bytes {
        let Some(token) = token else { return self.wire.clone() };
        let (line, rest) = self.wire.split_at(self.token_at);
        let mut wire = Vec::with_capacity(self.wire.len() + token.len() + 20);
        wire.extend_from_slice(line);
        write_header(&mut wire, &header::AUTHORIZATION, token);
        wire.extend_from_slice(rest);
        wire.into()
    }

    /// For HTTP/2, where that can have been agreed on.
    pub(super) fn http2(&self, token: Option<&HeaderValue>) -> Option<Request<Full<Bytes>>> {
        let fields = self.http2.as_deref()?;
        let mut request = Request::new(Full::new(fields.body.clone()));
        *request.method_mut() = fields.method.clone();
        *request.version_mut() = Version::HTTP_2;
        *request.uri_mut() = fields.url.clone();
        *request.headers_mut() = fields.headers.clone();
        if let Some(token) = token {
            request.headers_mut().insert(header::AUTHORIZATION, token.clone());
        }
        Some(request)
    }
}

impl Fields {
    fn new(probe: &HttpProbe, url: Uri, mut headers: HeaderMap) -> Self {
        let named = headers.get(header::HOST).and_then(|host| host.to_str().ok());
        let url = named.and_then(|host| absolute(&url, host).ok()).unwrap_or(url);
        for name in NOT_IN_HTTP2 {
            headers.remove(name);
        }
        Self { method: probe.method.clone(), url, headers, body: probe.body.clone() }
    }
}

/// `host:port` as the URL has it, without a user.
pub(super) fn host_and_port(url: &Uri) -> Option<String> {
    let authority = url.authority()?.as_str();
    let host_and_port = authority.rsplit_once('@').map_or(authority, |(_, rest)| rest);
    (!host_and_port.is_empty()).then(|| host_and_port.to_owned())
}

fn absolute(url: &Uri, authority: &str) -> Result<Uri, Error> {
    let path = url.path_and_query().map_or("/", |path| path.as_str());
    let scheme = url.scheme_str().unwrap_or("http");
    let rooted = if path.starts_with('/') { "" } else { "/" };
    format!("{scheme}://{authority}{rooted}{path}")
        .parse()
        .map_err(|_| Error::Url { whose: "probe", problem: "its host or path has characters that a URL cannot have" })
}

/// Head and body, and where the head's second line begins.
fn wire(method: &Method, url: &Uri, headers: &HeaderMap, form: &Form, body: &[u8]) -> (Bytes, usize) {
    let mut wire = Vec::with_capacity(256 + body.len());
    wire.extend_from_slice(method.as_str().as_bytes());
    wire.push(b' ');
    match form {
        Form::Origin => {
            wire.extend_from_slice(url.path_and_query().map_or("/", |path| path.as_str()).as_bytes());
        }
        Form::Absolute(_) => wire.extend_from_slice(url.to_string().as_bytes()),
    }
    wire.extend_from_slice(b" HTTP/1.1\r\n");
    let second_line = wire.len();
    for (name, value) in headers {
        write_header(&mut wire, name, value);
    }
    if let Form::Absolute(Some(authorization)) = form {
        write_header(&mut wire, &header::PROXY_AUTHORIZATION, authorization);
    }
    wire.extend_from_slice(b"\r\n");
    wire.extend_from_slice(body);
    (wire.into(), second_line)
}

/// One line of a head.
pub(super) fn write_header(wire: &mut Vec<u8>, name: &HeaderName, value: &HeaderValue) {
    wire.extend_from_slice(name.as_str().as_bytes());
    wire.extend_from_slice(b": ");
    wire.extend_from_slice(value.as_bytes());
    wire.extend_from_slice(b"\r\n");
}
