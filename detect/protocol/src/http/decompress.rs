//! Takes the content codings off a body: a chain of decoders that try other codings when the
//! declared one does not fit, and let the bytes pass when none does.

use std::cell::RefCell;

use flate2::Decompress;

use super::codec::{Codec, Coding, Undecodable};
use super::whole;

/// Bytes that come out at a time.
const PIECE: usize = 8192;

/// Other codings that are tried after the first.
const RESTARTS: u8 = 3;

/// First bytes that are kept to try another coding with.
const REPLAY_LIMIT: usize = 64 * 1024;

/// Bytes that a coding that was not declared must decode without fault before it is believed.
const DOUBT: usize = 1024;

/// Bytes that a decoder of LZMA has read before the first fault it can find.
const LZMA_START: usize = 18;

/// How often the output may be larger than the input before it is a bomb.
const BOMB_RATIO: u64 = 2048;

/// Bytes of output that stand for a microsecond of the time limit: sensors do not read clocks
/// here, so that the same bytes always give the same result.
const BYTES_PER_MICROSECOND: u64 = 500;

/// Inflaters that a thread keeps for the next bodies: making one costs as much as inflating a page.
const SPARES: usize = 8;

thread_local! {
    static SPARE: RefCell<Spare> = const { RefCell::new(Spare::new()) };
}

/// What bodies that have ended leave to the next ones of their thread.
struct Spare {
    inflaters: Vec<Decompress>,
    pieces: Vec<Vec<u8>>,
}

impl Spare {
    const fn new() -> Self {
        Self { inflaters: Vec::new(), pieces: Vec::new() }
    }

    fn inflater() -> Option<Decompress> {
        SPARE.with_borrow_mut(|spare| spare.inflaters.pop())
    }

    fn piece() -> Vec<u8> {
        SPARE.with_borrow_mut(|spare| spare.pieces.pop()).unwrap_or_else(|| vec![0; PIECE])
    }

    fn keep_inflater(&mut self, codec: Codec) {
        if self.inflaters.len() < SPARES {
            self.inflaters.extend(codec.into_spare());
        }
    }

    fn keep(&mut self, layer: &mut Layer) {
        self.keep_inflater(std::mem::replace(&mut layer.codec, Codec::Done));
        if self.pieces.len() < SPARES && layer.out.len() == PIECE {
            self.pieces.push(std::mem::take(&mut layer.out));
        }
    }
}

/// Limits of decoding.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    /// Output from which a body may be a bomb.
    pub(crate) bomb: u64,
    /// Time limit, microseconds.
    pub(crate) time: u32,
    /// Memory of LZMA.
    pub(crate) lzma_memory: u64,
}

/// What came of decoding a piece.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// Nothing special.
    Fine,
    /// The body is a bomb; it is not decoded any more.
    Bomb,
}

struct Layer {
    coding: Coding,
    codec: Codec,
    restarts: u8,
    /// Output has come out, or will: no other coding is tried any more.
    settled: bool,
    /// Input since the last start.
    fed: usize,
    /// Input that may have to be decoded again.
    replay: Vec<u8>,
    /// Output of a coding that was not declared, until it is settled that it fits.
    held: Vec<u8>,
    out: Vec<u8>,
}

/// Counts over all layers.
struct Work {
    total: u64,
    limit: u64,
}

/// Receives decoded pieces; returns false when no more is wanted.
type Sink<'a> = dyn FnMut(&[u8]) -> bool + 'a;

/// The decoders of one body, the first of them for the outermost coding.
pub(crate) struct Pipeline {
    layers: Vec<Layer>,
    limits: Limits,
    input: u64,
    output: u64,
    work: u64,
    ended: bool,
}

impl Pipeline {
    /// Decoders for codings in the order in which they come off.
    pub(crate) fn new(codings: &[Coding], limits: Limits) -> Self {
        let layer = |&coding: &Coding| Layer {
            coding,
            codec: Codec::new(coding, Spare::inflater(), limits.lzma_memory),
            restarts: 0,
            settled: false,
            fed: 0,
            replay: Vec::new(),
            held: Vec::new(),
            out: Spare::piece(),
        };
        let layers = codings.iter().map(layer).collect();
        Self { layers, limits, input: 0, output: 0, work: 0, ended: false }
    }

