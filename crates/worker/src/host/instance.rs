//! A function in its store: fresh, or kept from an earlier request where the plan lets it (`reuse`).
//!
//! An instance that is kept remembers what its code remembers, and nothing else of a request: it is kept only if the
//! function ended well, let go of what it was given and has much of its memory left. All limits are those of the request.

use super::{functions::Function, guest::Guest, pace, request::Call};
use std::sync::Arc;
use wasmtime::{Result, Store, component::Resource};
use wasmtime_wasi_http::p2::{
    bindings::{Proxy, ProxyPre},
    types::{HostIncomingRequest, HostResponseOutparam},
};

/// One of a function's instances.
pub(super) struct Instance {
    pub(super) store: Store<Guest>,
    function: Arc<Function>,
    /// None before its first request. Asynchronous ones have only one.
    proxy: Option<Proxy>,
    served: u32,
}

impl Instance {
    /// One that waits for a request to this function, or a fresh one.
    pub(super) fn of(call: &Call) -> Self {
        Self::kept(call).unwrap_or_else(|| Self {
            store: Guest::store(call),
            function: call.function.clone(),
            proxy: None,
            served: 0,
        })
    }

    fn kept(call: &Call) -> Option<Self> {
        let is_wanted = |instance: &Self| Arc::ptr_eq(&instance.function, &call.function);
        let mut instance = call.kept.take(is_wanted)?;
        pace::resume(&mut instance.store);
        instance.store.data_mut().begin(call).then_some(instance)
    }

    /// Has a function of WASI 0.2 answer.
    ///
    /// # Errors
    /// It traps, or there is no room for it.
    pub(super) async fn handle(
        &mut self,
        component: &ProxyPre<Guest>,
        request: Resource<HostIncomingRequest>,
        out: Resource<HostResponseOutparam>,
    ) -> Result<()> {
        let proxy = match &self.proxy {
            Some(proxy) => proxy,
            None => {
                let proxy = component.instantiate_async(&mut self.store).await?;
                self.proxy.insert(proxy)
            }
        };
        let handler = proxy.wasi_http_incoming_handler();
        handler.call_handle(&mut self.store, request, out).await
    }

    /// Lets go of a request that was answered. Whether the instance may have another one.
    pub(super) fn rest(&mut self, call: &Call) -> bool {
        self.served += 1;
        let functions = &call.functions;
        self.served < functions.given.reuse
            && self.proxy.is_some()
            && self.store.data_mut().rest()
            && self.memory_bytes() <= functions.limits.memory_bytes / 2
    }

    /// What its memories have.
    pub(super) fn memory_bytes(&self) -> u64 {
        self.store.data().memory_bytes()
    }
}
