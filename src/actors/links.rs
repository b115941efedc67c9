//! Links by which an alert is acknowledged: signed, so that whoever was told may do so and nobody else.
//!
//! The token is an HMAC-SHA256 of the incident's id under a secret that is made once and kept in the store. It is always
//! the same for an incident, so a message is the same in every attempt, and it opens nothing but this one door.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::{Hmac, Mac as _};
use sha2::Sha256;

use crate::domain::delivery::{Alert, Message};
use crate::domain::id::IncidentId;

/// Signs and checks. Cheap to clone.
#[derive(Clone)]
pub struct Signer {
    key: Hmac<Sha256>,
}

impl fmt::Debug for Signer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Signer(..)")
    }
}

impl Signer {
    /// With the store's secret.
    #[must_use]
    pub fn new(secret: &[u8]) -> Self {
        Self { key: Hmac::new_from_slice(secret).expect("HMAC takes a key of any length") }
    }

    /// The token of an incident.
    #[must_use]
    pub fn token(&self, incident: IncidentId) -> String {
        URL_SAFE_NO_PAD.encode(self.mac(incident).finalize().into_bytes())
    }

    /// Whether this is the token of that incident; compared in a time that says nothing.
    #[must_use]
    pub fn is_token(&self, incident: IncidentId, token: &str) -> bool {
        URL_SAFE_NO_PAD.decode(token).is_ok_and(|token| self.mac(incident).verify_slice(&token).is_ok())
    }

    fn mac(&self, incident: IncidentId) -> Hmac<Sha256> {
        let mut mac = self.key.clone();
        mac.update(format!("acknowledge {incident}").as_bytes());
        mac
    }

    /// Puts the links into a message, where people can reach this node. What is over needs none.
    pub(crate) fn link(&self, message: &mut Message, external_url: Option<&str>) {
        let Some(url) = external_url else { return };
        match message {
            Message::Firing(alert) | Message::Reminder(alert) | Message::Escalated(alert) => self.put(alert, url),
            Message::Grouped(group) => group.messages.iter_mut().for_each(|one| self.link(one, external_url)),
            Message::Resolved { .. } | Message::FailureRecorded { .. } => {}
        }
    }

    fn put(&self, alert: &mut Alert, url: &str) {
        let (id, token) = (alert.incident, self.token(alert.incident));
        alert.acknowledge = Some(format!("{url}/alerts/{id}/acknowledge?token={token}").into());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_of_one_incident_and_one_store() {
        let (ours, theirs) = (Signer::new(&[1; 32]), Signer::new(&[2; 32]));
        let token = ours.token(IncidentId(7));
        assert!(ours.is_token(IncidentId(7), &token));
        assert_eq!(token, ours.token(IncidentId(7)), "always the same");
        assert!(!ours.is_token(IncidentId(8), &token));
        assert!(!theirs.is_token(IncidentId(7), &token));
        assert!(!ours.is_token(IncidentId(7), &token[1..]));
        assert!(!ours.is_token(IncidentId(7), ""));
    }
}
