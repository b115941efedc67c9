//! Looks at every record of a store that no node uses, and says what is wrong with it.

use std::collections::BTreeSet;
use std::path::Path;

use super::error::Error;
use super::keys::{self, Kind};
use super::last_commit::{self, Found, LastCommit, LastCommitFile};
use super::migrate;
use super::opening::{
    SECRET_BYTES, finish_compaction, guarded, has_tree, open_tree, quietly, read_head, read_name, sync_tree,
};
use super::record::{
    ColumnBlock, ColumnRow, Encoder, EventBlock, Head, LiveBlock, Mark, RollupBlock, StoredEvent, decode_alert,
    decode_delivery, decode_event, decode_history, decode_quiet, decode_transition, decode_watch,
};
use super::replay::Replay;
use super::state::get;
use super::writer::last_commit;
use crate::domain::failure_history::IntegrationFailureHistory;
use crate::domain::id::{HistoryId, Sequence, StatusId};

/// A verification keeps little in the cache, since it reads everything once.
const CACHE: u64 = 64 * 1024 * 1024;
/// Findings that are told; more only count.
const FINDINGS_TOLD: usize = 1_000;

/// What a verification found.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Report {
    /// Records that were looked at.
    pub records: u64,
    /// Events among them.
    pub events: u64,
    /// Histories among them.
    pub histories: u64,
    /// What is wrong, a sentence each; the store is whole if there is none.
    pub findings: Vec<String>,
    /// Findings beyond those told.
    pub more_findings: u64,
}

/// Looks at every record: that it can be read, that no event is missing, that the indexes and projections agree with
/// the records they are made from.
///
/// # Errors
/// A store that is in use, not there, or that sled cannot open at all.
pub fn verify(folder: &Path) -> Result<Report, Error> {
    finish_compaction(folder)?;
    if !has_tree(folder) {
        return Err(Error::NoStore { folder: folder.to_path_buf() });
    }
    let found = last_commit::read(folder)?;
    let tree = open_tree(folder, CACHE)?;
    let mut verification = Verification {
        tree: &tree,
        head: Head::default(),
        report: Report::default(),
        replay: Replay::new(),
        next_event: None,
        correlations: 0,
        rows: 0,
        names: 0,
        long_values: BTreeSet::new(),
        columns: None,
    };
    verification.counters(folder, found);
    for letter in 0..=u8::MAX {
        verification.letter(letter);
    }
    verification.sums();
    Ok(verification.report)
}

/// Goes on without what was lost: from now on, the store as it is counts as whole. Nothing that may have been given
/// before is given again: the next event and the next ids come after those that were lost.
///
/// # Errors
/// A store that is in use, not there, or that cannot be read.
pub fn accept_loss(folder: &Path) -> Result<(), Error> {
    finish_compaction(folder)?;
    if !has_tree(folder) {
        return Err(Error::NoStore { folder: folder.to_path_buf() });
    }
    let acknowledged = match last_commit::read(folder)? {
        Found::Last(last) => last,
        Found::Nothing | Found::Damaged => LastCommit::default(),
    };
    let tree = open_tree(folder, CACHE)?;
    let mut head = guarded(folder, || read_head(&tree))?.unwrap_or_default();
    let mut batch = sled::Batch::default();
    if acknowledged.sequence > head.last_sequence {
        let mut value = vec![1];
        value.extend_from_slice(&acknowledged.sequence.0.to_be_bytes());
        batch.insert(&keys::lost(head.next_sequence()), value);
        head.last_sequence = acknowledged.sequence;
    }
    head.raise(acknowledged.marks);
    head.commits = head.commits.max(acknowledged.commits) + 1;
    batch.insert(keys::FORMAT, &migrate::FORMAT.to_be_bytes());
    batch.insert(keys::HEAD, head.encode(&mut Encoder::default()));
    tree.apply_batch(batch).map_err(Error::sled("write its counters"))?;
    sync_tree(&tree, folder)?;
    LastCommitFile::create(folder, &last_commit(&head))?;
    Ok(())
}

