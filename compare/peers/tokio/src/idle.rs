// SPDX-License-Identifier: MIT
//! The cost of an idle runtime.

use std::thread;
use std::time::Duration;

use crate::measure::{context_switches, cpu_time, milliseconds, report};
use crate::memory::{park, started};
use crate::runtimes::{Flavour, runtime};

/// Processor time and context switches in 2 s in which 10,000 tasks wait forever, and one sleeps for an hour.
pub fn run(flavour: Flavour) {
    const TASKS: u64 = 10_000;
    let runtime = runtime(flavour);
    let expected = started() + TASKS;
    runtime.spawn(async { tokio::time::sleep(Duration::from_secs(3600)).await });
    for _ in 0..TASKS {
        runtime.spawn(park());
    }
    thread::sleep(Duration::from_millis(200));
    assert_eq!(started(), expected);

    let (cpu, switches) = (cpu_time(), context_switches());
    thread::sleep(Duration::from_secs(2));
    report("idle_cpu_2s", flavour, "ms", milliseconds(cpu_time() - cpu));
    report("idle_switches_2s", flavour, "count", (context_switches() - switches) as f64);
}
