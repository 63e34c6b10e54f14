# SPDX-License-Identifier: MIT
"""The targets of eddy in the group `rt`, by `metric/flavour`."""

# The upper limit of the ratio to Tokio in the same round.
TARGETS: dict[str, float] = {
    "spawn_join_one/ct": 0.35,
    "spawn_join_one/w2": 0.7,
    "spawn_join_batch/ct": 0.35,
    "spawn_join_batch/w2": 0.7,
    "spawn_remote/ct": 0.4,
    "spawn_remote/w2": 0.7,
    "chained_spawn/ct": 0.7,
    "chained_spawn/w2": 0.7,
    "yield_1/ct": 0.1,
    "yield_1/w2": 0.5,
    "yield_1000/ct": 0.4,
    "yield_1000/w2": 0.7,
    "pingpong_chan/ct": 0.5,
    "pingpong_chan/w2": 0.8,
    "pingpong_oneshot/ct": 0.5,
    "pingpong_oneshot/w2": 0.8,
    "notify_pingpong/ct": 0.5,
    "notify_pingpong/w2": 0.8,
    "watch_pingpong/ct": 0.5,
    "watch_pingpong/w2": 0.8,
    "broadcast_1x8/ct": 0.8,
    "broadcast_1x8/w2": 0.8,
    "mpsc_bounded_p1/ct": 0.5,
    "mpsc_bounded_p1/w2": 0.7,
    "mpsc_bounded_p4/ct": 0.5,
    "mpsc_bounded_p4/w2": 0.7,
    "mpsc_unbounded_p1/ct": 0.6,
    "mpsc_unbounded_p1/w2": 0.7,
    "mpsc_unbounded_p4/ct": 0.6,
    "mpsc_unbounded_p4/w2": 0.7,
    "oneshot/ct": 0.8,
    "codec_lines/ct": 0.667,  # 1.5 times the throughput of tokio-util
    "codec_lengths/ct": 0.667,
    "mutex_uncontended/ct": 0.5,
    "mutex_uncontended/w2": 0.5,
    "mutex_4/ct": 0.6,
    "mutex_4/w2": 0.8,
    "mutex_4_yield/ct": 0.6,
    "mutex_4_yield/w2": 0.8,
    "semaphore_uncontended/ct": 0.5,
    "semaphore_uncontended/w2": 0.5,
    "notify_permit/ct": 1.0,
    "await_deep/ct": 0.8,
    "await_opaque/ct": 0.8,
    "select_ready/ct": 1.0,
    "select_pending/ct": 0.2,
    "skynet/ct": 0.4,
    "skynet/w2": 0.7,
    "fib30/ct": 0.4,
    "fib30/w2": 0.7,
    "skynet_scope/ct": 0.2,
    "skynet_scope/w2": 0.2,
    "fib30_scope/ct": 0.2,
    "fib30_scope/w2": 0.2,
    "timer_arm_cancel/ct": 0.2,
    "timer_arm_cancel/w2": 0.6,
    "timer_arm_cancel_live/ct": 0.2,
    "timer_arm_cancel_live/w2": 0.6,
    "timer_arm_cancel_100k/ct": 0.2,
    "timer_arm_cancel_100k/w2": 0.6,
    "timer_fire_cpu/ct": 0.8,
    "timer_fire_cpu/w2": 0.8,
    "timer_fire_late_p50/ct": 0.3,
    "timer_fire_late_p50/w2": 0.3,
    "mem_rss_parked_task/w2": 1.0,
    "wake_external_p50/w2": 0.5,
    "block_on_spawn_p50/w2": 0.5,
    "spawn_blocking/ct": 1.0,
    "spawn_blocking/w2": 1.0,
    "idle_cpu_2s/w2": 1.0,
    "idle_switches_2s/w2": 1.0,
}

# The upper limit of the ratio to the best peer in the same round, on one thread. Exempt are await_ready, because Rust
# compiles both functions into one state machine so that nothing is awaited, and 99th percentiles, because they depend
# on the load of the virtual machine's host.
BEST = 1.0

# Other limits of that ratio. The best peer of these cases is TooManyCooks, whose tasks have no join handle, no
# cancellation, no budget and no identity, and are not listed for a shutdown.
BEST_OF: dict[str, float] = {
    "spawn_join_one/ct": 1.3,
    "chained_spawn/ct": 1.3,  # its chain passes a reference, that of eddy the sender of a channel
    "chained_spawn_ref/ct": 1.3,  # both pass a reference
    "skynet_scope/ct": 1.2,
    "skynet_scope/w2": 1.3,
    "fib30_scope/ct": 1.2,
    "fib30_scope/w2": 1.3,
}


def best_limit(metric: str) -> float | None:
    """The limit of the ratio to the best peer, or None if there is no limit."""
    has_limit = metric.endswith("/ct") and metric != "await_ready/ct" and not metric.endswith("_p99/ct")
    return BEST_OF.get(metric, BEST if has_limit else None)


# The upper limits of the geometric mean of the ratios to Tokio, by flavour.
MEANS: dict[str, float] = {"ct": 0.4, "w2": 0.7}

# The metrics that the mean includes: one per case that measures time, which is the median if there are percentiles.
# yield_1 is included although it compares a system call: Tokio polls the system for events at each lone yield, eddy
# every 20 us. Excluded are await_ready (see above), 99th percentiles, timer_fire_late (the resolution of timers, not
# a cost), the trees with scopes (a second version of the same trees), idle, and memory.
MEASURES_OF_TIME = (
    "spawn_join_one",
    "spawn_join_batch",
    "spawn_remote",
    "chained_spawn",
    "yield_1",
    "yield_1000",
    "oneshot",
    "await_deep",
    "await_opaque",
    "skynet",
    "fib30",
    "timer_arm_cancel",
    "timer_arm_cancel_live",
    "timer_arm_cancel_100k",
    "timer_fire_cpu",
    "wake_external_p50",
    "block_on_spawn_p50",
    "spawn_blocking",
)

# Upper limits of absolute values.
ABSOLUTE: dict[str, float] = {
    "mem_allocs_per_spawn/ct": 0,
}

# The peers' metric that a metric of eddy is compared with, if the names differ: the peers have no scopes.
AGAINST: dict[str, str] = {
    "skynet_scope/ct": "skynet/ct",
    "skynet_scope/w2": "skynet/w2",
    "fib30_scope/ct": "fib30/ct",
    "fib30_scope/w2": "fib30/w2",
}
