//! A card's number, which shows itself only where the wire contract asks for it.

use std::fmt;
use std::str::FromStr;

use serde::Serialize;

/// A card number of the form `dddd-dddd-dddd-dddd`. Its `Display` and `Debug` are masked.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct CardNumber(Box<str>);

impl CardNumber {
    /// `None` unless it has the form. The digits are not checked against Luhn's sum: the original does not either.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let groups: Vec<&str> = text.split('-').collect();
        let has_form = groups.len() == 4
            && groups.iter().all(|group| group.len() == 4 && group.bytes().all(|byte| byte.is_ascii_digit()));
        has_form.then(|| Self(text.into()))
    }

    /// The whole number: for answers and callbacks, never for a log.
    pub(super) fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for CardNumber {
    /// The first six and the last four digits (PCI DSS 4.0, 3.4.1).
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}**-****-{}", &self.0[..7], &self.0[15..])
    }
}

impl fmt::Debug for CardNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Masks what has the form of a card number, wherever it stands in a text.
pub(super) fn masked(text: &str) -> String {
    const LENGTH: usize = 19;
    let mut masked = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        if let Some(card) = rest.get(..LENGTH).and_then(CardNumber::parse) {
            masked.push_str(&card.to_string());
            rest = &rest[LENGTH..];
        } else {
            masked.push(first);
            rest = &rest[first.len_utf8()..];
        }
    }
    masked
}

/// Whose card it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "UPPERCASE")]
pub(super) enum CardType {
    /// Samsung.
    Samsung,
    /// KB Kookmin.
    Kb,
    /// Hyundai.
    Hyundai,
}

impl CardType {
    /// All names, as the original lists them.
    pub(super) const NAMES: &str = "SAMSUNG, KB, HYUNDAI";

    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Samsung => "SAMSUNG",
            Self::Kb => "KB",
            Self::Hyundai => "HYUNDAI",
        }
    }
}

/// A text that names no card.
#[derive(Debug)]
pub(super) struct NoSuchCard;

impl FromStr for CardType {
    type Err = NoSuchCard;

    fn from_str(text: &str) -> Result<Self, NoSuchCard> {
        [Self::Samsung, Self::Kb, Self::Hyundai].into_iter().find(|card| card.name() == text).ok_or(NoSuchCard)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_card_number_shows_its_first_six_and_last_four_digits() {
        let card = CardNumber::parse("1234-5678-9814-1451").unwrap();
        assert_eq!(format!("{card} {card:?}"), "1234-56**-****-1451 1234-56**-****-1451");
        assert_eq!(card.reveal(), "1234-5678-9814-1451");
    }

    #[test]
    fn only_the_exact_form_is_a_card_number() {
        for text in [
            "",
            "1234567898141451",
            "1234-5678-9814-145",
            "1234-5678-9814-14511",
            "１234-5678-9814-1451",
            "1234-5678-9814-1451\n",
        ] {
            assert_eq!(CardNumber::parse(text), None, "{text:?}");
        }
    }

    #[test]
    fn a_card_number_is_masked_wherever_it_stands() {
        assert_eq!(
            masked("한도 {\"cardNo\":\"1234-5678-9814-1451\"} 1"),
            "한도 {\"cardNo\":\"1234-56**-****-1451\"} 1"
        );
    }
}
