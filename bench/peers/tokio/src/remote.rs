// SPDX-License-Identifier: MIT
//! Spawns from a thread that is none of the runtime's.

use std::sync::atomic::{AtomicU64, Ordering::AcqRel, Ordering::Acquire, Ordering::Relaxed};
use std::thread::{self, Thread};
use std::time::Instant;

use tokio::runtime::{Handle, Runtime};
use tokio::sync::oneshot;

use crate::measure::report;
use crate::runtimes::{Flavour, runtime};

static LEFT: AtomicU64 = AtomicU64::new(0);

async fn count_down(main: Thread) {
    if LEFT.fetch_sub(1, AcqRel) == 1 {
        main.unpark();
    }
}

/// Spawns and detaches `tasks` tasks, and sleeps until the last one has run.
fn spawn_all(runtime: &Handle, tasks: u64) {
    let main = thread::current();
    LEFT.store(tasks, Relaxed);
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

/// Drives `runtime` on a thread of its own while `body` runs here.
fn beside<T>(runtime: Runtime, body: impl FnOnce(&Handle) -> T) -> T {
    let handle = runtime.handle().clone();
    let (stop, stopped) = oneshot::channel::<()>();
    let driving = thread::spawn(move || runtime.block_on(stopped));
    let outcome = body(&handle);
    stop.send(()).unwrap();
    driving.join().unwrap().unwrap();
    outcome
}

/// op: one task, from its spawn in main to its end, as seen by main.
pub fn spawn(flavour: Flavour) {
    let ns = match flavour {
        Flavour::Ct | Flavour::Cross => beside(runtime(flavour), measure),
        Flavour::W2 => measure(runtime(flavour).handle()),
    };
    report("spawn_remote", flavour, "ns", ns);
}
