//! Several messages become one: read from the store, away from the actors' thread, and put together.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::entry::Entry;
use super::lines::Line;
use crate::config::channel::Together;
use crate::domain::delivery::{Delivery, GROUP_TOLD, Group, Message, Of};
use crate::domain::id::{CorrelationId, DeliveryId, IncidentId, NoticeId};
use crate::domain::time::Timestamp;
use crate::store::Reader;

/// A message that leaves now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Leaving {
    pub(super) id: DeliveryId,
    pub(super) of: Of,
    pub(super) incident: Option<IncidentId>,
    pub(super) target: Option<Arc<str>>,
}

impl Leaving {
    /// `None` for a group, which leaves as it is.
    pub(super) fn of(id: DeliveryId, entry: &Entry) -> Option<Self> {
        Some(Self { id, of: entry.of?, incident: entry.incident, target: entry.target.clone() })
    }
}

/// Whether among these is the end of an incident, and trouble of the same target in a later one: then the end is not the
/// last that is to be heard of it.
fn fails_again(leaving: &[Leaving], over: &BTreeMap<IncidentId, DeliveryId>) -> bool {
    let lasts = |one: &&Leaving| one.incident.is_none_or(|incident| !over.contains_key(&incident));
    let trouble = leaving.iter().filter(|one| one.of == Of::Trouble).filter(lasts);
    let troubled: BTreeSet<&Arc<str>> = trouble.filter_map(|one| one.target.as_ref()).collect();
    let mut ended = leaving.iter().filter(|one| one.of == Of::Ends).filter_map(|one| one.target.as_ref());
    ended.any(|target| troubled.contains(target))
}

/// A message that is told, and those that need not be told because it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Telling {
    pub(super) told: DeliveryId,
    pub(super) instead_of: Vec<DeliveryId>,
}

/// A message of a flush.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Part {
    /// As it is.
    One(DeliveryId),
    /// As one message.
    Many(Of, Vec<Telling>),
}

impl Part {
    /// What leaves together, in the order in which it is told: trouble, ends, reports. Where a target fails again whose
    /// incident is over, ends go before trouble, or the last word of it would be that it is well.
    ///
    /// An incident that is over is told by its end alone, which says since when it was and why: nobody is woken by a
    /// beginning and an end in the same second. The beginning shares the fate of the end.
    pub(super) fn all(leaving: &[Leaving]) -> Vec<Self> {
        let ends = leaving.iter().filter(|one| one.of == Of::Ends);
        let over: BTreeMap<IncidentId, DeliveryId> = ends.filter_map(|end| Some((end.incident?, end.id))).collect();
        let mut instead_of: BTreeMap<DeliveryId, Vec<DeliveryId>> = BTreeMap::new();
        let mut told: BTreeMap<Of, Vec<DeliveryId>> = BTreeMap::new();
        for one in leaving {
            match one.incident.and_then(|incident| over.get(&incident)).filter(|_| one.of != Of::Ends) {
                Some(end) => instead_of.entry(*end).or_default().push(one.id),
                None => told.entry(one.of).or_default().push(one.id),
            }
        }
        let part = |(of, ids): (Of, Vec<DeliveryId>)| {
            let tellings = ids.into_iter();
            let tellings = tellings
                .map(|told| Telling { told, instead_of: instead_of.remove(&told).unwrap_or_default() })
                .collect::<Vec<_>>();
            match tellings.as_slice() {
                [Telling { told, instead_of }] if instead_of.is_empty() => Self::One(*told),
                _ => Self::Many(of, tellings),
            }
        };
        let ends_first = fails_again(leaving, &over);
        let mut parts: Vec<(Of, Vec<DeliveryId>)> = told.into_iter().collect();
        parts.sort_by_key(|(of, _)| (!(ends_first && *of == Of::Ends), *of));
        parts.into_iter().map(part).collect()
    }

