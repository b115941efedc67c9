//! The files under `config/`, which are also the keys' description.

use super::*;
use crate::config::raw::section::Reading;
use crate::config::raw::{files, tree::Table};
use crate::config::validate::{attachments::Attachments, whole};

const VARIABLES: [(&str, &str); 10] = [
    ("OPS_WEBHOOK_SECRET", "0123456789abcdef"),
    ("OPS_WEBHOOK_OLD_SECRET", "fedcba9876543210"),
    ("WEATHER_API_KEY", "key"),
    ("SLACK_WEBHOOK_URL", "https://hooks.slack.com/services/T0/B0/x"),
    ("TELEGRAM_TOKEN", "1:token"),
    ("PAGERDUTY_ROUTING_KEY", "routing-key"),
    ("OPSGENIE_API_KEY", "api-key"),
    ("NTFY_TOPIC", "topic"),
    ("KAKAO_TOKEN", "token"),
    ("SMTP_PASSWORD", "password"),
];

fn toml_files(folder: &Path) -> Vec<PathBuf> {
    let entries = fs_entries(folder);
    entries.into_iter().filter(|path| path.extension().is_some_and(|extension| extension == "toml")).collect()
}

fn fs_entries(folder: &Path) -> Vec<PathBuf> {
    let mut paths: Vec<PathBuf> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    paths
}

/// What a user gets by removing the `#` of every key: prose has a space after it.
fn uncommented(text: &str) -> String {
    let keys = text.lines().map(|line| match line.strip_prefix('#') {
        Some(key) if !key.starts_with(' ') => key,
        Some(_) | None => line,
    });
    keys.collect::<Vec<_>>().join("\n")
}

#[test]
fn every_file_under_config_is_right_as_it_is() {
    for path in toml_files(&project().join("config")) {
        let loaded = Config::load(&path, &Environment::new());
        assert!(loaded.is_ok(), "{}", loaded.unwrap_err());
    }
}

#[test]
fn every_file_under_config_is_right_with_its_examples_in_use() {
    let config = project().join("config");
    for path in toml_files(&config).into_iter().chain(toml_files(&config.join("targets"))) {
        let text = uncommented(&std::fs::read_to_string(&path).unwrap());
        let loaded = Config::parse(&text, &path.display().to_string(), &config, &environment(&VARIABLES));
        assert!(loaded.is_ok(), "{}", loaded.unwrap_err());
    }
}

#[test]
fn the_main_file_watches_nothing_until_a_target_is_written() {
    let loaded = Config::load(&project().join("config/breakwater.toml"), &Environment::new()).unwrap();
    assert_eq!((loaded.config, loaded.warnings), (parsed("").config, Vec::new()));
}

#[test]
fn the_defaults_that_the_main_file_shows_are_the_defaults() {
    let text = std::fs::read_to_string(project().join("config/breakwater.toml")).unwrap();
    let (settings, _) = text.split_once("#[[channel]]").unwrap();
    let config = project().join("config");
    let shown = Config::parse(&uncommented(settings), "shown.toml", &config, &Environment::new()).unwrap();
    assert_eq!(shown.config, parsed("").config);
    let (_, breaker) = text.split_once("#[target.breaker]").unwrap();
    let (breaker, _) = breaker.split_once("#[target.alert]").unwrap();
    let target = "[[target]]\nname = \"a\"\nendpoint = \"a:1\"\n[target.breaker]\n";
    let shown = parsed(&format!("{target}{}", uncommented(breaker))).config;
    assert_eq!(shown.targets["a"].breaker, crate::domain::breaker::Policy::default());
    let guard = crate::domain::guard::Policy { rate_limit: None, ..shown.targets["a"].guard.clone() };
    assert_eq!(guard, crate::domain::guard::Policy::default());
}

#[test]
fn every_key_that_is_read_is_described_in_the_main_file() {
    let described = std::fs::read_to_string(project().join("config/breakwater.toml")).unwrap();
    let kinds = [
        "webhook",
        "alertmanager",
        "slack",
        "discord",
        "teams",
        "mattermost",
        "telegram",
        "pagerduty",
        "opsgenie",
        "ntfy",
        "kakaotalk",
        "email",
        "exec",
        "log",
    ];
    let channels: Vec<String> = kinds.iter().map(|kind| format!("{{ kind = \"{kind}\" }}")).collect();
    let text = format!(
        "defaults = {{ probe = {{ auth = {{ kind = \"KIND\" }} }} }}\nchannel = [{}]\n\
         target = [{{ name = \"a\", endpoint = \"https://a\", maintenance = [{{}}] }}]\n\
         proxy = {{ route = [{{ target = \"a\", operation = [{{ outcome = [{{}}] }}] }}, \
         {{ target = \"a\", fallback = {{ target = \"a\" }} }}] }}",
        channels.join(", ")
    );
    let mut asked = BTreeSet::new();
    for kind in ["basic", "bearer", "oauth2"] {
        let text = text.replace("KIND", kind);
        let documents = files::documents(text, "keys.toml", Path::new(""), &Environment::new());
        let reading = Reading::new(documents.sources, documents.findings);
        let tables: Vec<Table> = documents.tables;
        whole::config(&reading, &tables, &Attachments::default(), false);
        asked.extend(reading.asked.into_inner());
    }
    assert!(asked.len() > 100, "{asked:?}");
    let missing: Vec<&String> = asked.iter().filter(|key| !is_described(&described, key)).collect();
    assert!(missing.is_empty(), "config/breakwater.toml does not describe {missing:?}");
}

/// The key stands there as a whole word.
fn is_described(text: &str, key: &str) -> bool {
    let word = |letter: char| letter.is_ascii_alphanumeric() || letter == '_';
    text.match_indices(key).any(|(start, found)| {
        let before = text[..start].chars().next_back();
        let after = text[start + found.len()..].chars().next();
        !before.is_some_and(word) && !after.is_some_and(word)
    })
}

#[test]
fn the_channels_that_the_readme_shows_can_be_copied() {
    let readme = include_str!("../../../README.md");
    let blocks = readme.split("```toml\n").skip(1).filter_map(|rest| rest.split("```").next());
    let shown: Vec<&str> = blocks.filter(|block| block.contains("[alerting]")).collect();
    assert_eq!(shown.len(), 1);
    let loaded = parsed_with(shown[0], &VARIABLES);
    let kinds: Vec<_> = loaded.config.channels.values().map(|channel| channel.kind.as_str()).collect();
    assert_eq!(kinds, ["alertmanager", "slack", "log", "email"]);
    assert_eq!(loaded.warnings, []);
}

#[test]
fn the_demo_watches_three_targets_and_tells_a_signed_webhook_and_the_log() {
    let text = include_str!("../../../config/demo.toml");
    let loaded = Config::parse(text, "demo.toml", Path::new(""), &Environment::new()).unwrap();
    let Config { node, http, targets, channels, .. } = loaded.config;
    assert_eq!((&*node.name, node.data_dir.as_path()), ("demo", Path::new("data/demo")));
    assert_eq!(http.listen.to_string(), "127.0.0.1:8080");
    let kinds: Vec<_> = targets.iter().map(|(name, target)| (name.as_ref(), target.probe.kind())).collect();
    assert_eq!(kinds, [("PG_KCP", "http"), ("PG_SOCKET", "tcp"), ("WEATHER_API", "http")]);
    let kinds: Vec<_> = channels.iter().map(|(name, channel)| (name.as_ref(), channel.kind.as_str())).collect();
    assert_eq!(kinds, [("log", "log"), ("ops", "webhook")]);
}
