//! Several messages that leave as one: a heading, and a line for each.

use std::borrow::Cow;
use std::collections::BTreeSet;

use super::quote::{LETTERS, Measure, cut_to, one_line, size};
use super::told::{Content, Kind, TARGET_MAX, Teller, Told, id_of, key, to_the_second};
use super::words::{self, About, Fact};
use crate::config::Language;
use crate::domain::alert::Severity;
use crate::domain::delivery::{Delivery, Group, Of};
use crate::domain::ending::Unrecovered;

/// Lines for people; of more only the number is told. Twenty are read, and every channel takes as many.
const LINES_MAX: usize = 20;
/// A cause longer than this is cut in such a line.
const CAUSE_MAX: usize = 120;
/// Letters of the group's name in its key.
const NAME_MAX: usize = 100;
/// What stands for the name of a group of everything.
const EVERYTHING: &str = "everything";

/// What is told together.
#[derive(Debug, Clone)]
pub(super) struct Grouped<'a> {
    pub(super) of: Of,
    /// What they are grouped by, in words; empty for everything.
    pub(super) name: &'a str,
    /// How many there are.
    pub(super) count: u32,
    /// The first of them, as many as are stored with the group.
    pub(super) members: Vec<Told<'a>>,
    /// What the rest is counted in, where not all of them have room.
    language: Language,
}

impl Teller {
    /// A group in its parts. Its severity is the worst of it, it began with the first and is over with the last.
    pub(super) fn tell_together<'a>(&'a self, id: String, delivery: &'a Delivery, group: &'a Group) -> Told<'a> {
        let Group { of, name, count, messages, members: ids } = group;
        let (at, correlation) = (delivery.queued_at, &*delivery.correlation.0);
        let told = messages.iter().zip(ids).filter_map(|(message, id)| {
            let content = Content::of(message).ok()?;
            Some(self.put(id_of(*id, at), at, correlation, content, None))
        });
        let members: Vec<Told<'a>> = told.collect();
        let kind = match of {
            Of::Trouble => Kind::Firing,
            Of::Ends => Kind::Resolved,
            Of::Reports => Kind::Recorded,
        };
        let since = members.iter().map(|member| member.since).min().unwrap_or(at);
        let named = if name.is_empty() { EVERYTHING } else { name };
        let content = Content {
            kind,
            key: key(&one_line(named, NAME_MAX), &format!("group-{}", delivery.id), at),
            target: named,
            severity: members.iter().map(|member| member.severity).min().unwrap_or(Severity::Warning),
            cause: Cow::Owned(members.first().map(|first| first.cause.clone()).unwrap_or_default()),
            since,
            until: members.iter().filter_map(|member| member.until).max(),
            incident: None,
            history: None,
            failure_type: None,
            acknowledge: None,
        };
        let mut whole = self.put(id, at, correlation, content, None);
        let recovered = members.iter().all(|member| Unrecovered::of(&member.cause).is_none());
        let heads = heads(*of, *count, &members);
        whole.title = words::group_title(self.language, *of, &one_line(name, TARGET_MAX), heads, recovered);
        whole.facts = members.iter().take(LINES_MAX).map(|member| self.line(member)).collect();
        let more = u64::from(*count).saturating_sub(whole.facts.len() as u64);
        if more > 0 {
            whole.facts.push(words::more(self.language, more));
        }
        whole.link = self.external_url.as_ref().map(|base| format!("{base}/"));
        whole.group = Some(Box::new(Grouped { of: *of, name, count: *count, members, language: self.language }));
        whole.custom = self.template.as_ref().and_then(|template| self.custom(template, &whole));
        whole
    }

    fn line(&self, member: &Told<'_>) -> Fact {
        let about = About {
            kind: member.kind,
            target: &one_line(member.target, TARGET_MAX),
            channel: &self.channel,
            node: &self.node,
            cause: &one_line(&member.short_cause, CAUSE_MAX),
            severity: member.severity,
            since: to_the_second(member.since),
            until: member.until.map(to_the_second),
            lasted: None,
            incident: member.incident,
            history: member.history,
            failure_type: member.failure_type,
            unrecovered: None,
        };
        words::member(self.language, &about)
    }
}

impl Told<'_> {
    /// The further lines as one text of at most `limit`. Of a group, as many lines as have room are told whole, and how
    /// many more there are; any other text is cut.
    pub(super) fn text_within(&self, limit: usize, measure: Measure) -> String {
        let text = self.text();
        let group = self.group.as_ref().filter(|_| self.custom.is_none() && size(&text, measure) > limit);
        let Some(group) = group else { return cut_to(&text, limit, measure) };
        let (mut some, mut told) = (String::new(), 0_u64);
        let rest = |told: u64| words::more(group.language, u64::from(group.count).saturating_sub(told)).line();
        for fact in self.facts.iter().take(group.members.len().min(LINES_MAX)) {
            let more = format!("{some}{}\n", fact.line());
            if size(&more, measure) + size(&rest(told + 1), measure) > limit {
                break;
            }
            (some, told) = (more, told + 1);
        }
        if told == 0 { cut_to(&text, limit, measure) } else { some + &rest(told) }
    }

    /// The same in letters.
    pub(super) fn text_in_letters(&self, limit: usize) -> String {
        self.text_within(limit, LETTERS)
    }
}

/// What the heading counts: reports, or targets; where not every message is stored with the group, messages.
fn heads(of: Of, count: u32, members: &[Told<'_>]) -> u64 {
    let all_are_here = members.len() as u64 == u64::from(count);
    if of == Of::Reports || !all_are_here {
        return count.into();
    }
    members.iter().map(|member| member.target).collect::<BTreeSet<_>>().len() as u64
}
