//! A field of a record: its name, its type, whether it is always there, and what it says.

/// Type of a value.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Kind {
    /// Text of few different values.
    Word,
    /// Text that is compared as a whole.
    Keyword,
    /// Long text that is searched by its words.
    Text,
    /// Bytes in Base64.
    Bytes,
    /// Number from 0 on, of so many bits.
    Unsigned(u8),
    /// Number with a fraction.
    Float,
    /// `true` or `false`.
    Boolean,
    /// Address of IPv4 or IPv6.
    Ip,
    /// Time with microseconds and zone: `2026-11-21T16:15:06.798878+0000`.
    Time,
    /// Time of day and date without zone: `2026-11-21T16:15:06`.
    Date,
    /// Object with these members and no others.
    Object(&'static [Field]),
    /// Object with these members, and others of a kind.
    Open(&'static [Field], &'static Kind),
    /// Object whose keys are data, with values of a kind.
    Map(&'static Kind),
    /// Groups in groups of counters, whose names are the sensor's.
    Counters,
    /// Array of a kind.
    List(&'static Kind),
    /// Whatever a rule or a data set says.
    Any,
}

/// A member of an object.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Field {
    /// Its key.
    pub name: &'static str,
    /// Its type.
    pub kind: Kind,
    /// True when it is in every object of its place.
    pub always: bool,
    /// Its field in the Elastic Common Schema; empty if there is none with this meaning.
    pub ecs: &'static str,
    /// What it says.
    pub doc: &'static str,
}

impl Field {
    /// A field that may be absent.
    pub const fn new(name: &'static str, kind: Kind, doc: &'static str) -> Self {
        Self { name, kind, always: false, ecs: "", doc }
    }

    /// The same, but never absent.
    pub const fn always(self) -> Self {
        Self { always: true, ..self }
    }

    /// The same, with its name in the Elastic Common Schema.
    pub const fn ecs(self, ecs: &'static str) -> Self {
        Self { ecs, ..self }
    }
}

impl Kind {
    /// Named members of an object, of the objects in an array.
    pub fn members(self) -> &'static [Field] {
        match self {
            Self::Object(fields) | Self::Open(fields, _) => fields,
            Self::List(of) => of.members(),
            _ => &[],
        }
    }

    /// Its name in listings; of objects without their members.
    pub fn name(self) -> String {
        match self {
            Self::Word => "word".to_owned(),
            Self::Keyword => "keyword".to_owned(),
            Self::Text => "text".to_owned(),
            Self::Bytes => "base64".to_owned(),
            Self::Unsigned(bits) => format!("u{bits}"),
            Self::Float => "float".to_owned(),
            Self::Boolean => "boolean".to_owned(),
            Self::Ip => "ip".to_owned(),
            Self::Time => "time".to_owned(),
            Self::Date => "date".to_owned(),
            Self::Object(_) => "object".to_owned(),
            Self::Open(_, rest) => format!("object, others {}", rest.name()),
            Self::Map(of) => format!("map of {}", of.name()),
            Self::Counters => "counters".to_owned(),
            Self::List(of) => format!("list of {}", of.name()),
            Self::Any => "any".to_owned(),
        }
    }
}

/// Short ways to write tables.
pub(crate) mod make {
    use super::{Field, Kind};

    macro_rules! kinds {
        ($($name:ident $kind:expr;)*) => {
            $(pub(crate) const fn $name(name: &'static str, doc: &'static str) -> Field {
                Field::new(name, $kind, doc)
            })*
        };
    }

    kinds! {
        word Kind::Word;
        keyword Kind::Keyword;
        text Kind::Text;
        base64 Kind::Bytes;
        u8 Kind::Unsigned(8);
        u16 Kind::Unsigned(16);
        u32 Kind::Unsigned(32);
        u64 Kind::Unsigned(64);
        boolean Kind::Boolean;
        ip Kind::Ip;
        time Kind::Time;
        date Kind::Date;
        words Kind::List(&Kind::Word);
        keywords Kind::List(&Kind::Keyword);
        numbers16 Kind::List(&Kind::Unsigned(16));
    }

    /// A field of another kind.
    pub(crate) const fn field(name: &'static str, kind: Kind, doc: &'static str) -> Field {
        Field::new(name, kind, doc)
    }

    /// An object.
    pub(crate) const fn object(
        name: &'static str,
        fields: &'static [Field],
        doc: &'static str,
    ) -> Field {
        Field::new(name, Kind::Object(fields), doc)
    }
}
