//! Which form of the page a client wants (`Accept`, RFC 9110, 12.5.1).

/// A form of the page.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Form {
    /// Prometheus' text format 0.0.4.
    Text,
    /// OpenMetrics 1.0.0.
    OpenMetrics,
}

impl Form {
    /// What `Content-Type` says.
    pub(crate) const fn content_type(self) -> &'static str {
        match self {
            Self::Text => "text/plain; version=0.0.4; charset=utf-8",
            Self::OpenMetrics => "application/openmetrics-text; version=1.0.0; charset=utf-8",
        }
    }

    /// What serves a client best that sends this header, if it sends one: OpenMetrics where it is
    /// named and nothing that we have is wanted more.
    pub(crate) fn wanted(accept: &str) -> Self {
        let (mut open, mut text) = (0, 0);
        for range in accept.split(',') {
            let mut parts = range.split(';').map(str::trim);
            let media = parts.next().unwrap_or_default().to_ascii_lowercase();
            let (mut quality, mut version) = (1000, "");
            for part in parts {
                let Some((name, value)) = part.split_once('=') else { continue };
                match name.trim().to_ascii_lowercase().as_str() {
                    "q" => quality = thousandths(value.trim()),
                    "version" => version = value.trim().trim_matches('"'),
                    _ => {}
                }
            }
            match media.as_str() {
                // What 1.0.0 added to 0.0.1 is nothing that a reader of 0.0.1 trips over.
                "application/openmetrics-text" if matches!(version, "" | "0.0.1" | "1.0.0") => {
                    open = open.max(quality);
                }
                "text/plain" if matches!(version, "" | "0.0.4") => text = text.max(quality),
                _ => {}
            }
        }
        if open > 0 && open >= text { Self::OpenMetrics } else { Self::Text }
    }
}

/// A weight of 0 to 1 with three decimals; one that is wrong counts as none.
fn thousandths(text: &str) -> u32 {
    let weight: f32 = text.parse().unwrap_or(0.0);
    if (0.0..=1.0).contains(&weight) { (weight * 1000.0) as u32 } else { 0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clients_get_what_they_like_best() {
        let check =
            |accept: &str, wanted: Form| assert_eq!(Form::wanted(accept), wanted, "{accept}");
        check("", Form::Text);
        check("*/*", Form::Text);
        check("text/plain", Form::Text);
        check("application/openmetrics-text", Form::OpenMetrics);
        check("application/openmetrics-text; version=2.0.0", Form::Text);
        check("application/openmetrics-text;q=0", Form::Text);
        check("application/openmetrics-text;q=0.1,text/plain", Form::Text);
        check(
            "Application/OpenMetrics-Text; Version=\"1.0.0\"; q=0.5, text/plain;q=nan",
            Form::OpenMetrics,
        );
        // As Prometheus 2 and 3 ask.
        check(
            "application/openmetrics-text;version=1.0.0;q=0.5,application/openmetrics-text;\
             version=0.0.1;q=0.4,text/plain;version=0.0.4;q=0.3,*/*;q=0.2",
            Form::OpenMetrics,
        );
        check(
            "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.5,text/plain;\
             version=1.0.0;escaping=allow-utf-8;q=0.4,text/plain;version=0.0.4;q=0.3,*/*;q=0.2",
            Form::OpenMetrics,
        );
    }
}
