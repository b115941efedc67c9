//! `/config`: the configuration in force, for who compares it with a file.
//!
//! In TOML, and with the files' own keys: what an operator has beside it is such a file, and a second notation of every
//! key would have to be learnt and kept.

use warp::reply::Response;

use super::error::Problem;
use super::openapi::QueryProblems;
use super::reply;
use super::request::Request;

/// Configuration
///
/// Every key with the value that counts, defaults among them. Whatever lets one in, or may, is `<secret>`.
#[utoipa::path(
    get, path = "/config", tag = "Node",
    responses((status = 200, content_type = "application/toml", body = String), QueryProblems),
)]
pub(super) async fn show(request: Request) -> Result<Response, Problem> {
    let config = request.config();
    // Of ten thousand targets it is long.
    let shown = tokio::task::spawn_blocking(move || config.show()).await.map_err(|error| {
        tracing::error!(%error, "the configuration could not be written");
        Problem::internal()
    })?;
    Ok(reply::text(shown, "application/toml"))
}
