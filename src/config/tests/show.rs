//! The configuration as it is shown.

use super::valid::{VARIABLES, everything};
use super::*;

/// With something in the place of each secret: whatever its key takes.
fn with_secrets_of_ones_own(shown: &str) -> String {
    let line = |line: &str| {
        let key = line.split(" = ").next().unwrap_or_default();
        match key {
            "url" if line.ends_with("\"<secret>\"") => "url = \"https://somewhere.example/x\"".to_owned(),
            "template" => line.replace("\"<secret>\"", r#"'{"text": {{ title }}}'"#),
            "command" => line.replace("<secret>", "--loud"),
            _ => line.replace("?<secret>", "?x").replace("<secret>", "0123456789abcdef"),
        }
    };
    shown.lines().map(line).collect::<Vec<_>>().join("\n")
}

/// What every `Debug` shows but the length of what is not shown.
fn without_lengths(config: &Config) -> String {
    let shown = format!("{config:#?}");
    shown.lines().filter(|line| !line.contains("_bytes: ")).collect::<Vec<_>>().join("\n")
}

/// What is shown is a configuration, and the same one.
#[track_caller]
fn is_read_back(config: &Config) {
    let shown = with_secrets_of_ones_own(&config.show());
    let read = match Config::parse(&shown, "shown.toml", Path::new(""), &Environment::new()) {
        Ok(loaded) => loaded.config,
        Err(problems) => panic!("it should be right:\n{problems}\n{shown}"),
    };
    let (read_lines, lines) = (without_lengths(&read), without_lengths(config));
    let differs = read_lines.lines().zip(lines.lines()).find(|(read, written)| read != written);
    assert_eq!((differs, read_lines.len()), (None, lines.len()));
    assert_eq!(read.show(), config.show());
}

#[test]
fn a_configuration_is_shown_with_every_key() {
    insta::assert_snapshot!(everything().config.show());
}

#[test]
fn what_is_shown_is_read_as_the_same_configuration() {
    is_read_back(&everything().config);
    is_read_back(&parsed("").config);
    is_read_back(&parsed("[[channel]]\nname = \"a\"\nkind = \"webhook\"\nurl = \"https://a.example\"\n").config);
    is_read_back(&parsed("[[target]]\nname = \"a\"\nendpoint = \"a:1\"\nprobe = { tls = true }\n").config);
    for profile in ["default", "resilience4j", "envoy", "pg-resilience"] {
        let text =
            format!("[defaults.breaker]\nprofile = \"{profile}\"\n[[target]]\nname = \"a\"\nendpoint = \"a:1\"\n");
        is_read_back(&parsed(&text).config);
    }
}

#[test]
fn no_secret_is_shown_and_no_part_of_one() {
    let shown = everything().config.show();
    for (_, secret) in VARIABLES {
        assert!(!shown.contains(secret), "{shown}");
    }
    // In the query of a probe, a header's second value, and the paths and names of services that let one in.
    for secret in ["hunter2", "deep=1", "second", "/base", "T0/B0", "hooks.example", "--loud"] {
        assert!(!shown.contains(secret), "{secret}: {shown}");
    }
}

#[test]
fn a_file_that_was_read_is_not_named_and_not_shown() {
    let folder = tempfile::tempdir().expect("a folder can be made");
    let made = rcgen::generate_simple_self_signed(["a.example".to_owned()]).expect("a certificate can be made");
    let (certificate, key) = (made.cert.pem(), made.signing_key.serialize_pem());
    std::fs::write(folder.path().join("ca.pem"), &certificate).expect("it can be written");
    std::fs::write(folder.path().join("key.pem"), &key).expect("it can be written");
    let text = "[[target]]\nname = \"a\"\nendpoint = \"https://a\"\n[target.probe]\n\
                tls = { ca_file = \"ca.pem\", cert_file = \"ca.pem\", key_file = \"key.pem\" }\n";
    let loaded = Config::parse(text, "test.toml", folder.path(), &Environment::new()).expect("it is right");
    let shown = loaded.config.show();
    let line = "tls = { ca_file = \"<file>\", cert_file = \"<file>\", key_file = \"<secret>\" }";
    assert!(shown.lines().any(|shown| shown == line), "{shown}");
}
