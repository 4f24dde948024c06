//! Many names in few words: `web-1..web-6, db`.
//!
//! Names that differ in one number only are kept as ranges, so that adding, removing and showing cost nothing that grows
//! with the fleet.

use std::collections::BTreeMap;
use std::ops::ControlFlow;

use unicode_width::UnicodeWidthStr;

/// Longer numbers are part of a name like any other text.
const DIGITS: usize = 18;

/// A set of names.
#[derive(Clone, Debug, Default)]
pub struct Names {
    /// By what stands before and after the number.
    stems: BTreeMap<(String, String), Ranges>,
    count: usize,
}

/// From how many digits and first number to last number; a name without a number has no digits.
type Ranges = BTreeMap<(usize, u64), u64>;

impl Names {
    /// How many names there are.
    pub fn len(&self) -> usize {
        self.count
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// Adds a name; one that is there already stays there once.
    pub fn insert(&mut self, name: &str) {
        let (stem, digits, number) = parse(name);
        let ranges = self.stems.entry(stem).or_default();
        let before = holder(ranges, digits, number);
        if before.is_some_and(|(_, last)| last >= number) {
            return;
        }
        self.count += 1;
        let mut last = number;
        if let Some(end) = ranges.remove(&(digits, number + 1)) {
            last = end;
        }
        match before {
            Some((first, end)) if end + 1 == number => ranges.insert((digits, first), last),
            _ => ranges.insert((digits, number), last),
        };
    }

    /// Takes a name out, if it is there.
    pub fn remove(&mut self, name: &str) {
        let (stem, digits, number) = parse(name);
        let Some(ranges) = self.stems.get_mut(&stem) else {
            return;
        };
        let Some((first, last)) = holder(ranges, digits, number).filter(|one| one.1 >= number)
        else {
            return;
        };
        self.count -= 1;
        ranges.remove(&(digits, first));
        if first < number {
            ranges.insert((digits, first), number - 1);
        }
        if number < last {
            ranges.insert((digits, number + 1), last);
        }
        if ranges.is_empty() {
            self.stems.remove(&stem);
        }
    }

    /// Every name, one after the other.
    pub fn each_name(&self, mut visit: impl FnMut(&str)) {
        for ((before, after), ranges) in &self.stems {
            for (&(digits, first), &last) in ranges {
                for number in first..=last {
                    visit(&written(before, after, digits, number));
                }
            }
        }
    }

    /// As many as fit in that many columns; `more` stands for the others.
    pub fn show(&self, columns: usize, more: &str) -> String {
        let mut shown = String::new();
        let mut taken = 0;
        let cut = self.each(|part, is_last| {
            let comma = if shown.is_empty() { "" } else { ", " };
            let mut needed = comma.len() + part.width();
            if !is_last {
                needed += 2 + more.width();
            }
            if taken + needed > columns && !shown.is_empty() {
                shown.push_str(comma);
                shown.push_str(more);
                return ControlFlow::Break(());
            }
            taken += comma.len() + part.width();
            shown.push_str(comma);
            shown.push_str(&part);
            ControlFlow::Continue(())
        });
        // What is cut off says so; a single name that is too long is its reader's to cut.
        debug_assert!(cut.is_continue() || !shown.is_empty());
        shown
    }

    /// Every range in natural order, and whether it is the last.
    fn each(&self, mut visit: impl FnMut(String, bool) -> ControlFlow<()>) -> ControlFlow<()> {
        let mut stems = self.stems.iter().peekable();
        while let Some(((before, after), ranges)) = stems.next() {
            let mut rest = ranges.iter().peekable();
            while let Some((&(digits, first), &end)) = rest.next() {
                let (mut width, mut last) = (digits, end);
                // 9 and 10 are neighbours, 09 and 10 were so already.
                while let Some((&(more, start), &end)) = rest.peek().copied() {
                    if !(more == width + 1 && start == last + 1 && Some(start) == power(width)) {
                        break;
                    }
                    (width, last) = (more, end);
                    rest.next();
                }
                let name = |digits, number| written(before, after, digits, number);
                let part = if (width, last) == (digits, first) {
                    name(digits, first)
                } else {
                    format!("{}..{}", name(digits, first), name(width, last))
                };
                let is_last = rest.peek().is_none() && stems.peek().is_none();
                visit(part, is_last)?;
            }
        }
        ControlFlow::Continue(())
    }
}

/// The range that begins at or before a number.
fn holder(ranges: &Ranges, digits: usize, number: u64) -> Option<(u64, u64)> {
    let before = ranges.range((digits, 0)..=(digits, number)).next_back();
    before.map(|(&(_, first), &last)| (first, last))
}

fn written(before: &str, after: &str, digits: usize, number: u64) -> String {
    match digits {
        0 => before.to_owned(),
        _ => format!("{before}{number:0digits$}{after}"),
    }
}

fn power(digits: usize) -> Option<u64> {
    10_u64.checked_pow(u32::try_from(digits).ok()?)
}

/// Where a name stands among others, as people count: `web-9` before `web-10`.
pub fn order(name: &str) -> impl Ord + use<> {
    let (stem, digits, number) = parse(name);
    (stem, number, digits)
}

/// A name around its last number: what stands before and after it, its digits and its value.
fn parse(name: &str) -> ((String, String), usize, u64) {
    let whole = || ((name.to_owned(), String::new()), 0, 0);
    let Some(end) = name.rfind(|c: char| c.is_ascii_digit()) else {
        return whole();
    };
    let start = name[..=end]
        .rfind(|c: char| !c.is_ascii_digit())
        .map_or(0, |at| {
            at + name[at..].chars().next().map_or(1, char::len_utf8)
        });
    let digits = &name[start..=end];
    match digits.parse() {
        Ok(number) if digits.len() <= DIGITS => {
            let stem = (name[..start].to_owned(), name[end + 1..].to_owned());
            (stem, digits.len(), number)
        }
        _ => whole(),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use proptest::prelude::*;

    fn names(words: &[&str]) -> Names {
        let mut names = Names::default();
        for word in words {
            names.insert(word);
        }
        names
    }

    #[test]
    fn numbers_are_counted_and_not_spelled() {
        let mut words = ["web-10", "db", "web-9", "web-010", "web-1"];
        words.sort_by_key(|word| order(word));
        assert_eq!(words, ["db", "web-1", "web-9", "web-10", "web-010"]);
    }

    #[test]
    fn neighbours_become_ranges() {
        let check = |words: &[&str], expect: &str| {
            assert_eq!(names(words).show(200, "…"), expect, "{words:?}");
        };
        check(&[], "");
        check(&["web-1"], "web-1");
        check(&["web-2", "web-1", "web-3"], "web-1..web-3");
        check(&["web-9", "web-10", "web-11", "web-8"], "web-8..web-11");
        check(&["web-09", "web-10", "web-08"], "web-08..web-10");
        check(&["web-1", "web-3", "db", "web-1"], "db, web-1, web-3");
        check(
            &["n1.eu.example", "n2.eu.example", "n2.us.example"],
            "n1.eu.example..n2.eu.example, n2.us.example",
        );
        check(&["7", "8", "a", "ü9", "ü10"], "7..8, a, ü9..ü10");
        check(&["x99999999999999999999"], "x99999999999999999999");
    }

    #[test]
    fn what_does_not_fit_is_cut_at_a_name() {
        let names = names(&["web-1", "web-3", "web-5"]);
        assert_eq!(names.show(19, "…"), "web-1, web-3, web-5");
        assert_eq!(names.show(18, "…"), "web-1, web-3, …");
        assert_eq!(names.show(9, "…"), "web-1, …");
        assert_eq!(names.show(1, "…"), "web-1, …");
    }

    proptest! {
        #[test]
        fn ranges_hold_what_was_put_in_and_not_taken_out(
            moves in prop::collection::vec((any::<bool>(), "(a|b-)(0|00)?[0-9]{0,2}(x)?"), 0..200)
        ) {
            let mut names = Names::default();
            let mut plain: BTreeSet<String> = BTreeSet::new();
            for (added, name) in moves {
                if added {
                    names.insert(&name);
                    plain.insert(name);
                } else {
                    names.remove(&name);
                    plain.remove(&name);
                }
                prop_assert_eq!(names.len(), plain.len());
            }
            let mut expanded = BTreeSet::new();
            names.each_name(|name| {
                expanded.insert(name.to_owned());
            });
            prop_assert_eq!(expanded, plain);
        }
    }
}
