//! Why an incident ends although its target did not recover.

/// What ended it. It is kept in the incident's cause, whose first words it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unrecovered {
    /// The target left the configuration.
    NotWatched,
    /// It lasts, and nobody wants to hear of it any more.
    NotAlertedOn,
}

/// What stands between it and what was the cause before.
const LAST_KNOWN: &str = "; last known: ";

impl Unrecovered {
    const ALL: [Self; 2] = [Self::NotWatched, Self::NotAlertedOn];

    const fn as_str(self) -> &'static str {
        match self {
            Self::NotWatched => "it is not watched any more",
            Self::NotAlertedOn => "it lasts, but is not alerted on any more",
        }
    }

    /// The cause of an incident that ends so.
    #[must_use]
    pub fn cause(self, last_known: &str) -> String {
        format!("{}{LAST_KNOWN}{last_known}", self.as_str())
    }

    /// How an incident with this cause ended; `None` where its target recovered.
    #[must_use]
    pub fn of(cause: &str) -> Option<Self> {
        let begins = |how: &Self| cause.strip_prefix(how.as_str()).is_some_and(|rest| rest.starts_with(LAST_KNOWN));
        Self::ALL.into_iter().find(begins)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cause_says_how_it_ended() {
        for how in Unrecovered::ALL {
            assert_eq!(Unrecovered::of(&how.cause("503")), Some(how));
        }
        assert_eq!(Unrecovered::of("503"), None);
        assert_eq!(Unrecovered::of("it is not watched any more, says the page"), None);
    }
}
