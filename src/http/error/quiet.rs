//! Why a silence or a maintenance window is not wanted.

use super::{Kind, PASSIVE_PAUSE, Problem};
use crate::actors::quiet::{Unwanted, Wrong};
use crate::clock::Part;
use crate::http::dto::problem::FieldError;

impl From<Unwanted> for Problem {
    fn from(unwanted: Unwanted) -> Self {
        let said = unwanted.to_string();
        match unwanted {
            Unwanted::TooMany => Self::new(Kind::TooManyQuiets, said).after(PASSIVE_PAUSE),
            Unwanted::Wrong(wrong) => {
                let errors = wrong.iter().map(|wrong| FieldError::in_body(pointer_of(wrong), wrong.to_string()));
                Self::invalid_body(errors.collect())
            }
            Unwanted::Unknown => Self::new(Kind::NoSuchQuiet, said),
            Unwanted::Configured => Self::new(Kind::QuietConfigured, said),
            Unwanted::NoAnswer => Self::new(Kind::NoAnswer, said),
        }
    }
}

fn pointer_of(wrong: &Wrong) -> String {
    let part = match wrong {
        Wrong::Expression { place, .. } => return format!("/matchers/{place}/value"),
        Wrong::Calendar(error) => error.part(),
        Wrong::Over(part) => *part,
    };
    let member = match part {
        Part::Cron => "cron",
        Part::Rule => "rrule",
        Part::First => "startsAt",
        Part::Zone => "timeZone",
    };
    format!("/{member}")
}
