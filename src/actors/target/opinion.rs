//! A second opinion: the provider's own page, read beside the target's probe.
//!
//! It is shown, degrades the target's health at most, and counts neither for its state nor for its breaker.

use std::panic::AssertUnwindSafe;
use std::time::Duration;

use actix::{AsyncContext, Context, Handler};
use futures_util::FutureExt;

use super::actor::TargetActor;
use super::messages::PageRead;
use crate::config::probe::Probe;
use crate::domain::time::Moment;
use crate::probes::Prepared;

/// A page that could not be read so many times in a row is no longer believed.
const UNREAD_MAX: u32 = 5;

/// How the page is read.
#[derive(Debug)]
pub(super) struct Opinion {
    page: Prepared,
    interval: Duration,
    timeout: Duration,
    unread: u32,
    /// When the actor began with it: what an earlier configuration still reads is not taken.
    edition: Moment,
}

impl TargetActor {
    /// Begins to read the page at `at`, or no longer reads it.
    pub(super) fn seek_opinion(&mut self, at: Moment, context: &mut Context<Self>) {
        let edition = self.links.clock.moment();
        self.opinion = None;
        let page = self.spec.as_deref().and_then(|spec| spec.status_page.clone());
        let prepared = page.and_then(|page| {
            let (interval, timeout) = (page.interval, page.timeout);
            match self.links.prober.prepare(&Probe::StatusPage(page)) {
                Ok(page) => Some(Opinion { page, interval, timeout, unread: 0, edition }),
                Err(error) => {
                    let target = &self.slot.name;
                    tracing::error!(%target, %error, "the provider's page cannot be read; mend its configuration");
                    None
                }
            }
        });
        let Some(opinion) = prepared else {
            return self.slot.live(|live| live.set_aside(|aside| aside.provider = None));
        };
        self.opinion = Some(Box::new(opinion));
        self.read_page_after(at.since(edition), edition, context);
    }

    fn read_page_after(&self, pause: Duration, edition: Moment, context: &mut Context<Self>) {
        context.run_later(pause, move |actor, context| actor.read_page(edition, context));
    }

    fn read_page(&self, edition: Moment, context: &Context<Self>) {
        let Some(opinion) = self.opinion.as_ref().filter(|opinion| opinion.edition == edition) else { return };
        let (page, timeout, actor) = (opinion.page.clone(), opinion.timeout, context.address());
        self.links.io.spawn(async move {
            let read = AssertUnwindSafe(page.probe(timeout)).catch_unwind().await;
            // One that fell over has said nothing.
            let said = read.ok().and_then(|observation| Some((observation.provider?, observation.at)));
            actor.do_send(PageRead { said, edition });
        });
    }
}

impl Handler<PageRead> for TargetActor {
    type Result = ();

    fn handle(&mut self, read: PageRead, context: &mut Context<Self>) {
        let PageRead { said, edition } = read;
        let Some(opinion) = self.opinion.as_mut().filter(|opinion| opinion.edition == edition) else { return };
        opinion.unread = if said.is_some() { 0 } else { opinion.unread.saturating_add(1) };
        let (pause, forgotten) = (opinion.interval, opinion.unread >= UNREAD_MAX);
        if said.is_some() || forgotten {
            self.slot.live(|live| live.set_aside(|aside| aside.provider = said));
        }
        self.read_page_after(pause, edition, context);
    }
}
