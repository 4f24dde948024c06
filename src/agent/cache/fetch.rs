//! Where the bytes of a bundle come from: what is on this host already, and from the registry only the rest.
//!
//! Earlier bundles of the same application and group are kept packed beside their folders, and lend the pieces that they
//! share with the new one. Everything that comes, from wherever, is checked piece by piece, and the whole by the digest of
//! the bundle; a bundle without a table is one piece. Waiting for a server that is away is the steps' business.

use std::collections::HashMap;
use std::fs;
use std::io;
use std::io::Read;
use std::io::Seek;
use std::io::SeekFrom;
use std::ops::Range;
use std::path::Path;
use std::path::PathBuf;
use std::sync::Arc;

use tokio::sync::watch;

use crate::agent::cache::Error;
use crate::agent::cache::blocking;
use crate::agent::cache::failed;
use crate::agent::cache::incoming::Assembly;
use crate::agent::cache::incoming::Damage;
use crate::agent::cache::incoming::Incoming;
use crate::base::crash;
use crate::client::registry;
use crate::client::registry::Registry;
use crate::content::blobs::Digest;
use crate::content::pieces;
use crate::content::pieces::Piece;
use crate::content::pieces::Tail;

/// Up to here a bundle is one piece: asking for its table would cost more than it saves.
const SMALL: u64 = 64 << 10;
/// A gap between wanted pieces up to which one request is better than two.
const BRIDGE: u64 = 64 << 10;
/// What one request asks for, and on a line with a limit: what waits there must not hold up others.
const LONGEST: u64 = 64 << 20;
const LONGEST_LIMITED: u64 = 1 << 20;
/// The largest table that is believed.
const LARGEST_TABLE: u64 = 64 << 20;
/// What is read of a file at a time.
const STEP: usize = 256 << 10;
/// How often in a row damage is met before the bundle is fetched as one piece, and before that is given up.
const STRIKES: u32 = 2;

/// How far a bundle has come.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Transfer {
    /// Bytes of the bundle that are here.
    pub here: u64,
    /// Bytes that the registry sent.
    pub fetched: u64,
    /// All of the bundle; 0 while nobody knows.
    pub size: u64,
}

/// The registry, and the repository that has the bundles of one application.
#[derive(Clone, Debug)]
pub struct Source {
    pub registry: Registry,
    /// `NAMESPACE/APPLICATION`.
    pub repository: String,
    /// Told how far it is.
    pub progress: Arc<watch::Sender<Transfer>>,
}

/// One bundle that is being fetched.
pub(super) struct Fetch<'a> {
    pub(super) source: &'a Source,
    pub(super) digest: &'a Digest,
    pub(super) local: Local,
    /// The bundle's own table, which is its last piece.
    table: Arc<Vec<u8>>,
    /// Until it is known to have none that is true.
    has_table: bool,
}

/// Why an attempt ended early.
enum Broken {
    /// Bytes of the registry are not what they should be.
    Damaged(Damage),
    Failed(Error),
}

impl From<Error> for Broken {
    fn from(error: Error) -> Broken {
        Broken::Failed(error)
    }
}

/// Where the next bytes come from.
#[derive(Debug, PartialEq, Eq)]
enum Run {
    /// So many pieces that are on this host.
    Here(usize),
    /// The bundle's bytes up to there.
    Fetch(u64),
}

