//! Included files, secrets and certificates.

use std::fs;

use super::*;

fn folder(files: &[(&str, &str)]) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    for (name, text) in files {
        let path = folder.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }
    folder
}

fn load(folder: &tempfile::TempDir) -> Result<Loaded, String> {
    let shortened = |text: String| text.replace(&format!("{}/", folder.path().display()), "");
    Config::load(&folder.path().join("main.toml"), &Environment::new())
        .map_err(|problems| shortened(problems.to_string()))
}

#[track_caller]
fn told(folder: &tempfile::TempDir, expected: &[&str]) {
    let told = load(folder).unwrap_err();
    assert_eq!(told.lines().collect::<Vec<_>>(), expected);
}

fn target(name: &str) -> String {
    format!("[[target]]\nname = \"{name}\"\nendpoint = \"a:1\"\n")
}

#[test]
fn included_files_are_read_in_the_order_of_their_names_and_never_twice() {
    let folder = folder(&[
        ("main.toml", "include = [\"*.toml\", \"targets/*.toml\", \"targets/a.toml\"]\n[defaults]\ninterval = \"3s\""),
        ("targets/b.toml", &target("b")),
        ("targets/a.toml", &target("a")),
        ("targets/.a.toml.swp", "not read"),
        ("targets/a.toml~", "not read"),
    ]);
    let loaded = load(&folder).unwrap();
    assert_eq!(loaded.config.targets.keys().map(AsRef::as_ref).collect::<Vec<_>>(), ["a", "b"]);
    assert_eq!(loaded.config.targets["a"].interval.as_secs(), 3);
    let files: Vec<_> = loaded.files.iter().map(|path| path.strip_prefix(folder.path()).unwrap().to_owned()).collect();
    assert_eq!(files, ["main.toml", "targets/a.toml", "targets/b.toml"].map(PathBuf::from));
    assert_eq!(loaded.folders, [folder.path().to_owned(), folder.path().join("targets")]);
}

#[test]
fn a_mistake_in_one_file_does_not_hide_those_in_the_others() {
    let folder = folder(&[
        ("main.toml", "include = [\"a.toml\", \"b.toml\", \"gone.toml\", \"*/x.toml\"]\n[nod]\n"),
        ("a.toml", "[[target]\nname = 1"),
        (
            "b.toml",
            "include = [\"c.toml\"]\n[http]\n[[target]]\nname = \"b\"\nendpoint = \"a:1\"\nfoo = 1\nalert = { channels = [\"unknown, but a.toml may have it\"] }",
        ),
    ]);
    told(
        &folder,
        &[
            "main.toml:1:32: `include[2]`: the file `gone.toml` cannot be read: there is no such file",
            "main.toml:1:45: `include[3]`: `*` and `?` may stand only in the last part of a path. Name each folder",
            "main.toml:2:2: `nod`: this key is not known. Did you mean `node`?",
            "a.toml:1:10: this is not TOML: unclosed array table, expected `]`",
            "b.toml:1:11: `include`: this belongs in the main file. An included file holds [[target]] and [[channel]]",
            "b.toml:2:1: `http`: this belongs in the main file. An included file holds [[target]] and [[channel]]",
            "b.toml:6:1: `target[0].foo`: this key is not known. The keys here are: alert, breaker, depends_on, endpoint, failure_threshold, failure_type, failure_window, group, interval, maintenance, name, probe, slo, status_page, success_threshold, timeout",
        ],
    );
}

#[test]
fn what_the_main_file_includes_is_read_even_where_its_syntax_is_wrong() {
    let folder = folder(&[("main.toml", "include = [\"a.toml\"]\n[node\n"), ("a.toml", "[[target]]\nname = \"a\"\n")]);
    told(
        &folder,
        &[
            "main.toml:2:6: this is not TOML: unclosed table, expected `]`",
            r#"a.toml:1:1: `target[0]`: `endpoint` is missing. Write endpoint = "https://api.example.com" or "host:port""#,
        ],
    );
}

#[test]
fn a_name_in_two_files_is_told_with_both_places() {
    let folder = folder(&[("main.toml", "include = [\"a.toml\"]\n"), ("a.toml", &format!("{0}{0}", target("x")))]);
    told(
        &folder,
        &[
            "a.toml:5:8: `target[1].name`: `x` is already the name of `target[0].name` (a.toml:2:8). A name is given once",
        ],
    );
}

#[test]
fn a_main_file_that_is_missing_or_no_text_is_told() {
    let empty = folder(&[]);
    told(
        &empty,
        &["main.toml: the configuration cannot be read: there is no such file. Name another file with --config"],
    );
    fs::write(empty.path().join("main.toml"), b"[node]\nname = \"\xff\"").unwrap();
    told(
        &empty,
        &["main.toml: the configuration cannot be read: line 2 is not UTF-8 text. Name another file with --config"],
    );
}

#[test]
fn secrets_come_from_files_beside_the_one_that_names_them() {
    let folder = folder(&[
        ("main.toml", "include = [\"more/channels.toml\"]\n"),
        (
            "more/channels.toml",
            "[[channel]]\nname = \"ops\"\nkind = \"webhook\"\nurl = \"https://a/b\"\nsecret_file = \"new.key\"\nsecrets_file = \"old.keys\"\n",
        ),
        ("more/new.key", "0123456789abcdef\n"),
        ("more/old.keys", "whsec_MDEyMzQ1Njc4OWFiY2RlZg==\n\nfedcba9876543210\r\n"),
    ]);
    let loaded = load(&folder).unwrap();
    assert_eq!(loaded.warnings, []);
    let super::super::ChannelKind::Webhook(webhook) = &loaded.config.channels["ops"].kind else {
        panic!("it is a webhook")
    };
    let secrets: Vec<&[u8]> = webhook.secrets.iter().map(super::super::Secret::expose).collect();
    assert_eq!(secrets, [b"0123456789abcdef".as_slice(), b"0123456789abcdef", b"fedcba9876543210"]);
    assert_eq!(loaded.files.len(), 4);
}

#[test]
fn certificates_are_checked_and_a_key_of_another_certificate_is_refused() {
    let ours = rcgen::generate_simple_self_signed(["client".to_owned()]).unwrap();
    let other = rcgen::generate_simple_self_signed(["other".to_owned()]).unwrap();
    let text = |key: &str| {
        let tls = format!("tls = {{ ca_file = \"ca.pem\", cert_file = \"ca.pem\", key_file = \"{key}\" }}");
        format!("[[target]]\nname = \"a\"\nendpoint = \"https://a\"\n[target.probe]\n{tls}\n")
    };
    let folder = folder(&[
        ("main.toml", &text("our.key")),
        ("ca.pem", &ours.cert.pem()),
        ("our.key", &ours.signing_key.serialize_pem()),
        ("other.key", &other.signing_key.serialize_pem()),
    ]);
    let config = load(&folder).unwrap().config;
    let Probe::Http(probe) = &config.targets["a"].probe else { panic!("it is an http probe") };
    assert!(probe.tls.ca_pem.is_some() && probe.tls.identity_pem.is_some());
    fs::write(folder.path().join("main.toml"), text("other.key")).unwrap();
    told(
        &folder,
        &[
            "main.toml:5:41: `target[0].probe.tls.cert_file`: the file `ca.pem` cannot be used: the key in `key_file` belongs to another certificate",
        ],
    );
}
