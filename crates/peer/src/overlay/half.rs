//! The beginning of an artifact whose transfer broke off, so that the next source goes on where the last one ended.
//!
//! On disk is the stream as a source sends it: eight bytes of length, then the nodes of the tree and the bytes between
//! them, in the order in which they are checked. So what is there is checked like what comes, and whatever is wrong with it,
//! by a crash, the disk or somebody's hand, makes it shorter and does nothing else. There is only one right stream for a
//! hash and a size, so any source can go on with what another began.

use super::artifact::{HALF, ReceiveError, Store, copy_checked, hash_of, remove};
use bao::decode::SliceDecoder;
use marketplace::{demand::Artifact, units::Hash};
use std::{
    cell::Cell,
    fs::{self, File, OpenOptions, TryLockError},
    io::{self, BufReader, Read, Seek as _, Write},
    os::unix::fs::OpenOptionsExt as _,
    path::Path,
    time::{Duration, SystemTime},
};

/// Bytes that are read at once: what a break, a crash or a liar costs at most.
pub(super) const GROUP: usize = 16 << 10;
/// Whoever asks from here on is given the end of an artifact, which proves its size.
pub(super) const END: u64 = u64::MAX;
/// Bytes of such a proof at most: the length, the nodes above the last leaf, and that.
pub(super) const PROOF: usize = 8 << 10;

/// Halves of so many artifacts are kept at most, the newest.
const HALVES: usize = 8;
/// One that nothing was added to for so long is deleted.
const STALE: Duration = Duration::from_secs(86_400);

/// The length, at the beginning of each stream.
const HEADER: u64 = 8;
/// What a leaf of the tree is of.
const CHUNK: u64 = 1024;
/// A node above: two hashes.
const NODE: u64 = 64;

impl Store {
    /// Begins to receive an artifact, or goes on with what an earlier transfer left: no more than `HALVES` of those
    /// are kept. (O8)
    pub(super) fn begin(&self, artifact: &Artifact) -> io::Result<Half> {
        let mut halves = self.halves()?;
        halves.retain(|(_, hash)| *hash != artifact.hash);
        let many = (halves.len() + 1).saturating_sub(HALVES);
        for (_, hash) in &halves[..many] {
            remove(&self.half(*hash))?;
        }
        Half::open(&self.half(artifact.hash), artifact)
    }

    /// How much is here of an artifact whose transfer broke off.
    pub(crate) fn begun(&self, artifact: Hash) -> u64 {
        fs::metadata(self.half(artifact)).map_or(0, |half| half.len())
    }

    /// Deletes what is here of artifacts that are not to be kept, or that nothing came of for long. (O8)
    pub(crate) fn keep_halves(&self, keep: impl Fn(Hash) -> bool) -> io::Result<()> {
        for (written, hash) in self.halves()? {
            if !keep(hash) || written + STALE < SystemTime::now() {
                remove(&self.half(hash))?;
            }
        }
        Ok(())
    }

    /// What is here of artifacts whose transfer broke off, with the time of the last addition, oldest first.
    fn halves(&self) -> io::Result<Vec<(SystemTime, Hash)>> {
        let mut halves = Vec::new();
        for entry in fs::read_dir(&self.folder)? {
            let path = entry?.path();
            let is_half = path.extension().is_some_and(|end| end == HALF);
            if let Some(hash) = hash_of(&path.with_extension("")).filter(|_| is_half) {
                // One that is gone meanwhile came to its end.
                let written = fs::metadata(&path).and_then(|half| half.modified());
                halves.extend(written.map(|written| (written, hash)));
            }
        }
        halves.sort_unstable();
        Ok(halves)
    }
}

/// As much of an artifact as is here and right.
#[derive(Debug)]
pub(super) struct Half {
    artifact: Hash,
    size: u64,
    file: File,
    /// Where it lies, if others may go on with it.
    path: Option<Box<Path>>,
    kept: Length,
}

/// How far a stream is right.
#[derive(Clone, Copy, Debug, Default)]
struct Length {
    /// Bytes of the stream.
    stream: u64,
    /// Bytes of the artifact in them.
    bytes: u64,
}

impl Half {
    /// Takes up what is at `path`, or begins there. While another transfer has it, this one begins elsewhere.
    pub(super) fn open(path: &Path, artifact: &Artifact) -> io::Result<Self> {
        let mut options = OpenOptions::new();
        let options = options.read(true).write(true).create(true).truncate(false);
        let file = options.mode(0o600).open(path)?;
        let (file, path) = match file.try_lock() {
            Ok(()) => (file, Some(path.into())),
            Err(TryLockError::WouldBlock) => (beside(path)?, None),
            Err(TryLockError::Error(error)) => return Err(error),
        };
        let mut half = Self {
            artifact: artifact.hash,
            size: artifact.size,
            file,
            path,
            kept: Length::default(),
        };
        half.look()?;
        Ok(half)
    }

    /// Which artifact.
    pub(super) fn artifact(&self) -> Hash {
        self.artifact
    }

    /// Where a source is to go on: that many bytes are here.
    pub(super) fn offset(&self) -> u64 {
        self.kept.bytes
    }

