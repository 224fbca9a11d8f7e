//! What became of records that were to be delivered, for people.

use delivery::Figures;

/// The balance of delivery, a line for each of its parts.
pub(super) fn lines(figures: &Figures) -> Vec<String> {
    let queue = figures.queue().figures();
    let (offered, shed) = (queue.offered.get(), queue.shed.total());
    let spool = figures.spool();
    let mut events = format!(
        "events: {offered} made, {} spooled, {shed} shed by the queue, {} by the spool",
        figures.spooled.get(),
        spool.shed_total()
    );
    if let Some(volume) = &figures.volume {
        let [sampled, over_budget, folded] = volume.totals();
        events.push_str(&format!(
            ", left out: {sampled} sampled, {over_budget} over budget, {folded} folded"
        ));
    }
    let mut lines = vec![events];
    if spool.lost_total() > 0 {
        lines.push(format!(
            "spool: {} of the spooled records went before every sink had read them",
            spool.lost_total()
        ));
    }
    if let Some(trouble) = &spool.trouble {
        lines.push(format!("spool: {trouble}"));
    }
    for sink in &figures.sinks {
        let mut line = format!(
            "{} ({}): {} delivered, {} filtered, {} refused, {} missed, {} wait",
            sink.name,
            sink.kind,
            sink.delivered.get(),
            sink.filtered.get(),
            sink.refused.total(),
            sink.missed.get(),
            sink.lag.get()
        );
        if sink.again.get() > 0 {
            line.push_str(&format!(", {} sent again", sink.again.get()));
        }
        if let Some(why) = sink.reason() {
            line.push_str(&format!("; {why}"));
        }
        if let Some(first) = sink.refusal() {
            let file = first.file.display();
            line.push_str(&format!("; the first was refused for: {} (see {file})", first.reason));
        }
        lines.push(line);
    }
    lines
}
