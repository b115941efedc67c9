//! A template and what becomes of it.

use std::io::{self, Write};
use std::sync::Arc;

use minijinja::{AutoEscape, Environment, Error as Jinja, ErrorKind, Output, State, UndefinedBehavior, Value};

use super::context::Context;
use super::escape::Escaping;

/// Steps of a template's virtual machine; ours of a few lines need under a hundred. One more ends the rendering.
const FUEL: u64 = 50_000;
/// A rendered message in bytes; a longer one ends the rendering. No receiver here takes more.
const MAX_BYTES: usize = 256 * 1024;

/// A template that renders every kind of message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Template {
    source: Arc<str>,
    escaping: Escaping,
}

/// Why a template gives no text.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// It is no template, or names what there is not, or takes too much.
    #[error("{0}")]
    Template(String),
    /// What comes out is no JSON.
    #[error("for a message of the kind {kind} it gives no JSON: {reason}")]
    NotJson {
        /// Which message.
        kind: String,
        /// The parser's words.
        reason: String,
    },
}

impl Template {
    /// Takes a template if it renders an example of every message.
    ///
    /// # Errors
    /// The first problem.
    pub fn new(source: &str, escaping: Escaping) -> Result<Self, Error> {
        let template = Self { source: source.into(), escaping };
        for example in Context::examples() {
            template.render(&example)?;
        }
        Ok(template)
    }

    /// As it is written.
    #[must_use]
    pub fn source(&self) -> &str {
        &self.source
    }

    /// The text of one message.
    ///
    /// # Errors
    /// The template takes too much, what it does with a value cannot be done with this message's, or what comes out is
    /// to be JSON and is none.
    pub fn render(&self, context: &Context<'_>) -> Result<String, Error> {
        let mut environment = Environment::new();
        environment.set_undefined_behavior(UndefinedBehavior::Strict);
        environment.set_fuel(Some(FUEL));
        let escaping = self.escaping;
        environment.set_auto_escape_callback(move |_| match escaping {
            Escaping::Plain => AutoEscape::None,
            Escaping::Json => AutoEscape::Json,
            Escaping::Mentions => AutoEscape::Custom("mentions"),
            Escaping::Slack => AutoEscape::Custom("slack"),
            Escaping::Markdown => AutoEscape::Custom("markdown"),
        });
        let links = context.links();
        environment.set_formatter(move |out, state, value| write_value(out, state, value, escaping, &links));
        let template = environment.template_from_str(&self.source).map_err(|error| in_words(&error))?;
        let mut rendered = Limited(Vec::new());
        template.render_captured_to(context, &mut rendered).map_err(|error| in_words(&error))?;
        let rendered = String::from_utf8_lossy(&rendered.0).into_owned();
        if escaping == Escaping::Json
            && let Err(error) = serde_json::from_str::<serde::de::IgnoredAny>(&rendered)
        {
            return Err(Error::NotJson { kind: context.kind.to_owned(), reason: error.to_string() });
        }
        Ok(rendered)
    }
}

/// What there is none of is not written, but in JSON, where it is `null`. Of our own links Markdown takes every sign as it
/// is, and a backslash in one would lead somewhere else.
fn write_value(
    out: &mut Output<'_>,
    state: &State<'_, '_>,
    value: &Value,
    escaping: Escaping,
    links: &[String],
) -> Result<(), Jinja> {
    match escaping {
        Escaping::Json => minijinja::escape_formatter(out, state, value),
        Escaping::Plain | Escaping::Mentions | Escaping::Slack | Escaping::Markdown => {
            if value.is_none() {
                return Ok(());
            }
            let text = value.to_string();
            let is_link = escaping == Escaping::Markdown && links.contains(&text);
            let as_it_is = value.is_safe() || is_link;
            let written = if as_it_is { out.write_str(&text) } else { out.write_str(&escaping.escape(&text)) };
            Ok(written?)
        }
    }
}

fn in_words(error: &Jinja) -> Error {
    let too_long = std::error::Error::source(error).filter(|_| error.kind() == ErrorKind::WriteFailure);
    let what = match (too_long, error.detail()) {
        (Some(too_long), _) => too_long.to_string(),
        (None, Some(detail)) => format!("{}: {detail}", error.kind()),
        (None, None) => error.kind().to_string(),
    };
    Error::Template(match error.line() {
        Some(line) => format!("line {line} of it: {what}"),
        None => what,
    })
}

