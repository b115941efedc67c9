//! URLs and addresses. What is wrong with one is told without repeating it, since it may hold a password.

use http::Uri;

use crate::config::raw::field::Field;

/// Where a target is.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Endpoint {
    /// `http://` or `https://`.
    Http(Uri),
    /// `tcp://host:port` or `host:port`.
    Tcp(HostPort),
    /// `tls://host:port`.
    Tls(HostPort),
    /// `grpc://host:port`.
    Grpc(HostPort),
    /// `grpcs://host:port`: with TLS.
    Grpcs(HostPort),
    /// `dns://name`.
    Dns(Box<str>),
    /// `icmp://host`.
    Icmp(Box<str>),
}

impl Endpoint {
    /// Its name or address, an IPv6 address without brackets.
    pub(crate) fn host(&self) -> Option<Box<str>> {
        match self {
            Self::Http(url) => tcp_address(url).map(|address| address.host),
            Self::Tcp(address) | Self::Tls(address) | Self::Grpc(address) | Self::Grpcs(address) => {
                Some(address.host.clone())
            }
            Self::Dns(host) | Self::Icmp(host) => Some(host.clone()),
        }
    }

    /// Where to connect to, if it says so: its port, or its scheme's.
    pub(crate) fn host_and_port(&self) -> Option<HostPort> {
        match self {
            Self::Http(url) => tcp_address(url),
            Self::Tcp(address) | Self::Tls(address) | Self::Grpc(address) | Self::Grpcs(address) => {
                Some(address.clone())
            }
            Self::Dns(_) | Self::Icmp(_) => None,
        }
    }
}

/// A name or address with a port.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct HostPort {
    pub(crate) host: Box<str>,
    pub(crate) port: u16,
}

/// Why a text is no address.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Error {
    #[error("it does not begin with http:// or https://")]
    NotHttp,
    #[error("it has a scheme that is none of http, https, tcp, tls, grpc, grpcs, dns and icmp")]
    Scheme,
    #[error("it holds a user or a password, and addresses are shown")]
    UserInfo,
    #[error("its host is missing or has a sign that no host has")]
    Host,
    #[error("its port is missing or is not a number from 1 to 65535")]
    Port,
    #[error("it has a fragment (`#`), which is never sent")]
    Fragment,
    #[error("it has a query, which belongs in the probe")]
    Query,
    #[error("it has a path, which only http:// and https:// have")]
    Path,
    #[error("it has a port, which names and ICMP have not")]
    NoPort,
    #[error("it has a sign that no URL has")]
    Malformed,
}

impl Error {
    const fn hint(self) -> &'static str {
        match self {
            Self::NotHttp => "Write it like \"https://api.example.com/health\"",
            Self::Scheme | Self::Path => {
                "Write \"https://api.example.com\" for HTTP, or \"tcp://host:port\" or \"host:port\" for TCP"
            }
            Self::UserInfo => "For a probe write [target.probe.auth]; for a webhook use its `secret`",
            Self::Host => "Write a name in ASCII (xn--...), an IPv4 address, or an IPv6 address in [ ]",
            Self::NoPort => "Write it like \"dns://shop.example.com\" or \"icmp://host\"",
            Self::Port => "Write it like \"host:443\"",
            Self::Fragment => "Remove it",
            Self::Query => "Write it in probe.path or probe.url, which are not shown",
            Self::Malformed => "Encode it as %XX",
        }
    }

    /// Tells of it.
    pub(crate) fn tell(self, field: &Field<'_>, what: &str) {
        field.fail(&format!("this is not {what}: {self}"), self.hint());
    }
}

/// An `http://` or `https://` URL that a value holds.
pub(crate) fn url_of(field: &Field<'_>) -> Option<Uri> {
    let text = field.filled_text()?;
    http_url(text).map_err(|error| error.tell(field, "a URL")).ok()
}

/// An endpoint that a value holds.
pub(crate) fn endpoint_of(field: &Field<'_>) -> Option<Endpoint> {
    let text = field.filled_text()?;
    endpoint(text).map_err(|error| error.tell(field, "an endpoint")).ok()
}

