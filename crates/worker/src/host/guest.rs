//! One request's own world: memory, resources and outputs that nobody else sees, thrown away after. An instance that
//! serves several has it for one after the other.

use super::{
    given::Given,
    keyvalue::{Access, Bucket, View},
    outbound::{Sender, Sent},
    pace,
    request::Call,
    reserved::Reserved,
    stdio::Output,
};
use crate::control::Source;
use std::{any::Any, sync::Arc};
use wasmtime::{Store, component::ResourceTable};
use wasmtime_wasi::{
    WasiCtx, WasiCtxView, WasiView,
    p2::{DynInputStream, DynOutputStream},
};
use wasmtime_wasi_config::WasiConfig;
use wasmtime_wasi_http::{
    Error, RequestOptions, WasiBody, WasiHttpCtx, WasiHttpCtxView, WasiHttpHooks, WasiHttpView,
};

/// Host resources (streams, headers, bodies) that a request may hold at once.
const RESOURCES: usize = 512;

/// Those of them that an instance may hold from one request to the next.
const HELD_RESOURCES: usize = 16;

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
    outputs: [Output; 2],
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
        let output = |source| Output::new(function.log.clone(), source);
        let [stdout, stderr] = [output(Source::Stdout), output(Source::Stderr)];
        let mut wasi = WasiCtx::builder();
        // Languages import files and sockets whether a function uses them or not. It is given none: no folder is open, no
        // socket is made, no name looked up.
        wasi.allow_tcp(false)
            .allow_udp(false)
            .allow_ip_name_lookup(false)
            .stdout(stdout.clone())
            .stderr(stderr.clone())
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
            outputs: [stdout, stderr],
            reserved: Reserved::new(allowance.clone()),
        };
        let mut store = Store::new(&functions.engine, guest);
        store.limiter(|guest| &mut guest.reserved);
        store.set_hostcall_fuel(CALL_BYTES);
        pace::keep(&mut store);
        store
    }
}

impl Guest {
    /// Takes up another request. False if that has too little memory left for what the instance has already.
    pub(super) fn begin(&mut self, call: &Call) -> bool {
        let Call {
            functions,
            allowance,
            ..
        } = call;
        self.sender = Sender::new(call.clone());
        self.access = Access::new(functions.state.clone(), allowance.clone());
        self.reserved.begin(allowance.clone())
    }

    /// Lets go of the request. Whether the function did so, too, and was refused neither memory nor tables.
    pub(super) fn rest(&mut self) -> bool {
        self.sender.end();
        self.outputs.iter().for_each(Output::end);
        self.reserved.end();
        let mut held = self.table.iter_mut().map(|entry| may_be_held(entry));
        !self.reserved.is_refused()
            && held
                .by_ref()
                .take(HELD_RESOURCES)
                .all(|may_be_held| may_be_held)
            && held.next().is_none()
    }

    /// What all its memories have.
    pub(super) fn memory_bytes(&self) -> u64 {
        self.reserved.memory_bytes()
    }

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

/// What libraries open once: outputs, the empty input, buckets. All else belongs to a request. A stream of a body counts
/// as an output, but its body, which stays as long as it does, is not among these.
fn may_be_held(entry: &(dyn Any + Send)) -> bool {
    entry.is::<DynOutputStream>() || entry.is::<DynInputStream>() || entry.is::<Bucket>()
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

    fn p3_outgoing_body_chunk_size(&mut self) -> usize {
        BODY_CHUNK_BYTES
    }
}
