// SPDX-License-Identifier: MIT
#include "executor/pool/worker_set.hpp"

#include <algorithm>
#include <utility>

#include "executor/pool/pool.hpp"
#include "reactor/io_handle.hpp"

namespace eddy::detail {
namespace {

// A worker registers a new socket with its driver, unless its driver has too many sources. A driver has too many
// sources if it has more than another driver, even after this number and an eighth of its own sources are subtracted.
constexpr std::size_t clearly_more = 8;

/// Returns how many workers share a driver. One of them that has nothing to do waits in the driver while the others
/// run. So few connections cause few context switches (compare/NOTES.md). More workers would contend for the driver
/// lock. A ring belongs to one thread, and the other drivers were not measured.
unsigned workers_per_driver(driver_kind kind) noexcept { return kind == driver_kind::epoll ? 8 : 1; }

}  // namespace

result<void> worker_drivers::make(driver_kind of, std::size_t max_events) noexcept {
    for (auto& driver : each) driver.reset();  // left by an attempt with another kind
    for (std::size_t i = 0; i < each.size(); ++i) {
        auto& driver = each[i];
        if (i % workers_per_driver(of) != 0) {
            each[i - 1]->retain();
            driver.reset(each[i - 1].get());
            continue;
        }
        const auto made = io_handle::make(of, max_events);
        if (!made) return std::unexpected(made.error());
        driver.reset(*made);
        // The alarm is for the watchdog worker. A pool with one worker has no watchdog.
        if (each.size() == 1) continue;
        if (auto alarm = driver->make_alarm(); !alarm) return std::unexpected(alarm.error());
    }
    return ok();
}

worker_set::worker_set(const worker_drivers& drivers)
    : kind_(drivers.kind), why_(drivers.why), idle_(static_cast<unsigned>(drivers.each.size())) {}
worker_set::~worker_set() = default;

void worker_set::add_workers(pool& owner, worker_drivers& drivers, std::uint64_t seed, const stall_settings& stalls) {
    const bool shares_io = drivers.each.size() > 1 && drivers.each[0] != nullptr && drivers.each[0] == drivers.each[1];
    all_.reserve(drivers.each.size());
    for (auto& driver : drivers.each) {
        const auto index = static_cast<unsigned>(all_.size());
        all_.push_back(std::make_unique<worker>(owner, index, std::move(driver), shares_io, seed, stalls));
    }
}

void worker_set::notify_one() noexcept {
    if (const auto sleeper = idle_.worker_to_notify()) all_[*sleeper]->events().unpark();
}

bool worker_set::have_queued_tasks() const noexcept {
    if (!injected_.is_empty()) return true;
    return std::any_of(all_.begin(), all_.end(), [](const auto& each) { return each->tasks().can_be_stolen(); });
}

void worker_set::wake_watchdog() noexcept {
    // seq_cst: the load of a store-load pair with watchdog::resign(). The word of idle_workers already
    // counts this worker as awake. See idle_workers::awake().
    for (const auto& watchdog : watchdogs_) {
        if (watchdog.load(std::memory_order_seq_cst) >= 0) return;
    }
    if (idle_.all_awake()) return;
    if (const auto sleeper = idle_.any_sleeper()) all_[*sleeper]->events().call_as_watchdog();
}

// ---- I/O and time ----

io_handle* worker_set::io_for_new_source(const worker* here) noexcept {
    if (all_[0]->events().io() == nullptr) return nullptr;
    const unsigned workers_per = workers_per_driver(*kind_);
    const unsigned drivers = (size() + workers_per - 1) / workers_per;
    const auto driver = [&](unsigned i) { return all_[i % drivers * workers_per]->events().io(); };
    // Compares with at most two other drivers, chosen in rotation. This keeps the balance ("the power of two choices",
    // Mitzenmacher 1996) at a cost that does not depend on the number of workers.
    // relaxed: any number will do.
    const unsigned start = next_driver_.fetch_add(1, std::memory_order_relaxed);
    io_handle* best = here != nullptr ? here->events().io() : driver(start);
    std::size_t best_load = best->load();
    if (here != nullptr) best_load -= std::min(best_load, best_load / 8 + clearly_more);
    for (unsigned i = 1; i <= std::min(2u, drivers - 1); ++i) {
        io_handle* const other = driver(start + i);
        if (const std::size_t load = other->load(); other != best && load < best_load) {
            best = other;
            best_load = load;
        }
    }
    return best;
}

time_driver& worker_set::any_time_driver() noexcept {
    // relaxed: any number will do.
    return all_[next_driver_.fetch_add(1, std::memory_order_relaxed) % size()]->events().time();
}

}  // namespace eddy::detail
