//! How fields stand in the bytes of a message. It knows no names and keeps nothing: a value is a slice of the input.

use crate::api::protobuf::Fault;

/// What stands on the wire for one field.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Raw<'a> {
    Number(u64),
    Bytes(&'a [u8]),
    /// Four or eight bytes; no field of ours is written so.
    Fixed,
}

/// The fields of a message, with their numbers, in the order of the wire; nothing comes after a fault.
pub(super) fn fields(mut bytes: &[u8]) -> impl Iterator<Item = Result<(u64, Raw<'_>), Fault>> {
    std::iter::from_fn(move || {
        if bytes.is_empty() {
            return None;
        }
        let field = field(&mut bytes).ok_or(Fault::Broken);
        if field.is_err() {
            bytes = &[];
        }
        Some(field)
    })
}

fn field<'a>(bytes: &mut &'a [u8]) -> Option<(u64, Raw<'a>)> {
    let tag = varint(bytes)?;
    let raw = match tag & 7 {
        0 => Raw::Number(varint(bytes)?),
        1 => take(bytes, 8).map(|_| Raw::Fixed)?,
        2 => {
            let length = usize::try_from(varint(bytes)?).ok()?;
            Raw::Bytes(take(bytes, length)?)
        }
        5 => take(bytes, 4).map(|_| Raw::Fixed)?,
        _ => return None,
    };
    Some((tag >> 3, raw))
}

fn take<'a>(bytes: &mut &'a [u8], length: usize) -> Option<&'a [u8]> {
    let (taken, rest) = bytes.split_at_checked(length)?;
    *bytes = rest;
    Some(taken)
}

/// A number in groups of seven bits, the lowest first; one that does not fit 64 bits is none.
fn varint(bytes: &mut &[u8]) -> Option<u64> {
    let mut number = 0;
    for shift in (0..64).step_by(7) {
        let (first, rest) = bytes.split_first()?;
        *bytes = rest;
        let bits = u64::from(first & 0x7f);
        if bits << shift >> shift != bits {
            return None;
        }
        number |= bits << shift;
        if first & 0x80 == 0 {
            return Some(number);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_fit_64_bits_or_are_refused() {
        let check = |mut bytes: &[u8], expect| assert_eq!(varint(&mut bytes), expect);
        check(&[0x90, 0x3f], Some(8080));
        check(&[0x80, 0], Some(0));
        let ones = [0xff; 9];
        check(&[&ones[..], &[1]].concat(), Some(u64::MAX));
        check(&[&ones[..], &[2]].concat(), None);
        check(&[&ones[..], &[0x81, 0]].concat(), None);
        check(&[0x80], None);
        check(&[], None);
    }

    #[test]
    fn fields_end_where_the_bytes_do() {
        let check = |bytes: &[u8], expect: &[Result<(u64, Raw<'_>), Fault>]| {
            assert_eq!(fields(bytes).collect::<Vec<_>>(), expect, "{bytes:?}");
        };
        check(b"", &[]);
        check(
            b"\x08\x05\x12\x01x",
            &[Ok((1, Raw::Number(5))), Ok((2, Raw::Bytes(b"x")))],
        );
        check(b"\x0d1234", &[Ok((1, Raw::Fixed))]);
        check(b"\x0912345678", &[Ok((1, Raw::Fixed))]);
        check(b"\x12\x02x", &[Err(Fault::Broken)]);
        let huge = b"\x12\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01x";
        check(huge, &[Err(Fault::Broken)]);
        check(
            b"\x08\x05\x0b",
            &[Ok((1, Raw::Number(5))), Err(Fault::Broken)],
        );
    }
}