/// Reads an `http://` or `https://` URL; signs that are no ASCII and spaces are encoded after the host.
pub(crate) fn http_url(text: &str) -> Result<Uri, Error> {
    let scheme_length = text.find("://").ok_or(Error::NotHttp)?;
    let scheme = text[..scheme_length].to_ascii_lowercase();
    if scheme != "http" && scheme != "https" {
        return Err(Error::NotHttp);
    }
    let rest = &text[scheme_length + 3..];
    let (authority, path) = rest.split_at(rest.find(['/', '?', '#']).unwrap_or(rest.len()));
    check_authority(authority)?;
    if path.contains('#') {
        return Err(Error::Fragment);
    }
    let slash = if path.starts_with('/') { "" } else { "/" };
    format!("{scheme}://{authority}{slash}{}", encoded(path)).parse().map_err(|_| Error::Malformed)
}

/// A URL with a path (and query) put behind it.
pub(crate) fn join(base: &Uri, path: &str) -> Result<Uri, Error> {
    http_url(&format!("{}{path}", base.to_string().trim_end_matches('/')))
}

fn endpoint(text: &str) -> Result<Endpoint, Error> {
    let scheme = text.split_once("://").map(|(scheme, _)| scheme.to_ascii_lowercase());
    match scheme.as_deref() {
        Some("http" | "https") => {
            let url = http_url(text)?;
            if url.query().is_some() { Err(Error::Query) } else { Ok(Endpoint::Http(url)) }
        }
        Some("tcp") => host_port(after_scheme(text)).map(Endpoint::Tcp),
        Some("tls") => host_port(after_scheme(text)).map(Endpoint::Tls),
        Some("grpc") => host_port(after_scheme(text)).map(Endpoint::Grpc),
        Some("grpcs") => host_port(after_scheme(text)).map(Endpoint::Grpcs),
        Some("dns") => host_alone(after_scheme(text)).map(Endpoint::Dns),
        Some("icmp") => host_alone(after_scheme(text)).map(Endpoint::Icmp),
        Some(_) => Err(Error::Scheme),
        None => host_port(text).map(Endpoint::Tcp),
    }
}

fn after_scheme(text: &str) -> &str {
    text.split_once("://").map_or(text, |(_, rest)| rest)
}

/// A name or address without a port; an IPv6 address with or without brackets.
fn host_alone(text: &str) -> Result<Box<str>, Error> {
    if text.parse::<std::net::Ipv6Addr>().is_ok() {
        return Ok(text.into());
    }
    if text.contains(['/', '?', '#']) {
        return Err(Error::Path);
    }
    match split_port(text)? {
        (host, None) => Ok(host.into()),
        (_, Some(_)) => Err(Error::NoPort),
    }
}

/// An IP address with a port, or one without and `port`.
pub(crate) fn ip_and_port(text: &str, port: u16) -> Option<std::net::SocketAddr> {
    text.parse().ok().filter(|address: &std::net::SocketAddr| address.port() != 0).or_else(|| {
        let text = text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(text);
        text.parse().ok().map(|address: std::net::IpAddr| std::net::SocketAddr::new(address, port))
    })
}

fn host_port(text: &str) -> Result<HostPort, Error> {
    if text.contains(['/', '?', '#']) {
        return Err(Error::Path);
    }
    let (host, port) = split_port(text)?;
    Ok(HostPort { host: host.into(), port: port.ok_or(Error::Port)? })
}

/// The host of an endpoint, and its port or its scheme's.
pub(crate) fn tcp_address(url: &Uri) -> Option<HostPort> {
    let port = url.port_u16().unwrap_or(if url.scheme_str() == Some("https") { 443 } else { 80 });
    let host = url.host()?.trim_start_matches('[').trim_end_matches(']');
    Some(HostPort { host: host.into(), port })
}

fn check_authority(authority: &str) -> Result<(), Error> {
    split_port(authority).map(|_| ())
}

fn split_port(authority: &str) -> Result<(&str, Option<u16>), Error> {
    if authority.contains('@') {
        return Err(Error::UserInfo);
    }
    let (host, port) = match authority.strip_prefix('[') {
        Some(rest) => {
            let (address, after) = rest.split_once(']').ok_or(Error::Host)?;
            address.parse::<std::net::Ipv6Addr>().map_err(|_| Error::Host)?;
            match after.strip_prefix(':') {
                Some(port) => (address, Some(port)),
                None if after.is_empty() => (address, None),
                None => return Err(Error::Port),
            }
        }
        None => {
            let (host, port) = authority.split_once(':').map_or((authority, None), |(host, port)| (host, Some(port)));
            if !is_host(host) {
                return Err(Error::Host);
            }
            (host, port)
        }
    };
    let port = match port {
        Some(text) => Some(text.parse().ok().filter(|port| *port != 0).ok_or(Error::Port)?),
        None => None,
    };
    Ok((host, port))
}

