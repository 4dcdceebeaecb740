//! How much memory this process has: what is resident, from the kernel's table.

use crate::Outcome;

const PAGE_BYTES: u64 = 4096;

/// Bytes of memory that are resident now.
///
/// # Errors
/// Where the kernel has no such table.
pub(crate) fn resident_bytes() -> Outcome<u64> {
    let table = std::fs::read_to_string("/proc/self/statm").map_err(|error| {
        format!("cannot read /proc/self/statm ({error}): memory is measured on Linux only")
    })?;
    let pages = table.split(' ').nth(1).ok_or("/proc/self/statm has no second field")?;
    Ok(pages.parse::<u64>()? * PAGE_BYTES)
}

#[cfg(test)]
mod tests {
    use super::resident_bytes;

    #[test]
    fn memory_that_is_touched_is_resident() {
        let before = resident_bytes().unwrap();
        let held = vec![1_u64; 8 << 20];
        assert!(resident_bytes().unwrap() >= before + (32 << 20), "{}", held.len());
    }
}