    /// Finds out how much is right, and cuts the rest off.
    fn look(&mut self) -> io::Result<()> {
        let mut stream = BufReader::with_capacity(GROUP, &self.file);
        if read_header(&mut stream).is_ok_and(|length| length == self.size) {
            stream.rewind()?;
            let (right, _) = self.check(stream, io::sink());
            self.kept = right;
        }
        self.file.set_len(self.kept.stream)
    }

    /// Goes on with what a source sends from [`Self::offset`], and writes the artifact to `to` from its beginning. If
    /// that breaks off, what was right stays.
    pub(super) fn receive(&mut self, from: impl Read, to: &mut File) -> Result<(), ReceiveError> {
        let mut from = BufReader::with_capacity(GROUP, from);
        let length = read_header(&mut from)?;
        if length != self.size {
            return Err(ReceiveError::Size);
        }
        let known = self.kept;
        let header = length.to_le_bytes();
        let header: &[u8] = if known.stream == 0 { &header } else { &[] };
        pass_over(&mut from, self.known_nodes() * NODE)?;
        self.file.rewind()?;
        let stream = Joined {
            known: BufReader::with_capacity(GROUP, (&self.file).take(known.stream)),
            from: header.chain(from),
            file: &self.file,
        };
        let (right, ended) = self.check(stream, to);
        self.kept = right;
        self.file.set_len(right.stream)?;
        match ended {
            // What was right a moment ago is not any more: nobody who sends can help that.
            Err(ReceiveError::Wrong(error)) if right.stream < known.stream => Err(error.into()),
            ended => ended,
        }
    }

    /// Copies a stream from its beginning as far as it is right: how far that is, and why it ended there.
    fn check(&self, stream: impl Read, to: impl Write) -> (Length, Result<(), ReceiveError>) {
        let count = Cell::new(0);
        let counted = Counted {
            from: stream,
            count: &count,
        };
        let mut bytes = SliceDecoder::new(counted, &bao::Hash::from(self.artifact.0), 0, self.size);
        let mut right = Length::default();
        let ended = copy_checked(&mut bytes, to, |more| {
            right.bytes += more;
            right.stream = count.get();
        });
        (right, ended)
    }

    /// Nodes at the beginning of a source's answer that are here already: those above the next chunk that have another
    /// as their first.
    fn known_nodes(&self) -> u64 {
        let next = self.kept.bytes / CHUNK;
        let (mut first, mut count, mut nodes) = (0, self.size.div_ceil(CHUNK), 0);
        while first < next && count > 1 {
            nodes += 1;
            let left = count.next_power_of_two() / 2;
            if next < first + left {
                count = left;
            } else {
                first += left;
                count -= left;
            }
        }
        nodes
    }

    /// The artifact is kept elsewhere now.
    pub(super) fn done(mut self) {
        self.kept = Length::default();
    }
}

/// What the end of an artifact, as a source sends it, says of the size that it is to have.
pub(super) fn judge(artifact: &Artifact, proof: &[u8]) -> ReceiveError {
    let mut end = SliceDecoder::new(proof, &bao::Hash::from(artifact.hash.0), END, 0);
    let proven = io::copy(&mut end, &mut io::sink()).and_then(|_| read_header(&mut &*proof));
    match proven {
        Ok(size) if size != artifact.size => ReceiveError::Size,
        Ok(_) => ReceiveError::Wrong(io::Error::other("another size was said before")),
        Err(error) => ReceiveError::Wrong(error),
    }
}

/// What is of no use is not left behind.
impl Drop for Half {
    fn drop(&mut self) {
        if let (0, Some(path)) = (self.kept.stream, &self.path) {
            // Else it is deleted when it is stale.
            let _ = fs::remove_file(path);
        }
    }
}

/// A file without a name.
fn beside(path: &Path) -> io::Result<File> {
    tempfile::tempfile_in(path.parent().unwrap_or(path))
}

fn read_header(from: &mut impl Read) -> io::Result<u64> {
    let mut header = [0; HEADER as usize];
    from.read_exact(&mut header)?;
    Ok(u64::from_le_bytes(header))
}

fn pass_over(from: &mut impl Read, count: u64) -> io::Result<()> {
    let passed = io::copy(&mut from.take(count), &mut io::sink())?;
    match passed == count {
        true => Ok(()),
        false => Err(io::ErrorKind::UnexpectedEof.into()),
    }
}

/// What is here of a stream, and then what comes of it, which is written down behind.
struct Joined<'a, R> {
    known: BufReader<io::Take<&'a File>>,
    from: R,
    /// Read to the end of what is known when the first bytes come.
    file: &'a File,
}

impl<R: Read> Read for Joined<'_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let known = self.known.read(buffer)?;
        if known > 0 || buffer.is_empty() {
            return Ok(known);
        }
        let came = self.from.read(buffer)?;
        self.file.write_all(&buffer[..came])?;
        Ok(came)
    }
}

struct Counted<'a, R> {
    from: R,
    count: &'a Cell<u64>,
}

impl<R: Read> Read for Counted<'_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let came = self.from.read(buffer)?;
        self.count.set(self.count.get() + came as u64);
        Ok(came)
    }
}
