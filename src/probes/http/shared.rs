//! What all HTTP targets share.

use std::collections::BTreeMap;
use std::sync::{Arc, Weak};

use http::HeaderValue;
use parking_lot::Mutex;

use crate::clock::Clock;
use crate::config::probe::HttpProbe;
use crate::probes::error::Error;
use crate::probes::tls::Trust;

use super::token::{self, TokenSource};

/// What all targets share.
#[derive(Debug)]
pub(in crate::probes) struct Shared {
    pub(in crate::probes) clock: Clock,
    pub(in crate::probes) trust: Trust,
    pub(in crate::probes) user_agent: HeaderValue,
    tokens: Mutex<BTreeMap<[u8; 32], Weak<TokenSource>>>,
}

impl Shared {
    pub(in crate::probes) fn new(clock: Clock, node_name: &str) -> Result<Self, Error> {
        let user_agent = concat!("breakwater/", env!("CARGO_PKG_VERSION"));
        // Parentheses would end the comment (RFC 9110, 5.6.5).
        let node_name = node_name.replace(['(', ')', '\\'], "_");
        let user_agent = HeaderValue::from_str(&format!("{user_agent} ({node_name})"))
            .map_err(|_| Error::Credentials("node's name"))?;
        Ok(Self { clock, trust: Trust::default(), user_agent, tokens: Mutex::default() })
    }

    /// Where `probe`'s tokens come from, if it uses any; one for all targets with the same credentials.
    pub(super) fn token_source(&self, probe: &HttpProbe) -> Result<Option<Arc<TokenSource>>, Error> {
        let Some(fingerprint) = token::fingerprint(probe) else { return Ok(None) };
        if let Some(known) = self.tokens.lock().get(&fingerprint).and_then(Weak::upgrade) {
            return Ok(Some(known));
        }
        let Some(source) = TokenSource::new(self, probe)?.map(Arc::new) else { return Ok(None) };
        let mut tokens = self.tokens.lock();
        tokens.retain(|_, source| source.strong_count() > 0);
        tokens.insert(fingerprint, Arc::downgrade(&source));
        Ok(Some(source))
    }
}
