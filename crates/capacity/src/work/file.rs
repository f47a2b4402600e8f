//! A chain's results on disk.
//!
//! ```text
//! head     "mp+ capacity 1" and two zero bytes, the statement (165 bytes), the thread (1), checksum of these (8)
//! record   result of a leaf (32), checksum of head checksum, leaf as u64 and result (8)
//! ```
//!
//! There is a record for each leaf that is done, in order. A crash may leave any beginning of what was written, or
//! bytes that never were: reading stops at the first record that is not whole, and the next one is written there.

use super::Error;
use crate::{Digest, Statement, hash::checksum, statement::take};
use std::{
    fs::{File, OpenOptions, TryLockError},
    io::{self, Read as _},
    os::unix::fs::FileExt as _,
    path::{Path, PathBuf},
};

const MAGIC: &[u8; 16] = b"mp+ capacity 1\0\0";
const HEAD: usize = MAGIC.len() + Statement::BYTES + 1 + 8;
const RECORD: usize = 32 + 8;

/// What a file says.
#[derive(Debug)]
pub(super) struct Contents {
    pub(super) statement: Statement,
    pub(super) thread: u8,
    pub(super) results: Vec<Digest>,
}

/// The file of a chain that is being made.
#[derive(Debug)]
pub(super) struct Leaves {
    file: File,
    path: PathBuf,
    head: [u8; 8],
    len: u32,
}

impl Leaves {
    /// Opens the file of that chain, or makes it, and reads the results that are whole. What is torn is cut.
    pub(super) fn open(
        path: &Path,
        statement: &Statement,
        thread: u8,
    ) -> Result<(Self, Vec<Digest>), Error> {
        let failed = |source| failed(path, source);
        let mut options = OpenOptions::new();
        options.read(true).write(true).create(true).truncate(false);
        let file = options.open(path).map_err(failed)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(Error::InUse(path.into())),
            Err(TryLockError::Error(error)) => return Err(failed(error)),
        }
        let head = head(statement, thread);
        let results = match parse(&file).map_err(failed)? {
            Some(found) if found.statement == *statement && found.thread == thread => found.results,
            Some(_) => return Err(Error::OtherStatement(path.into())),
            // Nothing whole: a new file, or one whose first write was torn.
            None => {
                file.set_len(0).map_err(failed)?;
                file.write_all_at(&head, 0).map_err(failed)?;
                Vec::new()
            }
        };
        let leaves = Self {
            file,
            path: path.into(),
            head: head_checksum(&head),
            len: results.len() as u32,
        };
        leaves.file.set_len(leaves.end()).map_err(failed)?;
        Ok((leaves, results))
    }

    /// Where the next record goes.
    fn end(&self) -> u64 {
        HEAD as u64 + u64::from(self.len) * RECORD as u64
    }

    /// Adds the result of the next leaf. If that fails, the next attempt writes to the same place.
    pub(super) fn append(&mut self, result: &Digest) -> Result<(), Error> {
        let record = record(&self.head, self.len, result);
        let written = self.file.write_all_at(&record, self.end());
        written.map_err(|source| failed(&self.path, source))?;
        self.len += 1;
        Ok(())
    }

    /// Returns when the disk has all of it.
    pub(super) fn sync(&self) -> Result<(), Error> {
        let synced = self.file.sync_data();
        synced.map_err(|source| failed(&self.path, source))
    }
}

/// What a file says; none if there is no file, or no whole head in it.
pub(super) fn read(path: &Path) -> Result<Option<Contents>, Error> {
    let failed = |source| failed(path, source);
    match File::open(path) {
        Ok(file) => parse(&file).map_err(failed),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(failed(error)),
    }
}

/// Reads a whole head, and whole records up to the number of leaves.
fn parse(file: &File) -> io::Result<Option<Contents>> {
    let mut reader = io::BufReader::new(file);
    let mut head = Vec::new();
    (&mut reader).take(HEAD as u64).read_to_end(&mut head)?;
    let Some((statement, thread)) = parse_head(&head) else {
        return Ok(None);
    };
    let key = head_checksum(&head);
    let mut results = Vec::new();
    let mut bytes = Vec::with_capacity(RECORD);
    for leaf in 0..statement.shape.leaves() {
        bytes.clear();
        (&mut reader).take(RECORD as u64).read_to_end(&mut bytes)?;
        let Some(result) = take(&mut bytes.as_slice()) else {
            break;
        };
        if bytes != record(&key, leaf, &result) {
            break;
        }
        results.push(result);
    }
    Ok(Some(Contents {
        statement,
        thread,
        results,
    }))
}

fn parse_head(mut bytes: &[u8]) -> Option<(Statement, u8)> {
    let rest = &mut bytes;
    let magic: [u8; MAGIC.len()] = take(rest)?;
    let statement = Statement::decode(&take(rest)?)?;
    let [thread] = take(rest)?;
    let sum: [u8; 8] = take(rest)?;
    let whole = head(&statement, thread);
    (magic == *MAGIC && sum == head_checksum(&whole)).then_some((statement, thread))
}

fn head(statement: &Statement, thread: u8) -> Vec<u8> {
    let mut bytes = MAGIC.to_vec();
    bytes.extend(statement.encode());
    bytes.push(thread);
    let sum = checksum(&[&bytes]);
    bytes.extend(sum);
    bytes
}

/// The last eight bytes of a head.
fn head_checksum(head: &[u8]) -> [u8; 8] {
    head.last_chunk().copied().unwrap_or_default()
}

fn record(head: &[u8; 8], leaf: u32, result: &Digest) -> [u8; RECORD] {
    let sum = checksum(&[head, &u64::from(leaf).to_le_bytes(), result]);
    let mut bytes = [0; RECORD];
    let (first, last) = bytes.split_at_mut(32);
    first.copy_from_slice(result);
    last.copy_from_slice(&sum);
    bytes
}

fn failed(path: &Path, source: io::Error) -> Error {
    let path = path.into();
    Error::Io { path, source }
}
