//! Datacenters: where peers stand. What is said here is a claim of the provider.
//!
//! Promises (`docs/spec/supply.md`):
//! - S2: a datacenter's country and city have the form of their registries and never change.

use crate::attribute::{Attribute, check_all, check_text};
use crate::call::Reply;
use crate::cx::Cx;
use crate::limits::MAX_SET;
use crate::provider::{self, PROVIDERS};
use crate::refusal::{Error, Object, Refusal, ensure, long};
use crate::store::Store;
use crate::table::Table;
use crate::units::{DatacenterId, Flt, ProviderId};
use crate::{deposit, time};
use borsh::{BorshDeserialize, BorshSerialize};

/// A country: ISO 3166 alpha-2, two capital letters.
#[derive(BorshDeserialize, BorshSerialize, Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Country(pub [u8; 2]);

impl std::fmt::Display for Country {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0
            .iter()
            .try_for_each(|letter| write!(f, "{}", char::from(*letter)))
    }
}

/// A datacenter.
#[derive(BorshDeserialize, BorshSerialize, Clone, Debug, PartialEq, Eq)]
pub struct Datacenter {
    /// Whose.
    pub provider: ProviderId,
    /// Country.
    pub country: Country,
    /// City: UN/LOCODE without the country, three capital letters or digits.
    pub city: String,
    /// Name.
    pub name: String,
    /// Certifications, such as `iso27001`.
    pub certifications: Vec<String>,
    /// Further claims.
    pub attributes: Vec<Attribute>,
}

/// What a datacenter is home to, and its deposit.
#[derive(BorshDeserialize, BorshSerialize, Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tenants {
    /// Peers that stand in it, and offers for them.
    pub count: u32,
    /// Its storage deposit.
    pub deposit: Flt,
}

/// Datacenters by id.
pub const DATACENTERS: Table<DatacenterId, Datacenter> = Table::new(0x11, "datacenters");
/// Tenants by datacenter: every datacenter has a row.
pub const TENANTS: Table<DatacenterId, Tenants> = Table::new(0x17, "tenants");
const COUNTER: u8 = 1;

/// Calls about datacenters.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Call {
    /// The provider's owner registers one.
    Register(Datacenter),
    /// The provider's owner removes one without peers and offers.
    Remove {
        /// Which.
        datacenter: DatacenterId,
    },
}

/// What happens to datacenters.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// There is a new datacenter.
    Registered {
        /// Its id.
        datacenter: DatacenterId,
        /// Whose.
        provider: ProviderId,
        /// Country.
        country: Country,
        /// City.
        city: String,
    },
    /// It is gone.
    Removed {
        /// Which.
        datacenter: DatacenterId,
    },
}

/// One handler for each call.
pub(crate) fn apply<S: Store>(cx: &mut Cx<'_, S>, call: Call) -> Result<Reply, Error> {
    match call {
        Call::Register(datacenter) => register(cx, &datacenter),
        Call::Remove { datacenter } => remove(cx, datacenter),
    }
}

fn register<S: Store>(cx: &mut Cx<'_, S>, datacenter: &Datacenter) -> Result<Reply, Error> {
    let provider = datacenter.provider;
    let mut owner = provider::owned(cx, provider)?;
    check(datacenter)?;
    let id = DatacenterId(time::next_id(cx.store, COUNTER)?);
    let tenants = Tenants {
        count: 0,
        deposit: cx.params.deposit(1),
    };
    DATACENTERS.put(cx.store, &id, datacenter)?;
    TENANTS.put(cx.store, &id, &tenants)?;
    owner.datacenters = owner.datacenters.saturating_add(1);
    PROVIDERS.put(cx.store, &provider, &owner)?;
    let (country, city) = (datacenter.country, datacenter.city.clone());
    cx.emit(Event::Registered {
        datacenter: id,
        provider,
        country,
        city,
    });
    Ok(Reply::Datacenter(id))
}

fn remove<S: Store>(cx: &mut Cx<'_, S>, id: DatacenterId) -> Result<Reply, Error> {
    let object = Object::Datacenter(id);
    let datacenter = get(cx.store, id)?.ok_or(Refusal::Unknown(object))?;
    let mut owner = provider::owned(cx, datacenter.provider)?;
    let tenants = TENANTS.must(cx.store, &id)?;
    ensure(tenants.count == 0, Refusal::NotEmpty(object))?;
    DATACENTERS.delete(cx.store, &id)?;
    TENANTS.delete(cx.store, &id)?;
    owner.datacenters = owner.datacenters.saturating_sub(1);
    PROVIDERS.put(cx.store, &datacenter.provider, &owner)?;
    cx.emit(Event::Removed { datacenter: id });
    deposit::give_back(cx, owner.owner, tenants.deposit)?;
    Ok(Reply::Done)
}

/// Counts a peer or an offer that came, or one that went.
pub(crate) fn count<S: Store>(store: &mut S, id: DatacenterId, came: bool) -> Result<(), Error> {
    let mut tenants = TENANTS.must(store, &id)?;
    tenants.count = match came {
        true => tenants.count.saturating_add(1),
        false => tenants.count.saturating_sub(1),
    };
    TENANTS.put(store, &id, &tenants)
}

fn check(datacenter: &Datacenter) -> Result<(), Error> {
    let capitals = datacenter.country.0.iter().all(u8::is_ascii_uppercase);
    ensure(
        capitals,
        Refusal::Malformed {
            what: "country: two capital letters",
        },
    )?;
    let city = datacenter.city.as_bytes();
    let code = city.len() == 3
        && city
            .iter()
            .all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit());
    ensure(
        code,
        Refusal::Malformed {
            what: "city: three capital letters or digits",
        },
    )?;
    check_text("name of the datacenter", &datacenter.name)?;
    long(
        "certifications",
        datacenter.certifications.len(),
        0,
        MAX_SET,
    )?;
    let mut certifications = datacenter.certifications.iter();
    certifications.try_for_each(|text| check_text("certification", text))?;
    check_all(&datacenter.attributes)
}

/// The datacenter with this id.
///
/// # Errors
/// Out of work.
pub fn get<S: Store>(store: &mut S, id: DatacenterId) -> Result<Option<Datacenter>, Error> {
    DATACENTERS.get(store, &id)
}

/// Datacenters after `after`, by id; at most `limit` and never more than a page.
///
/// # Errors
/// Out of work.
pub fn list<S: Store>(
    store: &mut S,
    after: Option<DatacenterId>,
    limit: usize,
) -> Result<Vec<(DatacenterId, Datacenter)>, Error> {
    DATACENTERS.page(store, &(), after.as_ref(), limit)
}
