//! Comparison of sequence numbers, modulo 2^32 (RFC 9293, section 3.4).

pub(crate) const fn lt(a: u32, b: u32) -> bool {
    (a.wrapping_sub(b) as i32) < 0
}

pub(crate) const fn leq(a: u32, b: u32) -> bool {
    (a.wrapping_sub(b) as i32) <= 0
}

pub(crate) const fn gt(a: u32, b: u32) -> bool {
    (a.wrapping_sub(b) as i32) > 0
}

pub(crate) const fn geq(a: u32, b: u32) -> bool {
    (a.wrapping_sub(b) as i32) >= 0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn comparison_survives_the_wrap() {
        let check = |a: u32, b: u32| assert!(lt(a, b) && leq(a, b) && gt(b, a) && geq(b, a));
        check(1, 2);
        check(u32::MAX, 0);
        check(0xffff_ff00, 0x100);
        assert!(leq(5, 5) && geq(5, 5) && !lt(5, 5) && !gt(5, 5));
    }
}
