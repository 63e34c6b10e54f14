// SPDX-License-Identifier: MIT
#include <eddy/task/suspected_deadlocks.hpp>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <exception>
#include <map>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include <eddy/detail/blocked_signals.hpp>

#include "executor/task/endless_wait.hpp"
#include "executor/task/own_tasks.hpp"
#include "inspect/tree_output.hpp"
#include "sys/print_report.hpp"
#include "sys/thread.hpp"

namespace eddy {
namespace detail {
namespace {

// Two looks at a busy lock may find the same tasks by chance, eight do not.
constexpr int looks = 8;

constinit std::atomic<bool> is_started{false};
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

/// The tasks that wait for one lock, with their places.
struct queue {
    const char* lock = nullptr;
    std::map<std::pair<std::uint64_t, inspect::address>, std::string> tasks;  // by id and address
};
using queues = std::map<inspect::address, queue>;  // by the address of the lock

std::string place_of(const inspect::task& of) {
    return inspect::frame_text(of.work.frames.empty() ? nullptr : of.work.frames.back());
}

queues look() {
    queues found;
    const auto tree = read_own_tasks();
    if (!tree) return found;
    for (const inspect::executor& each : tree->executors) {
        for (const inspect::task& one : each.tasks) {
            const char* const lock = name_of_lock(one.work.leaf.kind);
            if (one.is != inspect::task_status::waits || one.work.is != inspect::stack::status::waits || !lock)
                continue;
            queue& of = found[one.work.leaf.object];
            of.lock = lock;
            of.tasks.try_emplace({one.id, one.at}, place_of(one));
        }
    }
    return found;
}

/// Locks with the same tasks in successive looks.
class suspects {
public:
    void update(queues now) {
        std::erase_if(all_, [&](const auto& one) { return !now.contains(one.first); });
        for (auto& [lock, tasks] : now) {
            suspect& before = all_[lock];
            const bool waits_on = std::ranges::all_of(
                before.of.tasks, [&again = tasks.tasks](const auto& one) { return again.contains(one.first); });
            if (before.of.tasks.empty() || !waits_on) before = {std::move(tasks), 0};
            // relaxed: nothing else depends on it.
            const bool are_many = before.of.tasks.size() >= at_least.load(std::memory_order_relaxed);
            if (are_many && before.seen++ == looks) print(lock, before.of);
        }
    }

private:
    struct suspect {
        queue of;
        int seen = 0;
    };

    static void print(inspect::address lock, const queue& of) {
        std::map<std::string, std::size_t> places;
        for (const auto& [number, place] : of.tasks) ++places[place];
        const bool is_one = of.tasks.size() == 1;
        std::string text = "eddy: suspected: " + std::to_string(of.tasks.size()) +
                           (is_one ? " task has waited for " : " tasks have waited for ") + of.lock + " at " +
                           inspect::hex(lock) + " for more than " +
                           std::to_string(longer_than.load(std::memory_order_relaxed)) +
                           (is_one ? " ms, and has not got it:\n" : " ms, and none of them got it:\n");
        for (const auto& [place, count] : places)
            text += "  " + std::to_string(count) + (count == 1 ? " task, " : " tasks, ") + place + '\n';
        sys::print_report(text);
    }

    std::map<inspect::address, suspect> all_;
};

void look_for_ever() noexcept {
    const endless_wait::observer_thread here;
    suspects found;
    for (;;) {
        // relaxed: a change is seen at the next look.
        std::this_thread::sleep_for(std::chrono::milliseconds(longer_than.load(std::memory_order_relaxed)) / looks);
        try {
            found.update(look());
        } catch (const std::exception&) {
            found = {};  // without memory
        }
    }
}

}  // namespace
}  // namespace detail

result<void> report_suspected_deadlocks(suspicion of) noexcept {
    detail::longer_than.store(of.longer_than.count(), std::memory_order_relaxed);
    detail::at_least.store(std::max<std::size_t>(of.at_least, 1), std::memory_order_relaxed);
    if (detail::is_started.exchange(true, std::memory_order_relaxed)) return ok();
    const detail::blocked_signals in_new_thread;
    auto thread = sys::start_thread("eddy-suspect", 0, [] noexcept { detail::look_for_ever(); });
    if (thread) {
        thread->detach();  // it ends with the process
        return ok();
    }
    detail::is_started.store(false, std::memory_order_relaxed);
    return std::unexpected(thread.error());
}

}  // namespace eddy
