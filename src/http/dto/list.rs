//! Lists, page by page.

use serde::Serialize;
use utoipa::ToSchema;

use crate::http::query::Window;

/// One page of a list.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct List<T: ToSchema> {
    /// What is on it.
    pub(crate) content: Vec<T>,
    /// Which page it is, of how many.
    pub(crate) page: PageOf,
}

/// Which page, of how many.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct PageOf {
    /// Elements of a whole page.
    pub(crate) size: usize,
    /// This page; the first is 0.
    pub(crate) number: usize,
    /// Elements on all pages; exact.
    pub(crate) total_elements: u64,
    /// Pages.
    pub(crate) total_pages: u64,
}

impl<T: ToSchema> List<T> {
    pub(crate) fn new(content: Vec<T>, window: Window, total_elements: u64) -> Self {
        let Window { number, size } = window;
        let total_pages = total_elements.div_ceil(size.max(1) as u64);
        Self { content, page: PageOf { size, number, total_elements, total_pages } }
    }
}

/// Everything that there is, without pages.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub(crate) struct Content<T: ToSchema> {
    /// It.
    pub(crate) content: Vec<T>,
}

/// What of many was begun.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Begun {
    /// So many wait again.
    pub(crate) accepted: usize,
    /// So many were passed by, since what they say is not so any more, or cannot be read.
    pub(crate) refused: usize,
    /// So many are left, with those that were passed by; if there are others, ask again.
    pub(crate) remaining: usize,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_page_may_be_short() {
        let list = List::<u8>::new(Vec::new(), Window { number: 0, size: 20 }, 57);
        assert_eq!(list.page.total_pages, 3);
        assert_eq!(List::<u8>::new(Vec::new(), Window { number: 0, size: 20 }, 0).page.total_pages, 0);
    }
}
