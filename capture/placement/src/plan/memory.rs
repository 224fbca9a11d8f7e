//! Memory for frames: how much on which node, and in which pages.

use std::collections::BTreeMap;

use super::{HugePageWish, NodeMemory, Plan, Step, Wishes, card::is_xdp};
use crate::{
    facts::{Facts, HugePages},
    setting::Setting,
};

const SMALL_HUGE_KIB: u64 = 2048;
const LARGE_HUGE_KIB: u64 = 1 << 20;

/// Sums the rings' memory up per node and says which pages it is made of.
pub(super) fn plan(facts: &Facts, wishes: &Wishes, plan: &mut Plan) {
    let mut kib: BTreeMap<Option<u32>, u64> = BTreeMap::new();
    for interface in &plan.interfaces {
        let of_ring =
            u64::from(interface.frame_bytes) * u64::from(interface.frames_per_ring) / 1024;
        // The card writes there, so its node counts; that of the workers is the same where there
        // is one.
        let sum = kib.entry(interface.node).or_default();
        *sum = sum.saturating_add(of_ring.saturating_mul(u64::from(interface.queues)));
    }
    for (node, kib) in kib {
        let mib = kib.div_ceil(1024);
        let (memory, step) = pages(facts, wishes, node, mib);
        plan.memory.push(memory);
        plan.steps.extend(step);
    }
}

fn pages(
    facts: &Facts,
    wishes: &Wishes,
    node: Option<u32>,
    mib: u64,
) -> (NodeMemory, Option<Step>) {
    let ordinary = |why: String| NodeMemory { node, mib, huge_page_kib: None, huge_pages: 0, why };
    let huge = |size_kib: u64, pages: u64, why: String| NodeMemory {
        node,
        mib,
        huge_page_kib: Some(size_kib),
        huge_pages: pages,
        why,
    };
    if wishes.huge_pages == HugePageWish::None {
        return (ordinary("huge pages were not asked for".to_owned()), None);
    }
    if !is_xdp(wishes) {
        return (ordinary("the kernel makes the rings of packet sockets".to_owned()), None);
    }
    let Some(of_node) = node.and_then(|node| facts.machine.node(node)) else {
        return (ordinary("the node is unknown".to_owned()), None);
    };
    let of_size = |size: u64| of_node.huge_pages.iter().find(|pages| pages.size_kib == size);
    let small = mib.div_ceil(SMALL_HUGE_KIB / 1024);
    let large = mib.div_ceil(LARGE_HUGE_KIB / 1024);
    let enough = |pages: Option<&HugePages>, needed: u64| {
        pages.map(|pages| pages.free).filter(|free| *free >= needed)
    };
    if let Some(free) = enough(of_size(SMALL_HUGE_KIB), small) {
        return (huge(SMALL_HUGE_KIB, small, format!("{free} pages of 2 MiB are free")), None);
    }
    if let Some(free) = enough(of_size(LARGE_HUGE_KIB), large) {
        return (huge(LARGE_HUGE_KIB, large, format!("{free} pages of 1 GiB are free")), None);
    }
    let Some(has) = of_size(SMALL_HUGE_KIB) else {
        return (ordinary("there are no huge pages here".to_owned()), None);
    };
    if wishes.huge_pages == HugePageWish::Free {
        let why = format!("{small} huge pages are needed, {} are free", has.free);
        return (ordinary(why), None);
    }
    let setting = Setting::HugePages {
        node: of_node.id,
        size_kib: SMALL_HUGE_KIB,
        pages: has.total.saturating_add(small.saturating_sub(has.free)),
    };
    let why = format!("frames on node {} take {mib} MiB", of_node.id);
    let step = Step { now: setting.now(facts), setting, required: false, why };
    (
        huge(SMALL_HUGE_KIB, small, format!("{} are free, the rest is reserved", has.free)),
        Some(step),
    )
}
