//! Places of flows: chunks that never move, so that growing costs no copy.

use crate::entry::Flow;

/// Flows of a chunk.
const CHUNK: usize = 1024;

/// Where a flow is. Only the table makes these.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct FlowId(pub(crate) u32);

/// Flows by place. Free places hold a flow marked as ended.
#[derive(Debug)]
pub(super) struct Slab<X> {
    chunks: Vec<Vec<Flow<X>>>,
    free: Vec<u32>,
    made: usize,
}

impl<X: Default> Slab<X> {
    /// No flows, with room for `flows`; the room is not touched before it is needed.
    pub(super) fn new(flows: usize) -> Self {
        let chunks = flows.div_ceil(CHUNK);
        Self {
            chunks: (0..chunks).map(|_| Vec::with_capacity(CHUNK)).collect(),
            free: Vec::new(),
            made: 0,
        }
    }

    #[inline]
    pub(super) fn get(&self, id: FlowId) -> &Flow<X> {
        let at = id.0 as usize;
        &self.chunks[at / CHUNK][at % CHUNK]
    }

    #[inline]
    pub(super) fn get_mut(&mut self, id: FlowId) -> &mut Flow<X> {
        let at = id.0 as usize;
        &mut self.chunks[at / CHUNK][at % CHUNK]
    }

    /// A place with a fresh flow.
    pub(super) fn take(&mut self) -> FlowId {
        if let Some(place) = self.free.pop() {
            let id = FlowId(place);
            self.get_mut(id).ended = false;
            return id;
        }
        let at = self.made;
        if at / CHUNK == self.chunks.len() {
            self.chunks.push(Vec::with_capacity(CHUNK));
        }
        self.chunks[at / CHUNK].push(Flow::default());
        self.made += 1;
        FlowId(at as u32)
    }

    /// Empties a place and keeps it for later.
    pub(super) fn put_back(&mut self, id: FlowId) {
        *self.get_mut(id) = Flow { ended: true, ..Flow::default() };
        self.free.push(id.0);
    }

    /// Places made, in use or not.
    pub(super) fn places(&self) -> usize {
        self.made
    }

    /// Places made and not in use.
    pub(super) fn spare(&self) -> usize {
        self.free.len()
    }

    /// Every flow that has not ended.
    pub(super) fn live(&self) -> impl Iterator<Item = (FlowId, &Flow<X>)> {
        let flows = self.chunks.iter().flatten().enumerate();
        flows.filter(|(_, flow)| !flow.ended).map(|(at, flow)| (FlowId(at as u32), flow))
    }
}
