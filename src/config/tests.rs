//! The configuration as a user meets it: files in, sentences or a configuration out.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use super::probe::{Auth, Connection, HttpVersion, Probe};
use super::{Config, Loaded, Scope, change};
use crate::domain::alert::{Condition, Conditions, Severity};
use crate::domain::breaker::Window;

mod environment;
mod example_files;
mod files;
mod invalid;
mod reload;
mod show;
mod valid;

type Environment = BTreeMap<String, String>;

fn environment(variables: &[(&str, &str)]) -> Environment {
    variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

fn project() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

#[track_caller]
fn parsed(text: &str) -> Loaded {
    parsed_with(text, &[])
}

#[track_caller]
fn parsed_with(text: &str, variables: &[(&str, &str)]) -> Loaded {
    match Config::parse(text, "test.toml", Path::new(""), &environment(variables)) {
        Ok(loaded) => loaded,
        Err(problems) => panic!("it should be right:\n{problems}"),
    }
}

#[track_caller]
fn problems(text: &str, variables: &[(&str, &str)]) -> String {
    match Config::parse(text, "test.toml", Path::new(""), &environment(variables)) {
        Ok(_) => panic!("it should be wrong"),
        Err(problems) => problems.to_string(),
    }
}