impl<'a> Fetch<'a> {
    pub(super) fn new(source: &'a Source, digest: &'a Digest, local: Local) -> Fetch<'a> {
        Fetch {
            source,
            digest,
            local,
            table: Arc::default(),
            has_table: true,
        }
    }

    /// Completes an incoming bundle; what came stays in it when that fails.
    pub(super) async fn run(mut self, incoming: Incoming) -> Result<Incoming, Error> {
        let path = incoming.path.clone();
        let digest = self.digest.clone();
        let (mut incoming, is_here) = blocking(move || {
            let mut incoming = incoming;
            let is_here = incoming.is(&digest);
            (incoming, is_here)
        })
        .await?;
        if is_here.map_err(failed("read", &path))? {
            return Ok(incoming);
        }
        let _place = self.source.registry.place().await;
        let size = self
            .source
            .registry
            .size(&self.source.repository, self.digest);
        let size = size.await.map_err(Error::Fetch)?;
        let had = incoming.length().map_err(failed("look at", &path))?;
        if let Err(error) = expect_room(&path, size, had) {
            incoming.discard();
            return Err(error);
        }
        let mut strikes = 0;
        loop {
            let pieces = if strikes < STRIKES {
                self.pieces(size).await?
            } else {
                incoming.clear().map_err(failed("empty", &path))?;
                self.has_table = false;
                self.table = Arc::default();
                self.as_one(size)
            };
            let assembly = self.start(incoming, pieces).await?;
            let before = assembly.next;
            let has_table = assembly.pieces.len() > 1;
            let damage = match self.complete(assembly, size).await? {
                (incoming, Ok(())) => return Ok(incoming),
                (left, Err((damage, reached))) => {
                    incoming = left;
                    if has_table && reached > before {
                        strikes = 0;
                    }
                    damage
                }
            };
            strikes += 1;
            tracing::warn!(bundle = %self.digest, strikes, "what came is damaged: {damage}");
            if strikes > STRIKES {
                incoming.discard();
                let (expected, found) = (self.digest.clone(), damage.found);
                return Err(Error::Mismatch { expected, found });
            }
        }
    }

    /// A bundle without a table; an empty one has no piece that could be waited for.
    fn as_one(&self, length: u64) -> Vec<Piece> {
        let whole = Piece {
            offset: 0,
            length,
            digest: self.digest.clone(),
        };
        (length > 0).then_some(whole).into_iter().collect()
    }

    /// The bundle's pieces by its own table.
    async fn pieces(&mut self, size: u64) -> Result<Vec<Piece>, Error> {
        let mut wanted = pieces::tail_of(size);
        while self.has_table && size > SMALL && wanted <= size.min(LARGEST_TABLE) {
            let mut tail = Vec::new();
            let mut take = |bytes: &[u8]| {
                tail.extend_from_slice(bytes);
                Ok(())
            };
            self.ask(size - wanted..size, &mut take).await?;
            self.count(wanted);
            match pieces::read(&tail, size) {
                Tail::Pieces(pieces) => {
                    let table = pieces.last().map_or(0, |piece| piece.length);
                    let from = tail.len() - usize::try_from(table).unwrap_or_default();
                    self.table = Arc::new(tail.split_off(from));
                    return Ok(pieces);
                }
                Tail::Needs(more) if more > wanted => wanted = more,
                Tail::Needs(_) | Tail::None => break,
            }
        }
        self.has_table = false;
        self.table = Arc::default();
        Ok(self.as_one(size))
    }

    async fn start(&self, incoming: Incoming, pieces: Vec<Piece>) -> Result<Assembly, Error> {
        let path = incoming.path.clone();
        let started = blocking(move || Assembly::start(incoming, pieces)).await?;
        started.map_err(failed("read", &path))
    }

    /// Brings together what lacks; on damage says how many pieces are whole.
    async fn complete(
        &mut self,
        mut assembly: Assembly,
        size: u64,
    ) -> Result<(Incoming, Result<(), (Damage, usize)>), Error> {
        loop {
            self.note(assembly.at(), size);
            let Some(run) = self.next(&assembly) else {
                let (mut incoming, checked) = assembly.finish(self.digest);
                if checked.is_err() {
                    // Every piece is what the table says: the table lies.
                    self.has_table = false;
                    let path = incoming.path.clone();
                    incoming.clear().map_err(failed("empty", &path))?;
                }
                return Ok((incoming, checked.map_err(|damage| (damage, 0))));
            };
            let done = match run {
                Run::Here(count) => {
                    let (back, done) = self.copy(assembly, count).await?;
                    assembly = back;
                    done.map_err(Broken::Failed)
                }
                Run::Fetch(to) => self.fetch(&mut assembly, to, size).await,
            };
            match done {
                Ok(()) => {}
                Err(Broken::Damaged(damage)) => {
                    let reached = assembly.next;
                    return Ok((assembly.incoming, Err((damage, reached))));
                }
                Err(Broken::Failed(error)) => {
                    if error.reason() == "DiskFull" {
                        assembly.incoming.discard();
                    }
                    return Err(error);
                }
            }
        }
    }

    fn next(&self, assembly: &Assembly) -> Option<Run> {
        let longest = match self.source.registry.limits().rate() {
            Some(_) => LONGEST_LIMITED,
            None => LONGEST,
        };
        let count = assembly.pieces.len();
        let is_here = |at: usize, piece: &Piece| {
            count > 1 && (at + 1 == count || self.local.has(&piece.digest))
        };
        next_run(&assembly.pieces, assembly.next, is_here).map(|run| match run {
            Run::Fetch(to) => Run::Fetch(to.min(assembly.at() + longest)),
            here @ Run::Here(_) => here,
        })
    }

    /// Copies pieces that are here; one that is damaged is not here any more.
    async fn copy(
        &mut self,
        mut assembly: Assembly,
        count: usize,
    ) -> Result<(Assembly, Result<(), Error>), Error> {
        let local = std::mem::take(&mut self.local);
        let table = self.table.clone();
        let (assembly, local, copied) = blocking(move || {
            let mut local = local;
            let copied = local.copy(&mut assembly, count, &table);
            (assembly, local, copied)
        })
        .await?;
        self.local = local;
        let copied = copied.map_err(failed("write", &assembly.incoming.path));
        Ok((assembly, copied))
    }

    async fn fetch(&self, assembly: &mut Assembly, to: u64, size: u64) -> Result<(), Broken> {
        crash::point("cache.fetch");
        let span = assembly.at()..to;
        let mut take = |bytes: &[u8]| {
            assembly.take(bytes)?;
            self.count(bytes.len() as u64);
            self.note(assembly.at(), size);
            Ok(())
        };
        let Err(error) = self.ask(span, &mut take).await else {
            return Ok(());
        };
        if let Some(damage) = assembly.take_damage() {
            return Err(Broken::Damaged(damage));
        }
        Err(match error {
            Error::Fetch(registry::Error::Local { source, .. }) => {
                failed("write", &assembly.incoming.path)(source)
            }
            error => error,
        }
        .into())
    }

    async fn ask(
        &self,
        span: Range<u64>,
        take: &mut (dyn FnMut(&[u8]) -> io::Result<()> + Send),
    ) -> Result<(), Error> {
        let Source {
            registry,
            repository,
            ..
        } = self.source;
        let asked = registry.fetch(repository, self.digest, span, take);
        asked.await.map_err(Error::Fetch)
    }

    fn note(&self, here: u64, size: u64) {
        self.source.progress.send_modify(|transfer| {
            transfer.here = here;
            transfer.size = size;
        });
    }

    fn count(&self, bytes: u64) {
        let progress = &self.source.progress;
        progress.send_modify(|transfer| transfer.fetched += bytes);
    }
}

