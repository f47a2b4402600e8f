//! How WebAssembly is compiled and run, and what a function is linked with.

use super::{guest::Guest, keyvalue};
use crate::{config::Limits, settings::Wasi};
use wasmtime::{
    Config, Enabled, Engine, InstanceAllocationStrategy, PoolingAllocationConfig, Result,
    component::{Component, Linker},
};
use wasmtime_wasi_http::{p2::bindings::ProxyPre, p3::bindings::ServicePre};

/// Modules, memories and tables that one component may be made of.
pub(super) const MODULES: u32 = 32;
pub(super) const MEMORIES: u32 = 4;
pub(super) const TABLES: u32 = 16;

/// Entries of all tables of one request.
pub(super) const TABLE_ENTRIES: usize = 100_000;

/// Memory of a slot that is zeroed and kept instead of given back, where the kernel can tell which
/// of its pages were touched; about what a small function needs.
const KEEP_BYTES: usize = 2 << 20;

/// A component that is ready to be instantiated.
pub(super) enum Linked {
    /// Of WASI 0.2.
    Proxy(ProxyPre<Guest>),
    /// Of WASI 0.3: asynchronous.
    Service(ServicePre<Guest>),
}

/// An engine with room for `requests` at once.
///
/// # Errors
/// This machine cannot run it.
pub(super) fn engine(limits: &Limits, requests: u32, wasi: Wasi) -> Result<Engine> {
    let pooled = || Engine::new(config(wasi).allocation_strategy(pool(limits, requests)));
    // A pool reserves address space far beyond its memory. Where that is forbidden, slower
    // allocation on demand still works.
    pooled().or_else(|_| Engine::new(&config(wasi)))
}

/// An engine that only compiles, for all that [`engine`] makes.
///
/// # Errors
/// This machine cannot compile.
pub(super) fn compiler(wasi: Wasi) -> Result<Engine> {
    Engine::new(&config(wasi))
}

/// Threads and garbage collection are not even compiled in. Asynchronous components are refused, and nothing is done for
/// them, unless the plan asks for them.
fn config(wasi: Wasi) -> Config {
    let mut config = Config::new();
    config
        .concurrency_support(wasi >= Wasi::V0_3)
        .epoch_interruption(true)
        .wasm_memory64(false)
        .wasm_relaxed_simd(false);
    config
}

fn pool(limits: &Limits, requests: u32) -> InstanceAllocationStrategy {
    let memory_bytes = usize::try_from(limits.memory_bytes).unwrap_or(usize::MAX);
    let mut pool = PoolingAllocationConfig::new();
    pool.total_component_instances(requests)
        .total_core_instances(requests.saturating_mul(MODULES))
        .total_memories(requests.saturating_mul(MEMORIES))
        .total_tables(requests.saturating_mul(TABLES))
        .total_stacks(requests)
        .max_core_instances_per_component(MODULES)
        .max_memories_per_component(MEMORIES)
        .max_tables_per_component(TABLES)
        .table_elements(TABLE_ENTRIES)
        .max_memory_size(memory_bytes)
        .linear_memory_keep_resident(KEEP_BYTES)
        .pagemap_scan(Enabled::Auto);
    InstanceAllocationStrategy::Pooling(pool)
}

/// Links a component with what `admission` lets it import, and nothing else.
///
/// # Errors
/// It imports something else, or an interface in a form that is not ours.
pub(super) fn link(engine: &Engine, component: &Component, wasi: Wasi) -> Result<Linked> {
    let mut linker = Linker::<Guest>::new(engine);
    wasmtime_wasi::p2::add_to_linker_async(&mut linker)?;
    wasmtime_wasi_http::p2::add_only_http_to_linker_async(&mut linker)?;
    wasmtime_wasi_config::add_to_linker(&mut linker, Guest::config)?;
    keyvalue::add_to_linker(&mut linker, Guest::keyvalue)?;
    if wasi < Wasi::V0_3 {
        let component = linker.instantiate_pre(component)?;
        return ProxyPre::new(component).map(Linked::Proxy);
    }
    wasmtime_wasi::p3::add_to_linker(&mut linker)?;
    wasmtime_wasi_http::p3::add_to_linker(&mut linker)?;
    let component = linker.instantiate_pre(component)?;
    match ServicePre::new(component.clone()) {
        Ok(service) => Ok(Linked::Service(service)),
        Err(_) => ProxyPre::new(component).map(Linked::Proxy),
    }
}
