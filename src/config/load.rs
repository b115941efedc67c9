//! From a file's name, or a text, to a whole configuration.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::env;
use super::error::{Problem, Problems};
use super::model::Config;
use super::raw::files::{self, Documents};
use super::raw::section::Reading;
use super::validate::attachments::Attachments;
use super::validate::whole;

/// A configuration and what was found while reading it.
#[derive(Debug, Clone)]
pub struct Loaded {
    /// The configuration.
    pub config: Config,
    /// What is allowed and probably not meant, by place.
    pub warnings: Vec<Problem>,
    /// Every file that was read: the main one, what it includes, secrets and certificates.
    pub files: Vec<PathBuf>,
    /// The folders of `include`'s patterns: a new file in one of them may belong to the configuration.
    pub folders: Vec<PathBuf>,
}

impl Config {
    /// Reads a file and what it includes. `environment` is for `${VAR}` and for `BREAKWATER_SECTION__KEY`.
    ///
    /// # Errors
    /// Everything that is wrong.
    pub fn load(path: &Path, environment: &BTreeMap<String, String>) -> Result<Loaded, Problems> {
        let file_name = path.display().to_string();
        let text = files::read(path).map_err(|reason| Problems::new(vec![unreadable(&file_name, &reason)], 0))?;
        let folder = path.parent().unwrap_or(Path::new(""));
        let mut loaded = Self::parse(&text, &file_name, folder, environment)?;
        loaded.files.insert(0, path.to_owned());
        Ok(loaded)
    }

    /// Reads a text as the file `file_name` in `folder`, which relative paths (but `node.data_dir`) are relative to.
    ///
    /// # Errors
    /// Everything that is wrong.
    pub fn parse(
        text: &str,
        file_name: &str,
        folder: &Path,
        environment: &BTreeMap<String, String>,
    ) -> Result<Loaded, Problems> {
        let documents = files::documents(text.to_owned(), file_name, folder, environment);
        let Documents { mut sources, findings, mut tables, incomplete, mut files, folders } = documents;
        if !incomplete {
            env::override_keys(&mut tables, environment, &mut sources, &findings);
        }
        let reading = Reading::new(sources, findings);
        let attachments = Attachments::default();
        let config = whole::config(&reading, &tables, &attachments, incomplete);
        let Reading { sources, findings, .. } = reading;
        let (problems, warnings) = findings.resolve(&sources);
        if !problems.is_empty() {
            return Err(problems);
        }
        let warnings = warnings.into_listed();
        files.extend(attachments.into_paths());
        Ok(Loaded { config, warnings, files, folders: folders.into_iter().collect() })
    }
}

fn unreadable(file_name: &str, reason: &str) -> Problem {
    Problem {
        file: file_name.to_owned(),
        line: None,
        column: None,
        key: String::new(),
        detail: format!("the configuration cannot be read: {reason}"),
        hint: "Name another file with --config".to_owned(),
    }
}
