//! Secrets: from a file, from the environment, or (with a warning) as text.

use super::attachments::Attachments;
use crate::config::raw::field::Field;
use crate::config::raw::section::Section;

/// The secret at `key`, or in the file at `key_file`; the table's own before the inherited one.
pub(crate) fn secret<'t>(
    section: &mut Section<'t>,
    key: &'static str,
    key_file: &'static str,
    attachments: &Attachments,
) -> Option<(Field<'t>, Vec<u8>)> {
    let (text, file) = text_or_file(section, key, key_file)?;
    let field = text.or(file.clone())?;
    let bytes = if file.is_some() { from_file(&field, attachments)? } else { from_text(&field)? };
    Some((field, bytes))
}

/// Several secrets: a list at `key`, or a file at `key_file` with one in each line.
pub(crate) fn secrets<'t>(
    section: &mut Section<'t>,
    key: &'static str,
    key_file: &'static str,
    attachments: &Attachments,
) -> Vec<(Field<'t>, Vec<u8>)> {
    let Some((text, file)) = text_or_file(section, key, key_file) else { return Vec::new() };
    if let Some(file) = file {
        let lines = from_file(&file, attachments).unwrap_or_default();
        let lines = lines.split(|byte| *byte == b'\n').map(<[u8]>::trim_ascii).filter(|line| !line.is_empty());
        return lines.map(|line| (file.clone(), line.to_vec())).collect();
    }
    let elements = text.iter().flat_map(Field::elements);
    elements.filter_map(|element| from_text(&element).map(|bytes| (element, bytes))).collect()
}

type TextOrFile<'t> = (Option<Field<'t>>, Option<Field<'t>>);

fn text_or_file<'t>(section: &mut Section<'t>, key: &'static str, key_file: &'static str) -> Option<TextOrFile<'t>> {
    let own = (section.take_own(key), section.take_own(key_file));
    match own {
        (Some(_), Some(file)) => {
            file.fail(&format!("both `{key}` and `{key_file}` are given"), "Remove one of them");
            None
        }
        (None, None) => {
            let text = section.take(key);
            let file = if text.is_none() { section.take(key_file) } else { None };
            Some((text, file))
        }
        one => Some(one),
    }
}

fn from_file(field: &Field<'_>, attachments: &Attachments) -> Option<Vec<u8>> {
    let content = attachments.read(field)?;
    let secret = content.trim_ascii_end();
    if secret.is_empty() {
        field.fail(&format!("the file {} is empty", field.shown()), "");
        return None;
    }
    Some(secret.to_vec())
}

fn from_text(field: &Field<'_>) -> Option<Vec<u8>> {
    let text = field.filled_text()?;
    if !field.is_from_environment() {
        let detail = "a secret stands in the file as text";
        field.warn(detail, "Use the key with `_file` at its end, or a variable: \"${NAME}\"");
    }
    Some(text.as_bytes().to_vec())
}
