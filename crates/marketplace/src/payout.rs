//! Withdrawals of providers.

use crate::call::Reply;
use crate::cx::Cx;
use crate::refusal::{Error, Refusal};
use crate::store::Store;
use crate::units::ProviderId;

pub(crate) fn withdraw<S: Store>(
    _cx: &mut Cx<'_, S>,
    _provider: ProviderId,
    _workers: u16,
) -> Result<Reply, Error> {
    Err(Refusal::NotYet { what: "withdraw" }.into())
}
