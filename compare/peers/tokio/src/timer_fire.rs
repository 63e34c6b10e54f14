// SPDX-License-Identifier: MIT
//! The processor time and the lateness of 100,000 sleeps that fire, with deadlines that are distributed over a second.

use std::time::{Duration, Instant};

use tokio::time::sleep_until;

use crate::measure::{cpu_time, milliseconds, report, report_percentiles};
use crate::runtimes::{Flavour, run_root};

const TASKS: u64 = 100_000;

async fn lateness(deadline: Instant) -> Duration {
    sleep_until(deadline.into()).await;
    let now = Instant::now();
    assert!(now >= deadline);
    now - deadline
}

async fn all() -> Vec<Duration> {
    let start = Instant::now();
    let mut handles = Vec::with_capacity(TASKS as usize);
    for i in 0..TASKS {
        let offset = Duration::from_micros(200_000 + i * 7919 % TASKS * 10); // evenly distributed, unordered
        handles.push(tokio::spawn(lateness(start + offset)));
    }
    let mut late = Vec::with_capacity(TASKS as usize);
    for handle in handles {
        late.push(handle.await.unwrap());
    }
    late
}

pub fn run(flavour: Flavour) {
    let (cpu, late) = run_root(flavour, async {
        let before = cpu_time();
        let late = all().await;
        (cpu_time() - before, late)
    });
    report("timer_fire_cpu", flavour, "ms", milliseconds(cpu));
    report_percentiles("timer_fire_late", flavour, late);
}
