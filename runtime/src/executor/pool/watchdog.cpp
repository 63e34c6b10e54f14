// SPDX-License-Identifier: MIT
#include "executor/pool/watchdog.hpp"

#include <algorithm>
#include <new>
#include <utility>

#include "executor/pool/worker.hpp"
#include "executor/pool/worker_set.hpp"

namespace eddy::detail {
namespace {

// The interval at which the second watchdog checks the other workers.
constexpr auto second_interval = std::chrono::milliseconds(8);

// A watchdog continues after the last activity for as long as the activity has lasted, and at most for this time.
constexpr auto longest_lingering = std::chrono::milliseconds(100);

// Two activities that are further apart than this are separate, as with a timer that fires each 50 ms.
constexpr auto longest_pause = std::chrono::milliseconds(10);

// The value of a role that no worker holds.
constexpr int vacant = -1;

}  // namespace

struct watchdog::sight {
    worker_watch::progress last;
};

watchdog::watchdog(worker_set& all, unsigned index) noexcept : all_(all), index_(index) {}
watchdog::~watchdog() = default;

void watchdog::volunteer(time_point now) noexcept {
    // The second condition keeps the watchdog for a while after activity. Workers that start to run then see it and
    // wake no other worker.
    if (all_.idle().awake() == 0 && is_quiet(now)) return;
    // Without memory this worker does not become a watchdog. It tries again at its next wake-up.
    if (seen_ == nullptr) seen_.reset(new (std::nothrow) sight[all_.size()]);
    if (seen_ == nullptr) return;
    auto& roles = all_.watchdogs();
    for (std::size_t i = 0; i < roles.size() && !has_role(); ++i) {
        int before = vacant;
        // seq_cst: a store-load pair. This worker has left `awake` in park(), then loads the role. A watchdog that gets
        // tasks stores `vacant` in resign(), then loads `awake` in wake_watchdog(). If both loads read the old values,
        // this worker would park without a role, and the other would run unwatched.
        if (roles[i].load(std::memory_order_seq_cst) != vacant) continue;
        // seq_cst: one total order for all accesses to the roles. A failure means that another worker has the role.
        if (roles[i].compare_exchange_strong(before, static_cast<int>(index_), std::memory_order_seq_cst)) role_ = i;
    }
    if (!has_role() || last_check_ == now) return;
    if (last_activity_ == now) {                            // it has just parked
        if (now - last_check_ < longest_lingering) return;  // a recent `seen_` is still good
        last_check_ = now;
    } else {  // it was called half an interval ago
        last_check_ = now - first_interval / 2;
    }
    for (unsigned i = 0; i < all_.size(); ++i) seen_[i].last = all_.at(i).watch().progress_until_now();
}

void watchdog::resign() noexcept {
    // seq_cst: the store of two store-load pairs. The load that follows is awake() in volunteer() if the watchdog is
    // not needed any more, and all_awake() in wake_watchdog() if it starts to run. See idle_workers::awake() and
    // volunteer().
    all_.watchdogs()[std::exchange(role_, no_role)].store(vacant, std::memory_order_seq_cst);
}

void watchdog::note_activity(time_point now) noexcept {
    if (now - last_activity_ > longest_pause) activity_began_ = now;
    last_activity_ = now;
}

/// Returns whether a watchdog need not continue after the last activity. A running pool keeps its watchdogs, which
/// saves a wake-up at each start of a worker. A pool that only fires a timer from time to time does not: its watchdogs
/// would wake up 30 times for a timer of 50 ms.
bool watchdog::is_quiet(time_point now) const noexcept {
    const auto lingers = std::min<std::chrono::nanoseconds>(last_activity_ - activity_began_, longest_lingering);
    return now - last_activity_ >= lingers;
}

std::chrono::nanoseconds watchdog::interval() const noexcept { return role_ == 0 ? first_interval : second_interval; }

std::chrono::nanoseconds watchdog::time_to_check(time_point now) const noexcept {
    constexpr std::chrono::nanoseconds at_once{1};  // zero would disarm the alarm
    return std::max<std::chrono::nanoseconds>(last_check_ + interval() - now, at_once);
}

bool watchdog::check_if_due(time_point now, worker& self) noexcept {
    if (now - last_check_ < interval()) return false;
    last_check_ = now;
    check_others(now, self);
    // relaxed: a hint. volunteer() loads the role again.
    if (role_ != 0 && all_.watchdogs()[0].load(std::memory_order_relaxed) == vacant) {
        resign();
        volunteer(now);  // probably the first role. If another worker is faster, that worker watches
        if (!has_role()) return false;
    }
    return all_.idle().awake() == 0 && is_quiet(now);
}

void watchdog::check_others(time_point now, worker& self) noexcept {
    for (unsigned i = 0; i < all_.size(); ++i) {
        if (i == index_) continue;
        worker& other = all_.at(i);
        const auto now_seen = other.watch().progress_until_now();
        const auto seen = std::exchange(seen_[i].last, now_seen);
        const bool is_parked = all_.idle().is_parked(i);
        // A park alone is no activity: the other worker may be a watchdog, too.
        if (!is_parked || seen.polls != now_seen.polls) note_activity(now);
        if (!is_parked && seen == now_seen) self.service_stalled(other);
    }
}

}  // namespace eddy::detail
