//! Providers: who rents out compute units.
//!
//! Promises (`docs/spec/supply.md`):
//! - S1: only the owner of a provider changes it, adds to it or withdraws for it.
//! - S13: ownership moves in two steps; what was earned and not withdrawn is the new owner's.
//! - S14: where providers are listed, only admitted ones get new workers.

use crate::attribute::{Attribute, check_all, check_text};
use crate::call::Reply;
use crate::cx::Cx;
use crate::refusal::{Error, Object, Refusal, Role, ensure};
use crate::store::Store;
use crate::table::Table;
use crate::units::{Address, Flt, Hash, ProviderId, Time, WorkerId};
use crate::worker::BY_PROVIDER;
use crate::{deal, deposit, time};
use borsh::{BorshDeserialize, BorshSerialize};

/// A provider.
#[derive(BorshDeserialize, BorshSerialize, Clone, Debug, PartialEq, Eq)]
pub struct Provider {
    /// The account that owns it.
    pub owner: Address,
    /// The account that may become its owner.
    pub heir: Option<Address>,
    /// Whether governance admitted it; counts only where providers are listed. (S14)
    pub admitted: bool,
    /// Name.
    pub name: String,
    /// Hash of a document that describes it; zero for none.
    pub metadata: Hash,
    /// Claims about it.
    pub attributes: Vec<Attribute>,
    /// When it was registered.
    pub registered: Time,
    /// The last worker that a withdrawal looked at; the next goes on after it.
    pub paid_through: WorkerId,
    /// How many datacenters it has.
    pub datacenters: u32,
    /// Its storage deposit.
    pub deposit: Flt,
}

/// Providers by id.
pub const PROVIDERS: Table<ProviderId, Provider> = Table::new(0x10, "providers");
const COUNTER: u8 = 0;

/// Calls about providers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Call {
    /// The caller becomes the owner of a new provider.
    Register {
        /// Name.
        name: String,
        /// Hash of a document that describes it; zero for none.
        metadata: Hash,
        /// Claims about it; they stay.
        attributes: Vec<Attribute>,
    },
    /// The owner names another document that describes it. (Name and attributes are matched on and stay.)
    Update {
        /// Which.
        provider: ProviderId,
        /// Hash of a document that describes it.
        metadata: Hash,
    },
    /// The owner names the account that may become the owner; None takes that back.
    Transfer {
        /// Which.
        provider: ProviderId,
        /// The account.
        to: Option<Address>,
    },
    /// That account becomes the owner.
    Accept {
        /// Which.
        provider: ProviderId,
    },
    /// Governance puts it on the list of providers, or takes it off.
    Admit {
        /// Which.
        provider: ProviderId,
        /// Onto the list, or off.
        admitted: bool,
    },
    /// The owner removes it, when it has no datacenter and no worker to be paid.
    Remove {
        /// Which.
        provider: ProviderId,
    },
    /// The owner takes what its workers have earned up to their last reports, oldest worker first, going on
    /// where the last call stopped.
    Withdraw {
        /// Which.
        provider: ProviderId,
        /// How many workers to look at, 1 to 256.
        workers: u16,
    },
}

/// What happens to providers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// There is a new provider.
    Registered {
        /// Its id.
        provider: ProviderId,
        /// Its owner.
        owner: Address,
        /// Its name.
        name: String,
    },
    /// This account may become its owner; None: nobody any more.
    Offered {
        /// Which.
        provider: ProviderId,
        /// The account.
        to: Option<Address>,
    },
    /// It has another owner.
    Transferred {
        /// Which.
        provider: ProviderId,
        /// Who it was.
        from: Address,
        /// Who it is.
        to: Address,
    },
    /// It is on the list of providers, or off it.
    Admitted {
        /// Which.
        provider: ProviderId,
        /// On the list, or off.
        admitted: bool,
    },
    /// It is gone.
    Removed {
        /// Which.
        provider: ProviderId,
    },
    /// It was described anew.
    Updated {
        /// Which.
        provider: ProviderId,
        /// Hash of the document.
        metadata: Hash,
    },
}

/// One handler for each call.
pub(crate) fn apply<S: Store>(cx: &mut Cx<'_, S>, call: Call) -> Result<Reply, Error> {
    match call {
        Call::Register {
            name,
            metadata,
            attributes,
        } => register(cx, name, metadata, attributes),
        Call::Update { provider, metadata } => update(cx, provider, metadata),
        Call::Transfer { provider, to } => transfer(cx, provider, to),
        Call::Accept { provider } => accept(cx, provider),
        Call::Admit { provider, admitted } => admit(cx, provider, admitted),
        Call::Remove { provider } => remove(cx, provider),
        Call::Withdraw { provider, workers } => deal::withdraw(cx, provider, workers),
    }
}

