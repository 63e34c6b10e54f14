// SPDX-License-Identifier: MIT
#include "reaper.hpp"

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <memory>
#include <mutex>
#include <new>
#include <optional>
#include <span>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

#include <eddy/detail/atomic.hpp>

#include "executor/reports/endless_wait.hpp"
#include "own_thread.hpp"
#include "sys/exit_queue.hpp"
#include "sys/processes.hpp"
#include "sys/this_process.hpp"

namespace eddy::process::detail {
namespace {

/// Starts a thread that waits for one process.
eddy::result<void> watch_on_own_thread(const std::shared_ptr<running_process>& process) noexcept {
    return start_own_thread([process]() noexcept {
        do {
            eddy::sys::wait_for_end(process->started());
        } while (!process->collect());
    });
}

/// The thread that waits for all processes that an exit_queue can have.
class reaper : eddy::detail::immovable {
public:
    static eddy::result<std::unique_ptr<reaper>> make() {
        auto queue = eddy::sys::exit_queue::make();
        if (!queue) return std::unexpected(queue.error());
        return std::make_unique<reaper>(std::move(*queue));
    }
    explicit reaper(eddy::sys::exit_queue&& queue) noexcept : queue_(std::move(queue)) {}

    [[nodiscard]] std::uint32_t process() const noexcept { return process_; }

    eddy::result<void> watch(const std::shared_ptr<running_process>& process) {
        const std::lock_guard guard(lock_);
        if (!has_thread_) {
            if (auto started = start_own_thread([this]() noexcept { run(); }); !started) return started;
            has_thread_ = true;
        }
        watched_.push_back(process.get());
        process->watched_by_reaper = process;
        auto added = queue_.add(process->started(), process.get());
        if (!added) {
            watched_.pop_back();
            process->watched_by_reaper.reset();
        }
        ++changes_;
        return added;
    }

    /// See endless_wait: all processes wait for this program.
    eddy::detail::endless_wait::state sleep_state() noexcept {
        const std::lock_guard guard(lock_);
        const bool are_stuck =
            std::ranges::all_of(watched_, [](const auto* each) { return each->awaited_action() != nullptr; });
        return are_stuck ? eddy::detail::endless_wait::state(changes_) : std::nullopt;
    }
    std::string sleep_text() {
        const std::lock_guard guard(lock_);
        std::string text;
        for (const auto* each : watched_) {
            const char* const action = each->awaited_action();
            if (action != nullptr)
                text += "Child process " + std::to_string(each->id()) + " waits for " + action + ".\n";
        }
        return text;
    }

private:
    /// Waits for ends until there is nothing to watch, and has not been for a while.
    void run() noexcept {
        for (eddy::sys::exit_queue::keys ready{};;) {
            const bool was_idle = is_idle();
            const auto ended = was_idle ? queue_.wait(ready, idle_time) : wait_for_ends(ready);
            if (was_idle && ended.empty() && has_given_up()) return;
            for (void* const key : ended) {
                // SAFETY: the key comes from watch(). watched_by_reaper keeps the object until this thread drops it.
                auto& process = *static_cast<running_process*>(key);
                // A zombie with a tracer has no status until the tracer lets it go, but its pidfd is readable. On
                // macOS, the end is reported shortly before there is a status.
                if (!process.collect() && !watch_on_own_thread(process.watched_by_reaper)) {
                    static_cast<void>(queue_.add(process.started(), key));  // a kqueue reports once
                    continue;
                }
                queue_.remove(process.started());
                const auto last = std::move(process.watched_by_reaper);
                const std::lock_guard guard(lock_);
                std::erase(watched_, last.get());
                ++changes_;
            }
        }
    }

    /// Waits until a process ends. Returns nothing if it is time to look whether the program waits for ever.
    std::span<void* const> wait_for_ends(eddy::sys::exit_queue::keys& ready) noexcept {
        using eddy::detail::endless_wait;
        const bool may_be_endless = endless_wait::is_reported();
        std::optional<std::chrono::milliseconds> limit;
        if (may_be_endless) {
            if (const auto look = waiting_.begin(ends_)) limit = std::chrono::ceil<std::chrono::milliseconds>(*look);
        }
        const auto ended = queue_.wait(ready, limit);
        if (may_be_endless) waiting_.end();
        ends_ += ended.size();
        return ended;
    }

    bool is_idle() noexcept {
        const std::lock_guard guard(lock_);
        return watched_.empty();
    }
    /// Lets the next watch() start another thread, unless there is something to watch now.
    bool has_given_up() noexcept {
        const std::lock_guard guard(lock_);
        has_thread_ = !watched_.empty();
        return !has_thread_;
    }

    const std::uint32_t process_ = eddy::sys::process_id();
    eddy::sys::exit_queue queue_;
    eddy::detail::mutex lock_;
    // Guarded by lock_:
    bool has_thread_ = false;
    std::vector<const running_process*> watched_;
    std::uint64_t changes_ = 0;  // of the list
    // Of the thread:
    std::uint64_t ends_ = 0;
    eddy::detail::endless_wait waiting_{*this};
};

constinit of_this_process<reaper> the_reaper;

}  // namespace

eddy::result<void> watch_until_end(const std::shared_ptr<running_process>& process) noexcept try {
    if (eddy::sys::exit_queue::can_watch(process->started())) {
        if (const auto found = the_reaper.get(); found && (*found)->watch(process)) return {};
    }
    return watch_on_own_thread(process);
} catch (const std::bad_alloc&) {
    return std::unexpected(std::make_error_code(std::errc::not_enough_memory));
}

}  // namespace eddy::process::detail
