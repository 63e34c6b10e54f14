// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <cstdint>

#include <eddy/detail/atomic.hpp>
#include <eddy/detail/export.hpp>
#include <eddy/detail/notify_state.hpp>
#include <eddy/detail/value_lock.hpp>
#include <eddy/waker.hpp>

// All of a watch channel but the value.
//
//     word        bit 0: the senders are gone. The rest: the value's version, which wraps; two are compared by != only
//     lock        the value, and that the version is this value's: it is changed by who writes
//     counts      of the senders, of the receivers, and of all that keeps the memory

namespace eddy::detail {

class EDDY_API watch_state {
public:
    using version_type = std::uint64_t;
    enum class news { none, value, closed };

    /// With a sender and a receiver. `version` is the first one: for tests.
    explicit watch_state(version_type version) noexcept : word_(version * one_version) {}
    watch_state(const watch_state&) = delete;
    watch_state& operator=(const watch_state&) = delete;

    /// The value's.
    [[nodiscard]] value_lock& lock() noexcept { return lock_; }

    [[nodiscard]] version_type version() const noexcept { return load() / one_version; }
    [[nodiscard]] bool is_closed() const noexcept { return (load() & closed) != 0; }
    /// The version before another.
    [[nodiscard]] static version_type before(version_type version) noexcept { return (version - 1) & last_version; }

    /// The value is another one. With the lock.
    void count_version() noexcept {
        // release: pairs with the acquire in load(). Where the versions wrap, nothing reaches the bit below them.
        word_.fetch_add(one_version, std::memory_order_release);
    }
    /// After count_version(), without the lock.
    void tell_receivers() noexcept { changes_.notify_waiters(); }

    /// Whether there is a version other than `seen`, which it is from then on, or there will be none. If not, `wake` is
    /// woken when that may be so.
    [[nodiscard]] news poll_news(version_type& seen, notify_waiter& one, const waker& wake) noexcept;
    void stop_waiting_for_news(notify_waiter& one) noexcept { changes_.leave(one); }
    /// Whether there is no receiver.
    static constexpr const char* closed_was_moved = "a watch's closed() was moved after its first poll";
    [[nodiscard]] bool poll_left(notify_waiter& one, const waker& wake) noexcept;
    void stop_waiting_for_leaving(notify_waiter& one) noexcept { leavings_.leave(one); }

    // relaxed: nothing is read through it.
    [[nodiscard]] std::size_t senders() const noexcept { return senders_.load(std::memory_order_relaxed); }
    // acquire: pairs with drop_receiver(): who finds none sees what they did.
    [[nodiscard]] std::size_t receivers() const noexcept { return receivers_.load(std::memory_order_acquire); }

    void add_sender() noexcept { add(senders_); }
    void add_receiver() noexcept { add(receivers_); }
    /// True for the last end of all, who destroys the channel.
    [[nodiscard]] bool drop_sender() noexcept;
    [[nodiscard]] bool drop_receiver() noexcept;

private:
    using word = std::uint64_t;
    static constexpr word closed = 1;
    static constexpr word one_version = 2;
    static constexpr version_type last_version = ~word{0} / one_version;

    // acquire: pairs with count_version() and drop_sender(): what was done before is seen.
    [[nodiscard]] word load() const noexcept { return word_.load(std::memory_order_acquire); }

    void add(atomic<std::size_t>& ends) noexcept {
        // relaxed, both: who makes an end has one.
        ends.fetch_add(1, std::memory_order_relaxed);
        references_.fetch_add(1, std::memory_order_relaxed);
    }
    [[nodiscard]] bool release() noexcept {
        // acq_rel: whoever destroys it comes after all that the others have done with it.
        return references_.fetch_sub(1, std::memory_order_acq_rel) == 1;
    }

    atomic<word> word_;
    value_lock lock_;
    atomic<std::size_t> senders_{1};
    atomic<std::size_t> receivers_{1};
    atomic<std::size_t> references_{2};
    notify_state changes_;
    notify_state leavings_;
};

}  // namespace eddy::detail
