//! The rules that match a packet, found by evaluating every one of them.

use decode::packet::Packet;
use engine::Ruleset;
use engine::content::{Data, Scratch};
use rules::Place;
use rules::keyword::Subject;

/// Numbers of the rules whose options on payload and checks all hold on a packet without flow.
pub(crate) fn matching(ruleset: &Ruleset, packet: &Packet<'_>) -> Vec<u32> {
    let mut scratch = Scratch::new(3000, (3500, 1500));
    let subject =
        Subject { packet, direction: decode::Direction::ToServer, flow: None, knowledge: None };
    let mut found = Vec::new();
    for compiled in ruleset.rules() {
        let rule = &compiled.rule;
        let (src, dst) =
            if compiled.reversed { (&rule.dst, &rule.src) } else { (&rule.src, &rule.dst) };
        let (src_ports, dst_ports) = if compiled.reversed {
            (&rule.dst_ports, &rule.src_ports)
        } else {
            (&rule.src_ports, &rule.dst_ports)
        };
        let header = src.contains(packet.src)
            && dst.contains(packet.dst)
            && src_ports.contains(packet.src_port)
            && dst_ports.contains(packet.dst_port);
        scratch.begin_rule();
        let holds = header
            && rule.checks.iter().all(|check| check.matches(&subject))
            && compiled.parts.iter().all(|part| {
                assert_eq!(part.place, Place::Payload);
                packet.payload_len > 0
                    && part.program.run(&Data::whole(packet.payload()), &mut scratch)
            });
        if holds && !found.contains(&rule.sid) {
            found.push(rule.sid);
        }
    }
    found
}