/// Bytes up to the limit.
struct Limited(Vec<u8>);

impl Write for Limited {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.0.len() + bytes.len() > MAX_BYTES {
            return Err(io::Error::other("the text is longer than 256 KiB"));
        }
        self.0.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn firing() -> Context<'static> {
        Context::examples().into_iter().find(|example| example.kind == "firing").unwrap()
    }

    #[track_caller]
    fn check(source: &str, escaping: Escaping, expected: &str) {
        assert_eq!(Template::new(source, escaping).unwrap().render(&firing()).as_deref(), Ok(expected));
    }

    #[test]
    fn values_are_escaped_for_where_they_go_and_the_templates_own_signs_are_not() {
        check("*{{ target }}* {{ severity | upper }}", Escaping::Markdown, "*PG\\_KCP* CRITICAL");
        check(
            "<{{ link }}> {{ cause }}",
            Escaping::Slack,
            "<https://breakwater.example/targets/PG_KCP> 3 probes in a row failed: \"503\" &lt;html&gt; &amp; 'more'",
        );
        check("{{ until }}{{ incident }}", Escaping::Plain, "7");
    }

    #[test]
    fn a_link_still_leads_where_it_should() {
        let link = "https://breakwater.example/targets/PG_KCP";
        check("{{ target }}: {{ link }}", Escaping::Markdown, &format!("PG\\_KCP: {link}"));
        let template = Template::new("{% for one in alerts %}{{ one.acknowledge }}{% endfor %}", Escaping::Markdown);
        let member =
            Context { acknowledge: Some("https://breakwater.example/alerts/7/acknowledge?token=a_b"), ..firing() };
        let group = Context { alerts: vec![member.clone()], ..firing() };
        assert_eq!(template.unwrap().render(&group).as_deref(), Ok(member.acknowledge.unwrap()));
    }

    #[test]
    fn a_json_body_quotes_its_texts_itself() {
        let template = Template::new(r#"{"t": {{ title }}, "u": {{ until }}, "n": {{ incident }}}"#, Escaping::Json);
        let body = template.unwrap().render(&firing()).unwrap();
        assert_eq!(body, r#"{"t": "PG_KCP is in trouble", "u": null, "n": 7}"#);
    }

    #[test]
    fn what_cannot_be_rendered_is_told_with_its_line() {
        for (source, escaping, told) in [
            ("a\n{{ targt }}", Escaping::Plain, "line 2 of it: undefined value"),
            (
                "{{ target",
                Escaping::Plain,
                "line 1 of it: syntax error: unexpected end of input, expected end of variable block",
            ),
            (
                "{\"a\": {{ target }}",
                Escaping::Json,
                "for a message of the kind reminder it gives no JSON: EOF while parsing an object at line 1 column 14",
            ),
            ("{% for a in range(100000) %}{% endfor %}", Escaping::Plain, "line 1 of it: engine ran out of fuel"),
        ] {
            assert_eq!(Template::new(source, escaping).unwrap_err().to_string(), told, "{source}");
        }
    }

    #[test]
    fn a_text_that_grows_too_long_is_cut_off_by_an_error() {
        let source = "{% for a in range(5000) %}{{ cause }}{{ cause }}{{ cause }}{% endfor %}";
        let error = Template::new(source, Escaping::Plain).unwrap_err();
        assert!(error.to_string().contains("the text is longer than 256 KiB"), "{error}");
    }

    #[test]
    fn a_template_may_name_a_line_that_every_message_has() {
        assert!(Template::new("{{ lines[0] }} {{ lines | last }}", Escaping::Plain).is_ok());
        assert!(Template::new("{{ lines[3] }}", Escaping::Plain).is_err(), "a test has three");
    }

    #[test]
    fn what_is_no_json_for_one_message_alone_is_no_text_for_it() {
        let template =
            Template::new("{% if target == 'PG_TOSS' %}oops{% else %}{}{% endif %}", Escaping::Json).unwrap();
        let unlucky = Context { target: "PG_TOSS", ..firing() };
        assert!(matches!(template.render(&unlucky), Err(Error::NotJson { .. })));
        assert_eq!(template.render(&firing()).as_deref(), Ok("{}"));
    }
}
