//! What became of records that were to be delivered, for people.

use delivery::Figures;
use delivery::figures::Health;

/// The balance of delivery, a line for each of its parts.
pub(super) fn lines(figures: &Figures) -> Vec<String> {
    let queue = figures.queue().figures();
    let (offered, shed) = (queue.offered.get(), queue.shed.total());
    let spool = figures.spool();
    let mut lines = vec![format!(
        "events: {offered} made, {} spooled, {shed} shed by the queue, {} by the spool",
        figures.spooled.get(),
        spool.shed_total()
    )];
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
            line.push_str(&format!(", {} offered again", sink.again.get()));
        }
        if let Health::Down(why) = sink.health() {
            line.push_str(&format!("; {why}"));
        }
        lines.push(line);
    }
    lines
}
