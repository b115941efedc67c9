//! The surface for people and programs, made with warp: it parses, asks a handle or reads, and renders; it decides
//! nothing.
//!
//! | Route | Answered by | Scope |
//! |---|---|---|
//! | `POST /integrationStatuses/connectpaymentgateway` | `statuses` | report |
//! | `POST /integrationStatuses/failpaymentgatewayconnection` | `statuses` | report |
//! | `POST /integrationStatuses/retrypaymentgatewayconnection` | `statuses` | report |
//! | `GET /integrationStatuses` | `statuses` | read |
//! | `GET /integrationStatuses/{integrationStatusId}` | `statuses` | read |
//! | `POST /integrationFailureHistories/recordintegrationfailure` | `histories` | report |
//! | `PATCH /integrationFailureHistories/retryintegrationfailure` | `histories` | report |
//! | `PATCH /integrationFailureHistories/recoverintegrationfailure` | `histories` | report |
//! | `GET /integrationFailureHistories` | `histories` | read |
//! | `GET /integrationFailureHistories/{integrationFailureHistoryId}` | `histories` | read |
//! | `GET /events` | `events` | read |
//! | `POST /events` | `events` | report |
//! | `GET /events/stream` | `stream` | read |
//! | `GET /targets` | `targets` | read |
//! | `GET /targets/{name}` | `targets` | read |
//! | `GET /targets/{name}/uptime` | `targets` | read |
//! | `GET /targets/{name}/transitions` | `targets` | read |
//! | `POST /targets/{name}/probe` | `targets` | operate |
//! | `POST /heartbeats/{name}` | `heartbeats` | report |
//! | `GET /targets/{name}/breaker` | `breaker` | read |
//! | `PUT /targets/{name}/breaker` | `breaker` | operate |
//! | `POST /targets/{name}/breaker/reset` | `breaker` | operate |
//! | `GET /alerts` | `alerts` | read |
//! | `GET /alerts/{id}` | `alerts` | read |
//! | `GET /alerts/{id}/acknowledge` | `alerts` | the link's token |
//! | `POST /alerts/{id}/acknowledge` | `alerts` | operate, or the link's token |
//! | `GET /silences` | `quiets` | read |
//! | `POST /silences` | `quiets` | operate |
//! | `DELETE /silences/{id}` | `quiets` | operate |
//! | `GET /maintenances` | `quiets` | read |
//! | `POST /maintenances` | `quiets` | operate |
//! | `DELETE /maintenances/{id}` | `quiets` | operate |
//! | `GET /outbox` | `outbox` | read |
//! | `POST /outbox/retry` | `outbox` | operate |
//! | `POST /outbox/{id}/retry` | `outbox` | operate |
//! | `DELETE /outbox/{id}` | `outbox` | operate |
//! | `GET /targets/{name}/permit` | `callers` | report |
//! | `POST /targets/{name}/observations` | `callers` | report |
//! | `GET /channels` | `channels` | read |
//! | `POST /channels/{name}/test` | `channels` | operate |
//! | `GET /livez` | `health` | |
//! | `GET /readyz` | `health` | |
//! | `GET /-/healthy` | `health` | |
//! | `GET /-/ready` | `health` | |
//! | `GET /healthz` | `health` | |
//! | `POST /-/reload` | `health` | admin |
//! | `GET /config` | `configuration` | admin |
//! | `GET /metrics` | `metrics` | read |
//! | `GET /openapi.json` | `openapi` | |
//! | `GET /` | `page` | read |
//! | `GET /assets/page.css` | `page` | |
//! | `GET /assets/page.js` | `page` | |
//!
//! What holds for all of them is in `request` (correlation, methods, scopes, panics), `site` (what a page in a browser
//! may do), `body` (limits), `fields` and `query` (everything that is wrong is told at once) and `error` (refusals and
//! status codes). `HEAD` goes wherever `GET` does, but to a permit, which it would lend to nobody. JSON shapes are in
//! `dto`. Not here: sockets, TLS and connection limits, which are the listener's.

mod state;

mod routes;

mod request;

mod site;

mod body;

mod fields;

mod query;

mod reply;

mod answers;

mod error;

mod dto;

mod statuses;

mod histories;

mod events;

mod stream;

mod targets;

mod breaker;

mod alerts;

mod quiets;

mod outbox;

mod callers;

mod channels;

mod configuration;

mod health;

mod heartbeats;

mod metrics;

mod page;

mod openapi;

pub use openapi::document;
pub use routes::{routes, service};
pub use state::{Http, Readiness, Reload, Reloaded, Reloading, TICK_MAX, Vitals};
