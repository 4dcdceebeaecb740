//! How the C library of a program that runs a seed keeps its memory.
//!
//! What it is: one environment variable, which glibc reads when a program begins (the manual's chapter "Tunables"); other C
//! libraries leave it alone. A run has one thread that works, is short, and frees what it will want again at once. So that
//! thread has the first heap, which grows in large steps, gives nothing back, and lies in huge pages where the kernel has them;
//! and of each size that was freed as many pieces are kept at hand as a burst of messages needs. What it is NOT: part of what is
//! simulated: results are the same without it; nor the memory of a world's small things, which is a stretch of its own
//! ([`Heap`](odeon_interpose::Heap)).
//!
//! Where a world's things lie must not hang on what another thread takes meanwhile. A test binary begins a test on a thread of
//! its own and takes memory on two threads until that sleeps, so a second heap is there for the test, and its first thread
//! sleeps before the world begins (`child.rs`). glibc gives the third thread, the world's, the first heap again.

use std::process::Command;

/// What glibc reads.
pub(super) const VARIABLE: &str = "GLIBC_TUNABLES";

/// Of a program whose other threads sleep while a world runs.
const ONE_HEAP: &str = "glibc.malloc.arena_max=1";
/// Of a test binary.
const TWO_HEAPS: &str = "glibc.malloc.arena_max=2";

const OTHERS: &str = "glibc.malloc.tcache_count=2000:glibc.malloc.hugetlb=1:glibc.malloc.top_pad=16777216:\
                      glibc.malloc.trim_threshold=1073741824:glibc.malloc.mmap_threshold=33554432";

/// Lets the program that `command` starts keep its memory as one that runs a seed does. For programs that run worlds without
/// the runner.
pub fn settle_heap(command: &mut Command) {
    command.env(VARIABLE, format!("{ONE_HEAP}:{OTHERS}"));
}

/// The same for a test binary that runs a seed.
pub(super) fn settle_heap_of_test(command: &mut Command) {
    command.env(VARIABLE, format!("{TWO_HEAPS}:{OTHERS}"));
}
