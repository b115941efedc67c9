//! Why a probe could not be prepared: always something in its configuration or on this machine.

/// A probe that cannot be prepared.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The URL lacks something, or has something that cannot be used.
    #[error("the URL of the {whose} cannot be used: {problem}")]
    Url {
        /// "probe", "proxy", "token endpoint".
        whose: &'static str,
        /// What is wrong with it.
        problem: &'static str,
    },
    /// A header that the probe sets itself.
    #[error("the header {0} cannot be set by hand: the probe frames its request itself; remove it")]
    Header(http::HeaderName),
    /// A user name, password or token that cannot be put into a header.
    #[error("the {0} has characters that a header cannot carry (line ends or other control characters)")]
    Credentials(&'static str),
    /// The name to ask for in the TLS handshake.
    #[error("\"{0}\" is neither a host name nor an IP address, so no certificate can be checked against it")]
    ServerName(Box<str>),
    /// The name of a DNS probe.
    #[error("\"{0}\" is not a name that DNS can look up")]
    Name(Box<str>),
    /// A target that is never called.
    #[error("a heartbeat target is not called: it reports in, by POST /heartbeats/ and its name")]
    ReportsIn,
    /// The machine's own trusted certificates.
    #[error("this machine has no trusted certificates ({0}); install ca-certificates, or name a CA for the target")]
    NoMachineRoots(Box<str>),
    /// The target's own CA.
    #[error("the target's CA is no PEM file with at least one certificate")]
    CaPem(#[source] Option<rustls::pki_types::pem::Error>),
    /// A certificate in the target's own CA that cannot be trusted.
    #[error("a certificate of the target's CA cannot be used as a root")]
    CaRoot(#[source] rustls::Error),
    /// The client certificate's chain.
    #[error("the client certificate is no PEM file with at least one certificate")]
    ChainPem(#[source] Option<rustls::pki_types::pem::Error>),
    /// The client certificate's key.
    #[error("the client certificate's key is no PEM private key (PKCS#8, PKCS#1 or SEC1, without a password)")]
    KeyPem,
    /// The client certificate and its key.
    #[error("the client certificate and its key do not go together")]
    Identity(#[source] rustls::Error),
    /// The TLS library refused its settings.
    #[error("the TLS settings cannot be used")]
    Tls(#[source] rustls::Error),
    /// The client for token endpoints.
    #[error("the client for the token endpoint cannot be made")]
    TokenClient(#[source] reqwest::Error),
}
