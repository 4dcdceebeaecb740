//! Memory that is provided before it is touched.
//!
//! Linux gives a program a page when it first touches it, by an interruption that costs more than clearing the page does.
//! `MADV_POPULATE_WRITE` (madvise(2), since Linux 5.14) gives it many at once; what is in memory, and whose it is, stays as
//! it is. What it is NOT: an allocator. Elsewhere nothing is provided, and nothing is missed but time.
#![cfg_attr(
    all(target_os = "linux", not(miri)),
    expect(unsafe_code, reason = "the system is told about memory by its address")
)]

/// Provides the pages from `from`, a page's address, for `bytes`: how many of these bytes are there for certain.
#[cfg(all(target_os = "linux", not(miri)))]
pub(super) fn provide(from: usize, bytes: usize) -> usize {
    use std::ptr;

    // SAFETY: it moves nothing by nothing, and says where the heap ends.
    let heap_end = unsafe { libc::sbrk(0) }.addr();
    // Nothing is behind the heap's end, which is where an allocator that grows bit by bit asks again and again.
    let within = if from <= heap_end { bytes.min(heap_end - from) } else { bytes };
    if within == 0 {
        return 0;
    }
    let place = ptr::without_provenance_mut(from);
    // SAFETY: no byte changes; where the program has no memory that it may write to, the system says so.
    let failed = unsafe { libc::madvise(place, within, libc::MADV_POPULATE_WRITE) } != 0;
    if failed { 0 } else { within }
}

#[cfg(not(all(target_os = "linux", not(miri))))]
pub(super) fn provide(_: usize, _: usize) -> usize {
    0
}

#[cfg(all(test, target_os = "linux", not(miri)))]
mod tests {
    use super::provide;

    #[test]
    fn what_is_in_memory_stays_and_what_is_nowhere_is_refused() {
        let memory = vec![7_u8; 1 << 20];
        let page = memory.as_ptr().addr().next_multiple_of(4096);
        // Kernels before 5.14 do not know the request.
        assert!([0, 64 << 10].contains(&provide(page, 64 << 10)));
        assert!(memory.iter().all(|byte| *byte == 7));
        assert_eq!(provide(usize::MAX - 0xffff, 4096), 0);
    }
}
