//! Nobody learns a secret from a failure, however the channel fails and whatever it is.

use super::super::examples::{delivery, firing};
use super::*;
use crate::domain::delivery::Outcome;

/// Every kind that speaks HTTP, with secrets of its own; `BASE` is where its other side is.
const KINDS: [&str; 12] = [
    "kind = \"webhook\"\nurl = \"BASE/hunter2-in-path?key=hunter2-in-query\"\nsecret = \"hunter2-signing-key\"",
    "kind = \"slack\"\nurl = \"BASE/services/T0/B0/hunter2-in-path\"",
    "kind = \"discord\"\nurl = \"BASE/api/webhooks/1/hunter2-in-path\"",
    "kind = \"teams\"\nurl = \"BASE/workflows/1?sig=hunter2-in-query\"",
    "kind = \"mattermost\"\nurl = \"BASE/hooks/hunter2-in-path\"",
    "kind = \"telegram\"\nurl = \"BASE\"\ntoken = \"1:hunter2-token\"\nchat_id = 7",
    "kind = \"pagerduty\"\nurl = \"BASE\"\nrouting_key = \"hunter2-routing-key\"",
    "kind = \"opsgenie\"\nurl = \"BASE\"\napi_key = \"hunter2-api-key\"",
    "kind = \"ntfy\"\nurl = \"BASE\"\ntopic = \"hunter2-topic\"\nuser = \"me\"\npassword = \"hunter2-password\"",
    "kind = \"ntfy\"\nurl = \"BASE\"\ntopic = \"hunter2-topic\"\ntoken = \"hunter2-token\"",
    "kind = \"kakaotalk\"\nurl = \"BASE\"\ntoken = \"hunter2/token+x\"",
    "kind = \"alertmanager\"\nurl = \"BASE/hunter2-in-path\"\nuser = \"me\"\npassword = \"hunter2-password\"",
];

/// `me:hunter2-password`, as Basic writes it, and the signing key, as it is written down.
const ENCODED: [&str; 2] = ["bWU6aHVudGVyMi1wYXNzd29yZA==", "aHVudGVyMi1zaWduaW5nLWtleQ=="];

#[track_caller]
fn check(kind: &str, said: &str) {
    let tells = said.contains("hunter2") || ENCODED.iter().any(|encoded| said.contains(encoded));
    assert!(!tells, "{kind}\nsays\n{said}");
}

#[tokio::test]
async fn no_outcome_holds_a_secret_however_a_channel_fails() {
    // A receiver that says back all that it got is the worst there can be.
    for kind in KINDS {
        // A good status with such a body is a lie to those who read it, so its words are kept, too.
        let lie = Then::Echo(200);
        for thing in
            [lie, Then::Echo(400), Then::Echo(404), Then::Echo(429), Then::Echo(503), Then::Reset, Then::Silence]
        {
            let timeout = if matches!(thing, Then::Silence) { "100ms" } else { "20s" };
            let may_be_taken = matches!(thing, Then::Echo(200));
            let (base, served) = receiver(vec![thing]).await;
            let sender = sender(&format!("{}\ntimeout = \"{timeout}\"", kind.replace("BASE", &base)));
            let outcome = sender.deliver(&delivery(firing())).await;
            assert!(may_be_taken || outcome != Outcome::Delivered, "{kind}");
            check(kind, &format!("{outcome:?} {sender:?}"));
            drop(served);
        }
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let base = format!("http://{}", listener.local_addr().unwrap());
        drop(listener);
        let outcome = sender(&kind.replace("BASE", &base)).deliver(&delivery(firing())).await;
        check(kind, &format!("{outcome:?}"));
    }
}

#[test]
fn no_debug_output_of_a_configuration_holds_a_secret() {
    for kind in KINDS {
        let text = format!("[[channel]]\nname = \"ops\"\n{}\n", kind.replace("BASE", "https://receiver.example"));
        let loaded = Config::parse(&text, "test.toml", Path::new(""), &BTreeMap::new()).unwrap();
        check(kind, &format!("{:?} {:#?} {:?}", loaded.config, loaded.config, loaded.warnings));
    }
}
