//! Providers: calls, events and records of `IProvider.sol`.

use crate::attribute;
use crate::calldata::{Query, Request};
use crate::refusal::Revert;
use crate::sol::IProvider::{self as i, IProviderCalls as Calls};
use alloy_primitives::{Address as SolAddress, LogData};
use alloy_sol_types::{SolCall as _, SolEvent as _};
use marketplace::provider::{Call, Event, PROVIDERS, Provider};
use marketplace::refusal::Object;
use marketplace::store::Store;
use marketplace::units::{Address, Hash, ProviderId};
use marketplace::{Cx, Error, Refusal};

pub(crate) fn decode(calls: Calls) -> Result<Request, Revert> {
    let call = match calls {
        Calls::registerProvider(c) => Call::Register {
            name: c.name,
            metadata: Hash(c.metadata.0),
            attributes: attribute::decode(c.attributes)?,
        },
        Calls::updateProvider(c) => Call::Update {
            provider: ProviderId(c.provider),
            metadata: Hash(c.metadata.0),
        },
        Calls::transferProvider(c) => Call::Transfer {
            provider: ProviderId(c.provider),
            to: (c.to != SolAddress::ZERO).then(|| Address(c.to.into_array())),
        },
        Calls::acceptProvider(c) => Call::Accept {
            provider: ProviderId(c.provider),
        },
        Calls::admitProvider(c) => Call::Admit {
            provider: ProviderId(c.provider),
            admitted: c.admitted,
        },
        Calls::removeProvider(c) => Call::Remove {
            provider: ProviderId(c.provider),
        },
        Calls::withdraw(c) => Call::Withdraw {
            provider: ProviderId(c.provider),
            workers: c.workers,
        },
        Calls::getProvider(c) => {
            return Ok(Request::Query(Query::Provider(ProviderId(c.provider))));
        }
    };
    Ok(Request::Call(marketplace::Call::Provider(call)))
}

pub(crate) fn encode(call: &Call) -> Vec<u8> {
    match call.clone() {
        Call::Register {
            name,
            metadata,
            attributes,
        } => i::registerProviderCall {
            name,
            metadata: metadata.0.into(),
            attributes: attribute::encode(attributes),
        }
        .abi_encode(),
        Call::Update { provider, metadata } => i::updateProviderCall {
            provider: provider.0,
            metadata: metadata.0.into(),
        }
        .abi_encode(),
        Call::Transfer { provider, to } => i::transferProviderCall {
            provider: provider.0,
            to: to.unwrap_or_default().0.into(),
        }
        .abi_encode(),
        Call::Accept { provider } => {
            let provider = provider.0;
            i::acceptProviderCall { provider }.abi_encode()
        }
        Call::Admit { provider, admitted } => {
            let provider = provider.0;
            i::admitProviderCall { provider, admitted }.abi_encode()
        }
        Call::Remove { provider } => {
            let provider = provider.0;
            i::removeProviderCall { provider }.abi_encode()
        }
        Call::Withdraw { provider, workers } => {
            let provider = provider.0;
            i::withdrawCall { provider, workers }.abi_encode()
        }
    }
}

pub(crate) fn log(event: &Event) -> LogData {
    match event.clone() {
        Event::Registered {
            provider,
            owner,
            name,
        } => i::ProviderRegistered {
            provider: provider.0,
            owner: owner.0.into(),
            name,
        }
        .encode_log_data(),
        Event::Offered { provider, to } => i::ProviderOffered {
            provider: provider.0,
            to: to.unwrap_or_default().0.into(),
        }
        .encode_log_data(),
        Event::Transferred { provider, from, to } => i::ProviderTransferred {
            provider: provider.0,
            from: from.0.into(),
            to: to.0.into(),
        }
        .encode_log_data(),
        Event::Admitted { provider, admitted } => {
            let provider = provider.0;
            i::ProviderAdmitted { provider, admitted }.encode_log_data()
        }
        Event::Removed { provider } => i::ProviderRemoved {
            provider: provider.0,
        }
        .encode_log_data(),
        Event::Updated { provider, metadata } => i::ProviderUpdated {
            provider: provider.0,
            metadata: metadata.0.into(),
        }
        .encode_log_data(),
    }
}

pub(crate) fn answer<S: Store>(cx: &mut Cx<'_, S>, id: ProviderId) -> Result<Vec<u8>, Error> {
    let unknown = Refusal::Unknown(Object::Provider(id));
    let record = PROVIDERS.get(cx.store, &id)?.ok_or(unknown)?;
    Ok(i::getProviderCall::abi_encode_returns(&record.into()))
}

impl From<Provider> for i::ProviderRecord {
    fn from(provider: Provider) -> Self {
        Self {
            owner: provider.owner.0.into(),
            heir: provider.heir.unwrap_or_default().0.into(),
            admitted: provider.admitted,
            name: provider.name,
            metadata: provider.metadata.0.into(),
            attributes: attribute::encode(provider.attributes),
            registered: provider.registered.0,
        }
    }
}
