//! The whole, and the tables that there is one of each.

use super::sheet::{Sheet, table, text, texts};
use crate::config::channel::ChannelKind;
use crate::config::model::{Alerting, Config, Connectivity, Http, Language, Monitor, Node, Scope, Store};
use crate::config::units::{write_size, write_timestamp};
use crate::domain::quiet::{Kind, Matcher, Quiet, Recurrence, When};

const HEAD: &str = "\
# The configuration in force: every key with the value that counts. What lets one in, or may, is \"<secret>\", whatever
# it is: keys and passwords, headers, queries, the bodies that are sent (a webhook's template among them), a program's
# arguments. What people are told anyway is shown: labels, and what an answer must have (expect...), as failures name it.
# What a target inherits, and the numbers of its breaker's profile, stand in itself; a secret of a file or a variable
# stands under its plain key. A key that is missing has no value.
";

impl Config {
    /// The configuration as a file, with every value that counts and without a secret.
    #[must_use]
    pub fn show(&self) -> String {
        let Self { node, http, store, monitor, alerting, targets, proxy, channels } = self;
        let mut sheet = Sheet::new(HEAD);
        let has_log = channels.get("log").is_some_and(|channel| matches!(channel.kind, ChannelKind::Log));
        show_node(&mut sheet, node);
        show_http(&mut sheet, http);
        show_store(&mut sheet, store);
        show_monitor(&mut sheet, monitor);
        show_alerting(&mut sheet, alerting, has_log);
        super::proxy::show(&mut sheet, proxy);
        for channel in channels.values().filter(|channel| !(has_log && &*channel.name == "log")) {
            super::channel::show(&mut sheet, channel);
        }
        for target in targets.values() {
            super::target::show(&mut sheet, target);
        }
        sheet.finish()
    }
}

fn show_node(sheet: &mut Sheet, node: &Node) {
    let Node { name, data_dir } = node;
    sheet.table("node");
    sheet.key("name", &**name);
    sheet.key("data_dir", data_dir.to_string_lossy().as_ref());
}

fn show_http(sheet: &mut Sheet, http: &Http) {
    let Http { listen, max_connections, anonymous } = http;
    sheet.table("http");
    sheet.key("listen", listen.to_string());
    sheet.key("allow_anonymous", texts(anonymous.iter().copied().map(Scope::as_str)));
    sheet.number("max_connections", *max_connections);
}

fn show_store(sheet: &mut Sheet, store: &Store) {
    let Store { cache_bytes, retention } = store;
    sheet.table("store");
    sheet.key("cache", write_size(*cache_bytes));
    sheet.duration("retention", *retention);
}

fn show_monitor(sheet: &mut Sheet, monitor: &Monitor) {
    let Monitor { max_passive_targets, max_retries, weather_system, connectivity, flapping: (high, low) } = monitor;
    sheet.table("monitor");
    sheet.number("max_passive_targets", *max_passive_targets);
    sheet.number("max_retries", *max_retries);
    sheet.key("weather_system", &**weather_system);
    sheet.table("monitor.flapping");
    sheet.key("high", *high);
    sheet.key("low", *low);
    if let Some(Connectivity { addresses, interval, timeout }) = connectivity {
        sheet.table("monitor.connectivity");
        sheet.key("addresses", texts(&**addresses));
        sheet.duration("interval", *interval);
        sheet.duration("timeout", *timeout);
    }
}

fn show_alerting(sheet: &mut Sheet, alerting: &Alerting, has_log: bool) {
    let Alerting { everyone: _, grouping, outbox_max, quiets, language, external_url, allow_exec } = alerting;
    sheet.table("alerting");
    sheet.key("log", has_log);
    super::channel::show_grouping(sheet, grouping);
    sheet.number("outbox_max", *outbox_max);
    let locale = match language {
        Language::English => "en",
        Language::Korean => "ko",
    };
    sheet.key("locale", locale);
    sheet.key("allow_exec", *allow_exec);
    sheet.maybe("external_url", external_url.as_deref());
    for quiet in quiets {
        show_quiet(sheet, quiet);
    }
}

fn show_quiet(sheet: &mut Sheet, quiet: &Quiet) {
    let Quiet { id: _, kind, matchers, when, created_by: _, comment, created_at: _ } = quiet;
    sheet.table(match kind {
        Kind::Silence => "[alerting.silence]",
        Kind::Maintenance => "[alerting.maintenance]",
    });
    let matcher = |matcher: &Matcher| {
        let Matcher { label, value, is_regex, is_equal } = matcher;
        table([
            ("name", text(label.as_str())),
            ("value", text(value)),
            ("is_regex", (*is_regex).into()),
            ("is_equal", (*is_equal).into()),
        ])
    };
    sheet.key("matchers", matchers.iter().map(matcher).collect::<Vec<_>>());
    match when {
        When::Once { from, until } => {
            sheet.key("from", write_timestamp(*from));
            sheet.key("until", write_timestamp(*until));
        }
        When::Recurring { by, zone, length } => {
            match by {
                Recurrence::Cron(cron) => sheet.key("cron", &**cron),
                Recurrence::Rule { rule, first } => {
                    sheet.key("rrule", &**rule);
                    sheet.key("from", write_timestamp(*first));
                }
            }
            sheet.key("time_zone", &**zone);
            sheet.duration("length", *length);
        }
    }
    sheet.key("reason", &**comment);
}