struct Verification<'t> {
    tree: &'t sled::Db,
    head: Head,
    report: Report,
    replay: Replay,
    /// The event that must come next.
    next_event: Option<Sequence>,
    correlations: u64,
    rows: u64,
    names: u64,
    /// The numbers of long values that a record points at.
    long_values: BTreeSet<u64>,
    /// The column block that was looked at last.
    columns: Option<(u64, ColumnBlock)>,
}

impl Verification<'_> {
    fn find(&mut self, finding: String) {
        if self.report.findings.len() < FINDINGS_TOLD {
            self.report.findings.push(finding);
        } else {
            self.report.more_findings += 1;
        }
    }

    /// The counters of the last batch against the file of the last commit.
    fn counters(&mut self, folder: &Path, found: Found) {
        match guarded(folder, || read_head(self.tree)) {
            Ok(Some(head)) => self.head = head,
            Ok(None) => self.find(format!("{} is missing", keys::describe(keys::HEAD))),
            Err(error) => self.find(error.to_string()),
        }
        let path = folder.join(last_commit::FILE_NAME);
        match found {
            Found::Nothing => self.find(Error::LastCommitMissing { path }.to_string()),
            Found::Damaged => self.find(Error::LastCommitDamaged { path }.to_string()),
            Found::Last(LastCommit { commits, sequence, marks: _ }) if commits > self.head.commits => {
                let folder = folder.to_path_buf();
                let lost = Error::LostTail { folder, acknowledged: commits, sequence, found: self.head.commits };
                self.find(lost.to_string());
            }
            Found::Last(_) => {}
        }
        if let Err(error) = migrate::migrate(self.tree, folder) {
            self.find(error.to_string());
        }
    }

    /// All records whose key begins with this letter. Damage that stops sled's reading is a finding, and the next
    /// letter is tried.
    fn letter(&mut self, letter: u8) {
        let kind = Kind::ALL.into_iter().find(|kind| kind.letter() == letter);
        let tree = self.tree;
        let mut at = vec![letter];
        let read = quietly(|| {
            for pair in tree.scan_prefix([letter]) {
                let (key, value) = pair.map_err(|error| error.to_string())?;
                at = key.to_vec();
                self.report.records += 1;
                if let Err(finding) = self.record(kind, &key, value) {
                    self.find(finding);
                }
            }
            Ok(())
        });
        if let Err(reason) = read.and_then(|read| read) {
            let place = if at.len() > 1 { format!("after {}", keys::describe(&at)) } else { String::new() };
            let word = kind.map_or("unknown record", Kind::word);
            self.find(format!("the {word}s (prefix {}) cannot be read {place}: {reason}", char::from(letter)));
        }
    }

    fn record(&mut self, kind: Option<Kind>, key: &[u8], value: sled::IVec) -> Result<(), String> {
        let Some(kind) = kind else { return Err(format!("{} is no record of this store", keys::describe(key))) };
        if let Some((number, _)) = super::long_value::pointed_at(&value) {
            self.long_values.insert(number);
        }
        let value = super::long_value::whole(self.tree, key, value).map_err(|error| error.to_string())?;
        let checked = match kind {
            Kind::Event => return self.events(key, &value),
            Kind::History => self.history(key, &value),
            Kind::Watch => self.watch(key, &value),
            Kind::Columns => self.column_rows(&value),
            Kind::Waiting | Kind::Dead => self.delivery(kind, key, &value),
            Kind::Correlation => self.correlation(key),
            Kind::Transition => self.transition(key, &value),
            Kind::Name => self.name(key, &value),
            Kind::Overflow => self.part(key),
            Kind::Live => LiveBlock::decode(&value).map(drop).map_err(text),
            Kind::Rollup if key.len() == 18 => RollupBlock::decode(&value).map(drop).map_err(text),
            Kind::Mark => Mark::decode(&value).map(drop).map_err(text),
            Kind::Received if key.len() == 17 && value.len() == 9 => Ok(()),
            Kind::Alert => decode_alert(&value).map(drop).map_err(text),
            Kind::Quiet => decode_quiet(&value).map(drop).map_err(text),
            Kind::Meta if key == keys::SECRET && value.len() == SECRET_BYTES => Ok(()),
            Kind::Meta if key == keys::HEAD || key == keys::FORMAT || key.starts_with(keys::LOST) => Ok(()),
            Kind::Rollup | Kind::Received | Kind::Meta => Err("it is no such record".to_string()),
        };
        checked.map_err(|reason| format!("{}: {reason}", keys::describe(key)))
    }

    fn events(&mut self, key: &[u8], value: &[u8]) -> Result<(), String> {
        let place = || keys::describe(key);
        let first = number(key, 1).map_err(|reason| format!("{}: {reason}", place()))?;
        if first < self.head.first_sequence.0 {
            // Left by a tidying that was interrupted; the next one deletes it.
            return Ok(());
        }
        let expected = self.next_event.unwrap_or(self.head.first_sequence);
        let lost_before = self.next_event.map_or(Ok(false), |next| self.was_lost(next, Sequence(first)))?;
        if Sequence(first) != expected && !lost_before {
            self.find(format!("events {expected} to {} are missing", first.saturating_sub(1)));
        }
        let events = EventBlock::split(value).map_err(|reason| format!("{}: {reason}", place()))?;
        self.next_event = Some(Sequence(first + events.len() as u64));
        for (sequence, bytes) in (first..).map(Sequence).zip(events) {
            self.report.events += 1;
            let stored = decode_event(sequence, bytes).map_err(|reason| format!("event {sequence}: {reason}"))?;
            if let Err(reason) = self.event(stored) {
                self.find(format!("event {sequence}: {reason}"));
            }
        }
        Ok(())
    }

    fn event(&mut self, stored: StoredEvent) -> Result<(), String> {
        let StoredEvent { logged, detail_of } = stored;
        let sequence = logged.sequence;
        if logged.cause.is_some_and(|cause| cause >= sequence) {
            self.find(format!("event {sequence}: it was caused by a later one"));
        }
        if !self.has(&keys::correlation(&logged.correlation, sequence))? {
            self.find(format!("event {sequence}: it is missing in the index of correlations"));
        }
        let missing = match detail_of {
            Some(history) if !self.has(&keys::numbered(Kind::History, history.0))? => Some(history),
            Some(_) | None => None,
        };
        self.replay.apply(logged);
        missing.map_or(Ok(()), |history| Err(format!("its history {history} is missing")))
    }

    /// Whether an operator went on without the events from `first` to the one before `next`.
    fn was_lost(&self, first: Sequence, next: Sequence) -> Result<bool, String> {
        let lost = self.tree.get(keys::lost(first)).map_err(text)?;
        Ok(lost.and_then(|value| keys::number_at(&value, 1)).is_some_and(|last| last + 1 == next.0))
    }

    fn history(&mut self, key: &[u8], value: &[u8]) -> Result<(), String> {
        self.report.histories += 1;
        let id = HistoryId(number(key, 1)?);
        let history = decode_history(id, value).map_err(text)?;
        if id > self.head.marks.history {
            return Err(format!("its id is higher than the highest that was given, {}", self.head.marks.history));
        }
        if let Some(difference) = self.replay.compare_history(&history) {
            return Err(difference);
        }
        let row = self.row(id)?.ok_or("it is missing in the columns")?;
        if self.agrees(&history, &row)? { Ok(()) } else { Err(format!("its columns say {row:?}")) }
    }

    fn row(&mut self, id: HistoryId) -> Result<Option<ColumnRow>, String> {
        let (block, place) = ColumnBlock::place(id);
        if let Some((_, columns)) = self.columns.as_ref().filter(|(known, _)| *known == block) {
            return Ok(columns.row(place));
        }
        let bytes = get(self.tree, &keys::numbered(Kind::Columns, block)).map_err(text)?;
        let columns =
            bytes.map_or_else(|| Ok(ColumnBlock::empty()), |bytes| ColumnBlock::decode(&bytes)).map_err(text)?;
        let row = columns.row(place);
        self.columns = Some((block, columns));
        Ok(row)
    }

    fn agrees(&self, history: &IntegrationFailureHistory, row: &ColumnRow) -> Result<bool, String> {
        let ColumnRow { occurred_at, recorded_by: _, name, failure_type, retry_result, notified, open } = *row;
        let key = keys::numbered(Kind::Name, name.into());
        let bytes = get(self.tree, &key).map_err(text)?.ok_or("the name of its system is missing")?;
        let (_, name) = read_name(&key, &bytes).map_err(text)?;
        Ok(occurred_at == history.occurred_at
            && failure_type == history.failure_type
            && retry_result == history.retry_result
            && notified == history.notified
            && open == history.is_open()
            && *name == *history.target_system)
    }

    fn column_rows(&mut self, value: &[u8]) -> Result<(), String> {
        self.rows += ColumnBlock::decode(value).map_err(text)?.rows().count() as u64;
        Ok(())
    }

    fn watch(&mut self, key: &[u8], value: &[u8]) -> Result<(), String> {
        let id = StatusId(number(key, 1)?);
        let watch = decode_watch(id, value).map_err(text)?;
        if id > self.head.marks.status {
            return Err(format!("its id is higher than the highest that was given, {}", self.head.marks.status));
        }
        self.replay.compare_status(&watch.status).map_or(Ok(()), Err)
    }

    fn delivery(&mut self, kind: Kind, key: &[u8], value: &[u8]) -> Result<(), String> {
        let id = keys::delivery_of(key).ok_or("its key has no id")?;
        decode_delivery(id, value).map_err(text)?;
        if id.notice > self.head.marks.notice {
            return Err(format!("its notice is higher than the highest that was given, {}", self.head.marks.notice));
        }
        if kind == Kind::Dead && self.has(&keys::delivery(Kind::Waiting, id))? {
            return Err("it also waits in the outbox".to_string());
        }
        Ok(())
    }

    fn correlation(&mut self, key: &[u8]) -> Result<(), String> {
        let sequence = Sequence(number(key, 17)?);
        if sequence >= self.head.first_sequence {
            self.correlations += 1;
        }
        if sequence <= self.head.last_sequence { Ok(()) } else { Err(format!("event {sequence} is not in the log")) }
    }

    fn transition(&mut self, key: &[u8], value: &[u8]) -> Result<(), String> {
        decode_transition(value).map_err(text)?;
        let number = number(key, 9)?;
        let last = self.head.transitions;
        if number <= last { Ok(()) } else { Err(format!("its number is higher than the last one, {last}")) }
    }

    fn name(&mut self, key: &[u8], value: &[u8]) -> Result<(), String> {
        let (number, _) = read_name(key, value).map_err(text)?;
        let expected = self.names;
        self.names += 1;
        if u64::from(number) == expected { Ok(()) } else { Err(format!("name {expected} is missing")) }
    }

    fn part(&self, key: &[u8]) -> Result<(), String> {
        let number = number(key, 1)?;
        // Watches come after the parts.
        if self.long_values.contains(&number) || self.points_at(Kind::Watch, number)? {
            return Ok(());
        }
        Err("no record points at it".to_string())
    }

    fn points_at(&self, kind: Kind, number: u64) -> Result<bool, String> {
        for value in self.tree.scan_prefix([kind.letter()]).values() {
            if super::long_value::pointed_at(&value.map_err(text)?).is_some_and(|(found, _)| found == number) {
                return Ok(true);
            }
        }
        Ok(false)
    }

    fn has(&self, key: &[u8]) -> Result<bool, String> {
        self.tree.contains_key(key).map_err(text)
    }

    /// What can only be said after all records.
    fn sums(&mut self) {
        let Head { first_sequence, last_sequence, .. } = self.head;
        let next = self.next_event.unwrap_or(first_sequence);
        if next.0 != last_sequence.0 + 1 && self.was_lost(next, Sequence(last_sequence.0 + 1)) != Ok(true) {
            self.find(format!("events {next} to {last_sequence} are missing at the end of the log"));
        }
        let Report { events, histories, .. } = self.report;
        if self.correlations != events {
            self.find(format!("the index of correlations has {} entries for {events} events", self.correlations));
        }
        if self.rows != histories {
            self.find(format!("the columns have {} rows for {histories} histories", self.rows));
        }
    }
}

fn number(key: &[u8], offset: usize) -> Result<u64, String> {
    keys::number_at(key, offset).ok_or_else(|| "its key is too short".to_string())
}

fn text(reason: impl std::fmt::Display) -> String {
    reason.to_string()
}
