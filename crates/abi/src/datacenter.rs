//! Datacenters: calls, events and records of `IDatacenter.sol`.

use crate::attribute;
use crate::calldata::{Query, Request};
use crate::refusal::Revert;
use crate::sol::IDatacenter::{self as i, IDatacenterCalls as Calls};
use alloy_primitives::LogData;
use alloy_sol_types::{SolCall as _, SolEvent as _};
use marketplace::datacenter::{Call, Country, DATACENTERS, Datacenter, Event};
use marketplace::refusal::Object;
use marketplace::store::Store;
use marketplace::units::{DatacenterId, ProviderId};
use marketplace::{Cx, Error, Refusal};

pub(crate) fn decode(calls: Calls) -> Result<Request, Revert> {
    let call = match calls {
        Calls::registerDatacenter(c) => Call::Register(c.datacenter.try_into()?),
        Calls::removeDatacenter(c) => Call::Remove {
            datacenter: DatacenterId(c.datacenter),
        },
        Calls::getDatacenter(c) => {
            return Ok(Request::Query(Query::Datacenter(DatacenterId(
                c.datacenter,
            ))));
        }
    };
    Ok(Request::Call(marketplace::Call::Datacenter(call)))
}

pub(crate) fn encode(call: &Call) -> Vec<u8> {
    match call.clone() {
        Call::Register(datacenter) => i::registerDatacenterCall {
            datacenter: datacenter.into(),
        }
        .abi_encode(),
        Call::Remove { datacenter } => {
            let datacenter = datacenter.0;
            i::removeDatacenterCall { datacenter }.abi_encode()
        }
    }
}

pub(crate) fn log(event: &Event) -> LogData {
    match event.clone() {
        Event::Registered {
            datacenter,
            provider,
            country,
            city,
        } => i::DatacenterRegistered {
            datacenter: datacenter.0,
            provider: provider.0,
            country: country.0.into(),
            city,
        }
        .encode_log_data(),
        Event::Removed { datacenter } => i::DatacenterRemoved {
            datacenter: datacenter.0,
        }
        .encode_log_data(),
    }
}

pub(crate) fn answer<S: Store>(cx: &mut Cx<'_, S>, id: DatacenterId) -> Result<Vec<u8>, Error> {
    let unknown = Refusal::Unknown(Object::Datacenter(id));
    let record = DATACENTERS.get(cx.store, &id)?.ok_or(unknown)?;
    Ok(i::getDatacenterCall::abi_encode_returns(&record.into()))
}

impl From<Datacenter> for i::DatacenterRecord {
    fn from(datacenter: Datacenter) -> Self {
        Self {
            provider: datacenter.provider.0,
            country: datacenter.country.0.into(),
            city: datacenter.city,
            name: datacenter.name,
            certifications: datacenter.certifications,
            attributes: attribute::encode(datacenter.attributes),
        }
    }
}

impl TryFrom<i::DatacenterRecord> for Datacenter {
    type Error = Refusal;

    fn try_from(record: i::DatacenterRecord) -> Result<Self, Refusal> {
        Ok(Self {
            provider: ProviderId(record.provider),
            country: Country(record.country.0),
            city: record.city,
            name: record.name,
            certifications: record.certifications,
            attributes: attribute::decode(record.attributes)?,
        })
    }
}
