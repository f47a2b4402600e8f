//! Every call there is, by name. Whoever adds one is told here, and then by tests, what else it needs: random calls
//! (`random/swarm.rs`), a typical call (`typical.rs`), and a word in `twice.rs` if it asks for more each time. Tests of
//! other crates include this file by its path.

use marketplace::Call;
use marketplace::{
    audit, change, commitment, datacenter, deal, demand, governance, offer, peer, pool, provider,
    usdc, window, worker,
};

macro_rules! calls {
    ($($outer:ident($noun:ident) { $($variant:ident: $name:literal,)* })*) => {
        /// The names of all calls.
        pub(crate) const NAMES: &[&str] = &[$($($name),*),*];

        /// The name of a call.
        pub(crate) fn name(call: &Call) -> &'static str {
            match call {
                $(Call::$outer(call) => match call {
                    $($noun::Call::$variant { .. } => $name,)*
                },)*
            }
        }
    };
}

calls! {
    Usdc(usdc) {
        Transfer: "usdc transfer",
        Approve: "usdc approve",
        TransferFrom: "usdc transfer-from",
        Faucet: "usdc faucet",
    }
    Governance(governance) {
        Propose: "governance propose",
        Cancel: "governance cancel",
    }
    Provider(provider) {
        Register: "provider register",
        Update: "provider update",
        Transfer: "provider transfer",
        Accept: "provider accept",
        Admit: "provider admit",
        Remove: "provider remove",
        Withdraw: "provider withdraw",
    }
    Datacenter(datacenter) {
        Register: "datacenter register",
        Remove: "datacenter remove",
    }
    Peer(peer) {
        Register: "peer register",
        SetEndpoints: "peer set-endpoints",
        SetOperator: "peer set-operator",
        SetAttributes: "peer set-attributes",
        AddUnits: "peer add-units",
        RemoveUnits: "peer remove-units",
        Remove: "peer remove",
    }
    Offer(offer) {
        Post: "offer post",
        SetPrice: "offer set-price",
        SetTerms: "offer set-terms",
        AddPeer: "offer add-peer",
        RemovePeer: "offer remove-peer",
        Close: "offer close",
    }
    Demand(demand) {
        Post: "demand post",
    }
    Deal(deal) {
        TopUp: "deal top-up",
        WithdrawSurplus: "deal withdraw-surplus",
        Evict: "deal evict",
        Stop: "deal stop",
        Remove: "deal remove",
    }
    Change(change) {
        Terms: "change terms",
        Offer: "change offer",
        Accept: "change accept",
    }
    Worker(worker) {
        Running: "worker running",
        CannotRun: "worker cannot-run",
        Report: "worker report",
        GiveNotice: "worker give-notice",
        GiveNoticeOfAll: "worker give-notice-of-all",
        Leave: "worker leave",
    }
    Commitment(commitment) {
        Create: "commitment create",
        Deposit: "commitment deposit",
        TakeBack: "commitment take-back",
        Cancel: "commitment cancel",
        Claim: "commitment claim",
    }
    Window(window) {
        Commit: "window commit",
    }
    Audit(audit) {
        Answer: "audit answer",
    }
    Pool(pool) {
        Fund: "pool fund",
        SetPrice: "pool set-price",
    }
}
