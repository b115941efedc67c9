//! `[[channel]]`

use super::sheet::{SECRET, Sheet, server, table, text, texts};
use crate::config::Secret;
use crate::config::channel::{
    Alertmanager, Channel, ChannelKind, Email, Encryption, Exec, Grouping, Hook, KakaoTalk, Login, Mailbox, Ntfy,
    Opsgenie, PagerDuty, Telegram, Together, Webhook,
};
use crate::domain::quiet::Label;

pub(super) fn show(sheet: &mut Sheet, channel: &Channel) {
    let Channel { name, kind, timeout, rate_limit, template, grouping } = channel;
    sheet.table("[channel]");
    sheet.key("name", &**name);
    sheet.key("kind", kind.as_str());
    // Of the others each message leaves by itself, and the keys are refused.
    if kind.together() != Together::Never {
        show_grouping(sheet, grouping);
    }
    if let ChannelKind::Log = kind {
        return;
    }
    show_kind(sheet, kind);
    sheet.duration("timeout", *timeout);
    sheet.key("rate_limit", rate_limit.map_or_else(|| "off".to_owned(), |rate| rate.to_string()));
    let Some(template) = template else { return };
    if let ChannelKind::Webhook(webhook) = kind {
        // It is a whole body, and a service may want its key there.
        sheet.key("template", SECRET);
        // Without a template there is nothing that could be called otherwise.
        sheet.key("content_type", &*webhook.content_type);
    } else {
        sheet.key("template", template.source());
    }
}

pub(super) fn show_grouping(sheet: &mut Sheet, grouping: &Grouping) {
    let Grouping { by, wait, interval } = grouping;
    sheet.key("group_by", texts(by.iter().copied().map(Label::as_str)));
    sheet.duration("group_wait", *wait);
    sheet.duration("group_interval", *interval);
}

fn show_kind(sheet: &mut Sheet, kind: &ChannelKind) {
    match kind {
        ChannelKind::Log => {}
        ChannelKind::Webhook(webhook) => show_webhook(sheet, webhook),
        ChannelKind::Alertmanager(alertmanager) => show_alertmanager(sheet, alertmanager),
        ChannelKind::Slack(hook)
        | ChannelKind::Discord(hook)
        | ChannelKind::Teams(hook)
        | ChannelKind::Mattermost(hook) => {
            let Hook { url: _ } = hook;
            sheet.key("url", SECRET);
        }
        ChannelKind::Telegram(Telegram { url, token: _, chat_id }) => {
            sheet.key("url", server(url));
            sheet.key("token", SECRET);
            sheet.key("chat_id", &**chat_id);
        }
        ChannelKind::PagerDuty(PagerDuty { url, routing_key: _ }) => show_keyed(sheet, url, "routing_key"),
        ChannelKind::Opsgenie(Opsgenie { url, api_key: _ }) => show_keyed(sheet, url, "api_key"),
        ChannelKind::KakaoTalk(KakaoTalk { url, token: _ }) => show_keyed(sheet, url, "token"),
        ChannelKind::Ntfy(Ntfy { url, topic: _, login }) => {
            show_keyed(sheet, url, "topic");
            show_login(sheet, login);
        }
        ChannelKind::Email(email) => show_email(sheet, email),
        ChannelKind::Exec(Exec { program, arguments }) => {
            let program = program.to_string_lossy();
            // As with headers: an argument may be a key.
            let arguments = arguments.iter().map(|_| SECRET);
            sheet.key("command", texts(std::iter::once(program.as_ref()).chain(arguments)));
        }
    }
}

fn show_webhook(sheet: &mut Sheet, webhook: &Webhook) {
    let Webhook { url: _, secrets, content_type: _ } = webhook;
    sheet.key("url", SECRET);
    sheet.list("secrets", texts(secrets.iter().map(|_| SECRET)));
}

fn show_alertmanager(sheet: &mut Sheet, alertmanager: &Alertmanager) {
    let Alertmanager { urls, interval, labels, login } = alertmanager;
    sheet.key("urls", urls.iter().map(server).collect::<Vec<_>>());
    sheet.duration("interval", *interval);
    sheet.key("labels", table(labels.iter().map(|(name, value)| (name, text(value)))));
    show_login(sheet, login);
}

fn show_keyed(sheet: &mut Sheet, url: &Secret, key: &str) {
    sheet.key("url", server(url));
    sheet.key(key, SECRET);
}

fn show_login(sheet: &mut Sheet, login: &Login) {
    match login {
        Login::None => {}
        Login::Basic { user, password: _ } => {
            sheet.key("user", &**user);
            sheet.key("password", SECRET);
        }
        Login::Bearer(_) => sheet.key("token", SECRET),
    }
}

fn show_email(sheet: &mut Sheet, email: &Email) {
    let Email { host, port, encryption, ca_pem, login, from, to } = email;
    sheet.key("host", &**host);
    sheet.number("port", *port);
    let encryption = match encryption {
        Encryption::StartTls => "starttls",
        Encryption::Tls => "tls",
        Encryption::None => "none",
    };
    sheet.key("encryption", encryption);
    sheet.file("ca_file", ca_pem.is_some());
    if let Some((user, _)) = login {
        sheet.key("user", &**user);
        sheet.key("password", SECRET);
    }
    sheet.key("from", mailbox(from));
    sheet.key("to", to.iter().map(mailbox).collect::<Vec<_>>());
}

fn mailbox(mailbox: &Mailbox) -> String {
    let Mailbox { name, address } = mailbox;
    if name.is_empty() { address.to_string() } else { format!("{name} <{address}>") }
}
