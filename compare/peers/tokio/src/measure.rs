// SPDX-License-Identifier: MIT
//! Clocks, counters of the process, and the output of results.

use std::fs::read_to_string;
use std::future::Future;
use std::io::Write;
use std::time::{Duration, Instant};

use crate::runtimes::Flavour;

pub fn report(metric: &str, flavour: Flavour, unit: &str, value: f64) {
    let mut out = std::io::stdout().lock();
    writeln!(out, "{metric}/{},{unit},{value:.3}", flavour.name()).unwrap();
    out.flush().unwrap();
}

/// Awaits `work` and returns the nanoseconds per operation.
pub async fn ns_per_operation(operations: u64, work: impl Future<Output = ()>) -> f64 {
    let start = Instant::now();
    work.await;
    start.elapsed().as_nanos() as f64 / operations as f64
}

pub fn microseconds(time: Duration) -> f64 {
    time.as_nanos() as f64 / 1e3
}

pub fn milliseconds(time: Duration) -> f64 {
    time.as_nanos() as f64 / 1e6
}

/// Prints the median and the 99th percentile of `times`, in microseconds, as `<metric>_p50` and `<metric>_p99`.
pub fn report_percentiles(metric: &str, flavour: Flavour, mut times: Vec<Duration>) {
    times.sort_unstable();
    for percent in [50, 99] {
        let index = times.len() * percent / 100;
        report(&format!("{metric}_p{percent}"), flavour, "us", microseconds(times[index]));
    }
}

/// Returns the processor time of the process.
pub fn cpu_time() -> Duration {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: the clock id is valid, and `time` is a local variable.
    assert_eq!(unsafe { libc::clock_gettime(libc::CLOCK_PROCESS_CPUTIME_ID, &mut time) }, 0);
    Duration::new(time.tv_sec as u64, time.tv_nsec as u32)
}

/// Returns the number of voluntary and involuntary context switches of the process.
pub fn context_switches() -> i64 {
    // SAFETY: all zeros is a valid `rusage`, which consists of integers.
    let mut usage: libc::rusage = unsafe { std::mem::zeroed() };
    // SAFETY: `usage` is a local variable.
    assert_eq!(unsafe { libc::getrusage(libc::RUSAGE_SELF, &mut usage) }, 0);
    usage.ru_nvcsw + usage.ru_nivcsw
}

/// Returns the resident memory of the process.
pub fn resident_bytes() -> u64 {
    let statm = read_to_string("/proc/self/statm").unwrap();
    let pages: u64 = statm.split_whitespace().nth(1).unwrap().parse().unwrap();
    // SAFETY: sysconf has no preconditions.
    pages * unsafe { libc::sysconf(libc::_SC_PAGESIZE) } as u64
}