    /// True when no bomb is possible: one layer of deflate can't reach the ratio.
    pub(crate) fn is_harmless(&self) -> bool {
        matches!(
            self.layers.as_slice(),
            [Layer {
                codec: Codec::Member(_) | Codec::Inflate(..) | Codec::Pass | Codec::Done,
                ..
            }]
        )
    }

    /// Decodes a piece of the body.
    pub(crate) fn feed(&mut self, data: &[u8], sink: &mut dyn FnMut(&[u8])) -> Verdict {
        if self.ended {
            return Verdict::Fine;
        }
        self.input += data.len() as u64;
        let ratio_limit = self.input.saturating_mul(BOMB_RATIO).max(self.limits.bomb);
        let limit = u64::from(self.limits.time).saturating_mul(BYTES_PER_MICROSECOND);
        let mut work = Work { total: self.work, limit };
        let (mut output, mut bomb) = (self.output, false);
        let fits = feed_layers(&mut self.layers, data, &mut work, &mut |piece| {
            sink(piece);
            output += piece.len() as u64;
            bomb |= output > ratio_limit;
            !bomb
        });
        (self.output, self.work) = (output, work.total);
        if bomb {
            self.end();
            return Verdict::Bomb;
        }
        if !fits {
            for layer in &mut self.layers {
                layer.codec = Codec::Pass;
            }
            self.work = 0;
            return Verdict::Bomb;
        }
        Verdict::Fine
    }

    /// The body is complete: what was held comes out.
    pub(crate) fn finish(&mut self, sink: &mut dyn FnMut(&[u8])) {
        if self.ended {
            return;
        }
        let mut rest = self.layers.as_mut_slice();
        while let Some((layer, after)) = rest.split_first_mut() {
            let held = std::mem::take(&mut layer.held);
            if !held.is_empty() {
                let mut work = Work { total: 0, limit: u64::MAX };
                feed_layers(after, &held, &mut work, &mut |piece| {
                    sink(piece);
                    true
                });
            }
            rest = after;
        }
    }

    /// Ends decoding: nothing comes out any more.
    pub(crate) fn end(&mut self) {
        self.ended = true;
    }
}

impl Drop for Pipeline {
    fn drop(&mut self) {
        // A thread that is ending has none any more.
        let _ = SPARE.try_with(|spare| {
            let mut spare = spare.borrow_mut();
            self.layers.iter_mut().for_each(|layer| spare.keep(layer));
        });
    }
}

/// Runs data through the layers into the sink; false when the work limit was exceeded.
fn feed_layers(layers: &mut [Layer], data: &[u8], work: &mut Work, sink: &mut Sink<'_>) -> bool {
    let Some((layer, rest)) = layers.split_first_mut() else {
        sink(data);
        return true;
    };
    let mut fits = true;
    let mut out = std::mem::take(&mut layer.out);
    // The next layers count their work through their own counter, joined afterwards.
    let mut inner = Work { total: 0, limit: work.limit };
    let outer = layer.run(data, &mut out, work, &mut |piece| {
        let mut wanted = true;
        fits &= feed_layers(rest, piece, &mut inner, &mut |piece| {
            wanted = sink(piece);
            wanted
        });
        wanted && fits
    });
    layer.out = out;
    work.total = work.total.saturating_add(inner.total);
    outer && fits && work.total <= work.limit
}

impl Layer {
    /// Decodes data, with other codings when it does not fit; false at the work limit.
    fn run(&mut self, data: &[u8], out: &mut [u8], work: &mut Work, sink: &mut Sink<'_>) -> bool {
        if !self.settled {
            self.replay.extend_from_slice(data);
        }
        let mut result = self.decode(data, out, work, sink);
        while result.is_err() {
            if self.settled {
                self.end();
                return true;
            }
            let first = std::mem::take(&mut self.replay);
            if self.coding == Coding::Lzma || self.restarts == RESTARTS {
                return self.give_up(&first, out, work, sink);
            }
            self.restart();
            result = self.decode(&first, out, work, sink);
            if !self.settled {
                self.replay = first;
            }
        }
        if self.replay.len() > REPLAY_LIMIT {
            self.replay = Vec::new();
            self.settled = true;
        }
        result.unwrap_or(true)
    }

