// SPDX-License-Identifier: MIT
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string_view>
#include <vector>

#include <eddy/detail/atomic.hpp>
#include <eddy/future/future.hpp>
#include <eddy/runtime/reactor.hpp>

#include "executor/pool/idle_workers.hpp"
#include "executor/pool/injection_queue.hpp"
#include "executor/pool/worker_events.hpp"

namespace eddy::detail {

class pool;
class worker;
struct stall_settings;

/// The driver of each worker, and why they are of this kind.
struct worker_drivers {
    std::vector<worker_events::io_share> each;
    std::optional<driver_kind> kind;  ///< empty without I/O
    std::string_view why = "none: I/O is not enabled";

    /// Makes the drivers. Workers that share one follow each other.
    [[nodiscard]] result<void> make(driver_kind of, std::size_t max_events) noexcept;
};

/// The workers of a pool, and the tasks that none of them has yet.
///
///     atomic          changed by                              meaning
///     watchdogs_      watchdog::volunteer(), resign()         two roles: the index of the worker that has it, or -1
///     next_driver_    io_for_new_source(),                    any number: which driver or timers come next
///                     any_time_driver()
///
/// Thread safety: any thread.
class worker_set : immovable {
public:
    /// The set is empty until add_workers() is called, because workers ask their pool for its settings.
    explicit worker_set(const worker_drivers& drivers);
    ~worker_set();
    void add_workers(pool& owner, worker_drivers& drivers, std::uint64_t seed, const stall_settings& stalls);

    [[nodiscard]] unsigned size() const noexcept { return static_cast<unsigned>(all_.size()); }
    [[nodiscard]] worker& at(unsigned index) const noexcept { return *all_[index]; }
    [[nodiscard]] auto begin() const noexcept { return all_.begin(); }
    [[nodiscard]] auto end() const noexcept { return all_.end(); }
    [[nodiscard]] injection_queue& injected() noexcept { return injected_; }
    [[nodiscard]] const injection_queue& injected() const noexcept { return injected_; }
    [[nodiscard]] idle_workers& idle() noexcept { return idle_; }
    /// Returns the two watchdog roles: the index of the worker that holds each, or -1. See watchdog.
    [[nodiscard]] std::array<atomic<int>, 2>& watchdogs() noexcept { return watchdogs_; }

    /// Returns whether any queue holds a task. LIFO slots do not count.
    [[nodiscard]] bool have_queued_tasks() const noexcept;
    /// Wakes a parked worker if no worker is searching. Call it after a push to a queue that other workers can reach.
    void notify_one() noexcept;
    /// Like notify_one(), for a worker that has pushed to its own queue and will run the task itself. This is cheaper,
    /// but can miss a worker that is about to park. Then the next push wakes that worker, or the watchdog worker takes
    /// the task if this worker stalls.
    /// Returns whether it has called notify_one().
    bool notify_if_useful() noexcept {
        const bool is_useful = !idle_.all_awake() && !idle_.any_searching();
        if (is_useful) notify_one();
        return is_useful;
    }
    /// Calls a parked worker as the watchdog if there is none. A worker that starts to run calls this.
    void wake_watchdog() noexcept;

    /// Returns the driver in which this thread should register a new socket. For a worker, this is its own driver,
    /// unless that has many more sources than another one. Other threads get the driver with the least sources of a
    /// sample. Returns null if there is no I/O.
    [[nodiscard]] io_handle* io_for_new_source(const worker* here) noexcept;
    /// Returns the timers of some worker, in rotation.
    [[nodiscard]] time_driver& any_time_driver() noexcept;
    [[nodiscard]] std::optional<driver_kind> driver() const noexcept { return kind_; }
    [[nodiscard]] std::string_view why_driver() const noexcept { return why_; }

private:
    const std::optional<driver_kind> kind_;
    const std::string_view why_;
    std::array<atomic<int>, 2> watchdogs_{-1, -1};
    atomic<std::uint32_t> next_driver_{0};
    idle_workers idle_;
    injection_queue injected_;
    std::vector<std::unique_ptr<worker>> all_;
};

}  // namespace eddy::detail
