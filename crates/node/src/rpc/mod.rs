//! JSON-RPC over HTTP and WebSocket: what wallets and Ethereum tools speak, and what shows the marketplace.
//!
//! Everything is final: `latest`, `safe` and `finalized` are the same block, nothing is ever taken back. Only the
//! newest state can be read; blocks, receipts and logs are there for every height.

mod error;
mod eth;
mod explain;
mod market;
mod views;

use crate::{engine::Handle, index::Index};
use jsonrpsee::{
    RpcModule,
    core::traits::IdProvider,
    server::{BatchRequestConfig, Server, ServerConfig, ServerHandle},
    types::SubscriptionId,
};
use std::{net::SocketAddr, sync::Arc};

/// Limits of what one client may ask for.
const MAX_REQUEST_BYTES: u32 = 2 << 20;
const MAX_RESPONSE_BYTES: u32 = 32 << 20;
const MAX_CONNECTIONS: u32 = 256;
const MAX_BATCH: u32 = 64;
const MAX_SUBSCRIPTIONS: u32 = 32;

/// What answers are made from; cheap to clone.
#[derive(Clone)]
pub(crate) struct Source {
    pub(crate) node: Handle,
    pub(crate) index: Arc<Index>,
    pub(crate) chain_id: u64,
    /// Other validators of the network.
    pub(crate) peers: usize,
}

/// Serves on `address` until the handle is dropped or stopped; gives the address it got.
///
/// # Errors
/// If the address cannot be used.
pub(crate) async fn serve(
    address: SocketAddr,
    source: Source,
) -> std::io::Result<(SocketAddr, ServerHandle)> {
    let config = ServerConfig::builder()
        .max_request_body_size(MAX_REQUEST_BYTES)
        .max_response_body_size(MAX_RESPONSE_BYTES)
        .max_connections(MAX_CONNECTIONS)
        .max_subscriptions_per_connection(MAX_SUBSCRIPTIONS)
        .set_batch_request_config(BatchRequestConfig::Limit(MAX_BATCH))
        .set_id_provider(HexIds)
        .build();
    let server = Server::builder().set_config(config).build(address).await?;
    let local = server.local_addr()?;
    Ok((local, server.start(methods(source))))
}

/// Names subscriptions as Ethereum tools expect it: by a hexadecimal number.
#[derive(Debug)]
struct HexIds;

impl IdProvider for HexIds {
    fn next_id(&self) -> SubscriptionId<'static> {
        format!("{:#x}", rand::random::<u128>()).into()
    }
}

/// All methods.
fn methods(source: Source) -> RpcModule<()> {
    let mut module = RpcModule::new(());
    let distinct = "method names are distinct";
    module
        .merge(market::MarketServer::into_rpc(source.clone()))
        .expect(distinct);
    module
        .merge(eth::EthServer::into_rpc(source.clone()))
        .expect(distinct);
    module
        .merge(eth::NetServer::into_rpc(source.clone()))
        .expect(distinct);
    module
        .merge(eth::Web3Server::into_rpc(source))
        .expect(distinct);
    module
}
