//! What can go wrong between the proxy and a target before there is an answer.

use std::error::Error as StdError;
use std::fmt;
use std::io;

use crate::domain::breaker::Outcome;
use crate::domain::guard::{Ended, Safety};
use crate::proxy::problem::Why;

/// Why an attempt has no answer.
#[derive(thiserror::Error)]
pub(in crate::proxy) enum Fault {
    /// This node lacks what it needs: file descriptors, local ports, a resolver that answers.
    #[error("this node could not connect")]
    Ours(#[source] Box<dyn StdError + Send + Sync>),
    /// The target cannot be reached.
    #[error("the target could not be connected to")]
    Unreachable(#[source] Box<dyn StdError + Send + Sync>),
    /// There is no connection in time.
    #[error("the target could not be connected to in time")]
    ConnectTimeout,
    /// A connection that was kept was closed before anything was sent on it; with the request.
    #[error("the kept connection was closed before anything was sent")]
    Gone(Option<Box<http::Request<crate::proxy::outgoing::Outgoing>>>),
    /// The connection broke after the request was sent, wholly or in part.
    #[error("the connection to the target broke")]
    Broken(#[source] hyper::Error),
    /// No answer in time.
    #[error("the target did not answer in time")]
    TimedOut,
    /// It answered with what nobody asked for.
    #[error("the target changed to another protocol, which nobody asked for")]
    Switched,
    /// The client broke off its body.
    #[error("the client broke off its request")]
    ClientBroke,
    /// The client's body was longer than may be.
    #[error("the request's body is longer than the route takes")]
    BodyTooLarge,
    /// The client's body came so slowly that the attempt's time was over.
    #[error("the request's body came too slowly")]
    ClientTooSlow,
}

impl Fault {
    /// Of an error of the operating system's while connecting.
    pub(super) fn connecting(error: io::Error) -> Self {
        if crate::probes::is_ours(&error) || is_resolvers(&error) {
            Self::Ours(error.into())
        } else {
            Self::Unreachable(error.into())
        }
    }

    /// What it says about the target, and about trying again. `request` is the safety of repeating the request in any
    /// case.
    pub(in crate::proxy) const fn ended(&self, request: Safety) -> Ended {
        match self {
            Self::Ours(_) => Ended::new(Outcome::Ignored).with_safety(Safety::NotSent),
            Self::Unreachable(_) | Self::ConnectTimeout | Self::Gone(_) => {
                Ended::new(Outcome::Failure).with_safety(Safety::NotSent)
            }
            Self::Broken(_) | Self::TimedOut => Ended::new(Outcome::Unknown).with_safety(request),
            Self::Switched => Ended::new(Outcome::Failure),
            Self::ClientBroke | Self::BodyTooLarge | Self::ClientTooSlow => Ended::new(Outcome::Ignored),
        }
    }

    /// What the client hears.
    pub(in crate::proxy) const fn why(&self) -> Why {
        match self {
            Self::Ours(_) => Why::Ours,
            Self::Unreachable(_) | Self::Gone(_) => Why::Unreachable,
            Self::ConnectTimeout => Why::ConnectTimeout,
            Self::Broken(_) | Self::Switched => Why::Broken,
            Self::TimedOut => Why::TimedOut,
            Self::ClientBroke => Why::BodyCutShort,
            Self::BodyTooLarge => Why::BodyTooLarge,
            Self::ClientTooSlow => Why::BodyTooSlow,
        }
    }
}

impl fmt::Debug for Fault {
    /// Without the request that came back, which is the client's.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ours(source) => f.debug_tuple("Ours").field(source).finish(),
            Self::Unreachable(source) => f.debug_tuple("Unreachable").field(source).finish(),
            Self::ConnectTimeout => f.write_str("ConnectTimeout"),
            Self::Gone(unsent) => f.debug_struct("Gone").field("came_back", &unsent.is_some()).finish(),
            Self::Broken(source) => f.debug_tuple("Broken").field(source).finish(),
            Self::TimedOut => f.write_str("TimedOut"),
            Self::Switched => f.write_str("Switched"),
            Self::ClientBroke => f.write_str("ClientBroke"),
            Self::BodyTooLarge => f.write_str("BodyTooLarge"),
            Self::ClientTooSlow => f.write_str("ClientTooSlow"),
        }
    }
}

/// A resolver that cannot say is ours; one that says there is no such name speaks of the target. The words are those of
/// `gai_strerror(EAI_AGAIN)`, which is all that the standard library passes on.
fn is_resolvers(error: &io::Error) -> bool {
    error.raw_os_error().is_none() && error.to_string().contains("Temporary failure in name resolution")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::proxy::outgoing::Outgoing;

    #[test]
    fn a_request_that_came_back_is_not_shown() {
        let mut request = http::Request::new(Outgoing::Whole("card 1234".into()));
        request.headers_mut().insert("x-api-key", http::HeaderValue::from_static("hunter2"));
        assert_eq!(format!("{:?}", request.body()), "Whole { bytes: 9 }");
        assert_eq!(format!("{:?}", Fault::Gone(Some(Box::new(request)))), "Gone { came_back: true }");
    }
}
