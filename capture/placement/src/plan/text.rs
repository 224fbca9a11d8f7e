//! A plan for people: tables of interfaces, workers, memory and changes, each row with its reason.

use std::fmt;

use super::{Plan, Step, Worker, card::speed_text};
use crate::{cpus::CpuSet, setting::Setting};

impl fmt::Display for Plan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        interfaces(self).write(f)?;
        workers(self).write(f)?;
        memory(self).write(f)?;
        let (met, changes): (Vec<&Step>, Vec<&Step>) = self.steps.iter().partition(|s| s.met());
        steps("To change", &changes).write(f)?;
        if !met.is_empty() {
            writeln!(f, "Already so: {} of {}", met.len(), self.steps.len())?;
        }
        if !self.warnings.is_empty() {
            writeln!(f, "Warnings")?;
        }
        for warning in &self.warnings {
            writeln!(f, "  ! {warning}")?;
        }
        Ok(())
    }
}

/// Rows of cells under a title; columns are as wide as their widest cell.
struct Table {
    title: &'static str,
    head: Vec<&'static str>,
    rows: Vec<Vec<String>>,
}

impl Table {
    fn write(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.rows.is_empty() {
            return writeln!(f, "{}: none", self.title);
        }
        let head: Vec<String> = self.head.iter().map(|cell| (*cell).to_owned()).collect();
        let widths: Vec<usize> = (0..head.len())
            .map(|column| {
                let cells = std::iter::once(&head).chain(&self.rows);
                let width = |row: &Vec<String>| row.get(column).map_or(0, |c| c.chars().count());
                cells.map(width).max().unwrap_or(0)
            })
            .collect();
        writeln!(f, "{}", self.title)?;
        for row in std::iter::once(&head).chain(&self.rows) {
            let mut line = String::from(" ");
            for (cell, width) in row.iter().zip(&widths) {
                line.push_str(&format!(" {cell:<width$} "));
            }
            writeln!(f, "{}", line.trim_end())?;
        }
        Ok(())
    }
}

fn interfaces(plan: &Plan) -> Table {
    let rows = plan.interfaces.iter().map(|interface| {
        let unknown = || "?".to_owned();
        vec![
            interface.name.clone(),
            interface.driver.clone().unwrap_or_else(unknown),
            interface.pci.clone().unwrap_or_else(|| "-".to_owned()),
            node_text(interface.node),
            interface.speed.map_or_else(unknown, speed_text),
            interface.queues.to_string(),
            format!("{} x {}", interface.frames_per_ring, interface.frame_bytes),
            format!("{}; {}", interface.why, interface.why_frames),
        ]
    });
    Table {
        title: "Interfaces",
        head: vec!["name", "driver", "pci", "node", "speed", "queues", "frames", "why"],
        rows: rows.collect(),
    }
}

fn workers(plan: &Plan) -> Table {
    let mut rows: Vec<Vec<String>> = plan
        .workers
        .iter()
        .map(|worker| {
            vec![
                worker.index.to_string(),
                worker.cpu.to_string(),
                node_text(worker.node),
                rings_text(worker),
                memory_text(worker.memory_kib),
                worker.why.clone(),
            ]
        })
        .collect();
    rows.push(vec![
        "rest".to_owned(),
        plan.management.cpus.to_string(),
        String::new(),
        "-".to_owned(),
        String::new(),
        format!("management and publishing: {}", plan.management.why),
    ]);
    Table { title: "Workers", head: vec!["#", "cpu", "node", "rings", "memory", "why"], rows }
}

fn memory(plan: &Plan) -> Table {
    let rows = plan.memory.iter().map(|memory| {
        let pages = match memory.huge_page_kib {
            Some(size) => format!("{} x {}", memory.huge_pages, memory_text(size)),
            None => "ordinary".to_owned(),
        };
        vec![node_text(memory.node), format!("{} MiB", memory.mib), pages, memory.why.clone()]
    });
    Table { title: "Memory", head: vec!["node", "frames", "pages", "why"], rows: rows.collect() }
}

fn steps(title: &'static str, steps: &[&Step]) -> Table {
    let groups = steps.chunk_by(|one, next| one.why == next.why && fold(one, next));
    let rows = groups.filter_map(|group| {
        let first = group.first()?;
        let mut values: Vec<String> = Vec::new();
        for step in group {
            let now = step.now.as_ref().map_or_else(|| "unknown".to_owned(), Setting::value);
            if !values.contains(&now) {
                values.push(now);
            }
        }
        let now = if values.len() > 4 { "various".to_owned() } else { values.join(", ") };
        let must = if first.required { "must" } else { "may" };
        Some(vec![must.to_owned(), command(group), format!("now {now}"), first.why.clone()])
    });
    Table { title, head: vec!["", "command", "", "why"], rows: rows.collect() }
}

/// Whether two steps are told in one row.
fn fold(one: &Step, next: &Step) -> bool {
    match (&one.setting, &next.setting) {
        (
            Setting::QueueInterrupts { interface, .. },
            Setting::QueueInterrupts { interface: other, .. },
        ) => interface == other,
        (
            Setting::FlowHash { interface, fields, .. },
            Setting::FlowHash { interface: other, fields: other_fields, .. },
        ) => interface == other && fields == other_fields,
        _ => false,
    }
}

fn command(group: &[&Step]) -> String {
    let mut queues = CpuSet::new();
    let mut targets = CpuSet::new();
    let mut flows: Vec<&str> = Vec::new();
    for step in group {
        match &step.setting {
            Setting::QueueInterrupts { queue, cpus, .. } => {
                queues.insert(*queue);
                targets = targets.union(cpus);
            }
            Setting::FlowHash { flow, .. } => flows.push(flow.name()),
            _ => {}
        }
    }
    match group {
        [only] => only.setting.to_string(),
        [first, ..] => match &first.setting {
            Setting::QueueInterrupts { interface, .. } => {
                format!("interrupts of {interface} queues {queues} to cpu {targets}")
            }
            Setting::FlowHash { interface, fields, .. } => {
                format!("ethtool -N {interface} rx-flow-hash {} {fields}", flows.join("|"))
            }
            other => other.to_string(),
        },
        [] => String::new(),
    }
}

fn rings_text(worker: &Worker) -> String {
    let mut names: Vec<(&str, Vec<String>)> = Vec::new();
    for ring in &worker.rings {
        match names.iter_mut().find(|(name, _)| *name == ring.interface) {
            Some((_, queues)) => queues.push(ring.queue.to_string()),
            None => names.push((&ring.interface, vec![ring.queue.to_string()])),
        }
    }
    if names.is_empty() {
        return "hand-over".to_owned();
    }
    let parts = names.iter().map(|(name, queues)| format!("{name}:{}", queues.join(",")));
    parts.collect::<Vec<_>>().join(" ")
}

fn memory_text(kib: u64) -> String {
    match kib {
        0 => "-".to_owned(),
        kib if kib.is_multiple_of(1 << 20) => format!("{} GiB", kib >> 20),
        kib if kib.is_multiple_of(1 << 10) => format!("{} MiB", kib >> 10),
        kib => format!("{kib} KiB"),
    }
}

fn node_text(node: Option<u32>) -> String {
    node.map_or_else(|| "?".to_owned(), |node| node.to_string())
}
