// SPDX-License-Identifier: MIT
//! The memory of tasks.

use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Acquire, Ordering::Relaxed, Ordering::Release};
use std::time::Duration;

use tokio::sync::Notify;

use crate::join::{in_batches, one_at_a_time};
use crate::measure::{report, resident_bytes};
use crate::runtimes::{Flavour, run_root};

/// The system allocator with counters. While it does not count, it costs one predicted branch.
struct Counting;

static IS_COUNTING: AtomicBool = AtomicBool::new(false);
static CALLS: AtomicU64 = AtomicU64::new(0);
static BYTES: AtomicU64 = AtomicU64::new(0);

// Relaxed here and in spawn(): the counters publish no other data.
fn count(bytes: usize) {
    if IS_COUNTING.load(Relaxed) {
        CALLS.fetch_add(1, Relaxed);
        BYTES.fetch_add(bytes as u64, Relaxed);
    }
}

// SAFETY: passes all calls unchanged to the system allocator.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count(layout.size());
        unsafe { System.alloc(layout) }
    }
    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        count(layout.size());
        unsafe { System.alloc_zeroed(layout) }
    }
    unsafe fn realloc(&self, block: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        count(size);
        unsafe { System.realloc(block, layout, size) }
    }
    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        unsafe { System.dealloc(block, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// Number and bytes of allocations per task that is spawned and joined.
pub fn spawn(flavour: Flavour) {
    const TASKS: u64 = 100_000;
    run_root(flavour, async {
        one_at_a_time(TASKS).await;
        CALLS.store(0, Relaxed);
        BYTES.store(0, Relaxed);
        IS_COUNTING.store(true, Relaxed);
        one_at_a_time(TASKS).await;
        IS_COUNTING.store(false, Relaxed);
    });
    let per_task = |counter: &AtomicU64| counter.load(Relaxed) as f64 / TASKS as f64;
    report("mem_allocs_per_spawn", flavour, "count", per_task(&CALLS));
    report("mem_alloc_bytes_per_spawn", flavour, "bytes", per_task(&BYTES));
}

// Static, so that a task needs no reference-counted pointer to it, which is best for Tokio.
static NEVER: Notify = Notify::const_new();
static STARTED: AtomicU64 = AtomicU64::new(0);

pub async fn park() {
    STARTED.fetch_add(1, Release); // pairs with the Acquire in started()
    NEVER.notified().await
}

/// Returns the number of tasks that have started park() in this process.
pub fn started() -> u64 {
    STARTED.load(Acquire)
}

async fn bytes_per_parked_task(tasks: u64) -> f64 {
    let (before, expected) = (resident_bytes(), started() + tasks);
    for _ in 0..tasks {
        tokio::spawn(park());
    }
    while started() != expected {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    tokio::time::sleep(Duration::from_millis(50)).await;
    (resident_bytes() - before) as f64 / tasks as f64
}

/// Resident bytes per detached task that waits forever.
pub fn parked(flavour: Flavour) {
    let bytes = run_root(flavour, async {
        in_batches(100).await;
        bytes_per_parked_task(1_000_000).await
    });
    report("mem_rss_parked_task", flavour, "bytes", bytes);
}

/// The same for another number of tasks. Parks one task first, to exclude the cost of the first task. Only one,
/// because the memory that many tasks leave behind would be enough for a small number of tasks.
pub fn scale(flavour: Flavour, tasks: u64) {
    let bytes = run_root(flavour, async move {
        bytes_per_parked_task(1).await;
        bytes_per_parked_task(tasks).await
    });
    report(&format!("scale_parked_{tasks}"), flavour, "bytes", bytes);
}
