// SPDX-License-Identifier: MIT
//! Latency between a runtime and a thread outside of it.

use std::hint::black_box;
use std::thread;
use std::time::{Duration, Instant};

use tokio::runtime::Runtime;
use tokio::sync::oneshot;

use crate::measure::report_percentiles;
use crate::runtimes::{Flavour, run_root, runtime};

/// The age of a time stamp that another thread sends to a sleeping runtime, in us.
pub fn external(flavour: Flavour) {
    let (senders, receivers): (Vec<_>, Vec<_>) = (0..2000).map(|_| oneshot::channel::<Instant>()).unzip();
    let waking = thread::spawn(move || {
        thread::sleep(Duration::from_millis(20));
        for sender in senders {
            thread::sleep(Duration::from_micros(300));
            sender.send(Instant::now()).unwrap();
        }
    });
    let times = run_root(flavour, async {
        let mut times = Vec::with_capacity(receivers.len());
        for receiver in receivers {
            let sent = receiver.await.unwrap();
            times.push(sent.elapsed());
        }
        times
    });
    waking.join().unwrap();
    report_percentiles("wake_external", flavour, times);
}

fn spawn_and_block(runtime: &Runtime, times: u64) -> Vec<Duration> {
    let mut taken = Vec::with_capacity(times as usize);
    for i in 0..times {
        let start = Instant::now();
        let answer = runtime.block_on(async { tokio::spawn(async move { black_box(i) }).await.unwrap() });
        taken.push(start.elapsed());
        assert_eq!(answer, i);
    }
    taken
}

/// The time that main needs to spawn a task and block for its result, in us.
pub fn block_on_spawn(flavour: Flavour) {
    let runtime = runtime(flavour);
    spawn_and_block(&runtime, 500);
    report_percentiles("block_on_spawn", flavour, spawn_and_block(&runtime, 5000));
}
