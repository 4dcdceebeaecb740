//! What a message costs the allocator: nothing, where it has no parts of its own on the heap.

#![expect(unsafe_code, reason = "a counting allocator")]
#![expect(clippy::unwrap_used, reason = "a test stops where it fails")]

use std::{
    alloc::{GlobalAlloc, Layout, System},
    cell::Cell,
};

use odeon_message::{Codec, Message, Payload, View, message};

struct Counting;

thread_local! {
    static ALLOCATIONS: Cell<usize> = const { Cell::new(0) };
}

// SAFETY: every call goes to the system's allocator; the counter is constant and has no destructor.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        ALLOCATIONS.with(|count| count.set(count.get() + 1));
        // SAFETY: the caller's contract is the system allocator's.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, ptr: *mut u8, layout: Layout) {
        // SAFETY: `ptr` came from the system's allocator above.
        unsafe { System.dealloc(ptr, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

fn allocations<R>(run: impl FnOnce() -> R) -> (usize, R) {
    let before = ALLOCATIONS.get();
    let result = run();
    (ALLOCATIONS.get() - before, result)
}

/// 64 bytes with padding and tags inside, so that it is not copied as it is.
#[message(id = "test/Flat", reply = u64, crate = odeon_message)]
#[derive(Clone, Debug, PartialEq)]
struct Flat {
    first: u64,
    second: Option<u64>,
    third: (u8, u32),
    fourth: [u64; 4],
}

#[message(id = "test/Words", crate = odeon_message)]
#[derive(Clone, Debug, PartialEq)]
struct Words {
    words: Vec<String>,
}

fn codec<M: Message>() -> Codec<M> {
    M::CODEC.unwrap()
}

#[test]
fn a_flat_message_allocates_nothing_on_its_way() {
    let flat = Flat { first: 1, second: Some(2), third: (3, 4), fourth: [5; 4] };
    let mut out = Vec::with_capacity(1024);
    // Also the first time on this thread.
    let (count, result) = allocations(|| codec().encode(&flat, &mut out));
    result.unwrap();
    assert_eq!((count, out.len()), (0, 64));

    let payload = Payload::copy_from(&out);
    let (count, read) = allocations(|| codec::<Flat>().decode(&payload, &()));
    assert_eq!((count, read.unwrap()), (0, flat));

    out.clear();
    let (count, result) = allocations(|| codec::<Flat>().encode_output(&7, &mut out));
    result.unwrap();
    let payload = Payload::copy_from(&out);
    let (read_count, read) = allocations(|| codec::<Flat>().decode_output(&payload, &()));
    assert_eq!((count, read_count, read.unwrap()), (0, 0, 7));
}

#[test]
fn lists_take_their_scratch_from_the_thread() {
    let words = |count| Words { words: (0..count).map(|at| format!("a long word {at}")).collect() };
    let mut out = Vec::with_capacity(64 * 1024);
    // The first list makes the thread's arena.
    codec().encode(&words(16), &mut out).unwrap();

    let message = words(64);
    out.clear();
    let (count, result) = allocations(|| codec().encode(&message, &mut out));
    result.unwrap();
    assert_eq!(count, 0);

    let payload = Payload::copy_from(&out);
    let (count, read) = allocations(|| codec::<Words>().decode(&payload, &()));
    assert_eq!((count, read.unwrap()), (1 + 64, message), "the list, and each word");
}

#[test]
fn a_view_allocates_nothing_whatever_is_in_it() {
    let words = Words { words: (0..100).map(|n| format!("word {n}")).collect() };
    let mut out = Vec::new();
    codec().encode(&words, &mut out).unwrap();
    let payload = Payload::copy_from(&out);
    let (count, length) = allocations(|| {
        let view = View::<Words>::open(payload.clone(), None).unwrap();
        view.words.iter().map(|word| word.len()).sum::<usize>()
    });
    assert_eq!((count, length), (0, 690));
    let (count, _) = allocations(|| codec::<Words>().decode(&payload, &()).unwrap());
    assert_eq!(count, 101, "a value has its list and each word on the heap");
}
