//! The best one-to-one assignment (Hungarian method, in the form of Jonker and Volgenant with potentials).

/// Pairs rows with columns so that the sum of the pairs' weights is greatest. Only pairs of a weight above 0 are made;
/// each row's column is returned. Cubic in the greater number.
pub fn assign(rows: usize, columns: usize, weight: impl Fn(usize, usize) -> f64) -> Vec<Option<usize>> {
    solve(rows, columns, &weight)
}

fn solve(rows: usize, columns: usize, weight: &dyn Fn(usize, usize) -> f64) -> Vec<Option<usize>> {
    if rows == 0 || columns == 0 {
        return vec![None; rows];
    }
    if rows > columns {
        let mut pairs = vec![None; rows];
        for (column, row) in solve(columns, rows, &|a, b| weight(b, a)).into_iter().enumerate() {
            if let Some(row) = row {
                pairs[row] = Some(column);
            }
        }
        return pairs;
    }
    // From here on rows <= columns, and every row gets a column: one of weight 0 stands for none.
    let cost = |row: usize, column: usize| -weight(row - 1, column - 1).max(0.0);
    let mut row_potential = vec![0.0; rows + 1];
    let mut column_potential = vec![0.0; columns + 1];
    // Which row a column belongs to; index 0 is a column of its own, for the row that is being placed.
    let mut row_of = vec![0usize; columns + 1];
    for row in 1..=rows {
        row_of[0] = row;
        let mut column = 0;
        let mut least = vec![f64::INFINITY; columns + 1];
        let mut before = vec![0usize; columns + 1];
        let mut used = vec![false; columns + 1];
        while row_of[column] != 0 {
            used[column] = true;
            let (current, mut step, mut next) = (row_of[column], f64::INFINITY, 0);
            for other in 1..=columns {
                if used[other] {
                    continue;
                }
                let reduced = cost(current, other) - row_potential[current] - column_potential[other];
                if reduced < least[other] {
                    least[other] = reduced;
                    before[other] = column;
                }
                if least[other] < step {
                    step = least[other];
                    next = other;
                }
            }
            for other in 0..=columns {
                if used[other] {
                    row_potential[row_of[other]] += step;
                    column_potential[other] -= step;
                } else {
                    least[other] -= step;
                }
            }
            column = next;
        }
        while column != 0 {
            row_of[column] = row_of[before[column]];
            column = before[column];
        }
    }
    let mut pairs = vec![None; rows];
    for (column, row) in row_of.iter().enumerate().skip(1) {
        if *row != 0 && weight(row - 1, column - 1) > 0.0 {
            pairs[row - 1] = Some(column - 1);
        }
    }
    pairs
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_greatest_sum_wins_over_the_greatest_pair() {
        // Greedy would take 0.9 and be left with nothing for the second row.
        let weights = [[0.9, 0.8], [0.7, 0.0]];
        assert_eq!(assign(2, 2, |r, c| weights[r][c]), [Some(1), Some(0)]);
        assert_eq!(assign(1, 3, |_, c| [0.1, 0.5, 0.2][c]), [Some(1)]);
        assert_eq!(assign(3, 1, |r, _| [0.1, 0.5, 0.2][r]), [None, Some(0), None]);
        assert_eq!(assign(2, 2, |_, _| 0.0), [None, None], "nothing is no pair");
        assert_eq!(assign(0, 5, |_, _| 1.0), []);
    }

    /// All ways to pair, tried out.
    fn best(weights: &[Vec<f64>], row: usize, free: &mut Vec<bool>) -> f64 {
        let Some(line) = weights.get(row) else { return 0.0 };
        let mut sum = best(weights, row + 1, free);
        for column in 0..line.len() {
            if free[column] {
                free[column] = false;
                sum = sum.max(line[column] + best(weights, row + 1, free));
                free[column] = true;
            }
        }
        sum
    }

    proptest::proptest! {
        #[test]
        fn no_other_assignment_is_better(
            rows in 1usize..6, columns in 1usize..6, seed in proptest::collection::vec(0u8..10, 25)
        ) {
            let weights: Vec<Vec<f64>> = (0..rows)
                .map(|r| (0..columns).map(|c| f64::from(seed[r * 5 + c])).collect())
                .collect();
            let pairs = assign(rows, columns, |r, c| weights[r][c]);
            let taken: Vec<usize> = pairs.iter().flatten().copied().collect();
            let mut once = taken.clone();
            once.sort_unstable();
            once.dedup();
            proptest::prop_assert_eq!(once.len(), taken.len(), "a column has two rows");
            let sum: f64 = pairs.iter().enumerate().filter_map(|(r, c)| Some(weights[r][(*c)?])).sum();
            proptest::prop_assert_eq!(sum, best(&weights, 0, &mut vec![true; columns]));
        }
    }
}
