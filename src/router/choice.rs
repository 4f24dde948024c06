//! Who gets the next request: a backend by its weight, then the endpoint with the least to do. Pure.
//!
//! Both take a turn number that the caller counts up, so that the same numbers always give the same choice.

/// The most endpoints that one choice compares; of more, each turn compares a window of its own.
const COMPARED: usize = 16;

/// The order in which backends of these weights take turns: smooth, so that 2:1 is A B A and not A A B.
///
/// A weight of 0 gets no turn; all 0 gives an empty order.
pub(crate) fn turns(weights: &[u32]) -> Vec<u8> {
    let divisor = weights.iter().copied().fold(0, greatest_common_divisor);
    if divisor == 0 {
        return Vec::new();
    }
    let weights: Vec<i64> = weights
        .iter()
        .map(|weight| i64::from(weight / divisor))
        .collect();
    let total: i64 = weights.iter().sum();
    let mut credit = vec![0_i64; weights.len()];
    let mut order = Vec::new();
    for _ in 0..total {
        for (own, weight) in credit.iter_mut().zip(&weights) {
            *own += weight;
        }
        let richest = (0..credit.len())
            .max_by_key(|index| (credit[*index], std::cmp::Reverse(*index)))
            .unwrap_or(0);
        credit[richest] -= total;
        order.push(u8::try_from(richest).unwrap_or(u8::MAX));
    }
    order
}

fn greatest_common_divisor(one: u32, other: u32) -> u32 {
    if other == 0 {
        one
    } else {
        greatest_common_divisor(other, one % other)
    }
}

/// Of `count` candidates the one with the least load, starting at `turn`; `None` for a candidate that is out.
pub(crate) fn least(
    count: usize,
    turn: usize,
    load: impl Fn(usize) -> Option<u32>,
) -> Option<usize> {
    if count == 0 {
        return None;
    }
    let mut best: Option<(usize, u32)> = None;
    let mut compared = 0;
    for step in 0..count {
        let index = (turn % count + step) % count;
        let Some(load) = load(index) else { continue };
        if load == 0 {
            return Some(index);
        }
        if best.is_none_or(|(_, least)| load < least) {
            best = Some((index, load));
        }
        compared += 1;
        if compared == COMPARED {
            break;
        }
    }
    best.map(|(index, _)| index)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(weights: &[u32]) -> String {
        turns(weights)
            .iter()
            .map(|turn| char::from(b'A' + turn))
            .collect()
    }

    #[test]
    fn weights_share_turns_smoothly() {
        assert_eq!(shown(&[100]), "A");
        assert_eq!(shown(&[100, 50]), "ABA");
        assert_eq!(shown(&[1, 1, 2]), "CABC");
        assert_eq!(shown(&[0, 7]), "B");
        assert_eq!(shown(&[0, 0]), "");
        assert_eq!(shown(&[]), "");
        assert_eq!(turns(&[256, 255]).len(), 511);
    }

    #[test]
    fn the_least_loaded_is_chosen_and_equals_take_turns() {
        let pick = |loads: &'static [i32], turn| {
            least(loads.len(), turn, |index| u32::try_from(loads[index]).ok())
        };
        assert_eq!(pick(&[3, 1, 2], 0), Some(1));
        assert_eq!(
            [0, 1, 2, 3].map(|turn| pick(&[0, 0, 0], turn)),
            [Some(0), Some(1), Some(2), Some(0)]
        );
        assert_eq!(pick(&[-1, 5, -1], 2), Some(1));
        assert_eq!(pick(&[-1, -1], 0), None);
        assert_eq!(pick(&[], 9), None);
    }
}