    /// Tries the next coding from the start.
    fn restart(&mut self) {
        self.restarts += 1;
        self.coding = self.coding.fallback();
        self.fed = 0;
        self.held.clear();
        let spare = std::mem::replace(&mut self.codec, Codec::Done).into_spare();
        self.codec = Codec::new(self.coding, spare, 0);
    }

    /// No coding fits: everything passes from here on, of LZMA what is behind its header and the
    /// first bytes of its coder, as in Suricata 8.
    fn give_up(
        &mut self,
        first: &[u8],
        out: &mut [u8],
        work: &mut Work,
        sink: &mut Sink<'_>,
    ) -> bool {
        self.settle();
        self.held = Vec::new();
        let skip = self.coding == Coding::Lzma;
        self.codec = if skip { Codec::Skip(LZMA_START) } else { Codec::Pass };
        self.decode(first, out, work, sink).unwrap_or(true)
    }

    fn decode(
        &mut self,
        data: &[u8],
        out: &mut [u8],
        work: &mut Work,
        sink: &mut Sink<'_>,
    ) -> Result<bool, Undecodable> {
        let mut at = 0;
        loop {
            let rest = data.get(at..).unwrap_or(&[]);
            if matches!(self.codec, Codec::Pass) {
                if !rest.is_empty() {
                    sink(rest);
                }
                return Ok(true);
            }
            let doubt = self.restarts > 0 && !self.settled;
            if !doubt && self.inflate_whole(rest, work, sink) {
                return Ok(true);
            }
            let most = if doubt { DOUBT - self.fed.min(DOUBT) } else { rest.len() };
            let input = rest.get(..most).unwrap_or(rest);
            let step = self.codec.step(input, out)?;
            at += step.used;
            self.fed = self.fed.saturating_add(step.used);
            work.total = work.total.saturating_add(step.made as u64);
            let made = out.get(..step.made).unwrap_or(&[]);
            if doubt {
                if step.broken {
                    return Err(Undecodable);
                }
                self.held.extend_from_slice(made);
                let drained = step.made < out.len();
                if step.end || (self.fed >= DOUBT && drained) {
                    let held = std::mem::take(&mut self.held);
                    self.settle();
                    if !held.is_empty() && !sink(&held) {
                        self.end();
                        return Ok(true);
                    }
                }
            } else if !made.is_empty() {
                self.settle();
                if !sink(made) {
                    self.end();
                    return Ok(true);
                }
            }
            if step.end || step.broken {
                self.end();
                self.settle();
                return Ok(true);
            }
            if work.total > work.limit {
                return Ok(false);
            }
            let stuck = step.used == 0 && step.made == 0 && !doubt;
            if stuck || (at >= data.len() && step.made < out.len()) {
                return Ok(true);
            }
        }
    }

    /// True when what comes first behind the header of a member was all of it, which is done.
    fn inflate_whole(&mut self, data: &[u8], work: &mut Work, sink: &mut Sink<'_>) -> bool {
        if data.is_empty() || !matches!(self.codec, Codec::Member(_)) {
            return false;
        }
        let most = work.limit.saturating_sub(work.total);
        let inflated = whole::inflate(data, most, |made| {
            work.total = work.total.saturating_add(made.len() as u64);
            sink(made)
        });
        if inflated.is_none() {
            self.codec.begin_pieces();
            return false;
        }
        self.end();
        self.settle();
        true
    }

    /// Nothing comes out any more; other bodies may begin long before this one goes.
    fn end(&mut self) {
        let codec = std::mem::replace(&mut self.codec, Codec::Done);
        let _ = SPARE.try_with(|spare| spare.borrow_mut().keep_inflater(codec));
    }

    fn settle(&mut self) {
        self.settled = true;
        self.replay = Vec::new();
    }
}

#[cfg(test)]
#[path = "decompress_tests.rs"]
mod tests;
