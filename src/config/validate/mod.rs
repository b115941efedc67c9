//! The keys: what each needs, its default and its limits. The user's description of them is `config/breakwater.toml`.
//!
//! Each file reads one table. A value that is wrong is told of and replaced by its default, so that reading goes on and
//! everything is told; the configuration that comes out is then thrown away by [`Config::parse`](super::Config::parse).

pub(crate) mod whole;

pub(crate) mod settings;

pub(crate) mod connectivity;

pub(crate) mod channel;

pub(crate) mod target;

pub(crate) mod dependencies;

pub(crate) mod maintenance;

pub(crate) mod alert;

mod alerting;

pub(crate) mod breaker;

pub(crate) mod probe;

pub(crate) mod guard;

pub(crate) mod probe_keys;

pub(crate) mod http_probe;

pub(crate) mod http_checks;

pub(crate) mod tcp_probe;

pub(crate) mod tls_probe;

pub(crate) mod dns_probe;

pub(crate) mod grpc_probe;

pub(crate) mod icmp_probe;

pub(crate) mod slo;

pub(crate) mod status_page;

pub(crate) mod proxy;

pub(crate) mod proxy_route;

pub(crate) mod proxy_headers;

pub(crate) mod proxy_operation;

pub(crate) mod auth;

pub(crate) mod tls;

pub(crate) mod quiet;

mod secret;

pub(crate) mod attachments;

pub(crate) mod address;

pub(crate) mod name;
