// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <cstdint>

#include <eddy/detail/atomic.hpp>
#include <eddy/detail/scheduled_io.hpp>
#include <eddy/io/interest.hpp>
#include <eddy/reactor.hpp>
#include <eddy/result.hpp>

#include "driver/epoll.hpp"

namespace eddy::detail {

/// A driver and the set of what is registered with it, shared by the loop that turns it and by all registrations and
/// handles, on any thread. Counted: it lives as long as any of them.
///
///     who                 may
///     the turning thread  turn(), shut_down()
///     any thread          add_source(), remove_source(), wake(), metrics()
///
/// A source that is removed while its events are being handed out stays allocated until the turn has ended: it goes to
/// `pending_release_`, which only the turning thread empties, between two turns.
class io_handle {
public:
    [[nodiscard]] static result<io_handle*> make(driver_kind kind) noexcept;
    io_handle(const io_handle&) = delete;
    io_handle& operator=(const io_handle&) = delete;

    void retain() noexcept;
    void release() noexcept;

    /// Registers `fd`. On an error nothing is left behind.
    [[nodiscard]] result<scheduled_io*> add_source(int fd, io::interest wanted) noexcept;

    /// Takes `fd` out of the driver, and gives up the caller's reference. `fd` is still open.
    result<void> remove_source(scheduled_io& source, int fd) noexcept;

    /// One call of the selector: hands each event to its source, and wakes who waits. The number of events.
    result<std::size_t> turn(max_wait timeout) noexcept;

    /// Nothing in a forked child: the epoll there is the parent's.
    void wake() noexcept {
        if (!is_in_child()) driver_.wake();
    }

    /// Ends every wait, pending or later, with runtime_shutdown. A second call does nothing.
    void shut_down() noexcept;

    /// Whether this process is a fork of the one that made the driver: then it is refused, since the epoll is shared.
    [[nodiscard]] bool is_in_child() const noexcept;
    /// Whether this is called from inside a turn: by a waker that runs user code. For the thread that turns.
    [[nodiscard]] bool is_in_turn() const noexcept { return is_in_turn_; }
    [[nodiscard]] bool is_idle() const noexcept;
    [[nodiscard]] int native_handle() const noexcept { return driver_.native_handle(); }
    [[nodiscard]] driver_kind kind() const noexcept { return driver_kind::epoll; }
    [[nodiscard]] io_metrics metrics() const noexcept;

private:
    explicit io_handle(epoll&& driver);
    ~io_handle();

    void forget(scheduled_io& source) noexcept;
    void release_pending() noexcept;

    epoll driver_;
    const std::uint64_t fork_generation_;
    atomic<std::uint32_t> references_{1};
    // The thread that turned last: its own removals need no wake-up, since it turns again before it sleeps.
    atomic<const void*> turning_{nullptr};
    bool is_in_turn_ = false;

    mutable mutex lock_;
    bool is_shut_down_ = false;
    source_link set_;                         // a ring through this sentinel; holds a reference to each
    source_link* pending_release_ = nullptr;  // taken out of the set, with its reference; linked by `next`
    // How long that list is. Written under the lock; read without it, so that a turn without removals takes no lock.
    atomic<std::size_t> pending_count_{0};

    // Statistics: nothing is read through them.
    atomic<std::uint64_t> registered_{0};
    atomic<std::uint64_t> deregistered_{0};
    atomic<std::uint64_t> ready_events_{0};
};

}  // namespace eddy::detail
