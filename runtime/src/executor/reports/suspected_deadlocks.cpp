// SPDX-License-Identifier: MIT
#include <eddy/task/suspected_deadlocks.hpp>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <map>
#include <optional>
#include <string>
#include <system_error>
#include <thread>
#include <utility>

#include <eddy/signal/detail/blocked_signals.hpp>

#include "executor/reports/endless_wait.hpp"
#include "executor/reports/lock_suspects.hpp"
#include "executor/reports/own_tasks.hpp"
#include "inspect/tree_output.hpp"
#include "sys/fork.hpp"
#include "sys/print_report.hpp"
#include "sys/thread.hpp"

namespace eddy {
namespace detail {
namespace {

/// 1 more than the fork_generation() of the process that has the thread, which a forked child has not; 0 at first.
constinit std::atomic<std::uint64_t> started_in{0};
constinit std::atomic<std::chrono::milliseconds::rep> longer_than{0};
constinit std::atomic<std::size_t> at_least{0};

const char* name_of_lock(inspect::wait_kind kind) noexcept {
    switch (kind) {
    case inspect::wait_kind::mutex: return "a mutex";
    case inspect::wait_kind::read_lock:
    case inspect::wait_kind::write_lock: return "an rwlock";
    case inspect::wait_kind::semaphore: return "a semaphore";
    default: return nullptr;
    }
}

std::string place_of(const inspect::task& of) {
    return inspect::frame_text(of.work.frames.empty() ? nullptr : of.work.frames.back());
}

/// Returns the tasks that wait for locks; nothing if the list of tasks could not be read as a whole.
std::optional<lock_queues> look() {
    const auto tree = read_own_tasks();
    if (!tree || !tree->has_all_tasks) return std::nullopt;
    lock_queues found;
    for (const inspect::executor& each : tree->executors) {
        for (const inspect::task& one : each.tasks) {
            const char* const lock = name_of_lock(one.work.leaf.kind);
            if (one.is != inspect::task_status::waits || one.work.is != inspect::stack::status::waits || !lock)
                continue;
            lock_queue& of = found[one.work.leaf.object];
            of.lock = lock;
            of.tasks.try_emplace({one.id, one.at, one.started.value_or(0)}, place_of(one));
        }
    }
    return found;
}

void print_suspicion(inspect::address lock, const lock_queue& of) {
    std::map<std::string, std::size_t> places;
    for (const auto& [task, place] : of.tasks) ++places[place];
    const bool is_one = of.tasks.size() == 1;
    std::string text = "eddy: suspected: " + std::to_string(of.tasks.size()) +
                       (is_one ? " task has waited for " : " tasks have waited for ") + of.lock + " at " +
                       inspect::hex(lock) + " for more than " +
                       std::to_string(longer_than.load(std::memory_order_relaxed)) +  // relaxed: see look_for_ever()
                       (is_one ? " ms, and has not got it:\n" : " ms, and none of them got it:\n");
    for (const auto& [place, count] : places)
        text += "  " + std::to_string(count) + (count == 1 ? " task, " : " tasks, ") + place + '\n';
    sys::print_report(text);
}

void look_for_ever() noexcept {
    const endless_wait::observer_thread here;
    lock_suspects found;
    for (;;) {
        // relaxed, both: a change is seen at the next look.
        const auto limit = longer_than.load(std::memory_order_relaxed);
        std::this_thread::sleep_for(std::chrono::milliseconds((limit - 1) / lock_suspects::looks + 1));  // rounded up
        try {
            auto now = look();
            if (!now) continue;
            for (const auto& [lock, of] : found.update(std::move(*now), at_least.load(std::memory_order_relaxed)))
                print_suspicion(lock, of);
        } catch (const std::exception&) {
            found = {};  // without memory
        }
    }
}

}  // namespace
}  // namespace detail

result<void> report_suspected_deadlocks(suspicion of) noexcept {
    if (of.longer_than <= std::chrono::milliseconds(0))
        return std::unexpected(std::make_error_code(std::errc::invalid_argument));
    detail::longer_than.store(of.longer_than.count(), std::memory_order_relaxed);
    detail::at_least.store(std::max<std::size_t>(of.at_least, 1), std::memory_order_relaxed);
    const std::uint64_t here = sys::fork_generation() + 1;
    // relaxed, also below: nothing else depends on it.
    if (detail::started_in.exchange(here, std::memory_order_relaxed) == here) return ok();
    const detail::blocked_signals in_new_thread;
    auto thread = sys::start_thread("eddy-suspect", 0, [] noexcept { detail::look_for_ever(); });
    if (thread) {
        thread->detach();  // it ends with the process
        return ok();
    }
    detail::started_in.store(0, std::memory_order_relaxed);
    return std::unexpected(thread.error());
}

}  // namespace eddy
