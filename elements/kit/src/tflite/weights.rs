//! Constant numbers of a model, and their order.

/// Numbers of 16 bits as numbers of 32 bits.
pub(super) fn from_half(bytes: &[u8]) -> Vec<f32> {
    bytes.as_chunks::<2>().0.iter().map(|b| half(u16::from_le_bytes(*b))).collect()
}

pub(super) fn from_single(bytes: &[u8]) -> Vec<f32> {
    bytes.as_chunks::<4>().0.iter().map(|b| f32::from_le_bytes(*b)).collect()
}

/// IEEE 754: 1 sign bit, 5 bits of exponent, 10 bits of fraction.
fn half(bits: u16) -> f32 {
    let sign = u32::from(bits >> 15) << 31;
    let exponent = u32::from(bits >> 10 & 0x1f);
    let fraction = u32::from(bits & 0x3ff);
    match exponent {
        0 => {
            let value = fraction as f32 / (1 << 24) as f32;
            if sign == 0 { value } else { -value }
        }
        0x1f => f32::from_bits(sign | 0x7f80_0000 | fraction << 13),
        _ => f32::from_bits(sign | (exponent + 112) << 23 | fraction << 13),
    }
}

/// Puts a box of numbers with four sides into another order of sides: side `n` of the result is side `order[n]`.
pub(super) fn reorder(data: &[f32], shape: [usize; 4], order: [usize; 4]) -> Vec<f32> {
    let steps = [shape[1] * shape[2] * shape[3], shape[2] * shape[3], shape[3], 1];
    let mut result = Vec::with_capacity(data.len());
    for a in 0..shape[order[0]] {
        for b in 0..shape[order[1]] {
            for c in 0..shape[order[2]] {
                for d in 0..shape[order[3]] {
                    let at =
                        a * steps[order[0]] + b * steps[order[1]] + c * steps[order[2]] + d * steps[order[3]];
                    result.push(data.get(at).copied().unwrap_or_default());
                }
            }
        }
    }
    result
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_of_16_bits() {
        for (bits, value) in
            [(0x3c00u16, 1.0f32), (0xc000, -2.0), (0x0001, 5.960_464_5e-8), (0x8000, 0.0), (0x7bff, 65504.0)]
        {
            assert_eq!(half(bits), value);
        }
        assert!(half(0x7c00).is_infinite() && half(0x7e00).is_nan());
    }

    #[test]
    fn sides_change_places() {
        let data: Vec<f32> = (0..6).map(|n| n as f32).collect();
        assert_eq!(reorder(&data, [1, 1, 2, 3], [0, 3, 1, 2]), [0.0, 3.0, 1.0, 4.0, 2.0, 5.0]);
    }
}
