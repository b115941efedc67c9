//! What was found while reading: problems and warnings with their places, each once.

use std::cell::RefCell;
use std::collections::BTreeSet;

use super::source::{Location, Place, Sources};
use crate::config::error::{MAX_PROBLEMS, Problem, Problems};

/// One finding.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Finding {
    place: Place,
    key: String,
    detail: String,
    hint: String,
}

/// Problems and warnings, collected by everybody who reads.
///
/// A default that ten thousand targets inherit is looked at ten thousand times, so a finding is kept once.
#[derive(Debug, Default)]
pub(crate) struct Findings {
    problems: RefCell<BTreeSet<Finding>>,
    warnings: RefCell<BTreeSet<Finding>>,
}

impl Findings {
    /// Something that is wrong at a place.
    pub(crate) fn problem(&self, place: Place, key: &str, detail: &str, hint: &str) {
        insert(&self.problems, place, key, detail, hint);
    }

    /// Something that is probably not meant.
    pub(crate) fn warning(&self, place: Place, key: &str, detail: &str, hint: &str) {
        insert(&self.warnings, place, key, detail, hint);
    }

    /// The problems and the warnings by place.
    pub(crate) fn resolve(self, sources: &Sources) -> (Problems, Problems) {
        (resolve(self.problems.into_inner(), sources), resolve(self.warnings.into_inner(), sources))
    }
}

fn insert(findings: &RefCell<BTreeSet<Finding>>, place: Place, key: &str, detail: &str, hint: &str) {
    let [key, detail, hint] = [key, detail, hint].map(str::to_owned);
    findings.borrow_mut().insert(Finding { place, key, detail, hint });
}

/// Lines are counted only for those that are listed: each count reads its file from the start.
fn resolve(findings: BTreeSet<Finding>, sources: &Sources) -> Problems {
    let unlisted = findings.len().saturating_sub(MAX_PROBLEMS);
    let listed = findings.into_iter().take(MAX_PROBLEMS).map(|Finding { place, key, detail, hint }| {
        let Location { file, line, column } = sources.locate(place);
        Problem { file, line, column, key, detail, hint }
    });
    Problems::new(listed.collect(), unlisted)
}
