//! What detection finds odd about a flow.

macro_rules! anomalies {
    ($($variant:ident $name:literal $doc:literal),+ $(,)?) => {
        /// An oddity of detection.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        #[repr(u8)]
        pub enum Anomaly {
            $(#[doc = $doc] $variant),+
        }

        impl Anomaly {
            /// All, in the order in which records list them.
            pub const ALL: &'static [Self] = &[$(Self::$variant),+];

            /// Name in anomaly records (layer `proto_detect`); rules use it in lower case.
            pub const fn name(self) -> &'static str {
                match self {
                    $(Self::$variant => $name),+
                }
            }
        }
    };
}

anomalies! {
    MismatchBothDirections "APPLAYER_MISMATCH_PROTOCOL_BOTH_DIRECTIONS"
        "The two directions are different protocols.",
    WrongDirectionFirstData "APPLAYER_WRONG_DIRECTION_FIRST_DATA"
        "The side that should begin did not.",
    OnlyOneDirection "APPLAYER_DETECT_PROTOCOL_ONLY_ONE_DIRECTION"
        "One direction could not be recognised.",
    ProtoDetectionSkipped "APPLAYER_PROTO_DETECTION_SKIPPED"
        "Too much data without a result.",
    UnexpectedProtocol "APPLAYER_UNEXPECTED_PROTOCOL"
        "A change of protocol brought another one than announced.",
    NoTlsAfterStarttls "APPLAYER_NO_TLS_AFTER_STARTTLS"
        "TLS was announced and did not come.",
}

impl Anomaly {
    /// By its name in rules (`app-layer-event:applayer_...`).
    pub fn by_rule_name(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|anomaly| anomaly.name().eq_ignore_ascii_case(name))
    }
}

/// A set of oddities.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Anomalies(u8);

impl Anomalies {
    /// True when there is none.
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// True when this one is in the set.
    pub const fn contains(self, anomaly: Anomaly) -> bool {
        self.0 & (1 << anomaly as u8) != 0
    }

    /// One bit for each, at the place that the anomaly has in [`Anomaly::ALL`].
    pub const fn bits(self) -> u8 {
        self.0
    }

    /// Puts one in.
    pub const fn set(&mut self, anomaly: Anomaly) {
        self.0 |= 1 << anomaly as u8;
    }

    /// Puts all of another set in.
    pub const fn merge(&mut self, other: Self) {
        self.0 |= other.0;
    }

    /// All in the set; layer, and name in records.
    pub fn records(self) -> impl Iterator<Item = (&'static str, &'static str)> {
        let found = Anomaly::ALL.iter().filter(move |anomaly| self.contains(**anomaly));
        found.map(|anomaly| ("proto_detect", anomaly.name()))
    }
}
