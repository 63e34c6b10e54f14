# SPDX-License-Identifier: MIT
"""What eddy is held against in the group `rt`, by `metric/flavour`."""

# At most so many times what Tokio takes in the same round.
BARS: dict[str, float] = {
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

# At most so many times what the best of all peers takes in the same round, on one thread. Aside: await_ready, where Rust
# makes one state machine of both functions, so that nothing is awaited; and the 99th percentiles, which are those of the
# machine that this one is a guest of.
BEST = 1.0


def is_held_against_best(metric: str) -> bool:
    return metric.endswith("/ct") and metric != "await_ready/ct" and not metric.endswith("_p99/ct")


# The geometric mean of what eddy takes against Tokio, by flavour.
MEANS: dict[str, float] = {"ct": 0.4, "w2": 0.7}

# What it is taken of: of each case that costs time the one row that says how much, and the median where that is a
# distribution. yield_1 is in it, though what it compares is a system call: Tokio asks the system for events at each lone
# yield, eddy every 20 us. Not in it: await_ready (see above), 99th percentiles, timer_fire_late (how finely time is told, not what it
# costs), the scopes (the same trees a second time), idle (where nothing is done), nor memory, which is not time.
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

# At most so much.
ABSOLUTE: dict[str, float] = {
    "mem_allocs_per_spawn/ct": 0,
}

# Which of Tokio's figures is the other side, where it is not the one of the same name: Tokio has no scopes.
AGAINST: dict[str, str] = {
    "skynet_scope/ct": "skynet/ct",
    "skynet_scope/w2": "skynet/w2",
    "fib30_scope/ct": "fib30/ct",
    "fib30_scope/w2": "fib30/w2",
}
