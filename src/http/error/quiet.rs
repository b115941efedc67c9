//! Why a silence or a maintenance window is not wanted.

use super::{Kind, PASSIVE_PAUSE, Problem};
use crate::actors::quiet::Unwanted;
use crate::clock::NotACalendar;
use crate::http::dto::problem::FieldError;

impl From<Unwanted> for Problem {
    fn from(unwanted: Unwanted) -> Self {
        let said = unwanted.to_string();
        match unwanted {
            Unwanted::TooMany => Self::new(Kind::TooManyQuiets, said).after(PASSIVE_PAUSE),
            Unwanted::Expression(place) => {
                let pointer = format!("/matchers/{place}/value");
                Self::invalid_body(vec![FieldError::in_body(pointer, said)])
            }
            Unwanted::Calendar(error) => {
                let pointer = if error == NotACalendar::Zone { "/timeZone" } else { "/cron" };
                Self::invalid_body(vec![FieldError::in_body(pointer, said)])
            }
            Unwanted::Unknown => Self::new(Kind::NoSuchQuiet, said),
            Unwanted::Configured => Self::new(Kind::QuietConfigured, said),
            Unwanted::NoAnswer => Self::new(Kind::NoAnswer, said),
        }
    }
}
