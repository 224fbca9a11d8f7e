//! Inline: giving a packet the bytes that the stream already has, so that both ends see the same.

use decode::IpHeader;

use crate::reassembly::Stream;
use crate::tcp::context::Context;

/// Overwrites payload that differs from the stream and corrects the checksum; true if anything
/// was changed.
pub(super) fn replace(ctx: &mut Context<'_, '_>, stream: &Stream) -> bool {
    let from = stream.data_offset(ctx.data_seq());
    let start = ctx.packet.payload_offset as usize;
    let mut changed = false;
    for (offset, known) in stream.all_buffered(true).1 {
        let left = offset.max(from);
        let right = (offset + known.len() as u64).min(from + u64::from(ctx.len));
        if left >= right {
            continue;
        }
        let known = &known[(left - offset) as usize..(right - offset) as usize];
        let at = start + (left - from) as usize;
        let Some(sent) = ctx.packet.bytes.get(at..at + known.len()) else { continue };
        if sent != known {
            ctx.packet.bytes.to_mut()[at..at + known.len()].copy_from_slice(known);
            changed = true;
        }
    }
    if changed {
        correct_checksum(ctx);
    }
    changed
}

/// Computes the TCP checksum anew (RFC 9293, section 3.1).
fn correct_checksum(ctx: &mut Context<'_, '_>) {
    const OFFSET: usize = 16;
    let start = ctx.packet.transport_offset as usize;
    let end = ctx.packet.payload_offset as usize + ctx.len as usize;
    let mut sum = match (ctx.packet.ip, ctx.packet.src, ctx.packet.dst) {
        (IpHeader::None, ..) => return,
        (_, src, dst) => address_sum(src) + address_sum(dst),
    };
    let Some(segment) = ctx.packet.bytes.get(start..end).filter(|it| it.len() >= OFFSET + 2) else {
        return;
    };
    sum += 6 + segment.len() as u64;
    for (at, pair) in segment.chunks(2).enumerate() {
        if at * 2 != OFFSET {
            let low = pair.get(1).copied().unwrap_or(0);
            sum += u64::from(u16::from_be_bytes([pair[0], low]));
        }
    }
    while sum >> 16 != 0 {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    let checksum = !(sum as u16);
    let at = start + OFFSET;
    ctx.packet.bytes.to_mut()[at..at + 2].copy_from_slice(&checksum.to_be_bytes());
    if let decode::Transport::Tcp(tcp) = &mut ctx.packet.transport {
        tcp.checksum = checksum;
    }
}

fn address_sum(address: std::net::IpAddr) -> u64 {
    match address {
        std::net::IpAddr::V4(v4) => {
            let bits = u64::from(v4.to_bits());
            (bits >> 16) + (bits & 0xffff)
        }
        std::net::IpAddr::V6(v6) => v6.segments().iter().map(|&part| u64::from(part)).sum(),
    }
}
