//! Puts together programs of the classic Berkeley packet filter, with labels for jumps.

/// One instruction, field for field a `struct sock_filter` of Linux.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(C)]
pub struct Instruction {
    /// What is done, in the bits that `linux/filter.h` names.
    pub code: u16,
    /// How many instructions are skipped if a condition holds.
    pub jt: u8,
    /// How many are skipped if it does not.
    pub jf: u8,
    /// The constant, address or length of the jump.
    pub k: u32,
}

/// A place in a program that jumps lead to.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Label(usize);

/// A comparison of the accumulator with a constant.
#[derive(Clone, Copy, Debug)]
pub(crate) enum If {
    /// Equal.
    Is(u32),
    /// Greater or equal.
    AtLeast(u32),
    /// Greater or equal to the index register.
    AtLeastIndex,
    /// Has one of these bits.
    Has(u32),
}

/// A program under construction. Programs only jump forwards.
#[derive(Debug, Default)]
pub(crate) struct Assembler {
    code: Vec<Instruction>,
    /// The unconditional jumps, and where they lead.
    jumps: Vec<(usize, Label)>,
    /// Where the labels are.
    places: Vec<Option<usize>>,
}

/// Widths of a load.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Width {
    Byte,
    Half,
    Word,
}

impl Width {
    const fn bits(self) -> u16 {
        match self {
            Self::Word => 0x00,
            Self::Half => 0x08,
            Self::Byte => 0x10,
        }
    }
}

impl Assembler {
    /// A new label, to be placed later.
    pub(crate) fn label(&mut self) -> Label {
        self.places.push(None);
        Label(self.places.len() - 1)
    }

    /// The label is here.
    pub(crate) fn place(&mut self, label: Label) {
        if let Some(place) = self.places.get_mut(label.0) {
            *place = Some(self.code.len());
        }
    }

    /// A = what the kernel knows about the packet.
    pub(crate) fn load_ancillary(&mut self, what: u32) {
        self.emit(0x20, what);
    }

    /// A = bytes of the packet at X + `at`; the program ends with 0 if there are none.
    pub(crate) fn load(&mut self, width: Width, at: u32) {
        self.emit(0x40 | width.bits(), at);
    }

    /// A = length of the packet.
    pub(crate) fn load_length(&mut self) {
        self.emit(0x80, 0);
    }

    /// A = `value`.
    pub(crate) fn constant(&mut self, value: u32) {
        self.emit(0x00, value);
    }

    /// A = memory.
    pub(crate) fn recall(&mut self, slot: u32) {
        self.emit(0x60, slot);
    }

    /// X = memory.
    pub(crate) fn recall_index(&mut self, slot: u32) {
        self.emit(0x61, slot);
    }

    /// Memory = A.
    pub(crate) fn store(&mut self, slot: u32) {
        self.emit(0x02, slot);
    }

    /// Memory = X.
    pub(crate) fn store_index(&mut self, slot: u32) {
        self.emit(0x03, slot);
    }

    /// A += `value`.
    pub(crate) fn add(&mut self, value: u32) {
        self.emit(0x04, value);
    }

    /// A += X.
    pub(crate) fn add_index(&mut self) {
        self.emit(0x0c, 0);
    }

    /// A *= `value`.
    pub(crate) fn multiply(&mut self, value: u32) {
        self.emit(0x24, value);
    }

    /// A &= `value`.
    pub(crate) fn and(&mut self, value: u32) {
        self.emit(0x54, value);
    }

    /// A <<= `bits`.
    pub(crate) fn left(&mut self, bits: u32) {
        self.emit(0x64, bits);
    }

    /// A >>= `bits`.
    pub(crate) fn right(&mut self, bits: u32) {
        self.emit(0x74, bits);
    }

    /// A ^= X.
    pub(crate) fn xor_index(&mut self) {
        self.emit(0xac, 0);
    }

    /// X = A.
    pub(crate) fn set_index(&mut self) {
        self.emit(0x07, 0);
    }

    /// A = X.
    pub(crate) fn take_index(&mut self) {
        self.emit(0x87, 0);
    }

    /// The program ends with A.
    pub(crate) fn end(&mut self) {
        self.emit(0x16, 0);
    }

    /// The program ends with `value`.
    pub(crate) fn end_with(&mut self, value: u32) {
        self.emit(0x06, value);
    }

    /// Goes on at the label.
    pub(crate) fn jump(&mut self, to: Label) {
        self.jumps.push((self.code.len(), to));
        self.emit(0x05, 0);
    }

    /// Goes on at the label if the condition holds, else here.
    pub(crate) fn jump_if(&mut self, condition: If, to: Label) {
        // A conditional jump reaches 255 instructions only, an unconditional one everything.
        self.test(condition, 0, 1);
        self.jump(to);
    }

    /// Goes on here if the condition holds, else at the label.
    pub(crate) fn jump_unless(&mut self, condition: If, to: Label) {
        self.test(condition, 1, 0);
        self.jump(to);
    }

    /// The program, jumps resolved.
    pub(crate) fn finish(mut self) -> Vec<Instruction> {
        for (from, label) in self.jumps {
            let place = self.places.get(label.0).copied().flatten();
            debug_assert!(
                place.is_some_and(|place| place > from),
                "a label stands behind its jumps"
            );
            let place = place.unwrap_or(self.code.len());
            if let Some(jump) = self.code.get_mut(from) {
                jump.k = place.saturating_sub(from + 1) as u32;
            }
        }
        self.code
    }

    fn test(&mut self, condition: If, jt: u8, jf: u8) {
        let (code, k) = match condition {
            If::Is(value) => (0x15, value),
            If::AtLeast(value) => (0x35, value),
            If::AtLeastIndex => (0x3d, 0),
            If::Has(bits) => (0x45, bits),
        };
        self.code.push(Instruction { code, jt, jf, k });
    }

    fn emit(&mut self, code: u16, k: u32) {
        self.code.push(Instruction { code, jt: 0, jf: 0, k });
    }
}
