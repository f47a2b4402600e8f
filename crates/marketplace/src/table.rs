//! Typed tables over a [`Store`]: `table id ‖ order-preserving key -> version byte ‖ borsh`.

use crate::limits::MAX_PAGE;
use crate::refusal::{Error, fault};
use crate::store::Store;
use crate::units::{
    Address, AuditId, ChangeId, CommitmentId, DatacenterId, DealId, Epoch, Hash, OfferId, PeerId,
    ProviderId, Time, WorkerId,
};
use borsh::{BorshDeserialize, BorshSerialize};
use std::marker::PhantomData;

/// Part of a key. Encodings of one type have one length or end the key, and sort as the values do.
pub trait Key: Sized {
    /// Appends the encoding.
    fn encode(&self, into: &mut Vec<u8>);
    /// Takes the encoding off the front of `bytes`; None if it is not there.
    fn decode(bytes: &mut &[u8]) -> Option<Self>;
}

fn take<const N: usize>(bytes: &mut &[u8]) -> Option<[u8; N]> {
    let (head, rest) = bytes.split_first_chunk::<N>()?;
    *bytes = rest;
    Some(*head)
}

macro_rules! integer_key {
    ($($type:ty),*) => {$(
        impl Key for $type {
            fn encode(&self, into: &mut Vec<u8>) {
                into.extend_from_slice(&self.to_be_bytes());
            }
            fn decode(bytes: &mut &[u8]) -> Option<Self> {
                take(bytes).map(Self::from_be_bytes)
            }
        }
    )*};
}
integer_key!(u8, u16, u32, u64, u128);

macro_rules! wrapped_key {
    ($($type:ident),*) => {$(
        impl Key for $type {
            fn encode(&self, into: &mut Vec<u8>) {
                self.0.encode(into);
            }
            fn decode(bytes: &mut &[u8]) -> Option<Self> {
                Key::decode(bytes).map(Self)
            }
        }
    )*};
}
wrapped_key!(
    Address,
    AuditId,
    ChangeId,
    CommitmentId,
    DatacenterId,
    DealId,
    Epoch,
    Hash,
    OfferId,
    PeerId,
    ProviderId,
    Time,
    WorkerId
);

impl<const N: usize> Key for [u8; N] {
    fn encode(&self, into: &mut Vec<u8>) {
        into.extend_from_slice(self);
    }
    fn decode(bytes: &mut &[u8]) -> Option<Self> {
        take(bytes)
    }
}

impl Key for () {
    fn encode(&self, _into: &mut Vec<u8>) {}
    fn decode(_bytes: &mut &[u8]) -> Option<Self> {
        Some(())
    }
}

impl<A: Key, B: Key> Key for (A, B) {
    fn encode(&self, into: &mut Vec<u8>) {
        self.0.encode(into);
        self.1.encode(into);
    }
    fn decode(bytes: &mut &[u8]) -> Option<Self> {
        Some((A::decode(bytes)?, B::decode(bytes)?))
    }
}

/// One table: keys of type `K`, rows of type `V`.
pub struct Table<K, V> {
    /// First byte of every key; below 0x80 in this crate.
    pub id: u8,
    /// What people call it.
    pub name: &'static str,
    /// First byte of every row.
    pub version: u8,
    types: PhantomData<fn(K) -> V>,
}

impl<K: Key, V: BorshSerialize + BorshDeserialize> Table<K, V> {
    /// Declares a table whose rows have version 1.
    #[must_use]
    pub const fn new(id: u8, name: &'static str) -> Self {
        Self {
            id,
            name,
            version: 1,
            types: PhantomData,
        }
    }

    /// The whole key of a row.
    #[must_use]
    pub fn key(&self, key: &K) -> Vec<u8> {
        let mut bytes = vec![self.id];
        key.encode(&mut bytes);
        bytes
    }

    /// The key within the table, if `bytes` is a key of it.
    #[must_use]
    pub fn decode_key(&self, bytes: &[u8]) -> Option<K> {
        let (&id, mut rest) = bytes.split_first()?;
        let key = K::decode(&mut rest)?;
        (id == self.id && rest.is_empty()).then_some(key)
    }

    /// The row in `bytes`, if they are a row of this table and version, to the last byte.
    #[must_use]
    pub fn decode_row(&self, bytes: &[u8]) -> Option<V> {
        let (&version, rest) = bytes.split_first()?;
        (version == self.version).then(|| V::try_from_slice(rest).ok())?
    }

