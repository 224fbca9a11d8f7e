//! Says where a host differs from a plan.

use crate::{
    facts::Facts,
    plan::{Plan, home_node},
    setting::Setting,
};

/// The differences between the plan and the host, a line each; none when all is as planned.
#[must_use]
pub fn verify(plan: &Plan, facts: &Facts) -> Vec<String> {
    let mut differences = Vec::new();
    for interface in &plan.interfaces {
        let Some(now) = facts.interface(&interface.name) else {
            differences.push(format!("{}: the interface is gone", interface.name));
            continue;
        };
        if let (Some(planned), Some(node)) = (interface.node, home_node(facts, now))
            && planned != node
        {
            let name = &interface.name;
            differences.push(format!("{name}: planned for node {planned}, now on node {node}"));
        }
        // Where channels can't be set there is no step that would tell.
        let has_step = plan.steps.iter().any(|step| {
            matches!(&step.setting, Setting::Channels { interface, .. } if *interface == now.name)
        });
        if !has_step && now.queues() != interface.queues {
            differences.push(format!(
                "{}: {} queues were planned, there are {}",
                interface.name,
                interface.queues,
                now.queues()
            ));
        }
    }
    for worker in &plan.workers {
        if !facts.process.allowed.contains(worker.cpu) {
            differences.push(format!(
                "worker {}: cpu {} is not allowed or not online",
                worker.index, worker.cpu
            ));
        }
    }
    for step in &plan.steps {
        let of_missing =
            step.setting.interface().is_some_and(|name| facts.interface(name).is_none());
        match step.setting.now(facts) {
            Some(now) if step.setting.met_by(&now) => {}
            Some(now) => differences.push(format!("{}: now {}", step.setting, now.value())),
            None if of_missing => {}
            None => differences.push(format!("{}: not known on this host", step.setting)),
        }
    }
    differences
}
