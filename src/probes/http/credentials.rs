//! User names and passwords as headers.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::{HeaderValue, Uri};
use percent_encoding::percent_decode_str;

use crate::config::probe::{Auth, HttpProbe};
use crate::probes::error::Error;

/// The `authorization` header that never changes; a token's is added to each request.
pub(super) fn authorization(probe: &HttpProbe) -> Result<Option<HeaderValue>, Error> {
    match &probe.auth {
        Auth::None => user_in_url(&probe.url),
        Auth::Basic { user, password } => basic(user.as_bytes(), password.expose()).map(Some),
        Auth::Bearer(token) => bearer(token.expose()).map(Some),
        Auth::OAuth2 { .. } => Ok(None),
    }
}

/// RFC 6750.
pub(super) fn bearer(token: &[u8]) -> Result<HeaderValue, Error> {
    secret_value([b"Bearer ", token].concat(), "bearer token")
}

/// `https://user:password@host/`.
pub(super) fn user_in_url(url: &Uri) -> Result<Option<HeaderValue>, Error> {
    let Some((user_info, _)) = url.authority().and_then(|authority| authority.as_str().rsplit_once('@')) else {
        return Ok(None);
    };
    let (user, password) = user_info.split_once(':').unwrap_or((user_info, ""));
    let (user, password): (Vec<u8>, Vec<u8>) =
        (percent_decode_str(user).collect(), percent_decode_str(password).collect());
    basic(&user, &password).map(Some)
}

/// RFC 7617.
pub(super) fn basic(user: &[u8], password: &[u8]) -> Result<HeaderValue, Error> {
    let encoded = STANDARD.encode([user, b":", password].concat());
    secret_value(format!("Basic {encoded}").into_bytes(), "user name and password")
}

fn secret_value(bytes: Vec<u8>, what: &'static str) -> Result<HeaderValue, Error> {
    let mut value = HeaderValue::from_bytes(&bytes).map_err(|_| Error::Credentials(what))?;
    value.set_sensitive(true);
    Ok(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_user_in_a_url_becomes_basic_credentials() {
        let header = |url: &str| user_in_url(&url.parse().unwrap()).unwrap();
        assert_eq!(header("http://Aladdin:open%20sesame@host/").unwrap(), "Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==");
        assert_eq!(header("http://user@host/").unwrap(), "Basic dXNlcjo=");
        assert_eq!(header("http://host/"), None);
    }

    #[test]
    fn a_token_with_a_line_end_is_refused_without_being_shown() {
        let error = bearer(b"abc\r\nx-evil: 1").unwrap_err();
        assert_eq!(
            error.to_string(),
            "the bearer token has characters that a header cannot carry (line ends or other control characters)"
        );
    }
}
