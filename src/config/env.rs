//! The environment in the configuration: `${VAR}` inside strings, and variables that override keys.
//!
//! `$${` stands for `${`. A variable `BREAKWATER_HTTP__LISTEN` overrides the key `http.listen`: two underscores are
//! the dot, and a target or a channel is named by its name (`BREAKWATER_CHANNEL__OPS__SECRET`). Names without two
//! underscores, such as `BREAKWATER_CONFIG`, are none of ours. The environment is an argument; nothing here reads the
//! process's own.

use std::collections::BTreeMap;

use super::raw::findings::Findings;
use super::raw::source::{Place, Source, Sources};
use super::raw::tree::{Entry, Kind, Table, Text, Value};

const PREFIX: &str = "BREAKWATER_";

/// A text in which a variable could not be put.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Error {
    /// The variable is not set.
    #[error("the environment variable `{0}` is not set")]
    Unset(String),
    /// `${` without `}`.
    #[error("`${{` is never closed with `}}`")]
    Unclosed,
    /// `${}` or a name that no shell can set.
    #[error("`${{{0}}}` names no environment variable: letters, digits and `_`")]
    Nameless(String),
}

/// Puts variables in. `None` if there is nothing to put in, so that the text may be used as it is.
pub(crate) fn interpolate(text: &str, environment: &BTreeMap<String, String>) -> Result<Option<String>, Error> {
    if !text.contains("${") {
        return Ok(None);
    }
    let mut whole = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(start) = rest.find("${") {
        let (before, from_mark) = rest.split_at(start);
        let after = &from_mark[2..];
        if let Some(escaped) = before.strip_suffix('$') {
            whole.push_str(escaped);
            whole.push_str("${");
            rest = after;
            continue;
        }
        whole.push_str(before);
        let (name, remainder) = after.split_once('}').ok_or(Error::Unclosed)?;
        if !is_variable_name(name) {
            return Err(Error::Nameless(name.to_owned()));
        }
        whole.push_str(environment.get(name).ok_or_else(|| Error::Unset(name.to_owned()))?);
        rest = remainder;
    }
    whole.push_str(rest);
    Ok(Some(whole))
}

fn is_variable_name(name: &str) -> bool {
    name.chars().all(|letter| letter.is_ascii_alphanumeric() || letter == '_')
        && name.chars().next().is_some_and(|first| !first.is_ascii_digit())
}

/// Puts the variables that override keys into the documents, the main one first.
pub(crate) fn override_keys(
    documents: &mut [Table],
    environment: &BTreeMap<String, String>,
    sources: &mut Sources,
    findings: &Findings,
) {
    for (name, text) in environment {
        let Some(path) = name.strip_prefix(PREFIX).filter(|path| path.contains("__")) else { continue };
        let folder = sources.folder(Place::new(0, 0)).to_owned();
        let place = Place::new(sources.add(Source::Variable { name: name.clone(), folder }), 0);
        let path = path.to_lowercase();
        let keys: Vec<&str> = path.split("__").collect();
        if let Err(Refused { detail, hint }) = override_key(documents, &keys, text, place) {
            findings.problem(place, &keys.join("."), &detail, hint);
        }
    }
}

struct Refused {
    detail: String,
    hint: &'static str,
}

fn override_key(documents: &mut [Table], keys: &[&str], text: &str, place: Place) -> Result<(), Refused> {
    if let [list @ ("target" | "channel"), name, rest @ ..] = keys {
        let element = documents.iter_mut().find_map(|document| named_element(document, list, name));
        let Some(element) = element else {
            return Err(Refused {
                detail: format!("no {list} has the name `{name}`"),
                hint: "Capitals do not count, and every sign but letters and digits is written as `_`",
            });
        };
        return set(element, rest, text, place);
    }
    match documents.first_mut() {
        Some(main) => set(main, keys, text, place),
        None => Ok(()),
    }
}

fn named_element<'t>(document: &'t mut Table, list: &str, wanted: &str) -> Option<&'t mut Table> {
    let Kind::Array(elements) = &mut document.get_mut(list)?.value.kind else { return None };
    elements.iter_mut().find_map(|element| match &mut element.kind {
        Kind::Table(table) if table.name().is_some_and(|name| as_in_variables(name) == wanted) => Some(table),
        Kind::Table(_)
        | Kind::Text(_)
        | Kind::Integer(_)
        | Kind::Float(_)
        | Kind::Boolean(_)
        | Kind::Datetime(_)
        | Kind::Array(_)
        | Kind::Broken => None,
    })
}

fn as_in_variables(name: &str) -> String {
    name.chars().map(|letter| if letter.is_alphanumeric() { letter } else { '_' }).collect::<String>().to_lowercase()
}

fn set(table: &mut Table, keys: &[&str], text: &str, place: Place) -> Result<(), Refused> {
    let whole_table = || Refused {
        detail: "a variable sets one value, and this names a table".to_owned(),
        hint: "Name one of its keys, with two underscores before it",
    };
    let (first, rest) = keys.split_first().ok_or_else(whole_table)?;
    if rest.is_empty() {
        if table.get(first).is_some_and(|entry| entry.value.is_table_or_tables()) {
            return Err(whole_table());
        }
        table.entries.retain(|entry| *entry.key != **first);
        table.entries.push(of_variable(first, Kind::Text(Text::of_variable(text, place)), place));
        return Ok(());
    }
    if table.get(first).is_none() {
        table.entries.push(of_variable(first, Kind::Table(Table { at: place, entries: Vec::new() }), place));
    }
    let Some(entry) = table.get_mut(first) else { return Ok(()) };
    let Kind::Table(inner) = &mut entry.value.kind else {
        return Err(Refused { detail: format!("`{first}` is not a table"), hint: "" });
    };
    set(inner, rest, text, place)
}

fn of_variable(key: &str, kind: Kind, place: Place) -> Entry {
    Entry { key: key.into(), key_at: place, value: Value { at: place, kind } }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn environment() -> BTreeMap<String, String> {
        [("HOST", "example.com"), ("EMPTY", "")].map(|(name, value)| (name.to_owned(), value.to_owned())).into()
    }

    #[test]
    fn variables_are_put_in_and_dollar_dollar_brace_is_a_brace() {
        let put = |text| interpolate(text, &environment());
        assert_eq!(put("plain $HOST"), Ok(None));
        assert_eq!(put("http://${HOST}/${EMPTY}x").as_ref().map(Option::as_deref), Ok(Some("http://example.com/x")));
        assert_eq!(put("$${HOST} ${HOST}").as_ref().map(Option::as_deref), Ok(Some("${HOST} example.com")));
    }

    #[test]
    fn a_variable_that_is_not_set_or_not_named_is_refused() {
        let refused = |text| interpolate(text, &environment()).err().map(|error| error.to_string());
        assert_eq!(refused("${GONE}").as_deref(), Some("the environment variable `GONE` is not set"));
        assert_eq!(refused("${HOST").as_deref(), Some("`${` is never closed with `}`"));
        assert_eq!(
            refused("${a-b}").as_deref(),
            Some("`${a-b}` names no environment variable: letters, digits and `_`")
        );
        assert_eq!(refused("${}").as_deref(), Some("`${}` names no environment variable: letters, digits and `_`"));
    }
}
