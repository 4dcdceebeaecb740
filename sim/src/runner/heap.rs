//! How the C library of a program that runs a seed keeps its memory.
//!
//! What it is: one environment variable, which glibc reads when a program begins (the manual's chapter "Tunables"); other C
//! libraries leave it alone. A run has one thread that works, is short, and frees what it will want again at once. So all
//! threads share one heap, it grows in large steps, gives nothing back, and lies in huge pages where the kernel has them;
//! and of each size that was freed as many pieces are kept at hand as a burst of messages needs. What it is NOT: part of what is
//! simulated: results are the same without it.

use std::process::Command;

/// What glibc reads.
pub(super) const VARIABLE: &str = "GLIBC_TUNABLES";

const VALUE: &str = "glibc.malloc.arena_max=1:glibc.malloc.tcache_count=2000:glibc.malloc.hugetlb=1:\
                     glibc.malloc.top_pad=16777216:glibc.malloc.trim_threshold=1073741824:\
                     glibc.malloc.mmap_threshold=33554432";

/// Lets the program that `command` starts keep its memory as one that runs a seed does. For programs that run worlds without
/// the runner.
pub fn settle_heap(command: &mut Command) {
    command.env(VARIABLE, VALUE);
}
