//! What consensus orders: a list of transactions, and what the proposer knew when it wrote them down.
//!
//! Nothing here is executed. A block names the latest result its proposer had computed, so a notarized block
//! also certifies a state root; see `docs/decisions/001-order-then-execute.md`.

use bytes::{BufMut, Bytes};
use commonware_codec::{
    Buf, Encode as _, EncodeSize, Error, FixedSize as _, RangeCfg, Read, ReadExt as _,
    ReadRangeExt as _, Write,
};
use commonware_consensus::{
    BoundedBlock, Heightable, simplex::scheme::bls12381_threshold::vrf, types::Height,
};
use commonware_cryptography::{
    Digest as _, Digestible, Hasher as _, Sha256, bls12381::primitives::variant::MinSig, sha256,
};

use execution::audit::{AuditId, MAX_VERDICTS, Verdict};

/// Hash of a block, of a state, of a list of receipts.
pub type Digest = sha256::Digest;

/// Beacon value of a round, with the threshold signature that proves it.
pub type Seed = vrf::Seed<MinSig>;

/// Most transactions in a block.
pub const MAX_TRANSACTIONS: usize = 2048;

/// Most bytes of all transactions of a block together. Must never shrink on a live chain.
pub const MAX_TRANSACTION_BYTES: usize = 1 << 20;

/// How far a block with transactions or verdicts may be ahead of the result it names.
pub const MAX_BACKLOG: u64 = 16;

/// An upper bound of everything in an encoded block besides its transactions' bytes.
const MAX_OVERHEAD: usize = 512 + 5 * MAX_TRANSACTIONS + 11 * MAX_VERDICTS;

/// The result of executing all blocks up to a height.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Checkpoint {
    /// Height of the last block executed.
    pub height: Height,
    /// Root over all rows after it.
    pub state_root: Digest,
    /// Root over the receipts of that block.
    pub receipts_root: Digest,
}

/// A verdict in a block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Listed {
    /// The answered audit.
    pub audit: AuditId,
    /// What validators find about it.
    pub verdict: Verdict,
}

/// A block as consensus sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Block {
    /// Digest of the parent; of the genesis file in the first block.
    pub parent: Digest,
    /// Distance from genesis.
    pub height: Height,
    /// Milliseconds of Unix time; strictly above the parent's.
    pub time_ms: u64,
    /// Account that earns the tips of this block.
    pub fee_account: [u8; 20],
    /// Beacon value of the round that notarized the parent; genesis has no such round.
    pub beacon: Option<Seed>,
    /// The latest result the proposer had computed.
    pub executed: Checkpoint,
    /// The verdicts that are due in that result and that no block since has listed, if it is newer than the parent's.
    pub verdicts: Vec<Listed>,
    /// Signed transactions in their Ethereum encoding, not yet checked against any state.
    pub transactions: Vec<Bytes>,
}

impl Block {
    /// The block that everybody derives from the genesis file alone. Its result is the hash of that file,
    /// which determines every row.
    pub fn genesis(hash: Digest, time_ms: u64) -> Self {
        Self {
            parent: hash,
            height: Height::zero(),
            time_ms,
            fee_account: [0; 20],
            beacon: None,
            executed: Checkpoint {
                height: Height::zero(),
                state_root: hash,
                receipts_root: Digest::EMPTY,
            },
            verdicts: Vec::new(),
            transactions: Vec::new(),
        }
    }

    /// Everything that can be judged from the block and its parent alone.
    ///
    /// `interval_ms` is the shortest time between a block and its parent.
    pub fn extends(&self, parent: &Self, parent_digest: Digest, interval_ms: u64) -> bool {
        let named = parent.executed.height..=parent.height;
        self.parent == parent_digest
            && self.height == parent.height.next()
            && self.time_ms >= parent.time_ms.saturating_add(interval_ms.max(1))
            && named.contains(&self.executed.height)
            && (self.transactions.is_empty() || !is_backlog(self.height, self.executed.height))
            && (self.verdicts.is_empty() || self.lists_verdicts(parent))
    }

    /// Whether it lists what is due: it names a newer result than its parent, which is not far behind.
    pub fn lists_verdicts(&self, parent: &Self) -> bool {
        self.executed.height > parent.executed.height
            && !is_backlog(self.height, self.executed.height)
    }
}

/// Blocks far ahead of their proposer's execution carry no transactions and no verdicts. To stop instead would be wrong: what
/// is already notarized may need more (empty) blocks to become final.
pub fn is_backlog(height: Height, executed: Height) -> bool {
    height.get() > executed.get().saturating_add(MAX_BACKLOG)
}

