// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <cstdint>
#include <source_location>

#include <eddy/detail/atomic.hpp>
#include <eddy/detail/ref_count.hpp>
#include <eddy/task/detail/local_share.hpp>

#include "executor/local/local_inbox.hpp"
#include "executor/task/run_task.hpp"
#include "executor/task/task_list.hpp"
#include "executor/watch/executor_watch.hpp"

namespace eddy::detail {

/// The implementation of a local set. The task that polls the set polls the set's tasks, one at a time.
///
///     member                      access
///     queue                       the thread that polls or destroys the set; it also changes the list of tasks
///     inbox                       any thread
///
/// A local driver is a future that polls the set. A task that is woken inside the set's poll goes into the queue, any
/// other one into the inbox.
///
/// Thread safety: as the sections of the class say.
/// Lifetime: reference-counted. The set and its handles hold references.
class local_tasks final : public spawned_task_owner {
public:
    using word = shared_word;  // of run_task.hpp

    local_tasks() noexcept = default;
    ~local_tasks() = default;

    // See eddy/task/detail/local_share.hpp for the functions without a comment.

    // ---- Any thread ----
    void retain() noexcept { references_.add(); }
    void release() noexcept;
    void adopt(spawned_task& task) noexcept override;
    /// Queues a task that was woken, with the reference that goes with `notified`.
    void schedule(spawned_task& task) noexcept override;
    [[nodiscard]] std::size_t load() const noexcept;

    // ---- The thread that polls the set ----
    void leave(local_driver& driver) noexcept;
    void drive(local_driver& driver, context& cx) noexcept;
    [[nodiscard]] bool drive_to_end(context& cx);
    void cancel_all() noexcept;
    void close() noexcept;
    /// Throws `misuse` if another thread polls the set at this moment. Call it before a poll.
    void check_driver(std::source_location where) const;

    // The policy of run_task(), see run_task.hpp.
    [[nodiscard]] poll_end poll(spawned_task& task) noexcept;
    void queue_again(spawned_task& task) noexcept { queue_.push(task); }
    [[nodiscard]] static bool destroys_cancelled() noexcept { return false; }
    [[nodiscard]] local_tasks& owner() noexcept { return *this; }
    void complete(spawned_task& task, std::uint64_t references) noexcept;
    [[nodiscard]] bool remove(spawned_task& task) noexcept;
    void report(unread_failure failure, const std::source_location& where, std::string_view name) noexcept override;

private:
    friend class inside_local;

    [[nodiscard]] bool is_polled() const noexcept;
    [[nodiscard]] bool has_queued() noexcept;
    void drain() noexcept;
    void enlist(spawned_task& task) noexcept;
    void poll_some() noexcept;

    // ---- Any thread ----
    ref_count<> references_;
    atomic<std::uint64_t> sent_{0};  // a statistic: tasks in the inbound list that are not in tasks_ yet
    task_list tasks_;
    local_inbox inbox_;

    // ---- The thread that polls the set ----
    local_inbox::queue queue_;
    bool is_closing_ = false;
    local_watch watch_;
    /// The mark of the thread that polls the set, or null. Other threads read it to detect misuse.
    atomic<const void*> polled_on_{nullptr};

    listed_executor listed_{inspect::executor_kind::local_set, 0, tasks_.ring()};  // last: it is destroyed first
};

}  // namespace eddy::detail
