// SPDX-License-Identifier: MIT
//! Spawns from a thread outside of the runtime.

use std::sync::atomic::{AtomicU64, Ordering::AcqRel, Ordering::Acquire, Ordering::Relaxed};
use std::thread::{self, Thread};
use std::time::Instant;

use tokio::runtime::{Handle, Runtime};
use tokio::sync::oneshot;

use crate::measure::report;
use crate::runtimes::{Flavour, runtime};

static LEFT: AtomicU64 = AtomicU64::new(0);

async fn count_down(main: Thread) {
    // AcqRel: the last task, which wakes main, sees all others. Acquire in spawn_all() pairs with it.
    if LEFT.fetch_sub(1, AcqRel) == 1 {
        main.unpark();
    }
}

/// Spawns and detaches `tasks` tasks, and blocks until the last one has run.
fn spawn_all(runtime: &Handle, tasks: u64) {
    let main = thread::current();
    LEFT.store(tasks, Relaxed); // the first spawn publishes it
    for _ in 0..tasks {
        drop(runtime.spawn(count_down(main.clone())));
    }
    while LEFT.load(Acquire) != 0 {
        thread::park();
    }
}

fn measure(runtime: &Handle) -> f64 {
    const TASKS: u64 = 1_000_000;
    spawn_all(runtime, TASKS / 10);
    let start = Instant::now();
    spawn_all(runtime, TASKS);
    start.elapsed().as_nanos() as f64 / TASKS as f64
}

/// Runs `runtime` on its own thread while `body` runs on this thread.
fn beside<T>(runtime: Runtime, body: impl FnOnce(&Handle) -> T) -> T {
    let handle = runtime.handle().clone();
    let (stop, stopped) = oneshot::channel::<()>();
    let driving = thread::spawn(move || runtime.block_on(stopped));
    let outcome = body(&handle);
    stop.send(()).unwrap();
    driving.join().unwrap().unwrap();
    outcome
}

/// ns per task that main spawns on a runtime from outside, until the last task has run.
pub fn spawn(flavour: Flavour) {
    let ns = match flavour {
        Flavour::Ct => beside(runtime(flavour), measure),
        Flavour::W2 => measure(runtime(flavour).handle()),
    };
    report("spawn_remote", flavour, "ns", ns);
}
