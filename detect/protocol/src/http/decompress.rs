//! Takes the content codings off a body: a chain of decoders that try other codings when the
//! declared one does not fit, and let the bytes pass when none does.

use flate2::Decompress;

use super::codec::{Codec, Coding, Undecodable};

/// Bytes that come out at a time.
const PIECE: usize = 8192;

/// Other codings that are tried after the first.
const RESTARTS: u8 = 3;

/// First bytes that are kept to try another coding with.
const REPLAY_LIMIT: usize = 64 * 1024;

/// How often the output may be larger than the input before it is a bomb.
const BOMB_RATIO: u64 = 2048;

/// Bytes of output that stand for a microsecond of the time limit: sensors do not read clocks
/// here, so that the same bytes always give the same result.
const BYTES_PER_MICROSECOND: u64 = 500;

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
    produced: bool,
    replay: Vec<u8>,
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
    /// Decoders for codings in the order in which they come off. `spares` are inflaters that
    /// can be used again.
    pub(crate) fn new(codings: &[Coding], limits: Limits, spares: &mut Vec<Decompress>) -> Self {
        let layer = |&coding: &Coding| Layer {
            coding,
            codec: Codec::new(coding, spares.pop(), limits.lzma_memory),
            restarts: 0,
            produced: false,
            replay: Vec::new(),
            out: vec![0; PIECE],
        };
        let layers = codings.iter().map(layer).collect();
        Self { layers, limits, input: 0, output: 0, work: 0, ended: false }
    }

    /// True when no bomb is possible: one layer of deflate can't reach the ratio.
    pub(crate) fn is_harmless(&self) -> bool {
        matches!(
            self.layers.as_slice(),
            [Layer { codec: Codec::Inflate(..) | Codec::Pass | Codec::Done, .. }]
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

    /// The body is complete: first bytes that no coding has claimed pass through.
    pub(crate) fn finish(&mut self, sink: &mut dyn FnMut(&[u8])) {
        if self.ended {
            return;
        }
        let mut rest = self.layers.as_mut_slice();
        while let Some((layer, after)) = rest.split_first_mut() {
            let replay = std::mem::take(&mut layer.replay);
            let unclaimed = layer.restarts > 0 || layer.coding == Coding::Deflate;
            if unclaimed && !layer.produced && !replay.is_empty() {
                let mut work = Work { total: 0, limit: u64::MAX };
                feed_layers(after, &replay, &mut work, &mut |piece| {
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

    /// Gives the inflaters back.
    pub(crate) fn recycle(self, spares: &mut Vec<Decompress>) {
        spares.extend(self.layers.into_iter().filter_map(|layer| layer.codec.into_spare()));
        spares.truncate(2);
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
        match self.decode(data, out, work, sink) {
            Ok(fits) => {
                self.keep(data);
                return fits;
            }
            Err(Undecodable) if self.produced => {
                self.codec = Codec::Done;
                return true;
            }
            Err(Undecodable) => {}
        }
        let mut first = std::mem::take(&mut self.replay);
        first.extend_from_slice(data);
        // LZMA data that breaks before its first byte of output yields nothing at all.
        if matches!(self.codec, Codec::Lzma(_)) {
            self.codec = Codec::Done;
            return true;
        }
        while self.restarts < RESTARTS {
            self.restarts += 1;
            self.coding = self.coding.fallback();
            let spare = std::mem::replace(&mut self.codec, Codec::Done).into_spare();
            self.codec = Codec::new(self.coding, spare, 0);
            match self.decode(&first, out, work, sink) {
                Ok(fits) => {
                    self.keep(&first);
                    return fits;
                }
                Err(Undecodable) if self.produced => {
                    self.codec = Codec::Done;
                    return true;
                }
                Err(Undecodable) => {}
            }
        }
        self.codec = Codec::Pass;
        self.produced = true;
        sink(&first);
        true
    }

    /// Keeps data that gave no output yet.
    fn keep(&mut self, data: &[u8]) {
        if self.produced {
            self.replay = Vec::new();
        } else if self.replay.len() + data.len() <= REPLAY_LIMIT {
            self.replay.extend_from_slice(data);
        } else {
            self.replay = Vec::new();
            self.codec = Codec::Done;
        }
    }

    fn decode(
        &mut self,
        data: &[u8],
        out: &mut [u8],
        work: &mut Work,
        sink: &mut Sink<'_>,
    ) -> Result<bool, Undecodable> {
        if matches!(self.codec, Codec::Pass) {
            sink(data);
            return Ok(true);
        }
        let mut at = 0;
        loop {
            let input = data.get(at..).unwrap_or(&[]);
            let step = self.codec.step(input, out)?;
            at += step.used;
            work.total = work.total.saturating_add(step.made as u64);
            if step.made > 0 {
                self.produced = true;
                if !sink(out.get(..step.made).unwrap_or(&[])) {
                    self.codec = Codec::Done;
                    return Ok(true);
                }
            }
            if step.end || step.broken {
                self.codec = Codec::Done;
                self.produced = true;
                return Ok(true);
            }
            if work.total > work.limit {
                return Ok(false);
            }
            let stuck = step.used == 0 && step.made == 0;
            if stuck || (at >= data.len() && step.made < out.len()) {
                return Ok(true);
            }
        }
    }
}

#[cfg(test)]
#[path = "decompress_tests.rs"]
mod tests;
