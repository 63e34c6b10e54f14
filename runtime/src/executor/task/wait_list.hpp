// SPDX-License-Identifier: MIT
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <mutex>
#include <utility>

#include <eddy/detail/ref_count.hpp>
#include <eddy/detail/spin_lock.hpp>
#include <eddy/future/future.hpp>
#include <eddy/future/waker.hpp>

#include "executor/task/counted_waker.hpp"

namespace eddy::detail {

/// The tasks of a TLS stream or a WebSocket that wait for the connection below: the task that reads and the task that
/// writes. A WebSocket of a server also has a session, which sends a Close frame at a shutdown. Each task may wait for
/// each direction of the connection, because a read may have to write, for example the answer to a key update of TLS.
/// The connection stores one waker per direction, so it gets a waker of this object, which wakes all tasks that wait
/// for that direction.
///
///     tasks_[t]       the last waker of the task
///     waits_[d]       a bit for each task that waits for the direction
///
/// Thread safety: any thread.
/// Lifetime: reference-counted: the connection may keep its wakers longer than the stream exists.
class io_wait_list : immovable {
public:
    enum class task : std::uint8_t { reader, writer, session };
    enum class direction : std::uint8_t { read, write };

    /// Adds the task to those that wake<way>() wakes. Call it before the connection is polled.
    void add(task waiter, direction way, const waker& wake) {
        waker former;  // destroyed after the lock is released: that may run user-provided code
        {
            const std::lock_guard guard(lock_);
            if (tasks_[index(waiter)].will_wake(wake)) {
                waits_[index(way)] |= bit(waiter);
                return;
            }
        }
        waker mine = wake;
        const std::lock_guard guard(lock_);
        tasks_[index(waiter)].swap(mine);
        waits_[index(way)] |= bit(waiter);
        former = std::move(mine);
    }

    /// Wakes the tasks that wait for this direction, and removes them.
    template <direction Way>
    void wake() noexcept {
        std::array<waker, tasks.size()> woken;
        {
            const std::lock_guard guard(lock_);
            const auto waiting = std::exchange(waits_[index(Way)], std::uint8_t{0});
            for (const auto waiter : tasks) {
                if ((waiting & bit(waiter)) != 0) woken[index(waiter)] = tasks_[index(waiter)];
            }
        }
        for (auto& each : woken) std::move(each).wake();
    }

    /// Drops the wakers. Called when the stream is destroyed.
    void clear() noexcept {
        std::array<waker, tasks.size()> dropped;
        const std::lock_guard guard(lock_);
        for (const auto waiter : tasks) dropped[index(waiter)].swap(tasks_[index(waiter)]);
        waits_ = {};
    }

    void retain() noexcept { references_.add(); }
    void release() noexcept {
        if (references_.drop()) delete this;
    }

private:
    static constexpr std::array tasks = {task::reader, task::writer, task::session};

    ~io_wait_list() = default;

    template <class E>
    static constexpr std::size_t index(E value) noexcept {
        return static_cast<std::size_t>(value);
    }
    static constexpr std::uint8_t bit(task waiter) noexcept { return static_cast<std::uint8_t>(1u << index(waiter)); }

    // In an order without padding.
    spin_lock lock_;
    std::array<std::uint8_t, 2> waits_{};
    ref_count<> references_;
    std::array<waker, tasks.size()> tasks_;
};

/// A context whose waker wakes all tasks that wait for one direction of the connection below.
template <io_wait_list::direction Way>
class io_wait_context : immovable {
public:
    io_wait_context(io_wait_list& waiters, context& cx, io_wait_list::task waiter)
        : outer_(cx),
          waker_(&counted_waker<io_wait_list, &io_wait_list::wake<Way>>, &waiters),
          inner_(waker_.get(), cx.budget()) {
        waiters.add(waiter, Way, cx.waker());
    }
    ~io_wait_context() { outer_.restore_budget(inner_.budget()); }

    context& get() noexcept { return inner_; }

private:
    context& outer_;
    borrowed_waker waker_;
    context inner_;
};

}  // namespace eddy::detail
