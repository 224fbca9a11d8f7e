//! Lists of CPUs, e.g. `2-5,8`.

use std::str::FromStr;

use placement::CpuSet;

/// No machine has more.
const MOST: usize = 8192;

/// CPUs in the order in which workers get them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct CpuList(Vec<usize>);

impl CpuList {
    /// How many.
    pub(super) const fn len(&self) -> usize {
        self.0.len()
    }

    /// Without their order.
    pub(super) fn set(&self) -> CpuSet {
        self.0.iter().filter_map(|cpu| u32::try_from(*cpu).ok()).collect()
    }

    /// Whether it is one of them.
    pub(super) fn contains(&self, cpu: usize) -> bool {
        self.0.contains(&cpu)
    }

    /// One for each worker; they share when there are fewer CPUs.
    pub(super) fn of_workers(&self, workers: usize) -> Vec<Option<usize>> {
        self.0.iter().copied().map(Some).cycle().take(workers).collect()
    }

    /// The first that is not among those that the process may use.
    pub(super) fn missing(&self, usable: &[usize]) -> Option<usize> {
        self.0.iter().copied().find(|cpu| !usable.contains(cpu))
    }
}

impl FromStr for CpuList {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let number = |word: &str| {
            let number = word.trim().parse::<usize>().ok().filter(|number| *number < MOST);
            number.ok_or_else(|| format!("`{word}` is no CPU"))
        };
        let mut cpus = Vec::new();
        for part in text.split(',') {
            match part.split_once('-') {
                Some((first, last)) => {
                    let (first, last) = (number(first)?, number(last)?);
                    if last < first {
                        return Err(format!("`{part}` ends before it begins"));
                    }
                    cpus.extend(first..=last);
                }
                None => cpus.push(number(part)?),
            }
        }
        match (1..).zip(&cpus).find(|(next, cpu)| cpus.iter().skip(*next).any(|one| one == *cpu)) {
            Some((_, twice)) => Err(format!("CPU {twice} is there twice")),
            None => Ok(Self(cpus)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_have_numbers_and_ranges() {
        let check = |text: &str, expected: Result<&[usize], &str>| {
            let got = text.parse::<CpuList>();
            match expected {
                Ok(cpus) => assert_eq!(got, Ok(CpuList(cpus.to_vec())), "{text}"),
                Err(part) => assert!(got.unwrap_err().contains(part), "{text}"),
            }
        };
        check("0", Ok(&[0]));
        check("2-5,8", Ok(&[2, 3, 4, 5, 8]));
        check("8, 2-3", Ok(&[8, 2, 3]));
        check("4-4", Ok(&[4]));
        check("", Err("is no CPU"));
        check("a-3", Err("`a` is no CPU"));
        check("5-2", Err("ends before"));
        check("1-3,2", Err("CPU 2 is there twice"));
        check("0-9000", Err("is no CPU"));
    }

    #[test]
    fn workers_take_turns() {
        let cpus: CpuList = "4,2".parse().unwrap();
        assert_eq!(cpus.of_workers(3), [Some(4), Some(2), Some(4)]);
        assert_eq!(cpus.set().to_string(), "2,4");
        assert!(cpus.contains(4) && !cpus.contains(3));
        assert_eq!(cpus.missing(&[0, 2]), Some(4));
        assert_eq!(cpus.missing(&[2, 3, 4]), None);
    }
}