impl Write for Checkpoint {
    fn write(&self, buf: &mut impl BufMut) {
        self.height.write(buf);
        self.state_root.write(buf);
        self.receipts_root.write(buf);
    }
}

impl EncodeSize for Checkpoint {
    fn encode_size(&self) -> usize {
        self.height.encode_size() + 2 * Digest::SIZE
    }
}

impl Read for Checkpoint {
    type Cfg = ();

    fn read_cfg(buf: &mut impl Buf, (): &()) -> Result<Self, Error> {
        Ok(Self {
            height: Height::read(buf)?,
            state_root: Digest::read(buf)?,
            receipts_root: Digest::read(buf)?,
        })
    }
}

impl Write for Listed {
    fn write(&self, buf: &mut impl BufMut) {
        self.audit.0.write(buf);
        match self.verdict {
            Verdict::Opened { bad } => Some(bad),
            Verdict::Malformed => None,
        }
        .write(buf);
    }
}

impl EncodeSize for Listed {
    fn encode_size(&self) -> usize {
        let opened = matches!(self.verdict, Verdict::Opened { .. });
        u64::SIZE + bool::SIZE + if opened { u16::SIZE } else { 0 }
    }
}

impl Read for Listed {
    type Cfg = ();

    fn read_cfg(buf: &mut impl Buf, (): &()) -> Result<Self, Error> {
        let audit = AuditId(u64::read(buf)?);
        let bad = Option::<u16>::read(buf)?;
        let verdict = bad.map_or(Verdict::Malformed, |bad| Verdict::Opened { bad });
        Ok(Self { audit, verdict })
    }
}

impl Write for Block {
    fn write(&self, buf: &mut impl BufMut) {
        self.parent.write(buf);
        self.height.write(buf);
        self.time_ms.write(buf);
        self.fee_account.write(buf);
        self.beacon.write(buf);
        self.executed.write(buf);
        self.verdicts.write(buf);
        self.transactions.write(buf);
    }
}

impl EncodeSize for Block {
    fn encode_size(&self) -> usize {
        Digest::SIZE
            + self.height.encode_size()
            + self.time_ms.encode_size()
            + self.fee_account.encode_size()
            + self.beacon.encode_size()
            + self.executed.encode_size()
            + self.verdicts.encode_size()
            + self.transactions.encode_size()
    }
}

impl Read for Block {
    type Cfg = ();

    fn read_cfg(buf: &mut impl Buf, (): &()) -> Result<Self, Error> {
        let block = Self {
            parent: Digest::read(buf)?,
            height: Height::read(buf)?,
            time_ms: u64::read(buf)?,
            fee_account: <[u8; 20]>::read(buf)?,
            beacon: Option::<Seed>::read(buf)?,
            executed: Checkpoint::read(buf)?,
            verdicts: Vec::<Listed>::read_range(buf, 0..=MAX_VERDICTS)?,
            transactions: Vec::<Bytes>::read_cfg(
                buf,
                &(
                    RangeCfg::from(0..=MAX_TRANSACTIONS),
                    RangeCfg::from(1..=MAX_TRANSACTION_BYTES),
                ),
            )?,
        };
        let bytes: usize = block.transactions.iter().map(Bytes::len).sum();
        if bytes > MAX_TRANSACTION_BYTES {
            return Err(Error::Invalid("Block", "too many bytes of transactions"));
        }
        Ok(block)
    }
}

impl Digestible for Block {
    type Digest = Digest;

    fn digest(&self) -> Digest {
        Sha256::hash(&[&self.encode()])
    }
}

impl Heightable for Block {
    fn height(&self) -> Height {
        self.height
    }
}

impl commonware_consensus::Block for Block {
    fn parent(&self) -> Digest {
        self.parent
    }
}

