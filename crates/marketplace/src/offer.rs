//! Offers: a provider's willingness to accept, for peers of one datacenter.
//!
//! Promises (`docs/spec/supply.md`):
//! - S7: a raise of the price takes effect at the next epoch, a cut at once; workers keep their price.
//! - S8: a demand is matched only if the offer's terms allow it.
//! - S9: a closed or expired offer gets no new workers; those it has stay.

use crate::attribute::Attribute;
use crate::call::Reply;
use crate::cx::Cx;
use crate::refusal::{Error, Refusal};
use crate::store::Store;
use crate::table::Table;
use crate::units::{DatacenterId, Epoch, OfferId, PeerId, Price, ProviderId, Seconds, Time};
use borsh::{BorshDeserialize, BorshSerialize};

/// What an offer accepts.
#[derive(BorshDeserialize, BorshSerialize, Clone, Debug, PartialEq, Eq)]
pub struct Terms {
    /// Shortest duration of a deal; a deal without an end is longer than any.
    pub min_duration: Seconds,
    /// Longest duration of a deal; None: any, also without an end.
    pub max_duration: Option<Seconds>,
    /// Most units in one deal; None: any.
    pub max_units_per_deal: Option<u32>,
    /// Notice that the provider gives before it leaves a deal.
    pub notice: Seconds,
    /// Longest hold of a deal that it accepts.
    pub max_hold: Seconds,
    /// Until when it stands; None: until it is closed.
    pub valid_until: Option<Time>,
    /// Claims about it.
    pub attributes: Vec<Attribute>,
}

/// An offer.
#[derive(BorshDeserialize, BorshSerialize, Clone, Debug, PartialEq, Eq)]
pub struct Offer {
    /// Whose.
    pub provider: ProviderId,
    /// Where its peers stand.
    pub datacenter: DatacenterId,
    /// Price in force; see [`Offer::ask`].
    pub price: Price,
    /// A raise, and the epoch from which it holds.
    pub raise: Option<(Epoch, Price)>,
    /// What it accepts.
    pub terms: Terms,
}

impl Offer {
    /// The price asked in `epoch`.
    #[must_use]
    pub fn ask(&self, epoch: Epoch) -> Price {
        match self.raise {
            Some((from, price)) if from <= epoch => price,
            _ => self.price,
        }
    }
}

/// Offers by id.
pub const OFFERS: Table<OfferId, Offer> = Table::new(0x15, "offers");
/// Peers of an offer.
pub const OFFER_PEERS: Table<(OfferId, PeerId), ()> = Table::new(0x16, "offer_peers");

/// Calls about offers, made by the provider's owner.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Call {
    /// Makes an offer.
    Post {
        /// Where its peers stand; names the provider too.
        datacenter: DatacenterId,
        /// Price per unit and epoch.
        price: Price,
        /// What it accepts.
        terms: Terms,
        /// Its peers, at most 64; more can be added.
        peers: Vec<PeerId>,
    },
    /// Asks another price: more from the next epoch on, less at once.
    SetPrice {
        /// Which.
        offer: OfferId,
        /// Price per unit and epoch.
        price: Price,
    },
    /// Adds a peer of its datacenter that stands in no offer.
    AddPeer {
        /// Which.
        offer: OfferId,
        /// The peer.
        peer: PeerId,
    },
    /// Takes a peer out; its workers stay.
    RemovePeer {
        /// Which.
        offer: OfferId,
        /// The peer.
        peer: PeerId,
    },
    /// Ends an offer without peers.
    Close {
        /// Which.
        offer: OfferId,
    },
}

/// What happens to offers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// There is a new offer.
    Posted {
        /// Its id.
        offer: OfferId,
        /// Whose.
        provider: ProviderId,
        /// Where.
        datacenter: DatacenterId,
        /// Price per unit and epoch.
        price: Price,
    },
    /// It asks another price.
    PriceSet {
        /// Which.
        offer: OfferId,
        /// Price per unit and epoch.
        price: Price,
        /// From this epoch on.
        from: Epoch,
    },
    /// It has one more peer.
    PeerAdded {
        /// Which.
        offer: OfferId,
        /// The peer.
        peer: PeerId,
    },
    /// It has one peer less.
    PeerRemoved {
        /// Which.
        offer: OfferId,
        /// The peer.
        peer: PeerId,
    },
    /// It is gone.
    Closed {
        /// Which.
        offer: OfferId,
    },
}

/// One handler for each call.
pub(crate) fn apply<S: Store>(_cx: &mut Cx<'_, S>, _call: Call) -> Result<Reply, Error> {
    Err(Refusal::NotYet { what: "offer" }.into())
}
