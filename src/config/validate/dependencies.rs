//! `depends_on`: the targets that a target needs.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::config::raw::field::Field;
use crate::config::raw::section::Section;
use crate::config::raw::suggest;

/// Everything that was said about who needs whom.
#[derive(Debug, Default)]
pub(crate) struct Dependencies<'t> {
    needs: BTreeMap<Arc<str>, Vec<(Arc<str>, Field<'t>)>>,
}

impl<'t> Dependencies<'t> {
    /// Reads the key. `name` is the target's, if it has one.
    pub(crate) fn read(&mut self, section: &mut Section<'t>, name: Option<&Arc<str>>) -> Arc<[Arc<str>]> {
        let Some(field) = section.take("depends_on") else { return Arc::default() };
        let elements = field.elements().into_iter();
        let needed: Vec<(Arc<str>, Field<'t>)> =
            elements.filter_map(|element| Some((element.text()?.into(), element))).collect();
        let names = needed.iter().map(|(name, _)| Arc::clone(name)).collect();
        if let Some(name) = name {
            self.needs.insert(Arc::clone(name), needed);
        }
        names
    }

    /// Tells of names that no target has, and of targets that need themselves.
    pub(crate) fn check(&self, targets: &BTreeSet<Arc<str>>) {
        for (needed, field) in self.needs.values().flatten() {
            if !targets.contains(needed) {
                let hint = match suggest::nearest(needed, targets.iter().map(AsRef::as_ref)) {
                    Some(near) => format!("Did you mean \"{near}\"?"),
                    None => "Add a [[target]] with this name, or remove it here".to_owned(),
                };
                field.fail(&format!("no target has the name {}", field.shown()), &hint);
            }
        }
        let mut done = BTreeSet::new();
        for target in self.needs.keys() {
            self.follow(target, &mut done);
        }
    }

    /// Walks from one target along what it needs, without recursion since a chain may be long.
    fn follow<'s>(&'s self, start: &'s Arc<str>, done: &mut BTreeSet<&'s Arc<str>>) {
        let mut path: Vec<(&Arc<str>, usize)> = vec![(start, 0)];
        while let Some((target, next)) = path.last_mut() {
            let target = *target;
            let needed = self.needs.get(target).and_then(|needed| needed.get(*next));
            *next += 1;
            let Some((needed, field)) = needed.filter(|_| !done.contains(target)) else {
                done.insert(target);
                path.pop();
                continue;
            };
            if let Some(position) = path.iter().position(|(name, _)| *name == needed) {
                let circle: Vec<&str> = path[position..].iter().map(|(name, _)| name.as_ref()).collect();
                let detail = format!("this makes a circle: {} → {needed}", circle.join(" → "));
                field.fail(&detail, "Remove one of these dependencies");
            } else if !done.contains(needed) {
                path.push((needed, 0));
            }
        }
    }
}