    /// The same in parts of at most `limit` messages each.
    pub(super) fn of_at_most(self, limit: usize) -> Vec<Self> {
        match self {
            Self::One(_) => vec![self],
            Self::Many(of, tellings) => {
                tellings.chunks(limit).map(|tellings| Self::Many(of, tellings.to_vec())).collect()
            }
        }
    }
}

/// One message of a flush.
#[derive(Debug)]
pub(super) enum Joined {
    /// As it is.
    One(DeliveryId),
    /// As one message; its id is given when it is stored.
    Group(Group, CorrelationId),
}

impl Joined {
    /// What all parts are, for a channel of this kind, and what is not there or cannot be read. Blocks for as long as
    /// reading takes.
    pub(super) fn read_all(
        reader: &Reader,
        line: &Line,
        parts: Vec<Part>,
        together: Together,
    ) -> (Vec<Self>, Vec<DeliveryId>) {
        let parts: Vec<Part> = match together {
            // Whoever must hear of each hears of no more at once than are stored with the group.
            Together::Each | Together::Never => {
                parts.into_iter().flat_map(|part| part.of_at_most(GROUP_TOLD)).collect()
            }
            Together::Told => parts,
        };
        let mut gone = Vec::new();
        let joined = parts.into_iter().filter_map(|part| Self::read(reader, line, part, &mut gone)).collect();
        (joined, gone)
    }

    /// What `part` is, by what is in the outbox; nothing where all of it is gone. Blocks for as long as reading takes.
    fn read(reader: &Reader, line: &Line, part: Part, gone: &mut Vec<DeliveryId>) -> Option<Self> {
        let (of, tellings) = match part {
            Part::One(id) => return Some(Self::One(id)),
            Part::Many(of, tellings) => (of, tellings),
        };
        let read = |id: &DeliveryId| {
            reader.delivery(*id).unwrap_or_else(|error| {
                tracing::error!(error = &error as &dyn std::error::Error, %id, "this message could not be read");
                None
            })
        };
        let mut group = Group { of, name: line.name(), count: 0, messages: Vec::new(), members: Vec::new() };
        let (mut correlation, mut untold) = (None, Vec::new());
        for Telling { told, instead_of } in tellings {
            let Some(delivery) = read(&told) else {
                gone.push(told);
                continue;
            };
            if group.messages.len() < GROUP_TOLD {
                group.messages.push(delivery.message);
            }
            group.members.push(told);
            untold.extend(instead_of);
            correlation.get_or_insert(delivery.correlation);
        }
        group.count = u32::try_from(group.members.len()).unwrap_or(u32::MAX);
        group.members.append(&mut untold);
        let correlation = correlation?;
        match group.members.as_slice() {
            [one] => Some(Self::One(*one)),
            _ => Some(Self::Group(group, correlation)),
        }
    }
}