/// What comes next: as many pieces as are here, or one request for what is not, over small gaps.
fn next_run(pieces: &[Piece], next: usize, is_here: impl Fn(usize, &Piece) -> bool) -> Option<Run> {
    let rest = || pieces.iter().enumerate().skip(next);
    let here = rest().take_while(|(at, piece)| is_here(*at, piece)).count();
    if here > 0 {
        return Some(Run::Here(here));
    }
    let mut to = None;
    let mut gap = 0;
    for (at, piece) in rest() {
        if is_here(at, piece) {
            gap += piece.length;
            if gap > BRIDGE {
                break;
            }
        } else {
            gap = 0;
            to = Some(piece.offset + piece.length);
        }
    }
    to.map(Run::Fetch)
}

/// Packed bundles that are on this host, and which pieces they have.
#[derive(Default)]
pub(super) struct Local {
    files: Vec<PathBuf>,
    pieces: HashMap<Digest, (usize, u64)>,
}

impl Local {
    /// Looks into packed bundles; one that cannot be read has nothing. Reads files: call it off the async threads.
    pub(super) fn look(bundles: Vec<PathBuf>) -> Local {
        let mut local = Local::default();
        for path in bundles {
            let index = local.files.len();
            let Ok(mut file) = fs::File::open(&path) else {
                continue;
            };
            for piece in pieces::of_file(&mut file)
                .ok()
                .flatten()
                .unwrap_or_default()
            {
                local.pieces.insert(piece.digest, (index, piece.offset));
            }
            local.files.push(path);
        }
        local
    }