    /// The bytes of a row.
    #[must_use]
    pub fn encode_row(&self, row: &V) -> Vec<u8> {
        let mut bytes = vec![self.version];
        // Writing into memory does not fail, and every list in our rows has a limit far below 2^32.
        let written = row.serialize(&mut bytes);
        debug_assert!(written.is_ok(), "{}: row does not serialise", self.name);
        bytes
    }

    /// The row under `key`.
    ///
    /// # Errors
    /// Out of work, or a row that does not decode.
    pub fn get<S: Store>(&self, store: &mut S, key: &K) -> Result<Option<V>, Error> {
        match store.get(&self.key(key))? {
            None => Ok(None),
            Some(bytes) => Ok(Some(
                self.decode_row(&bytes)
                    .ok_or_else(|| fault("row does not decode"))?,
            )),
        }
    }

    /// The row under `key`, which our own rows say is there.
    ///
    /// # Errors
    /// Out of work, or a fault if it is not there.
    pub fn must<S: Store>(&self, store: &mut S, key: &K) -> Result<V, Error> {
        self.get(store, key)?.ok_or_else(|| fault("row is missing"))
    }

    /// Writes the row under `key`.
    ///
    /// # Errors
    /// Out of work.
    pub fn put<S: Store>(&self, store: &mut S, key: &K, row: &V) -> Result<(), Error> {
        Ok(store.put(&self.key(key), self.encode_row(row))?)
    }

    /// Removes the row under `key`.
    ///
    /// # Errors
    /// Out of work.
    pub fn delete<S: Store>(&self, store: &mut S, key: &K) -> Result<(), Error> {
        Ok(store.delete(&self.key(key))?)
    }

    /// The first row of those whose key begins with `prefix` and is not below `from` (a whole key within it).
    ///
    /// # Errors
    /// Out of work, or a row that does not decode.
    pub fn first<S: Store>(
        &self,
        store: &mut S,
        prefix: &impl Key,
        from: Option<&K>,
    ) -> Result<Option<(K, V)>, Error> {
        let mut lower = vec![self.id];
        prefix.encode(&mut lower);
        let upper = after_prefix(&lower);
        let from = from.map_or(lower, |key| self.key(key));
        self.read(store.next(&from, &upper)?)
    }

    /// At most `limit` rows whose key begins with `prefix`, those after the key `after`.
    ///
    /// # Errors
    /// Out of work, or a row that does not decode.
    pub fn list<S: Store>(
        &self,
        store: &mut S,
        prefix: &impl Key,
        after: Option<&K>,
        limit: usize,
    ) -> Result<Vec<(K, V)>, Error> {
        let mut from = vec![self.id];
        prefix.encode(&mut from);
        let upper = after_prefix(&from);
        if let Some(after) = after {
            from = successor(self.key(after));
        }
        let mut rows = Vec::new();
        while rows.len() < limit {
            let next = store.next(&from, &upper)?;
            let Some((key, row)) = self.read(next)? else {
                break;
            };
            from = successor(self.key(&key));
            rows.push((key, row));
        }
        Ok(rows)
    }

    /// [`Self::list`], never more than a page: for queries, whose limit comes from outside.
    pub(crate) fn page<S: Store>(
        &self,
        store: &mut S,
        prefix: &impl Key,
        after: Option<&K>,
        limit: usize,
    ) -> Result<Vec<(K, V)>, Error> {
        self.list(store, prefix, after, limit.min(MAX_PAGE))
    }

    fn read(&self, row: Option<(Vec<u8>, Vec<u8>)>) -> Result<Option<(K, V)>, Error> {
        let Some((key, row)) = row else {
            return Ok(None);
        };
        let key = self
            .decode_key(&key)
            .ok_or_else(|| fault("key does not decode"))?;
        let row = self
            .decode_row(&row)
            .ok_or_else(|| fault("row does not decode"))?;
        Ok(Some((key, row)))
    }
}

/// The first key after `key` itself.
fn successor(mut key: Vec<u8>) -> Vec<u8> {
    key.push(0);
    key
}

/// The first key after all that begin with `prefix`. A prefix begins with a table id below 0xff, so there is one.
fn after_prefix(prefix: &[u8]) -> Vec<u8> {
    let mut end = prefix.to_vec();
    while let Some(last) = end.pop() {
        if let Some(next) = last.checked_add(1) {
            end.push(next);
            break;
        }
    }
    end
}
