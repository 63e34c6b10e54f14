// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <cstdint>
#include <exception>
#include <memory>
#include <source_location>

#include <eddy/detail/atomic.hpp>
#include <eddy/detail/local_tasks.hpp>
#include <eddy/detail/spawned_task.hpp>
#include <eddy/detail/spin_lock.hpp>

#include "runtime/polled_task.hpp"

namespace eddy::detail {

/// All of a local set but its public face: tasks that are polled by whoever polls the set, and so never two at a time.
///
///     what                        who
///     queue, list of tasks        whoever polls the set, or destroys it
///     inbound list, drivers,      everybody, under the lock
///     is_closed
///
/// A task that is woken from inside the set's poll goes into the queue; one that is woken, or spawned, elsewhere goes
/// into the inbound list, and each driver is woken: each, since one of them may not be polled by its task any more.
class local_tasks final : public task_owner {
public:
    local_tasks() noexcept = default;
    ~local_tasks() = default;

    // ---- Any thread ----
    void retain() noexcept;
    void release() noexcept;
    void start(spawned_task& task) noexcept;
    void schedule(spawned_task& task) noexcept override;
    [[nodiscard]] std::size_t load() const noexcept;

    // ---- Whoever polls the set ----
    void leave(local_driver& driver) noexcept;
    void drive(local_driver& driver, context& cx) noexcept;
    [[nodiscard]] bool drive_to_end(context& cx);
    void cancel_all() noexcept;
    void close() noexcept;
    /// For whoever is about to poll: throws `misuse` if another thread does at this moment.
    void check_driver(std::source_location where) const;

private:
    friend class inside_local;

    /// Tasks, linked by `next_queued`.
    struct fifo {
        spawned_task* first = nullptr;
        spawned_task* last = nullptr;

        void push(spawned_task& task) noexcept {
            task.next_queued = nullptr;
            (last != nullptr ? last->next_queued : first) = &task;
            last = &task;
        }
        [[nodiscard]] spawned_task* pop() noexcept {
            spawned_task* const oldest = first;
            if (oldest == nullptr) return nullptr;
            first = oldest->next_queued;
            if (first == nullptr) last = nullptr;
            return oldest;
        }
    };

    /// One of those who wait until no task is left; the set keeps them for the next ones, since nobody says when such a
    /// future is dropped.
    struct end_driver : local_driver {
        std::unique_ptr<end_driver> next_end;
    };

    [[nodiscard]] bool send(spawned_task& task) noexcept;
    [[nodiscard]] bool is_polled() const noexcept;
    [[nodiscard]] local_driver& end_driver_for(const waker& wake);
    void wake_all_at_end(const waker* finder) noexcept;
    [[nodiscard]] waker take_driver() noexcept;
    void wake_drivers() noexcept;
    void drain() noexcept;
    void adopt(spawned_task& task) noexcept;
    void poll_some() noexcept;
    /// False if something has been sent: then there is no need to wait.
    [[nodiscard]] bool wait(local_driver& driver, const waker& wake) noexcept;

    void run_task(spawned_task& task) noexcept;
    [[nodiscard]] poll_end poll(spawned_task& task) noexcept;
    void after_pending_poll(spawned_task& task, bool woke_itself) noexcept;
    void cancel(spawned_task& task) noexcept;
    void give_up(spawned_task& task) noexcept;
    void destroy(spawned_task& task, std::uint64_t references) noexcept;
    void complete(spawned_task& task, std::uint64_t references) noexcept;
    [[nodiscard]] bool remove(spawned_task& task) noexcept;

    // ---- Shared ----
    atomic<std::uint32_t> references_{1};
    atomic<std::uint64_t> sent_{0};  // statistics: with the next two, how many tasks are alive
    atomic<std::uint64_t> begun_{0};
    atomic<std::uint64_t> ended_{0};
    spin_lock lock_;
    bool is_closed_ = false;
    fifo inbound_;
    local_driver* drivers_ = nullptr;

    // ---- Of whoever polls the set ----
    fifo queue_;
    spawned_task* first_ = nullptr;
    std::size_t alive_ = 0;
    bool is_closing_ = false;
    end_driver end_;  // the first of those who wait until no task is left
    /// The thread that polls, null if none does: others look at it to tell a wrong use.
    atomic<const void*> polled_on_{nullptr};
};

}  // namespace eddy::detail
