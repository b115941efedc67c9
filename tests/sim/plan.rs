//! What the node is configured with. It changes by reloads, and at the end it is whole again.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::net::SocketAddr;
use std::path::Path;

use crate::dice::Dice;

/// Every target.
pub(crate) const TARGETS: [&str; 4] = ["A", "B", "C", "D"];
/// Every channel: each incident by itself, everything together, by the target's group, an Alertmanager, and one that never
/// takes two messages at once.
pub(crate) const CHANNELS: [&str; 5] = ["plain", "all", "group", "am", "pager"];

/// Whether a channel may be told of an incident by its end alone.
pub(crate) fn joins(channel: &str) -> bool {
    !["plain", "pager"].contains(&channel)
}

/// A configuration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Plan {
    pub(crate) targets: BTreeSet<&'static str>,
    pub(crate) channels: BTreeSet<&'static str>,
    threshold: usize,
    reminder: bool,
    /// What the channel `all` is grouped by.
    grouped_by: &'static str,
    letters: bool,
    /// Whether one group of targets is escalated, and then to whom it is not told at first.
    escalates: bool,
    /// Whether one target needs another.
    depends: bool,
    /// Whether hardly anything may wait.
    is_narrow: bool,
    is_slow: bool,
}

impl Plan {
    /// Everything that there is.
    pub(crate) fn whole(dice: &mut Dice) -> Self {
        Self {
            targets: TARGETS.into(),
            channels: CHANNELS.into(),
            threshold: 1 + dice.below(2),
            reminder: dice.chance(50),
            grouped_by: "[]",
            letters: dice.chance(30),
            escalates: dice.chance(50),
            depends: dice.chance(30),
            is_narrow: dice.chance(25),
            is_slow: dice.chance(25),
        }
    }

    /// The same with every target and every channel.
    pub(crate) fn made_whole(&self) -> Self {
        Self { targets: TARGETS.into(), channels: CHANNELS.into(), ..self.clone() }
    }

    /// Changes one thing.
    pub(crate) fn change(&mut self, dice: &mut Dice) {
        match dice.below(7) {
            0 => self.threshold = 1 + dice.below(3),
            1 => toggle(&mut self.targets, dice.pick(&TARGETS)),
            2 => toggle(&mut self.channels, dice.pick(&CHANNELS)),
            3 => self.grouped_by = dice.pick(&["[]", "[\"group\"]", "[\"target\"]", "[\"severity\"]"]),
            4 => self.escalates = !self.escalates,
            5 => self.is_narrow = !self.is_narrow,
            _ => self.reminder = !self.reminder,
        }
    }

    /// The file. Everything is short, so that a run of a few seconds sees it all.
    pub(crate) fn write(&self, data: &Path, services: SocketAddr, receivers: SocketAddr) -> String {
        let mut text = format!(
            "[node]\nname = \"sim\"\ndata_dir = {data:?}\n[http]\nlisten = \"127.0.0.1:0\"\n[store]\ncache = \"1MiB\"\n\
             [alerting]\nlog = false\ngroup_wait = \"200ms\"\ngroup_interval = \"400ms\"\n{}",
            if self.is_narrow { "outbox_max = 10\n" } else { "" }
        );
        for name in &self.channels {
            let url = format!("http://{receivers}/{name}");
            let more = match *name {
                "am" => "kind = \"alertmanager\"\ninterval = \"1s\"\n".to_owned(),
                "pager" => "kind = \"pagerduty\"\nrouting_key = \"key\"\nrate_limit = \"off\"\n".to_owned(),
                "group" if self.is_slow => {
                    "kind = \"webhook\"\ngroup_by = [\"group\"]\nrate_limit = \"4/s\"\n".to_owned()
                }
                "all" => format!("kind = \"webhook\"\ngroup_by = {}\n", self.grouped_by),
                "group" => "kind = \"webhook\"\ngroup_by = [\"group\"]\n".to_owned(),
                _ => "kind = \"webhook\"\n".to_owned(),
            };
            writeln!(text, "[[channel]]\nname = \"{name}\"\nurl = \"{url}\"\ntimeout = \"400ms\"\n{more}")
                .expect("a text takes everything");
        }
        for name in &self.targets {
            let group = if *name < "C" { "first" } else { "second" };
            let threshold = self.threshold;
            let mut alert = String::new();
            let needs = self.depends && *name == "D" && self.targets.contains("C");
            let needs = if needs { "depends_on = [\"C\"]\n" } else { "" };
            if let Some((first, later)) = self.escalation().filter(|_| group == "first") {
                writeln!(alert, "channels = {first:?}\nescalate_after = \"1s\"\nescalate_to = {later:?}")
                    .expect("a text takes everything");
            }
            if self.reminder {
                alert.push_str("reminder = \"1s\"\n");
            }
            if self.letters {
                alert.push_str("on = [\"down\", \"breaker_open\", \"dead_letters\"]\nescalate = true\n");
            }
            writeln!(
                text,
                "[[target]]\nname = \"{name}\"\nendpoint = \"http://{services}/{name}\"\ngroup = \"{group}\"\n\
                 interval = \"100ms\"\ntimeout = \"300ms\"\nfailure_threshold = {threshold}\n{needs}\
                 [target.breaker]\nopen_time = \"200ms\"\n[target.alert]\n{alert}"
            )
            .expect("a text takes everything");
        }
        text
    }

    /// Who is told at first, and who later, where both are there.
    fn escalation(&self) -> Option<(Vec<&'static str>, Vec<&'static str>)> {
        let (first, later): (Vec<_>, Vec<_>) = self.channels.iter().partition(|name| ["plain", "all"].contains(*name));
        (self.escalates && !first.is_empty() && !later.is_empty()).then_some((first, later))
    }

    /// Who is told of a failure of this system that is reported now.
    pub(crate) fn hears_of(&self, system: &str) -> BTreeSet<&'static str> {
        let is_first = ["A", "B"].contains(&system) && self.targets.contains(system);
        match self.escalation().filter(|_| is_first) {
            Some((first, _)) => first.into_iter().collect(),
            None => self.channels.clone(),
        }
    }
}

fn toggle(set: &mut BTreeSet<&'static str>, one: &'static str) {
    if !set.remove(one) {
        set.insert(one);
    }
}
