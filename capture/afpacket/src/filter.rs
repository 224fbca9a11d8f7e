//! Socket filters: the closed one, and the one that cuts frames to a length.

use crate::settings::Instruction;

const RETURN_CONSTANT: u16 = 0x06;
const RETURN_ACCUMULATOR: u16 = 0x16;
const JUMP: u16 = 0x05;
const JUMP_IF_GREATER: u16 = 0x25;

/// Takes nothing: it keeps the ring empty until the socket is in its place.
pub(crate) const CLOSED: [Instruction; 1] = [return_constant(0)];

/// A program that chooses what `filter` chooses (all if it is empty), and of that keeps at most
/// `snap_length` bytes: what a program returns is the number of bytes to keep. Empty if there is
/// nothing to filter.
pub(crate) fn program(filter: &[Instruction], snap_length: Option<u32>) -> Vec<Instruction> {
    let Some(limit) = snap_length else { return filter.to_vec() };
    if filter.is_empty() {
        return vec![return_constant(limit)];
    }
    let mut program = filter.to_vec();
    let end = program.len();
    let mut computed = false;
    for (at, instruction) in program.iter_mut().enumerate() {
        match instruction.code {
            RETURN_CONSTANT => instruction.k = instruction.k.min(limit),
            RETURN_ACCUMULATOR => {
                // To the comparison that follows the program; no other jump changes.
                let distance = u32::try_from(end - at - 1).unwrap_or(u32::MAX);
                *instruction = Instruction { code: JUMP, jt: 0, jf: 0, k: distance };
                computed = true;
            }
            _ => {}
        }
    }
    if computed {
        program.extend([
            Instruction { code: JUMP_IF_GREATER, jt: 0, jf: 1, k: limit },
            return_constant(limit),
            Instruction { code: RETURN_ACCUMULATOR, jt: 0, jf: 0, k: 0 },
        ]);
    }
    program
}

const fn return_constant(bytes: u32) -> Instruction {
    Instruction { code: RETURN_CONSTANT, jt: 0, jf: 0, k: bytes }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LOAD_LENGTH: Instruction = Instruction { code: 0x80, jt: 0, jf: 0, k: 0 };
    const RETURN_A: Instruction = Instruction { code: 0x16, jt: 0, jf: 0, k: 0 };

    #[test]
    fn snap_length_goes_into_every_return() {
        let check = |filter: &[Instruction], snap, expected: &[Instruction]| {
            assert_eq!(program(filter, snap), expected);
        };
        check(&[], None, &[]);
        check(&[], Some(96), &[return_constant(96)]);
        check(&[return_constant(0)], Some(96), &[return_constant(0)]);
        check(&[return_constant(u32::MAX)], Some(96), &[return_constant(96)]);
        check(&[return_constant(64)], None, &[return_constant(64)]);
        check(
            &[LOAD_LENGTH, RETURN_A, return_constant(200)],
            Some(96),
            &[
                LOAD_LENGTH,
                Instruction { code: 0x05, jt: 0, jf: 0, k: 1 },
                return_constant(96),
                Instruction { code: 0x25, jt: 0, jf: 1, k: 96 },
                return_constant(96),
                RETURN_A,
            ],
        );
    }
}