/// The group as an entry of the outbox.
pub(super) fn delivery(
    group: Group,
    correlation: CorrelationId,
    channel: &Arc<str>,
    notice: NoticeId,
    now: Timestamp,
) -> Delivery {
    Delivery {
        id: DeliveryId { notice, ordinal: 0 },
        siblings: 1,
        channel: channel.clone(),
        message: Message::Grouped(group),
        history: None,
        correlation,
        queued_at: now,
        tried_since: now,
        attempts: 0,
        next_attempt_at: now,
        last_error: None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::Clock;
    use crate::store::{Options, Store};

    const fn id(notice: u64) -> DeliveryId {
        DeliveryId { notice: NoticeId(notice), ordinal: 0 }
    }

    fn leaving(notice: u64, of: Of, incident: Option<u64>) -> Leaving {
        let target = incident.map_or_else(|| "SMS".into(), |incident| format!("T{incident}").into());
        Leaving { id: id(notice), of, incident: incident.map(IncidentId), target: Some(target) }
    }

    /// The same of a target that has more than one incident.
    fn of_pg(notice: u64, of: Of, incident: u64) -> Leaving {
        Leaving { target: Some("PG".into()), ..leaving(notice, of, Some(incident)) }
    }

    fn telling(told: u64, instead_of: &[u64]) -> Telling {
        Telling { told: id(told), instead_of: instead_of.iter().map(|notice| id(*notice)).collect() }
    }

    #[test]
    fn trouble_is_told_before_ends_and_reports_last() {
        let all = [
            leaving(1, Of::Reports, None),
            leaving(2, Of::Ends, Some(1)),
            leaving(3, Of::Trouble, Some(2)),
            leaving(4, Of::Trouble, Some(3)),
        ];
        let trouble = Part::Many(Of::Trouble, vec![telling(3, &[]), telling(4, &[])]);
        assert_eq!(Part::all(&all), [trouble, Part::One(id(2)), Part::One(id(1))]);
    }

    #[test]
    fn an_incident_that_began_and_ended_while_it_waited_is_told_by_its_end_alone() {
        let all = [
            leaving(1, Of::Trouble, Some(7)),
            leaving(2, Of::Trouble, Some(8)),
            leaving(3, Of::Trouble, Some(7)),
            leaving(4, Of::Ends, Some(7)),
        ];
        let end = Part::Many(Of::Ends, vec![telling(4, &[1, 3])]);
        assert_eq!(Part::all(&all), [Part::One(id(2)), end]);
    }

    #[test]
    fn the_last_word_of_a_target_that_fails_again_is_not_its_end() {
        let all = [
            of_pg(1, Of::Trouble, 7),
            of_pg(2, Of::Ends, 7),
            of_pg(3, Of::Trouble, 8),
            leaving(4, Of::Trouble, Some(1)),
            leaving(5, Of::Ends, Some(2)),
            leaving(6, Of::Reports, None),
        ];
        let ends = Part::Many(Of::Ends, vec![telling(2, &[1]), telling(5, &[])]);
        let trouble = Part::Many(Of::Trouble, vec![telling(3, &[]), telling(4, &[])]);
        assert_eq!(Part::all(&all), [ends, trouble, Part::One(id(6))]);
    }

    #[test]
    fn a_target_that_failed_again_and_is_well_again_is_told_by_both_ends() {
        let all =
            [of_pg(1, Of::Ends, 7), of_pg(2, Of::Trouble, 8), of_pg(3, Of::Ends, 8), leaving(4, Of::Trouble, Some(1))];
        let ends = Part::Many(Of::Ends, vec![telling(1, &[]), telling(3, &[2])]);
        assert_eq!(Part::all(&all), [Part::One(id(4)), ends]);
    }

    #[test]
    fn a_part_is_split_where_a_message_may_hold_only_so_many() {
        let many = Part::Many(Of::Trouble, vec![telling(1, &[]), telling(2, &[]), telling(3, &[])]);
        let first = Part::Many(Of::Trouble, vec![telling(1, &[]), telling(2, &[])]);
        assert_eq!(many.of_at_most(2), [first, Part::Many(Of::Trouble, vec![telling(3, &[])])]);
        assert_eq!(Part::One(id(1)).of_at_most(2), [Part::One(id(1))]);
    }

    #[test]
    fn what_cannot_be_read_is_named_or_it_would_be_joined_again_and_again() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(Options {
            folder: folder.path().to_path_buf(),
            cache_bytes: 1024 * 1024,
            clock: Clock::system(),
            on_batch: Box::new(|_| {}),
            on_failure: Box::new(|error| panic!("{error}")),
        });
        let store = store.unwrap();
        let parts = vec![Part::Many(Of::Reports, vec![telling(1, &[]), telling(2, &[])]), Part::One(id(3))];
        let line = Line::Reports("SMS".into());
        let (joined, gone) = Joined::read_all(&store.reader(), &line, parts, Together::Told);
        assert!(matches!(joined.as_slice(), [Joined::One(one)] if *one == id(3)), "{joined:?}");
        assert_eq!(gone, [id(1), id(2)]);
        store.close().unwrap();
    }
}
