//! The routes: which path is answered by what, and what its caller must be allowed.

use std::sync::Arc;

use futures_util::FutureExt;
use warp::filters::BoxedFilter;
use warp::http::Method;
use warp::hyper::body::Incoming;
use warp::hyper::service::Service;
use warp::reply::Response;
use warp::{Filter, path};

use super::request::{Asked, Rule, decoded};
use super::state::Http;
use super::{
    alerts, breaker, callers, channels, configuration, events, health, heartbeats, histories, metrics, openapi, outbox,
    page, quiets, statuses, stream, targets,
};
use crate::config::Scope;
use crate::listener::from_tower;

const LOOK: Rule = Rule { allow: "GET, HEAD", scope: Some(Scope::Read) };
const OPEN: Rule = Rule { allow: "GET, HEAD", scope: None };
const REPORT: Rule = Rule { allow: "POST", scope: Some(Scope::Report) };
const CHANGE: Rule = Rule { allow: "PATCH", scope: Some(Scope::Report) };
const OPERATE: Rule = Rule { allow: "POST", scope: Some(Scope::Operate) };
const REMOVE: Rule = Rule { allow: "DELETE", scope: Some(Scope::Operate) };
const RELOAD: Rule = Rule { allow: "POST", scope: Some(Scope::Admin) };
const INSPECT: Rule = Rule { allow: "GET, HEAD", scope: Some(Scope::Admin) };
/// A permit is lent: a reporter's act, and nothing for who only wants the headers.
const LEND: Rule = Rule { allow: "GET", scope: Some(Scope::Report) };
const EVENTS: &str = "GET, HEAD, POST";
const BREAKER: &str = "GET, HEAD, PUT";

/// The whole surface as a service for [`Listener::serve`](crate::listener::Listener::serve).
pub fn service(
    http: Http,
) -> impl Service<
    warp::hyper::Request<Incoming>,
    Response = Response,
    Error = std::convert::Infallible,
    Future: Send + 'static,
> + Clone
+ Send
+ 'static {
    from_tower(warp::service(routes(http)))
}

/// The whole surface. It answers every request, also those for paths that there are not.
pub fn routes(http: Http) -> BoxedFilter<(Response,)> {
    let http = Arc::new(http);
    statuses_routes(&http)
        .or(histories_routes(&http))
        .unify()
        .or(targets_routes(&http))
        .unify()
        .or(channels_routes(&http))
        .unify()
        .or(events_routes(&http))
        .unify()
        .or(alerting_routes(&http))
        .unify()
        .or(node_routes(&http))
        .unify()
        .or(page_routes(&http))
        .unify()
        .or(asked(&http).map(Asked::nothing_here))
        .unify()
        .boxed()
}

fn statuses_routes(http: &Arc<Http>) -> BoxedFilter<(Response,)> {
    let connect = path!("integrationStatuses" / "connectpaymentgateway")
        .and(asked(http))
        .then(|asked: Asked| asked.answer(REPORT, statuses::connect));
    let fail = path!("integrationStatuses" / "failpaymentgatewayconnection")
        .and(asked(http))
        .then(|asked: Asked| asked.answer(REPORT, statuses::fail));
    let retry = path!("integrationStatuses" / "retrypaymentgatewayconnection")
        .and(asked(http))
        .then(|asked: Asked| asked.answer(REPORT, statuses::retry));
    let list = path!("integrationStatuses").and(asked(http)).then(|asked: Asked| asked.answer(LOOK, statuses::list));
    let details = path!("integrationStatuses" / String)
        .and(asked(http))
        .then(|id: String, asked: Asked| asked.answer(LOOK, |request| statuses::details(request, id)));
    connect.or(fail).unify().or(retry).unify().or(list).unify().or(details).unify().boxed()
}

fn histories_routes(http: &Arc<Http>) -> BoxedFilter<(Response,)> {
    let record = path!("integrationFailureHistories" / "recordintegrationfailure")
        .and(asked(http))
        .then(|asked: Asked| asked.answer(REPORT, histories::record));
    let retry = path!("integrationFailureHistories" / "retryintegrationfailure")
        .and(asked(http))
        .then(|asked: Asked| asked.answer(CHANGE, histories::retry));
    let recover = path!("integrationFailureHistories" / "recoverintegrationfailure")
        .and(asked(http))
        .then(|asked: Asked| asked.answer(CHANGE, histories::recover));
    let list =
        path!("integrationFailureHistories").and(asked(http)).then(|asked: Asked| asked.answer(LOOK, histories::list));
    let details = path!("integrationFailureHistories" / String)
        .and(asked(http))
        .then(|id: String, asked: Asked| asked.answer(LOOK, |request| histories::details(request, id)));
    record.or(retry).unify().or(recover).unify().or(list).unify().or(details).unify().boxed()
}

