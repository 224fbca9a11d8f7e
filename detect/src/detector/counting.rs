//! What a detector has counted, in the order of statistics.

use decode::event::{self, DECODE_COUNT};
use flow::policy::{Policy, Target};
use protocol::file::range::Ranges;

use super::Detector;
use crate::counters::Snapshot;

impl Detector {
    /// All counters, in the order of statistics.
    pub fn counters(&self) -> Snapshot {
        let mut snapshot = Snapshot::default();
        let add = &mut |name: &str, value: u64| snapshot.push(name, value);
        let decoder = self.decoder.counters();
        decoder.for_each_decoder(Some("decoder.event"), add);
        decoder.tcp_flags.for_each(add);
        self.stream_counters.for_each(add);
        self.flows.counters().for_each(add);
        decoder.defrag.for_each(add);
        for (at, count) in self.stream_events.iter().enumerate() {
            add(event::name((DECODE_COUNT + at) as u16), *count);
        }
        if self.settings.inline {
            self.inline.for_each(add);
        }
        add("http.byterange.memuse", self.ranges.size(Ranges::used));
        add("http.byterange.memcap", self.ranges.size(Ranges::shed));
        crate::counters::engine(&self.inspector, self.settings.detection, add);
        self.app_counters.for_each(&self.settings.protocol, add);
        self.policy_counters(add);
        snapshot
    }

    /// Counters of the exception policies that do something.
    fn policy_counters(&self, add: &mut dyn FnMut(&str, u64)) {
        let stream = &self.settings.stream;
        for target in Target::ALL {
            let policy = match target {
                Target::FlowMemcap => self.settings.flow_memcap_policy,
                Target::DefragMemcap => self.settings.defrag_memcap_policy,
                Target::StreamMemcap => stream.memcap_policy,
                Target::StreamReassemblyMemcap => stream.reassembly_memcap_policy,
                Target::StreamMidstream => stream.midstream_policy,
                Target::AppLayerError => self.settings.app_error_policy,
            };
            if policy != Policy::Ignore {
                self.policies.for_each(target, self.settings.inline, add);
            }
        }
    }
}