impl BoundedBlock for Block {
    fn max_encode_size((): &()) -> usize {
        MAX_OVERHEAD + MAX_TRANSACTION_BYTES
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use commonware_codec::DecodeExt as _;

    const OPENED: Listed = Listed {
        audit: AuditId(7),
        verdict: Verdict::Opened { bad: 2 },
    };
    const MALFORMED: Listed = Listed {
        audit: AuditId(8),
        verdict: Verdict::Malformed,
    };

    fn digest(text: &[u8]) -> Digest {
        Sha256::hash(&[text])
    }

    fn child(parent: &Block) -> Block {
        Block {
            parent: parent.digest(),
            height: parent.height.next(),
            time_ms: parent.time_ms + 250,
            transactions: vec![Bytes::from_static(b"tx")],
            ..parent.clone()
        }
    }

    fn judge(change: impl FnOnce(&mut Block)) -> bool {
        let genesis = Block::genesis(digest(b"genesis"), 1_000);
        let mut block = child(&genesis);
        change(&mut block);
        block.extends(&genesis, genesis.digest(), 250)
    }

    #[test]
    fn a_block_follows_its_parent_in_digest_height_and_time() {
        assert!(judge(|_| ()));
        assert!(!judge(|block| block.parent = digest(b"other")));
        assert!(!judge(|block| block.height = Height::new(2)));
        assert!(!judge(|block| block.time_ms -= 1), "too early");
    }

    #[test]
    fn a_block_names_a_result_between_its_parents_and_its_parent() {
        assert!(!judge(|block| block.executed.height = Height::new(1)));
        let mut parent = Block::genesis(digest(b"genesis"), 1_000);
        parent.height = Height::new(9);
        parent.executed.height = Height::new(5);
        let mut block = child(&parent);
        for (height, valid) in [(4, false), (5, true), (9, true), (10, false)] {
            block.executed.height = Height::new(height);
            assert_eq!(block.extends(&parent, parent.digest(), 250), valid);
        }
    }

    #[test]
    fn a_block_far_ahead_of_execution_carries_no_transactions() {
        let mut parent = Block::genesis(digest(b"genesis"), 1_000);
        parent.height = Height::new(16);
        let mut block = child(&parent);
        assert!(!block.extends(&parent, parent.digest(), 250));
        block.transactions.clear();
        assert!(block.extends(&parent, parent.digest(), 250));
        block.executed.height = Height::new(0);
        block.verdicts = vec![OPENED];
        assert!(!block.extends(&parent, parent.digest(), 250));
        block.executed.height = Height::new(1);
        assert!(block.extends(&parent, parent.digest(), 250));
    }

    #[test]
    fn only_a_block_that_names_a_newer_result_than_its_parent_lists_verdicts() {
        let mut parent = Block::genesis(digest(b"genesis"), 1_000);
        parent.height = Height::new(9);
        parent.executed.height = Height::new(5);
        let mut block = child(&parent);
        block.verdicts = vec![OPENED];
        for (height, valid) in [(5, false), (6, true), (9, true)] {
            block.executed.height = Height::new(height);
            assert_eq!(block.extends(&parent, parent.digest(), 250), valid);
        }
    }

    #[test]
    fn an_encoded_block_reads_back_and_stays_within_its_bound() {
        let genesis = Block::genesis(digest(b"genesis"), 1_000);
        let mut block = child(&genesis);
        block.transactions = vec![Bytes::from(vec![7; 512]); MAX_TRANSACTIONS];
        block.verdicts = vec![OPENED; MAX_VERDICTS];
        let encoded = block.encode();
        assert!(encoded.len() <= Block::max_encode_size(&()));
        assert_eq!(Block::decode(encoded).expect("decodes"), block);
    }

    #[test]
    fn a_block_is_encoded_as_it_always_was() {
        let mut block = child(&Block::genesis(digest(b"genesis"), 1_000));
        block.verdicts = vec![OPENED, MALFORMED];
        let encoded = block.encode();
        assert_eq!(Block::decode(encoded.clone()).expect("decodes"), block);
        let hex = commonware_formatting::hex(&encoded);
        assert_eq!(
            hex,
            "4e30efacd7750e70f1b8ac3ed170b6c4daa9ab91f2d95e7e0b28cf164833c014\
             01\
             00000000000004e2\
             0000000000000000000000000000000000000000\
             00\
             00aeebad4a796fcc2e15dc4c6061b45ed9b373f26adfc798ca7d2d8cc58182718e\
             0000000000000000000000000000000000000000000000000000000000000000\
             02\
             0000000000000007010002\
             000000000000000800\
             01027478"
        );
        block.verdicts.swap(0, 1);
        assert_ne!(block.digest(), Sha256::hash(&[&encoded]));
    }

    #[test]
    fn a_block_with_too_many_verdicts_does_not_decode() {
        let mut block = Block::genesis(digest(b"genesis"), 1_000);
        block.verdicts = vec![MALFORMED; MAX_VERDICTS + 1];
        assert!(Block::decode(block.encode()).is_err());
    }

    #[test]
    fn a_block_with_too_many_bytes_does_not_decode() {
        let mut block = Block::genesis(digest(b"genesis"), 1_000);
        block.transactions = vec![Bytes::from(vec![7; MAX_TRANSACTION_BYTES / 2 + 1]); 2];
        assert!(Block::decode(block.encode()).is_err());
        block.transactions = vec![Bytes::from_static(b"x"); MAX_TRANSACTIONS + 1];
        assert!(Block::decode(block.encode()).is_err());
    }
}
