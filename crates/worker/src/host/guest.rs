//! One request's own world: memory, resources and outputs that nobody else sees, thrown away after.

use super::{
    allowance::Allowance,
    engine::{MEMORIES, MODULES, TABLE_ENTRIES, TABLES},
    given::Given,
    keyvalue::{Access, View},
    outbound::{Sender, Sent},
    request::Call,
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
    pub(super) fn store(call: &Call) -> Store<Self> {
        let Call {
            functions,
            function,
            allowance,
            ..
        } = call;
        let given = &functions.given;
        let output = |source| Output {
            log: function.log.clone(),
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
        http.set_field_size_limit(functions.limits.header_bytes as usize);
        let guest = Self {
            table,
            wasi: wasi.build(),
            http,
            sender: Sender::new(call.clone()),
            access: Access::new(functions.state.clone(), allowance.clone()),
            given: given.clone(),
            reserved: Reserved::new(allowance.clone()),
        };
        let mut store = Store::new(&functions.engine, guest);
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

/// Counts what all memories and tables of a store have together. None of it is given back before the store goes.
struct Reserved {
    allowance: Arc<Allowance>,
    memory_bytes: u64,
    table_entries: usize,
}

impl Reserved {
    fn new(allowance: Arc<Allowance>) -> Self {
        Self {
            allowance,
            memory_bytes: 0,
            table_entries: 0,
        }
    }
}

impl Drop for Reserved {
    fn drop(&mut self) {
        self.allowance.give_back_memory(self.memory_bytes);
    }
}

impl ResourceLimiter for Reserved {
    fn memory_growing(&mut self, current: usize, desired: usize, _: Option<usize>) -> Result<bool> {
        let more = desired.saturating_sub(current) as u64;
        let is_left = self.allowance.take_memory(more);
        if is_left {
            self.memory_bytes += more;
        }
        Ok(is_left)
    }

    fn table_growing(&mut self, current: usize, desired: usize, _: Option<usize>) -> Result<bool> {
        let more = desired.saturating_sub(current);
        let is_left = more <= TABLE_ENTRIES - self.table_entries;
        if is_left {
            self.table_entries += more;
        }
        Ok(is_left)
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
    use super::{Allowance, Reserved};
    use crate::config::Limits;
    use wasmtime::ResourceLimiter as _;

    #[test]
    fn all_memories_of_a_request_share_one_limit() {
        let allowance = Allowance::new(&Limits {
            memory_bytes: 100,
            ..Limits::default()
        });
        let grow = |reserved: &mut Reserved, current, desired| {
            let grown = reserved.memory_growing(current, desired, None);
            grown.expect("an answer")
        };
        let mut first = Reserved::new(allowance.clone());
        assert!(grow(&mut first, 0, 60));
        assert!(!grow(&mut first, 0, 41));
        let mut second = Reserved::new(allowance.clone());
        assert!(!grow(&mut second, 0, 41), "the first one's count");
        assert!(grow(&mut second, 0, 40));
        drop(second);
        assert!(grow(&mut first, 60, 100), "they are free again");
        assert!(!grow(&mut first, 100, 101));
    }
}
