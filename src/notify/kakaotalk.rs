//! The `kakaotalk` channel: a user's message to himself.
//!
//! The API lets a program write to the user whose token it has. The token lives for hours: whoever renews it writes it
//! into `token_file`, and the node takes it from there when the file changes. Format:
//! <https://developers.kakao.com/docs/latest/en/kakaotalk-message/rest-api#default-template-msg-me> with a text template
//! (<https://developers.kakao.com/docs/latest/en/message-template/default>): `link` must be there, and its addresses are
//! opened only if their domain is registered as the app's. At most two buttons.

use std::time::Duration;

use form_urlencoded::Serializer;
use serde_json::json;

use super::quote::{LETTERS, cut, size};
use super::request::{Answer, PROGRAM, Request, Verdict};
use super::told::Told;
use crate::config::channel::KakaoTalk;

/// Letters of a text.
const TEXT_MAX: usize = 200;
/// A quota is of the day, so there is no hurry.
const QUOTA_PAUSE: Duration = Duration::from_secs(60 * 60);

pub(super) fn render(told: &Told<'_>, kakaotalk: &KakaoTalk) -> Request {
    let text = match &told.custom {
        Some(custom) => cut(custom, TEXT_MAX),
        None => {
            let room = TEXT_MAX.saturating_sub(size(&told.title, LETTERS) + 1);
            cut(&format!("{}\n{}", told.title, told.text_in_letters(room)), TEXT_MAX)
        }
    };
    let link = match &told.link {
        Some(link) => json!({"web_url": link, "mobile_web_url": link}),
        None => json!({}),
    };
    let mut template = json!({"object_type": "text", "text": text, "link": link});
    match (&told.link, told.acknowledge) {
        (Some(link), Some(acknowledge)) => {
            let buttons = [(told.open, &**link), (told.to_acknowledge, acknowledge)];
            let button = |(title, url)| json!({"title": title, "link": {"web_url": url, "mobile_web_url": url}});
            template["buttons"] = buttons.map(button).into_iter().collect();
        }
        (Some(_), None) => template["button_title"] = json!(told.open),
        (None, _) => {}
    }
    let body = Serializer::new(String::new()).append_pair("template_object", &template.to_string()).finish();
    Request {
        method: "POST",
        url: format!("{}/v2/api/talk/memo/default/send", kakaotalk.url.text()),
        headers: vec![
            ("content-type", "application/x-www-form-urlencoded;charset=utf-8".to_owned()),
            ("user-agent", PROGRAM.to_owned()),
            ("authorization", format!("Bearer {}", kakaotalk.token.text())),
        ],
        body,
    }
}

/// Its statuses are coarse; what happened is the `code` of the body
/// (<https://developers.kakao.com/docs/latest/en/rest-api/error-code>): -1 and -7 are their own trouble, -10, -532, -533
/// and -536 a quota of the day. A token that has ended (-401) is renewed by somebody else and then works. A message that
/// was taken has a `result_code` of 0.
pub(super) fn judge(answer: &Answer<'_>) -> Verdict {
    #[expect(clippy::cast_possible_truncation, reason = "codes have at most four digits")]
    let code = answer.number(&["code"]).map(|code| code as i64);
    match (answer.status, code) {
        (_, Some(-1 | -7)) | (401, _) => Verdict::Transient { retry_after: answer.retry_after },
        (_, Some(-10 | -532 | -533 | -536)) => {
            Verdict::Transient { retry_after: Some(answer.retry_after.unwrap_or(QUOTA_PAUSE)) }
        }
        (200..=299, Some(_)) => Verdict::Permanent,
        (200..=299, None) if answer.number(&["result_code"]).is_some_and(|code| code != 0.0) => Verdict::Permanent,
        (_, _) => answer.by_member("result_code"),
    }
}

#[cfg(test)]
mod tests {
    use super::super::examples::{delivery, every, firing, groups, teller, teller_with, wire};
    use super::*;
    use crate::config::template::{Escaping, Template};
    use crate::config::{Language, Secret};

    fn talk() -> KakaoTalk {
        KakaoTalk { url: Secret::new(b"https://kapi.kakao.com"), token: Secret::new(b"ACCESS") }
    }

    fn template_object(request: &Request) -> serde_json::Value {
        let (name, value) = form_urlencoded::parse(request.body.as_bytes()).next().unwrap();
        assert_eq!(name, "template_object");
        serde_json::from_str(&value).unwrap()
    }

    #[test]
    fn every_message_on_the_wire() {
        insta::assert_snapshot!(every(Language::Korean, |told| {
            let request = render(told, &talk());
            let object = template_object(&request);
            wire(Request { body: format!("template_object={object}"), ..request })
        }));
    }

    #[test]
    fn a_text_has_at_most_200_letters() {
        let template = Template::new(&"결제 ".repeat(100), Escaping::Plain).unwrap();
        let object = template_object(&render(&teller_with(template).tell(&delivery(firing())), &talk()));
        assert_eq!(object["text"].as_str().unwrap().chars().count(), 200);
    }

    #[test]
    fn of_a_group_whole_lines_are_told_and_how_many_more_there_are() {
        let [trouble, ..] = groups();
        let delivery = delivery(trouble);
        let object = template_object(&render(&teller(Language::Korean).tell(&delivery), &talk()));
        let text = object["text"].as_str().unwrap();
        assert!(text.chars().count() <= 200 && text.ends_with("부터\n외 20건"), "{text}");
    }

    #[test]
    fn what_happened_is_in_the_code() {
        let judged = |status, body: &str| judge(&Answer { status, retry_after: None, body: body.as_bytes() });
        assert_eq!(judged(200, r#"{"result_code":0}"#), Verdict::Delivered);
        assert_eq!(judged(400, r#"{"msg":"text is too long","code":-2}"#), Verdict::Permanent);
        assert_eq!(judged(400, r#"{"msg":"internal error","code":-1}"#), Verdict::Transient { retry_after: None });
        assert_eq!(judged(400, r#"{"msg":"quota","code":-10}"#), Verdict::Transient { retry_after: Some(QUOTA_PAUSE) });
        assert_eq!(judged(401, r#"{"msg":"expired","code":-401}"#), Verdict::Transient { retry_after: None });
        assert_eq!(judged(403, r#"{"msg":"insufficient scopes","code":-402}"#), Verdict::Permanent);
        assert_eq!(judged(503, ""), Verdict::Transient { retry_after: None });
        assert_eq!(judged(200, r#"{"result_code":-500}"#), Verdict::Permanent);
        assert_eq!(judged(200, r#"{"msg":"insufficient scopes","code":-402}"#), Verdict::Permanent);
        assert_eq!(judged(200, "<html>"), Verdict::Transient { retry_after: None });
    }
}
