//! Orders to the daemon, by whichever page or program: how many may wait, and which paths they may name.

use std::path::PathBuf;

use crate::ops::runs::bounds::Bounds;
use crate::ops::runs::{Kind, Order, State, View, Work};
use crate::web::App;
use crate::web::access::Visitor;

/// Orders that may wait at a time.
const MOST_QUEUED: usize = 1_000;

/// Why an order is not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Refused {
    /// Nobody works on orders.
    Nobody,
    /// Too many wait already.
    TooMany,
}

impl App {
    /// What a run may not leave that `visitor` orders; `None` for who may have everything archived.
    pub(super) fn bounds(&self, visitor: Visitor) -> Option<Bounds> {
        (!visitor.any_path).then(|| Bounds::of(&self.settings().allowed))
    }

    /// Puts an order on the board and hands it to the daemon.
    pub(super) fn order(
        &self,
        kind: Kind,
        paths: Vec<PathBuf>,
        work: Work,
        bounds: Option<Bounds>,
    ) -> Result<View, Refused> {
        let orders = self.orders.as_ref().filter(|orders| !orders.is_closed()).ok_or(Refused::Nobody)?;
        let waiting = self.board.runs().iter().filter(|view| view.state == State::Queued).count();
        if waiting >= MOST_QUEUED {
            return Err(Refused::TooMany);
        }
        let id = self.board.queue_within(kind, paths, bounds);
        if orders.send(Order { id: id.clone(), work }).is_err() {
            self.board.fail(&id, "nobody works any more".to_owned());
            return Err(Refused::Nobody);
        }
        // It is on the board until it is done, and remembered for a while.
        self.board.run(&id).ok_or(Refused::Nobody)
    }
}
