//! One request's own world: memory, resources and outputs that nobody else sees, thrown away after.

use super::{
    engine::{MEMORIES, MODULES, TABLE_ENTRIES, TABLES},
    given::Given,
    keyvalue::{Access, View},
    outbound::{Sender, Sent},
    request::Function,
    stdio::Output,
};
use crate::control::Source;
use std::sync::Arc;
use wasmtime::{ResourceLimiter, Result, Store, component::ResourceTable};
use wasmtime_wasi::{WasiCtx, WasiCtxView, WasiView};
use wasmtime_wasi_config::WasiConfig;
use wasmtime_wasi_http::{
    Error, RequestOptions, WasiBody, WasiHttpCtx, WasiHttpCtxView, WasiHttpHooks, WasiHttpView,
};

/// Host resources (streams, headers, bodies) that a request may hold at once.
const RESOURCES: usize = 512;

/// Bytes that a function may hand over in one call.
const CALL_BYTES: usize = 4 << 20;

/// Random bytes that a function may take in one call.
const RANDOM_BYTES: u64 = 64 << 10;

/// Bytes of an answer that wait for the connection.
const BODY_CHUNK_BYTES: usize = 64 << 10;

/// What a store holds.
pub(super) struct Guest {
    table: ResourceTable,
    wasi: WasiCtx,
    http: WasiHttpCtx,
    sender: Sender,
    access: Access,
    given: Arc<Given>,
    reserved: Reserved,
}

impl Guest {
    /// A fresh store.
    pub(super) fn store(function: &Function) -> Store<Self> {
        let Function {
            limits, given, log, ..
        } = function;
        let output = |source| Output {
            log: log.clone(),
            source,
        };
        let mut wasi = WasiCtx::builder();
        // Languages import files and sockets whether a function uses them or not. It is given none: no folder is open, no
        // socket is made, no name looked up.
        wasi.allow_tcp(false)
            .allow_udp(false)
            .allow_ip_name_lookup(false)
            .stdout(output(Source::Stdout))
            .stderr(output(Source::Stderr))
            .max_random_size(RANDOM_BYTES);
        for (name, value) in &given.environment {
            wasi.env(name, value);
        }
        let mut table = ResourceTable::new();
        table.set_max_capacity(RESOURCES);
        let mut http = WasiHttpCtx::new();
        http.set_field_size_limit(limits.header_bytes as usize);
        let guest = Self {
            table,
            wasi: wasi.build(),
            http,
            sender: Sender::new(function.outbound.clone(), function.meter.clone()),
            access: Access::new(function.state.clone(), limits.state_operations),
            given: given.clone(),
            reserved: Reserved::new(usize::try_from(limits.memory_bytes).unwrap_or(usize::MAX)),
        };
        let mut store = Store::new(&function.engine, guest);
        store.limiter(|guest| &mut guest.reserved);
        store.set_hostcall_fuel(CALL_BYTES);
        store.epoch_deadline_async_yield_and_update(1);
        store.set_epoch_deadline(1);
        store
    }
}

impl Guest {
    /// What `wasi:config/store` tells.
    pub(super) fn config(&mut self) -> WasiConfig<'_> {
        WasiConfig::from(&self.given.config)
    }

    /// What it keeps.
    pub(super) fn keyvalue(&mut self) -> View<'_> {
        View {
            access: &mut self.access,
            table: &mut self.table,
        }
    }

    /// What sends its requests.
    pub(super) fn sender(&mut self) -> &mut Sender {
        &mut self.sender
    }
}

impl WasiView for Guest {
    fn ctx(&mut self) -> WasiCtxView<'_> {
        WasiCtxView {
            ctx: &mut self.wasi,
            table: &mut self.table,
        }
    }
}

impl WasiHttpView for Guest {
    fn http(&mut self) -> WasiHttpCtxView<'_> {
        WasiHttpCtxView {
            hooks: &mut self.sender,
            table: &mut self.table,
            ctx: &mut self.http,
        }
    }
}

impl WasiHttpHooks for Sender {
    fn send_request(
        &mut self,
        request: hyper::Request<WasiBody>,
        options: Option<RequestOptions>,
        _: Box<dyn Future<Output = Result<(), Error>> + Send>,
    ) -> Box<dyn Future<Output = Result<Sent, Error>> + Send> {
        self.send(request, options)
    }

    fn p2_outgoing_body_chunk_size(&mut self) -> usize {
        BODY_CHUNK_BYTES
    }
}

/// Counts what all memories and tables of a request have together; none of it is given back
/// before the request ends.
struct Reserved {
    memory_bytes_left: usize,
    table_entries_left: usize,
}

impl Reserved {
    fn new(memory_bytes: usize) -> Self {
        Self {
            memory_bytes_left: memory_bytes,
            table_entries_left: TABLE_ENTRIES,
        }
    }
}

fn take(left: &mut usize, current: usize, desired: usize) -> bool {
    match left.checked_sub(desired.saturating_sub(current)) {
        Some(rest) => {
            *left = rest;
            true
        }
        None => false,
    }
}

impl ResourceLimiter for Reserved {
    fn memory_growing(&mut self, current: usize, desired: usize, _: Option<usize>) -> Result<bool> {
        Ok(take(&mut self.memory_bytes_left, current, desired))
    }

    fn table_growing(&mut self, current: usize, desired: usize, _: Option<usize>) -> Result<bool> {
        Ok(take(&mut self.table_entries_left, current, desired))
    }

    fn instances(&self) -> usize {
        MODULES as usize
    }

    fn tables(&self) -> usize {
        TABLES as usize
    }

    fn memories(&self) -> usize {
        MEMORIES as usize
    }
}

#[cfg(test)]
mod tests {
    use super::Reserved;
    use wasmtime::ResourceLimiter as _;

    #[test]
    fn all_memories_share_one_limit() {
        let mut reserved = Reserved::new(100);
        let mut grow = |current, desired| {
            reserved
                .memory_growing(current, desired, None)
                .expect("an answer")
        };
        assert!(grow(0, 60));
        assert!(!grow(0, 41));
        assert!(grow(60, 100));
        assert!(!grow(100, 101));
    }
}
