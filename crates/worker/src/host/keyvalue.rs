//! `wasi:keyvalue`: the function's view of its [`State`].

use super::{
    allowance::Allowance,
    state::{Fault, State},
};
use std::sync::Arc;
use wasmtime::{
    Result,
    component::{HasData, Linker, Resource, ResourceTable, ResourceTableError},
};

mod bindings {
    wasmtime::component::bindgen!({
        path: "../functions/wit/deps/keyvalue.wit",
        world: "wasi:keyvalue/imports",
        imports: { default: trappable },
        with: { "wasi:keyvalue/store.bucket": super::Bucket },
        trappable_error_type: { "wasi:keyvalue/store.error" => super::Refused },
    });
}

use bindings::wasi::keyvalue::{atomics, batch, store};

/// Bytes of a bucket's name.
const BUCKET_BYTES: usize = 64;

/// What is said to the function.
pub(super) enum Refused {
    NoSuchStore,
    Other(String),
}

/// One of the function's buckets, by its name. Public, because the bindings export it again.
#[allow(unreachable_pub)]
pub struct Bucket(String);

/// What one request may still do with the state.
pub(super) struct Access {
    state: Option<Arc<State>>,
    allowance: Arc<Allowance>,
}

/// Access and table of one request.
pub(super) struct View<'a> {
    pub(super) access: &'a mut Access,
    pub(super) table: &'a mut ResourceTable,
}

impl Access {
    pub(super) fn new(state: Option<Arc<State>>, allowance: Arc<Allowance>) -> Self {
        Self { state, allowance }
    }
}

/// Links all of it.
///
/// # Errors
/// The linker has it already.
pub(super) fn add_to_linker<T: Send + 'static>(
    linker: &mut Linker<T>,
    view: fn(&mut T) -> View<'_>,
) -> Result<()> {
    store::add_to_linker::<T, HasView>(linker, view)?;
    atomics::add_to_linker::<T, HasView>(linker, view)?;
    batch::add_to_linker::<T, HasView>(linker, view)
}

struct HasView;

impl HasData for HasView {
    type Data<'a> = View<'a>;
}

impl From<ResourceTableError> for Refused {
    fn from(error: ResourceTableError) -> Self {
        Self::Other(error.to_string())
    }
}

impl From<Fault> for Refused {
    fn from(fault: Fault) -> Self {
        Self::Other(fault.to_string())
    }
}

impl View<'_> {
    /// State and bucket for `count` operations.
    fn begin(
        &mut self,
        bucket: &Resource<Bucket>,
        count: usize,
    ) -> Result<(&State, &str), Refused> {
        if !self.access.allowance.state_operations.take(count as u64) {
            let why = "these are too many operations for one request";
            return Err(Refused::Other(why.into()));
        }
        let state = self.access.state.as_ref().ok_or(Refused::NoSuchStore)?;
        Ok((state, &self.table.get(bucket)?.0))
    }
}

impl store::Host for View<'_> {
    fn open(&mut self, name: String) -> Result<Resource<Bucket>, Refused> {
        if self.access.state.is_none() || name.len() > BUCKET_BYTES {
            return Err(Refused::NoSuchStore);
        }
        Ok(self.table.push(Bucket(name))?)
    }

    fn convert_error(&mut self, refused: Refused) -> Result<store::Error> {
        Ok(match refused {
            Refused::NoSuchStore => store::Error::NoSuchStore,
            Refused::Other(why) => store::Error::Other(why),
        })
    }
}

impl store::HostBucket for View<'_> {
    fn get(&mut self, bucket: Resource<Bucket>, key: String) -> Result<Option<Vec<u8>>, Refused> {
        let (state, bucket) = self.begin(&bucket, 1)?;
        Ok(state.get(bucket, &key)?)
    }

    fn set(
        &mut self,
        bucket: Resource<Bucket>,
        key: String,
        value: Vec<u8>,
    ) -> Result<(), Refused> {
        let (state, bucket) = self.begin(&bucket, 1)?;
        Ok(state.set(bucket, &[(key, value)])?)
    }

    fn delete(&mut self, bucket: Resource<Bucket>, key: String) -> Result<(), Refused> {
        let (state, bucket) = self.begin(&bucket, 1)?;
        Ok(state.delete(bucket, &[key])?)
    }

    fn exists(&mut self, bucket: Resource<Bucket>, key: String) -> Result<bool, Refused> {
        let (state, bucket) = self.begin(&bucket, 1)?;
        Ok(state.exists(bucket, &key)?)
    }

    fn list_keys(
        &mut self,
        bucket: Resource<Bucket>,
        cursor: Option<u64>,
    ) -> Result<store::KeyResponse, Refused> {
        let (state, bucket) = self.begin(&bucket, 1)?;
        let listed = state.list(bucket, cursor.unwrap_or(0))?;
        Ok(store::KeyResponse {
            keys: listed.keys,
            cursor: listed.next,
        })
    }

    fn drop(&mut self, bucket: Resource<Bucket>) -> Result<()> {
        self.table.delete(bucket)?;
        Ok(())
    }
}

impl atomics::Host for View<'_> {
    fn increment(
        &mut self,
        bucket: Resource<Bucket>,
        key: String,
        delta: u64,
    ) -> Result<u64, Refused> {
        let (state, bucket) = self.begin(&bucket, 1)?;
        Ok(state.increment(bucket, &key, delta)?)
    }
}

impl batch::Host for View<'_> {
    fn get_many(
        &mut self,
        bucket: Resource<Bucket>,
        keys: Vec<String>,
    ) -> Result<Vec<Option<(String, Vec<u8>)>>, Refused> {
        let (state, bucket) = self.begin(&bucket, keys.len())?;
        Ok(state.get_many(bucket, keys)?)
    }

    fn set_many(
        &mut self,
        bucket: Resource<Bucket>,
        pairs: Vec<(String, Vec<u8>)>,
    ) -> Result<(), Refused> {
        let (state, bucket) = self.begin(&bucket, pairs.len())?;
        Ok(state.set(bucket, &pairs)?)
    }

    fn delete_many(&mut self, bucket: Resource<Bucket>, keys: Vec<String>) -> Result<(), Refused> {
        let (state, bucket) = self.begin(&bucket, keys.len())?;
        Ok(state.delete(bucket, &keys)?)
    }
}
