//! What of the TCP stream engine can be configured, with the defaults of a configuration that
//! says nothing.

use decode::settings::OsPolicies;

use crate::policy::Policy;

/// `stream.*`.
#[derive(Clone, Debug)]
pub struct StreamSettings {
    /// Bytes that sessions may take.
    pub memcap: u64,
    /// Bytes that segments and their data may take.
    pub reassembly_memcap: u64,
    /// When there is no memory for a session.
    pub memcap_policy: Policy,
    /// When data cannot be kept.
    pub reassembly_memcap_policy: Policy,
    /// When a session did not start with its handshake.
    pub midstream_policy: Policy,
    /// Verify checksums and leave out packets with a wrong one.
    pub checksum_validation: bool,
    /// Pick up sessions without their handshake.
    pub midstream: bool,
    /// One direction is enough.
    pub async_oneside: bool,
    /// Packets wait for the verdict: data is inspected with the packet that carries it.
    pub inline: bool,
    /// Inline: drop what the state machine refuses.
    pub drop_invalid: bool,
    /// Bypass flows whose depth is reached.
    pub bypass: bool,
    /// Distinct SYN packets remembered for a session.
    pub max_syn_queued: u8,
    /// Distinct SYN/ACK packets remembered for a session.
    pub max_synack_queued: u8,
    /// Timestamps may go back by one whatever the receiver, and echoes are not compared.
    pub liberal_timestamps: bool,
    /// Sessions kept for reuse.
    pub prealloc_sessions: u32,
    /// Bytes reassembled per direction; 0: all.
    pub depth: u32,
    /// Raw inspection chunks to the server and to the client, bytes.
    pub chunk_size: [u32; 2],
    /// Raw stream inspection.
    pub raw: bool,
    /// Most regions of a direction's buffer; 0: any number.
    pub max_regions: u8,
    /// Compare overlapping data.
    pub check_overlap_different_data: bool,
    /// What happens to urgent data.
    pub urgent: UrgentPolicy,
    /// What happens to it once a direction had 65,535 urgent bytes.
    pub urgent_limit: UrgentLimitPolicy,
    /// How the protected hosts put overlapping data together.
    pub os_policies: OsPolicies,
}

impl Default for StreamSettings {
    fn default() -> Self {
        Self {
            memcap: 64 << 20,
            reassembly_memcap: 256 << 20,
            memcap_policy: Policy::Ignore,
            reassembly_memcap_policy: Policy::Ignore,
            midstream_policy: Policy::Ignore,
            checksum_validation: true,
            midstream: false,
            async_oneside: false,
            inline: false,
            drop_invalid: true,
            bypass: false,
            max_syn_queued: 10,
            max_synack_queued: 5,
            liberal_timestamps: true,
            prealloc_sessions: 2048,
            depth: 0,
            chunk_size: [2560; 2],
            raw: true,
            max_regions: 8,
            check_overlap_different_data: false,
            urgent: UrgentPolicy::Inline,
            urgent_limit: UrgentLimitPolicy::Inline,
            os_policies: OsPolicies::default(),
        }
    }
}

impl StreamSettings {
    /// Changes each chunk size at random by up to `range` / 2 percent either way, as
    /// `randomize-chunk-size` asks for.
    pub fn randomize_chunks(&mut self, range: u32, seed: u64) {
        let mut state = seed | 1;
        for size in &mut self.chunk_size {
            state = state.wrapping_mul(0x5851_f42d_4c95_7f2d).wrapping_add(0x1405_7b7e_f767_814f);
            let span = u64::from(*size) * u64::from(range.min(99)) / 100;
            let change = if span == 0 { 0 } else { (state >> 33) % (span + 1) };
            let moved = u64::from(*size) + change - span / 2;
            *size = u32::try_from(moved).unwrap_or(u32::MAX);
        }
    }
}

/// `stream.reassembly.urgent.policy`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum UrgentPolicy {
    /// Urgent data is part of the stream.
    #[default]
    Inline,
    /// The urgent byte is taken out and what follows moves up (RFC 6093).
    Oob,
    /// Inline mode: the packet is dropped.
    Drop,
    /// The urgent byte is left out, what follows stays where it is.
    Gap,
}

/// `stream.reassembly.urgent.oob-limit-policy`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum UrgentLimitPolicy {
    /// Further urgent data is part of the stream.
    #[default]
    Inline,
    /// Inline mode: the packet is dropped.
    Drop,
    /// Further urgent bytes are left out.
    Gap,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn chunk_sizes_stay_within_half_the_range() {
        for seed in 0..200 {
            let mut settings = StreamSettings::default();
            settings.randomize_chunks(10, seed);
            for size in settings.chunk_size {
                assert!((2432..=2688).contains(&size), "{size}");
            }
        }
    }
}