    fn has(&self, digest: &Digest) -> bool {
        self.pieces.contains_key(digest)
    }

    /// Copies the next pieces; stops early, without an error, at one that is damaged here.
    fn copy(&mut self, assembly: &mut Assembly, count: usize, table: &[u8]) -> io::Result<()> {
        for _ in 0..count {
            let piece = assembly.pieces[assembly.next].clone();
            let is_table = assembly.next + 1 == assembly.pieces.len() && !table.is_empty();
            let copied = if is_table {
                let from = usize::try_from(assembly.begun).unwrap_or(usize::MAX);
                assembly.take(table.get(from..).unwrap_or_default())
            } else {
                self.copy_piece(&piece, assembly)
            };
            match copied {
                Err(error) if error.kind() == io::ErrorKind::InvalidData => {
                    assembly.take_damage();
                    assembly.cut_off()?;
                    self.pieces.remove(&piece.digest);
                    return Ok(());
                }
                other => other?,
            }
        }
        Ok(())
    }

    fn copy_piece(&self, piece: &Piece, assembly: &mut Assembly) -> io::Result<()> {
        let gone = || io::Error::from(io::ErrorKind::InvalidData);
        let place = self.pieces.get(&piece.digest).copied();
        let (index, offset) = place.ok_or_else(gone)?;
        let mut file = fs::File::open(&self.files[index]).map_err(|_| gone())?;
        file.seek(SeekFrom::Start(offset + assembly.begun))
            .map_err(|_| gone())?;
        let mut step = vec![0; STEP];
        while assembly.next < assembly.pieces.len() && assembly.pieces[assembly.next] == *piece {
            let most = usize::try_from(assembly.lacking())
                .unwrap_or(STEP)
                .min(STEP);
            match file.read(&mut step[..most]) {
                Ok(0) | Err(_) => return Err(gone()),
                Ok(length) => assembly.take(&step[..length])?,
            }
        }
        Ok(())
    }
}

/// Refuses to begin what this disk has no room for, packed and unpacked: others live on it too.
fn expect_room(path: &Path, size: u64, had: u64) -> Result<(), Error> {
    let Ok(disk) = nix::sys::statvfs::statvfs(path) else {
        return Ok(());
    };
    let free = disk.blocks_available().saturating_mul(disk.fragment_size());
    let needed = size.saturating_mul(2).saturating_sub(had);
    if disk.blocks() == 0 || free >= needed {
        return Ok(());
    }
    let path = path.parent().unwrap_or(path).to_owned();
    Err(Error::NoRoom { path, needed, free })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn asks_for_runs_and_over_small_gaps() {
        let piece = |offset: u64, length: u64| Piece {
            offset,
            length,
            digest: Digest::of(&offset.to_le_bytes()),
        };
        // Pieces 0 and 6 are here; 2 and 4 too, and 2 is small.
        let big = BRIDGE + 1;
        let lengths = [10, 20, 30, 40, big, 50, 60];
        let mut offset = 0;
        let pieces: Vec<Piece> = lengths
            .iter()
            .map(|length| {
                offset += length;
                piece(offset - length, *length)
            })
            .collect();
        let is_here = |at: usize, _: &Piece| [0, 2, 4, 6].contains(&at);
        let run = |next| next_run(&pieces, next, is_here);
        assert_eq!(run(0), Some(Run::Here(1)));
        assert_eq!(run(1), Some(Run::Fetch(100)));
        assert_eq!(run(4), Some(Run::Here(1)));
        assert_eq!(run(5), Some(Run::Fetch(100 + big + 50)));
        assert_eq!(run(6), Some(Run::Here(1)));
        assert_eq!(run(7), None);
    }
}
