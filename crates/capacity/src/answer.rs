//! What a peer answers when a unit's leaves are asked for.
//!
//! ```text
//! version         1                                                           1 byte
//! roots           of thread 0 and of thread 1                                 64
//! path            how many siblings (1), and these, from the unit root up     1 + 32 each
//! openings        how many (1), then of each:
//!   leaf          thread (1), index (4)                                       5
//!   result                                                                    32
//!   path          how many siblings (1), and these, from the leaf up          1 + 32 each
//! ```
//!
//! There is one encoding of an answer: whatever decodes encodes to the same bytes. How long it must be follows from
//! the question ([`Audit::answer_bytes`](crate::Audit::answer_bytes)); with two leaves it is about 1.5 kB. (E11)

use crate::{
    Digest,
    statement::{THREADS, take},
    work::{Leaf, Opening, Work},
};

const VERSION: u8 = 1;
/// Most leaves of an answer.
pub const MAX_LEAVES: usize = 16;
/// Most siblings on the way of a leaf: trees have up to 2^24 leaves.
pub const MAX_PATH: usize = 24;
/// Most siblings on the way of a unit: peers have up to 1,024.
pub const MAX_PEER_PATH: usize = 10;
/// No answer is longer.
pub const MAX_ANSWER_BYTES: usize =
    1 + 64 + list(MAX_PEER_PATH) + 1 + MAX_LEAVES * opening(MAX_PATH);

/// Bytes of so many siblings.
const fn list(siblings: usize) -> usize {
    1 + 32 * siblings
}

/// Bytes of an opening with so many siblings.
const fn opening(siblings: usize) -> usize {
    1 + 4 + 32 + list(siblings)
}

/// How long the encoding is of an answer with these siblings.
pub(crate) fn bytes(peer_path: usize, paths: impl Iterator<Item = usize>) -> usize {
    1 + 64 + list(peer_path) + 1 + paths.map(opening).sum::<usize>()
}

/// The answer for one unit and window.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// Roots of the two chains.
    pub roots: [Digest; 2],
    /// Siblings from the unit's root to the peer's.
    pub path: Vec<Digest>,
    /// The leaves that were asked for, in ascending order.
    pub openings: Vec<Opening>,
}

/// Why bytes are no answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotAnAnswer {
    /// More than [`MAX_ANSWER_BYTES`].
    #[error("it is longer than {MAX_ANSWER_BYTES} bytes")]
    TooLong,
    /// Of another version.
    #[error("version {0} is not known")]
    Version(u8),
    /// It ends too early.
    #[error("it is cut short")]
    Cut,
    /// Something comes after it.
    #[error("{0} bytes come after its end")]
    Rest(usize),
    /// A list is longer than any that is right.
    #[error("it has a list of {is}, and the most is {most}")]
    List {
        /// How long it is.
        is: usize,
        /// How long it may be.
        most: usize,
    },
    /// There are threads 0 and 1.
    #[error("there is no thread {0}")]
    Thread(u8),
}

impl Answer {
    /// Shows these leaves of a unit's work; `path` leads from its root to its peer's. None if it has not all of them.
    pub fn new(work: &Work, path: Vec<Digest>, leaves: &[Leaf]) -> Option<Self> {
        let openings = leaves.iter().map(|leaf| work.open(*leaf));
        Some(Self {
            roots: work.roots(),
            path,
            openings: openings.collect::<Option<_>>()?,
        })
    }

    /// As bytes. An answer whose lists are above the limits gives bytes that are none.
    pub fn encode(&self) -> Vec<u8> {
        let siblings = self.openings.iter().map(|opening| opening.path.len());
        let mut bytes = Vec::with_capacity(bytes(self.path.len(), siblings));
        bytes.push(VERSION);
        bytes.extend(self.roots.as_flattened());
        put_list(&mut bytes, &self.path);
        bytes.push(count(self.openings.len()));
        for opening in &self.openings {
            bytes.push(opening.leaf.thread);
            bytes.extend(opening.leaf.index.to_le_bytes());
            bytes.extend(opening.result);
            put_list(&mut bytes, &opening.path);
        }
        bytes
    }

    /// From bytes of anybody.
    ///
    /// # Errors
    /// If they are not the encoding of an answer within the limits.
    pub fn decode(bytes: &[u8]) -> Result<Self, NotAnAnswer> {
        if bytes.len() > MAX_ANSWER_BYTES {
            return Err(NotAnAnswer::TooLong);
        }
        let mut rest = bytes;
        let answer = Self::read(&mut rest)?;
        match rest.len() {
            0 => Ok(answer),
            more => Err(NotAnAnswer::Rest(more)),
        }
    }

    fn read(rest: &mut &[u8]) -> Result<Self, NotAnAnswer> {
        let [version] = next(rest)?;
        if version != VERSION {
            return Err(NotAnAnswer::Version(version));
        }
        let roots = [next(rest)?, next(rest)?];
        let path = next_list(rest, MAX_PEER_PATH)?;
        let mut openings = Vec::new();
        for _ in 0..next_count(rest, MAX_LEAVES)? {
            openings.push(next_opening(rest)?);
        }
        Ok(Self {
            roots,
            path,
            openings,
        })
    }
}

fn next_opening(rest: &mut &[u8]) -> Result<Opening, NotAnAnswer> {
    let [thread] = next(rest)?;
    if thread >= THREADS {
        return Err(NotAnAnswer::Thread(thread));
    }
    let index = u32::from_le_bytes(next(rest)?);
    Ok(Opening {
        leaf: Leaf { thread, index },
        result: next(rest)?,
        path: next_list(rest, MAX_PATH)?,
    })
}

fn next<const N: usize>(rest: &mut &[u8]) -> Result<[u8; N], NotAnAnswer> {
    take(rest).ok_or(NotAnAnswer::Cut)
}

fn next_count(rest: &mut &[u8], most: usize) -> Result<usize, NotAnAnswer> {
    let [count] = next(rest)?;
    match usize::from(count) {
        is if is > most => Err(NotAnAnswer::List { is, most }),
        is => Ok(is),
    }
}

fn next_list(rest: &mut &[u8], most: usize) -> Result<Vec<Digest>, NotAnAnswer> {
    let count = next_count(rest, most)?;
    (0..count).map(|_| next(rest)).collect()
}

/// The length of a list; one that does not fit a byte is above every limit, and so is 255.
fn count(length: usize) -> u8 {
    u8::try_from(length).unwrap_or(u8::MAX)
}

fn put_list(bytes: &mut Vec<u8>, list: &[Digest]) {
    bytes.push(count(list.len()));
    bytes.extend(list.as_flattened());
}