fn targets_routes(http: &Arc<Http>) -> BoxedFilter<(Response,)> {
    let list = path!("targets").and(asked(http)).then(|asked: Asked| asked.answer(LOOK, targets::list));
    let details = path!("targets" / String).and(asked(http)).then(|name: String, asked: Asked| {
        asked.answer(LOOK, move |request| targets::details(request, decoded(&name)))
    });
    let uptime = path!("targets" / String / "uptime")
        .and(asked(http))
        .then(|name: String, asked: Asked| asked.answer(LOOK, move |request| targets::uptime(request, decoded(&name))));
    let transitions = path!("targets" / String / "transitions").and(asked(http)).then(|name: String, asked: Asked| {
        asked.answer(LOOK, move |request| targets::transitions(request, decoded(&name)))
    });
    let probe = path!("targets" / String / "probe").and(asked(http)).then(|name: String, asked: Asked| {
        asked.answer(OPERATE, move |request| targets::probe(request, decoded(&name)))
    });
    let breaker = path!("targets" / String / "breaker").and(asked(http)).then(|name: String, asked: Asked| {
        let name = decoded(&name);
        if asked.method_is(&Method::PUT) {
            let rule = Rule { allow: BREAKER, scope: Some(Scope::Operate) };
            asked.answer(rule, move |request| breaker::control(request, name)).boxed()
        } else {
            let rule = Rule { allow: BREAKER, ..LOOK };
            asked.answer(rule, move |request| breaker::look(request, name)).boxed()
        }
    });
    let reset = path!("targets" / String / "breaker" / "reset").and(asked(http)).then(|name: String, asked: Asked| {
        asked.answer(OPERATE, move |request| breaker::reset(request, decoded(&name)))
    });
    let beat = path!("heartbeats" / String).and(asked(http)).then(|name: String, asked: Asked| {
        asked.answer(REPORT, move |request| heartbeats::beat(request, decoded(&name)))
    });
    let permit = path!("targets" / String / "permit")
        .and(asked(http))
        .then(|name: String, asked: Asked| asked.answer(LEND, move |request| callers::permit(request, decoded(&name))));
    let observations =
        path!("targets" / String / "observations").and(asked(http)).then(|name: String, asked: Asked| {
            asked.answer(REPORT, move |request| callers::observations(request, decoded(&name)))
        });
    let past = uptime.or(transitions).unify().boxed();
    let acts = probe.or(beat).unify().or(breaker).unify().or(reset).unify().boxed();
    let calls = permit.or(observations).unify().boxed();
    list.or(details).unify().or(past).unify().or(acts).unify().or(calls).unify().boxed()
}

fn channels_routes(http: &Arc<Http>) -> BoxedFilter<(Response,)> {
    let test = path!("channels" / String / "test").and(asked(http)).then(|name: String, asked: Asked| {
        asked.answer(OPERATE, move |request| channels::test(request, decoded(&name)))
    });
    let list = path!("channels").and(asked(http)).then(|asked: Asked| asked.answer(LOOK, channels::list));
    test.or(list).unify().boxed()
}

fn events_routes(http: &Arc<Http>) -> BoxedFilter<(Response,)> {
    let log = path!("events").and(asked(http)).then(|asked: Asked| {
        if asked.method_is(&Method::POST) {
            asked.answer(Rule { allow: EVENTS, ..REPORT }, events::receive).boxed()
        } else {
            asked.answer(Rule { allow: EVENTS, ..LOOK }, events::list).boxed()
        }
    });
    let stream = path!("events" / "stream").and(asked(http)).then(|asked: Asked| asked.answer(LOOK, stream::stream));
    log.or(stream).unify().boxed()
}

