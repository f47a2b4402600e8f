//! What happened, for logs and for indexes: one enum over the events of each noun.

/// Something that happened, in the words of its noun.
macro_rules! events {
    ($($(#[$doc:meta])* $name:ident($noun:ident),)*) => {
        /// Something that happened.
        #[derive(Clone, Debug, PartialEq, Eq)]
        pub enum Event {
            $($(#[$doc])* $name(crate::$noun::Event),)*
        }
        $(impl From<crate::$noun::Event> for Event {
            fn from(event: crate::$noun::Event) -> Self {
                Self::$name(event)
            }
        })*
    };
}

events! {
    /// Of the ledger: money moved.
    Ledger(ledger),
    /// Of USDC's allowances and authorizations.
    Usdc(usdc),
    /// Of storage deposits.
    Deposit(deposit),
    /// Of a parameter.
    Governance(governance),
    /// Of a provider.
    Provider(provider),
    /// Of a datacenter.
    Datacenter(datacenter),
    /// Of a peer and its units.
    Peer(peer),
    /// Of an offer.
    Offer(offer),
    /// Of a demand.
    Demand(demand),
    /// Of a deal.
    Deal(deal),
    /// Of a change of a deal.
    Change(change),
    /// Of a worker.
    Worker(worker),
    /// Of a capacity commitment.
    Commitment(commitment),
    /// Of a window.
    Window(window),
    /// Of an audit.
    Audit(audit),
    /// Of the pool of rewards.
    Pool(pool),
}
