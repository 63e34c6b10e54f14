// SPDX-License-Identifier: MIT
//! Tasks that yield, in ns per yield.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, OnceLock};
use std::time::Instant;

use tokio::task::yield_now;

use crate::measure::{ns_per_operation, report};
use crate::runtimes::{Flavour, run_root};

const TASKS: u64 = 1000;

async fn yield_often(times: u64) {
    for _ in 0..times {
        yield_now().await;
    }
}

async fn yield_together(times: u64) {
    let mut handles = Vec::with_capacity(TASKS as usize);
    for _ in 0..TASKS {
        handles.push(tokio::spawn(yield_often(times)));
    }
    for handle in handles {
        handle.await.unwrap();
    }
}

/// The shared state of the tasks of `scale`. All tasks run on one thread, but spawn() requires `Send`, so it is atomic.
/// Relaxed is enough on one thread.
struct Crowd {
    not_begun: AtomicU64,
    not_ended: AtomicU64,
    all_begun: OnceLock<Instant>,
    all_ended: OnceLock<Instant>,
}

async fn yield_among(others: Arc<Crowd>, times: u64) {
    if others.not_begun.fetch_sub(1, Relaxed) == 1 {
        others.all_begun.set(Instant::now()).unwrap();
    }
    yield_often(times).await;
    if others.not_ended.fetch_sub(1, Relaxed) == 1 {
        others.all_ended.set(Instant::now()).unwrap();
    }
}

async fn ns_per_yield_among(tasks: u64) -> f64 {
    // A constant number of yields in total, but enough per task that its begin and end do not matter.
    let times = (3_000_000 / tasks).max(30);
    let all = Arc::new(Crowd {
        not_begun: tasks.into(),
        not_ended: tasks.into(),
        all_begun: OnceLock::new(),
        all_ended: OnceLock::new(),
    });
    let handles: Vec<_> = (0..tasks).map(|_| tokio::spawn(yield_among(all.clone(), times))).collect();
    for handle in handles {
        handle.await.unwrap();
    }
    let taken = *all.all_ended.get().unwrap() - *all.all_begun.get().unwrap();
    taken.as_nanos() as f64 / (tasks * times) as f64
}

/// A single task.
pub fn alone(flavour: Flavour) {
    let ns = run_root(flavour, async {
        yield_often(100_000).await;
        ns_per_operation(10_000_000, yield_often(10_000_000)).await
    });
    report("yield_1", flavour, "ns", ns);
}

/// 1,000 tasks that yield, including spawning and joining.
pub fn crowd(flavour: Flavour) {
    let ns = run_root(flavour, async {
        yield_together(100).await;
        ns_per_operation(3000 * TASKS, yield_together(3000)).await
    });
    report("yield_1000", flavour, "ns", ns);
}

/// The same for another number of tasks. Measures from the begin of the last task to the end of the last task.
pub fn scale(flavour: Flavour, tasks: u64) {
    let ns = run_root(flavour, ns_per_yield_among(tasks));
    report(&format!("scale_yield_{tasks}"), flavour, "ns", ns);
}
