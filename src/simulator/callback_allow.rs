//! Where callbacks may go.
//!
//! The original asks for a prefix, `http://localhost:8080`. A prefix would let `http://localhost:8080.example.com` pass,
//! and a callback is a request that a stranger makes this machine send; so hosts and ports are compared.

use std::fmt;
use std::net::IpAddr;

use http::Uri;

/// The origins that a `callbackUrl` may have. By default this machine's own, on any port.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CallbackAllow(Vec<Origin>);

#[derive(Debug, Clone, PartialEq, Eq)]
enum Origin {
    Loopback,
    Named { host: String, port: Option<u16> },
}

/// A text that is no origin that can be called back.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "{0:?} is nowhere to call back to; write loopback, or an origin such as http://shop.internal:8080 (no path, no https), several separated by commas"
)]
pub struct NotAnOrigin(String);

impl Default for CallbackAllow {
    fn default() -> Self {
        Self(vec![Origin::Loopback])
    }
}

impl CallbackAllow {
    /// Reads origins that are separated by commas. One without a port admits every port.
    ///
    /// # Errors
    /// The first that is none.
    pub fn parse(text: &str) -> Result<Self, NotAnOrigin> {
        text.split(',').map(|part| origin(part.trim())).collect::<Result<_, _>>().map(Self)
    }

    pub(super) fn admits(&self, url: &str) -> bool {
        let Some((host, port)) = target(url) else { return false };
        self.0.iter().any(|origin| match origin {
            Origin::Loopback => is_loopback(&host),
            Origin::Named { host: allowed, port: only } => {
                allowed.eq_ignore_ascii_case(&host) && only.is_none_or(|only| only == port)
            }
        })
    }
}

impl fmt::Display for CallbackAllow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, origin) in self.0.iter().enumerate() {
            if index > 0 {
                f.write_str(", ")?;
            }
            match origin {
                Origin::Loopback => f.write_str("http://localhost, http://127.0.0.1, http://[::1]")?,
                Origin::Named { host, port: None } => write!(f, "http://{host}")?,
                Origin::Named { host, port: Some(port) } => write!(f, "http://{host}:{port}")?,
            }
        }
        Ok(())
    }
}

fn origin(text: &str) -> Result<Origin, NotAnOrigin> {
    if text == "loopback" {
        return Ok(Origin::Loopback);
    }
    let wrong = || NotAnOrigin(text.to_owned());
    let url: Uri = text.parse().map_err(|_| wrong())?;
    let (host, _) = target(text).ok_or_else(wrong)?;
    if url.path() != "/" || url.query().is_some() {
        return Err(wrong());
    }
    Ok(Origin::Named { host, port: url.port_u16() })
}

/// Host and port of an `http` URL.
fn target(url: &str) -> Option<(String, u16)> {
    let url: Uri = url.parse().ok()?;
    if url.scheme_str() != Some("http") {
        return None;
    }
    let host = url.host()?.to_owned();
    let port = url.port_u16();
    // Nothing else may stand beside them: no user, no port that is none.
    let plain = port.map_or_else(|| host.clone(), |port| format!("{host}:{port}"));
    (url.authority()?.as_str() == plain).then(|| (host, port.unwrap_or(80)))
}

fn is_loopback(host: &str) -> bool {
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    host.eq_ignore_ascii_case("localhost") || bare.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_machine_is_admitted_by_default_and_nobody_else() {
        let allowed = CallbackAllow::default();
        for url in [
            "http://localhost:8080",
            "http://LOCALHOST/x",
            "http://127.0.0.1:1/x?y",
            "http://[::1]:8080/",
            "http://127.9.9.9",
        ] {
            assert!(allowed.admits(url), "{url}");
        }
        for url in [
            "",
            "/callback",
            "localhost:8080",
            "https://localhost:8080",
            "http://localhost:8080.example.com",
            "http://localhost.example.com",
            "http://localhost:8080@example.com/",
            "http://10.0.0.1:8080",
        ] {
            assert!(!allowed.admits(url), "{url}");
        }
    }

    #[test]
    fn an_origin_without_a_port_admits_every_port() {
        let allowed = CallbackAllow::parse("http://shop:8080, http://other").unwrap();
        assert!(allowed.admits("http://shop:8080/callback"));
        assert!(!allowed.admits("http://shop:80801/callback"));
        assert!(!allowed.admits("http://shop/callback"));
        assert!(allowed.admits("http://other:1/"));
        assert!(!allowed.admits("http://localhost:8080"));
        assert_eq!(allowed.to_string(), "http://shop:8080, http://other");
    }

    #[test]
    fn what_is_no_origin_is_refused() {
        for text in ["", "shop", "https://shop", "http://shop/path", "http://a@b", "loopback,"] {
            assert!(CallbackAllow::parse(text).is_err(), "{text:?}");
        }
    }
}