/// Whether it has the signs and the length of a host's name.
pub(crate) fn is_host(host: &str) -> bool {
    let good = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_');
    !host.is_empty() && host.len() <= 253 && host.bytes().all(good)
}

fn encoded(path: &str) -> String {
    use std::fmt::Write as _;
    let mut whole = String::with_capacity(path.len());
    for byte in path.bytes() {
        if byte.is_ascii() && byte != b' ' {
            whole.push(char::from(byte));
        } else {
            write!(whole, "%{byte:02X}").expect("a String takes everything");
        }
    }
    whole
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn urls_are_read_and_what_no_url_can_hold_is_encoded() {
        let written = |text| http_url(text).map(|url| url.to_string());
        assert_eq!(written("https://api.kcp.com").as_deref(), Ok("https://api.kcp.com/"));
        assert_eq!(written("HTTP://a:81/x?y=1").as_deref(), Ok("http://a:81/x?y=1"));
        assert_eq!(written("http://[::1]:81?y").as_deref(), Ok("http://[::1]:81/?y"));
        assert_eq!(written("http://a/서울 b").as_deref(), Ok("http://a/%EC%84%9C%EC%9A%B8%20b"));
    }

    #[test]
    fn what_is_no_url_is_refused_with_its_reason() {
        for (text, reason) in [
            ("api.kcp.com", Error::NotHttp),
            ("ftp://a", Error::NotHttp),
            ("http://", Error::Host),
            ("http://서울.kr", Error::Host),
            ("http://user:pass@a", Error::UserInfo),
            ("http://a:0", Error::Port),
            ("http://a:99999", Error::Port),
            ("http://[::1", Error::Host),
            ("http://a/#top", Error::Fragment),
            ("http://a/\u{7}", Error::Malformed),
        ] {
            assert_eq!(http_url(text), Err(reason), "{text}");
        }
    }

    #[test]
    fn endpoints_are_urls_or_hosts_with_ports() {
        let tcp = |host: &str, port| Ok(Endpoint::Tcp(HostPort { host: host.into(), port }));
        assert_eq!(endpoint("db.example:5432"), tcp("db.example", 5432));
        assert_eq!(endpoint("tcp://[fe80::1]:22"), tcp("fe80::1", 22));
        assert_eq!(endpoint("db.example"), Err(Error::Port));
        assert_eq!(endpoint("tcp://db/x:1"), Err(Error::Path));
        assert_eq!(endpoint("redis://db:6379"), Err(Error::Scheme));
        assert_eq!(endpoint("TLS://a:443"), Ok(Endpoint::Tls(HostPort { host: "a".into(), port: 443 })));
        assert_eq!(endpoint("grpcs://a"), Err(Error::Port));
        assert_eq!(endpoint("dns://shop.example"), Ok(Endpoint::Dns("shop.example".into())));
        assert_eq!(endpoint("dns://shop.example:53"), Err(Error::NoPort));
        assert_eq!(endpoint("icmp://[::1]"), Ok(Endpoint::Icmp("::1".into())));
        assert_eq!(endpoint("icmp://::1"), Ok(Endpoint::Icmp("::1".into())));
        assert_eq!(endpoint("https://a/?key=1"), Err(Error::Query));
    }

    #[test]
    fn a_path_is_put_behind_a_base() {
        let joined = |base: &str, path| join(&http_url(base).unwrap(), path).map(|url| url.to_string());
        assert_eq!(joined("https://a/v1/", "/health?x=1").as_deref(), Ok("https://a/v1/health?x=1"));
        assert_eq!(joined("https://a", "/").as_deref(), Ok("https://a/"));
    }

    #[test]
    fn a_resolver_is_an_address_with_or_without_a_port() {
        let read = |text| ip_and_port(text, 53).map(|address| address.to_string());
        assert_eq!(read("1.1.1.1").as_deref(), Some("1.1.1.1:53"));
        assert_eq!(read("1.1.1.1:5353").as_deref(), Some("1.1.1.1:5353"));
        assert_eq!(read("2606::1").as_deref(), Some("[2606::1]:53"));
        assert_eq!(read("[2606::1]").as_deref(), Some("[2606::1]:53"));
        assert_eq!((read("1.1.1.1:0"), read("dns.example:53")), (None, None));
    }

    proptest! {
        #[test]
        fn no_text_makes_it_panic(text in "\\PC{0,40}", host in "[a-z:@\\[\\]/?#.]{0,20}") {
            let _ = (endpoint(&text), http_url(&format!("http://{host}")), endpoint(&format!("tcp://{host}")));
        }
    }
}
