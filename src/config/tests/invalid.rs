//! `tests/data/invalid-*.toml`: each file says at its end what is to be told of it.

use proptest::prelude::*;

use super::*;

/// A file's own expectations: its lines after `# expect: `.
fn expected(text: &str) -> Vec<&str> {
    text.lines().filter_map(|line| line.strip_prefix("# expect: ")).collect()
}

#[test]
fn every_invalid_file_is_told_of_in_exactly_its_words() {
    let folder = project().join("tests/data");
    let mut names: Vec<String> = std::fs::read_dir(&folder)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter(|name| name.starts_with("invalid-") && name.ends_with(".toml"))
        .collect();
    names.sort();
    assert!(!names.is_empty());
    let mut surprises = String::new();
    for name in names {
        let text = std::fs::read_to_string(folder.join(&name)).unwrap();
        let problems = Config::parse(&text, &name, &folder, &environment(&[("TOKEN", "hunter2")])).unwrap_err();
        let told = problems.to_string();
        let told: Vec<&str> = told.lines().map(|line| line.strip_prefix(&format!("{name}:")).unwrap_or(line)).collect();
        if told != expected(&text) {
            surprises.push_str(&format!("--- {name} tells\n{}", commented(&told)));
        }
        assert!(!problems.to_string().contains("hunter2"), "{name} tells a secret");
    }
    assert!(surprises.is_empty(), "{surprises}");
}

fn commented(told: &[&str]) -> String {
    told.iter().map(|line| format!("# expect: {line}\n")).collect()
}

#[test]
fn a_file_with_five_mistakes_is_told_of_all_five_with_lines_keys_and_hints() {
    let text = std::fs::read_to_string(project().join("tests/data/invalid-five-mistakes.toml")).unwrap();
    let problems = Config::parse(&text, "five.toml", Path::new(""), &Environment::new()).unwrap_err();
    assert_eq!(problems.count(), 5);
    let places: Vec<_> =
        problems.as_slice().iter().map(|one| (one.file.as_str(), one.line, one.key.as_str())).collect();
    assert_eq!(
        places,
        [
            ("five.toml", Some(3), "node.nmae"),
            ("five.toml", Some(6), "http.listen"),
            ("five.toml", Some(11), "target[0].interval"),
            ("five.toml", Some(12), "target[0].failure_threshold"),
            ("five.toml", Some(15), "target[0].alert.channels[0]"),
        ]
    );
    assert!(problems.as_slice().iter().all(|one| !one.hint.is_empty()));
}

#[test]
fn more_targets_than_a_node_can_watch_are_refused_once() {
    let text: String =
        (0..20_002).map(|index| format!("[[target]]\nname = \"t{index}\"\nendpoint = \"a:1\"\n")).collect();
    assert_eq!(
        problems(&text, &[]),
        "test.toml:60001:1: `target[20000]`: more than 20000 targets. Let another node watch the rest"
    );
}

#[test]
fn a_default_that_is_wrong_is_told_once_however_many_inherit_it() {
    let targets: String =
        (0..50).map(|index| format!("[[target]]\nname = \"t{index}\"\nendpoint = \"a:1\"\n")).collect();
    let text = format!("[defaults]\ninterval = 10\n{targets}");
    assert_eq!(problems(&text, &[]).lines().count(), 1);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn a_damaged_file_is_told_of_within_its_lines_and_never_ends_the_program(
        at in 0.0_f64..1.0,
        removed in 0_usize..40,
        added in "[a-z\"'=\\[\\]{}.,$0-9\n가]{0,6}",
    ) {
        let text = include_str!("../../../tests/data/config-everything.toml");
        let letters: Vec<char> = text.chars().collect();
        let start = (letters.len() as f64 * at) as usize;
        let end = (start + removed).min(letters.len());
        let damaged: String = letters[..start].iter().copied().chain(added.chars()).chain(letters[end..].iter().copied()).collect();
        let lines = u32::try_from(damaged.lines().count()).unwrap() + 1;
        if let Err(problems) = Config::parse(&damaged, "damaged.toml", Path::new(""), &Environment::new()) {
            for problem in problems.as_slice() {
                prop_assert!(problem.line.is_some_and(|line| (1..=lines).contains(&line)), "{problem}");
            }
        }
    }
}