fn alerting_routes(http: &Arc<Http>) -> BoxedFilter<(Response,)> {
    let list = path!("alerts").and(asked(http)).then(|asked: Asked| asked.answer(LOOK, alerts::list));
    let details = path!("alerts" / String)
        .and(asked(http))
        .then(|id: String, asked: Asked| asked.answer(LOOK, |request| alerts::details(request, id)));
    let acknowledge = path!("alerts" / String / "acknowledge").and(asked(http)).then(|id: String, asked: Asked| {
        // Whoever has a token was told; whether it is right is looked at there.
        let scope = (!asked.asks_with("token")).then_some(Scope::Operate);
        if asked.method_is(&Method::POST) {
            let rule = Rule { allow: EVENTS, scope };
            asked.answer(rule, |request| alerts::acknowledge(request, id)).boxed()
        } else {
            asked.answer(Rule { allow: EVENTS, scope: None }, |request| alerts::ask(request, id)).boxed()
        }
    });
    let outbox = path!("outbox").and(asked(http)).then(|asked: Asked| asked.answer(LOOK, outbox::list));
    let retry = path!("outbox" / String / "retry")
        .and(asked(http))
        .then(|id: String, asked: Asked| asked.answer(OPERATE, move |request| outbox::retry(request, decoded(&id))));
    let retry_all =
        path!("outbox" / "retry").and(asked(http)).then(|asked: Asked| asked.answer(OPERATE, outbox::retry_all));
    let dismiss = path!("outbox" / String)
        .and(asked(http))
        .then(|id: String, asked: Asked| asked.answer(REMOVE, move |request| outbox::dismiss(request, decoded(&id))));
    let outbox = outbox.or(retry).unify().or(retry_all).unify().or(dismiss).unify().boxed();
    let told = list.or(details).unify().or(acknowledge).unify().boxed();
    told.or(outbox).unify().or(quiets_routes(http)).unify().boxed()
}

fn quiets_routes(http: &Arc<Http>) -> BoxedFilter<(Response,)> {
    let silences = path!("silences").and(asked(http)).then(|asked: Asked| {
        if asked.method_is(&Method::POST) {
            asked.answer(Rule { allow: EVENTS, ..OPERATE }, quiets::silence).boxed()
        } else {
            asked.answer(Rule { allow: EVENTS, ..LOOK }, quiets::silences).boxed()
        }
    });
    let unsilence = path!("silences" / String)
        .and(asked(http))
        .then(|id: String, asked: Asked| asked.answer(REMOVE, move |request| quiets::unsilence(request, decoded(&id))));
    let maintenances = path!("maintenances").and(asked(http)).then(|asked: Asked| {
        if asked.method_is(&Method::POST) {
            asked.answer(Rule { allow: EVENTS, ..OPERATE }, quiets::maintain).boxed()
        } else {
            asked.answer(Rule { allow: EVENTS, ..LOOK }, quiets::maintenances).boxed()
        }
    });
    let end = path!("maintenances" / String).and(asked(http)).then(|id: String, asked: Asked| {
        asked.answer(REMOVE, move |request| quiets::end_maintenance(request, decoded(&id)))
    });
    silences.or(unsilence).unify().or(maintenances).unify().or(end).unify().boxed()
}

fn node_routes(http: &Arc<Http>) -> BoxedFilter<(Response,)> {
    let live = path!("livez").or(path!("-" / "healthy")).unify();
    let live = live.and(asked(http)).then(|asked: Asked| asked.answer(OPEN, health::livez));
    let ready = path!("readyz").or(path!("-" / "ready")).unify();
    let ready = ready.and(asked(http)).then(|asked: Asked| asked.answer(OPEN, health::readyz));
    let health = path!("healthz").and(asked(http)).then(|asked: Asked| asked.answer(OPEN, health::healthz));
    let reload = path!("-" / "reload").and(asked(http)).then(|asked: Asked| asked.answer(RELOAD, health::reload));
    let config = path!("config").and(asked(http)).then(|asked: Asked| asked.answer(INSPECT, configuration::show));
    let turns = metrics::Turns::new();
    let metrics = path!("metrics").and(asked(http)).then(move |asked: Asked| {
        let turns = turns.clone();
        asked.answer(LOOK, |request| metrics::metrics(request, turns))
    });
    let openapi = path!("openapi.json").and(asked(http)).then(|asked: Asked| asked.answer(OPEN, openapi::openapi));
    let health = live.or(ready).unify().or(health).unify().boxed();
    health.or(reload).unify().or(config).unify().or(metrics).unify().or(openapi).unify().boxed()
}

fn page_routes(http: &Arc<Http>) -> BoxedFilter<(Response,)> {
    let page = path::end().and(asked(http)).then(|asked: Asked| asked.answer(LOOK, page::overview));
    let style = path!("assets" / "page.css").and(asked(http)).then(|asked: Asked| asked.answer(OPEN, page::style));
    let script = path!("assets" / "page.js").and(asked(http)).then(|asked: Asked| asked.answer(OPEN, page::script));
    page.or(style).unify().or(script).unify().boxed()
}

/// Takes what is needed of a request whose path has matched.
fn asked(http: &Arc<Http>) -> BoxedFilter<(Asked,)> {
    let http = http.clone();
    let raw_query = warp::query::raw().or(warp::any().map(String::new)).unify();
    warp::any()
        .map(move || http.clone())
        .and(warp::method())
        .and(warp::header::headers_cloned())
        .and(raw_query)
        .and(warp::ext::optional())
        .and(warp::body::stream())
        .map(Asked::new)
        .boxed()
}
