//! What a handler can reach: rows, who calls, with what, when. Nothing else.

use crate::event::Event;
use crate::params::{self, Params};
use crate::refusal::{Error, Refusal, Role, ensure};
use crate::store::Store;
use crate::time::{self, Clock};
use crate::units::{Address, Epoch, Flt, Time};

/// Where a call comes from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Origin {
    /// The account that calls; zero for the beginning and end of a block.
    pub caller: Address,
    /// FLT sent with the call; the host has taken it from the caller already.
    pub value: Flt,
    /// Beacon value carried by the block.
    pub beacon: [u8; 32],
}

/// The context of one call, or of one half of the work around a block's calls.
///
/// Reads come from, writes go to `store`; after an error the host drops `events` and `payouts` and rolls the
/// store back (a refusal has written nothing).
#[derive(Debug)]
pub struct Cx<'a, S> {
    /// Rows.
    pub store: &'a mut S,
    /// Who calls, with what.
    pub origin: Origin,
    /// Parameters in force.
    pub params: Params,
    /// The clock as this block has set it.
    pub clock: Clock,
    /// What happened, in order.
    pub events: &'a mut Vec<Event>,
    /// FLT that the host pays out after the call.
    pub payouts: &'a mut Vec<(Address, Flt)>,
}

impl<'a, S: Store> Cx<'a, S> {
    /// Opens a context on the rows as they are.
    ///
    /// # Errors
    /// Out of work, or a fault before genesis.
    pub fn open(
        store: &'a mut S,
        origin: Origin,
        events: &'a mut Vec<Event>,
        payouts: &'a mut Vec<(Address, Flt)>,
    ) -> Result<Self, Error> {
        let params = params::get(store)?;
        let clock = time::clock(store)?;
        Ok(Self {
            store,
            origin,
            params,
            clock,
            events,
            payouts,
        })
    }

    /// Protocol time of the block.
    #[must_use]
    pub fn now(&self) -> Time {
        self.clock.now
    }

    /// The epoch that [`Self::now`] lies in.
    #[must_use]
    pub fn epoch(&self) -> Epoch {
        self.clock.now.epoch(self.params.epoch())
    }

    /// Whether epochs that are over are still being closed: what failed in them is not known everywhere yet.
    pub(crate) fn lagging(&self) -> bool {
        self.clock.closed.plus(1) < self.epoch()
    }

    pub(crate) fn caller(&self) -> Address {
        self.origin.caller
    }

    pub(crate) fn emit(&mut self, event: impl Into<Event>) {
        self.events.push(event.into());
    }

    /// Refuses unless the caller is `owner`.
    pub(crate) fn authenticate(&self, owner: Address, needs: Role) -> Result<(), Error> {
        let caller = self.caller();
        ensure(caller == owner, Refusal::NotAllowed { caller, needs })
    }
}
