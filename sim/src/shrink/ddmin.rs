//! The minimising delta debugging algorithm (Zeller and Hildebrandt, "Simplifying and Isolating Failure-Inducing
//! Input", IEEE Transactions on Software Engineering 28(2), 2002, section 3.2).
//!
//! Pure: it knows indices, and asks for a test of some sets of them at once. The result is 1-minimal: without any
//! single one of its elements the test no longer fails, as far as the tests were made.

/// Minimises the set of the first `length` indices.
///
/// `first_that_fails` tests some sets, and returns which of them is the first that still fails. The whole set is taken
/// to fail.
pub(super) fn ddmin(
    length: usize,
    mut first_that_fails: impl FnMut(&[Vec<usize>]) -> Option<usize>,
) -> Vec<usize> {
    let mut kept: Vec<usize> = (0..length).collect();
    // Often nothing of it is needed.
    if kept.is_empty() || first_that_fails(&[Vec::new()]).is_some() {
        return Vec::new();
    }
    let mut parts = 2;
    while kept.len() >= 2 {
        let subsets = split(&kept, parts);
        if let Some(subset) = first_that_fails(&subsets) {
            kept = subsets[subset].clone();
            parts = 2;
            continue;
        }
        let without = |left_out: &Vec<usize>| -> Vec<usize> {
            kept.iter().copied().filter(|index| !left_out.contains(index)).collect()
        };
        // With two parts the complements are the subsets.
        let complements: Vec<_> =
            if parts == 2 { Vec::new() } else { subsets.iter().map(without).collect() };
        if let Some(complement) = first_that_fails(&complements) {
            kept = complements[complement].clone();
            parts = (parts - 1).max(2);
        } else if parts < kept.len() {
            parts = (parts * 2).min(kept.len());
        } else {
            break;
        }
    }
    kept
}

/// Splits into so many parts of about equal size, none of them empty.
fn split(kept: &[usize], parts: usize) -> Vec<Vec<usize>> {
    let bound = |part: usize| part * kept.len() / parts;
    (0..parts).map(|part| kept[bound(part)..bound(part + 1)].to_vec()).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Minimises where the test fails as soon as all of `needed` are there; the result, and how many tests it took.
    fn minimise(length: usize, needed: &[usize]) -> (Vec<usize>, usize) {
        let mut tests = 0;
        let kept = ddmin(length, |candidates| {
            candidates.iter().position(|candidate| {
                tests += 1;
                needed.iter().all(|index| candidate.contains(index))
            })
        });
        (kept, tests)
    }

    #[test]
    fn two_of_sixty_are_found_in_few_tests() {
        let (kept, tests) = minimise(60, &[7, 51]);
        assert_eq!(kept, [7, 51]);
        assert!(tests < 80, "{tests}");
        assert_eq!(minimise(60, &[]).0, [0; 0]);
        assert_eq!(minimise(1, &[0]).0, [0]);
        assert_eq!(minimise(0, &[]).0, [0; 0]);
    }

    proptest! {
        #[test]
        fn what_is_needed_is_left(needed in prop::collection::btree_set(0_usize..64, 0..6)) {
            let needed: Vec<_> = needed.into_iter().collect();
            let (kept, tests) = minimise(64, &needed);
            prop_assert_eq!(&kept, &needed);
            // The paper's bound for the worst case, where every test decides.
            prop_assert!(tests <= 64 * 64 + 3 * 64);
        }

        #[test]
        fn what_is_left_is_minimal_one_by_one(odd in 1_usize..40) {
            // Fails where the number of elements is odd, and at least `odd`: no set is just what is needed.
            let fails = |set: &[usize]| set.len() % 2 == 1 && set.len() >= odd;
            let kept = ddmin(41, |candidates| candidates.iter().position(|set| fails(set)));
            prop_assert!(fails(&kept));
            for left_out in 0..kept.len() {
                let mut less = kept.clone();
                less.remove(left_out);
                prop_assert!(!fails(&less));
            }
        }
    }
}