fn register<S: Store>(
    cx: &mut Cx<'_, S>,
    name: String,
    metadata: Hash,
    attributes: Vec<Attribute>,
) -> Result<Reply, Error> {
    check_text("name of the provider", &name)?;
    check_all(&attributes)?;
    let id = ProviderId(time::next_id(cx.store, COUNTER)?);
    let owner = cx.caller();
    let provider = Provider {
        owner,
        heir: None,
        admitted: false,
        name: name.clone(),
        metadata,
        attributes,
        registered: cx.now(),
        paid_through: WorkerId::default(),
        datacenters: 0,
        deposit: cx.params.deposit(1),
    };
    PROVIDERS.put(cx.store, &id, &provider)?;
    cx.emit(Event::Registered {
        provider: id,
        owner,
        name,
    });
    Ok(Reply::Provider(id))
}

fn update<S: Store>(cx: &mut Cx<'_, S>, id: ProviderId, metadata: Hash) -> Result<Reply, Error> {
    let mut provider = owned(cx, id)?;
    provider.metadata = metadata;
    PROVIDERS.put(cx.store, &id, &provider)?;
    cx.emit(Event::Updated {
        provider: id,
        metadata,
    });
    Ok(Reply::Done)
}

fn transfer<S: Store>(
    cx: &mut Cx<'_, S>,
    id: ProviderId,
    to: Option<Address>,
) -> Result<Reply, Error> {
    let mut provider = owned(cx, id)?;
    provider.heir = to;
    PROVIDERS.put(cx.store, &id, &provider)?;
    cx.emit(Event::Offered { provider: id, to });
    Ok(Reply::Done)
}

fn accept<S: Store>(cx: &mut Cx<'_, S>, id: ProviderId) -> Result<Reply, Error> {
    let mut provider = known(cx, id)?;
    let heir = provider.heir.take().ok_or(Refusal::WrongState {
        object: Object::Provider(id),
        state: "not offered to anybody",
    })?;
    cx.authenticate(heir, Role::Heir)?;
    let from = std::mem::replace(&mut provider.owner, heir);
    PROVIDERS.put(cx.store, &id, &provider)?;
    cx.emit(Event::Transferred {
        provider: id,
        from,
        to: heir,
    });
    Ok(Reply::Done)
}

fn remove<S: Store>(cx: &mut Cx<'_, S>, id: ProviderId) -> Result<Reply, Error> {
    let provider = owned(cx, id)?;
    let unpaid = BY_PROVIDER.first(cx.store, &id, None)?.is_some();
    let empty = provider.datacenters == 0 && !unpaid;
    ensure(empty, Refusal::NotEmpty(Object::Provider(id)))?;
    PROVIDERS.delete(cx.store, &id)?;
    cx.emit(Event::Removed { provider: id });
    deposit::give_back(cx, provider.owner, provider.deposit)?;
    Ok(Reply::Done)
}

fn admit<S: Store>(cx: &mut Cx<'_, S>, id: ProviderId, admitted: bool) -> Result<Reply, Error> {
    cx.authenticate(cx.params.governance, Role::Governance)?;
    let mut provider = known(cx, id)?;
    provider.admitted = admitted;
    PROVIDERS.put(cx.store, &id, &provider)?;
    cx.emit(Event::Admitted {
        provider: id,
        admitted,
    });
    Ok(Reply::Done)
}

fn known<S: Store>(cx: &mut Cx<'_, S>, id: ProviderId) -> Result<Provider, Error> {
    Ok(get(cx.store, id)?.ok_or(Refusal::Unknown(Object::Provider(id)))?)
}

/// The provider, if the caller owns it.
pub(crate) fn owned<S: Store>(cx: &mut Cx<'_, S>, id: ProviderId) -> Result<Provider, Error> {
    let provider = known(cx, id)?;
    cx.authenticate(provider.owner, Role::ProviderOwner)?;
    Ok(provider)
}

/// The provider with this id.
///
/// # Errors
/// Out of work.
pub fn get<S: Store>(store: &mut S, id: ProviderId) -> Result<Option<Provider>, Error> {
    PROVIDERS.get(store, &id)
}

/// Providers after `after`, by id; at most `limit` and never more than a page.
///
/// # Errors
/// Out of work.
pub fn list<S: Store>(
    store: &mut S,
    after: Option<ProviderId>,
    limit: usize,
) -> Result<Vec<(ProviderId, Provider)>, Error> {
    PROVIDERS.page(store, &(), after.as_ref(), limit)
}
