// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <cstdint>

#include <eddy/detail/atomic.hpp>
#include <eddy/detail/call_site.hpp>
#include <eddy/detail/export.hpp>
#include <eddy/detail/ref_count.hpp>
#include <eddy/future/waker.hpp>
#include <eddy/sync/detail/notify_state.hpp>

namespace eddy::detail {

/// A readers-writer lock for a value that user code accesses under it, possibly for a long time. Waiting threads block
/// after a few attempts. Readers take precedence over waiting writers, so a thread that holds a read lock may take
/// another one. The lock may be released on any thread.
///
///     word   bit 0: held by a writer    bit 1: threads are blocked    the rest: the number of readers
///
/// Thread safety: any thread.
class EDDY_API value_lock : immovable {
public:
    /// Takes the lock for writing. `where` is the call site for the warning after a long wait.
    void lock(call_site where = nullptr) noexcept {
        word now = 0;
        // acquire: pairs with the release in unlock() and unlock_shared(). relaxed on failure: try_lock() loads again.
        if (!word_.compare_exchange_strong(now, writes, std::memory_order_acquire, std::memory_order_relaxed))
            wait_for(&value_lock::try_lock, where);
    }
    void unlock() noexcept {
        // release: pairs with the acquire in lock() and lock_shared(). The next holder sees the value.
        if ((word_.fetch_and(~(writes | sleeps), std::memory_order_release) & sleeps) != 0) wake();
    }
    /// Takes the lock for reading. `where` is as for lock().
    void lock_shared(call_site where = nullptr) noexcept {
        if (!try_lock_shared()) wait_for(&value_lock::try_lock_shared, where);
    }
    void unlock_shared() noexcept {
        // release: pairs with the acquire in lock(). These reads happen before the next writer's changes.
        const word after = word_.fetch_sub(reader, std::memory_order_release) - reader;
        if (after == sleeps) wake_writers();
    }

private:
    using word = std::uint32_t;
    static constexpr word writes = 1;
    static constexpr word sleeps = 2;
    static constexpr word reader = 4;

    bool try_lock() noexcept;
    bool try_lock_shared() noexcept;
    void wait_for(bool (value_lock::*taken)() noexcept, call_site where) noexcept;
    void wake() noexcept;
    void wake_writers() noexcept;

    atomic<word> word_{0};
    mutex mutex_;
    condition_variable left_;
};

}  // namespace eddy::detail

// The state of a watch channel, without the value.
//
//     word        bit 0: the senders are gone. The rest: the value's version, which wraps around. Compare versions with
//                 != only.
//     lock        guards the value, and the match of value and version: the writer changes both under it
//     counts      of the senders, of the receivers, and of all references to the memory

namespace eddy::detail {

/// The state that the senders and receivers of a watch channel share.
/// Thread safety: any thread.
class EDDY_API watch_state : immovable {
public:
    using version_type = std::uint64_t;
    enum class news { none, value, closed };

    /// Constructs the state for one sender and one receiver. `version` is the initial version, which only tests set.
    explicit watch_state(version_type version) noexcept : word_(version * one_version) {}

    /// Returns the lock of the value.
    [[nodiscard]] value_lock& lock() noexcept { return lock_; }

    [[nodiscard]] version_type version() const noexcept { return load() / one_version; }
    [[nodiscard]] bool is_closed() const noexcept { return (load() & closed) != 0; }
    /// Returns the version before `version`.
    [[nodiscard]] static version_type before(version_type version) noexcept { return (version - 1) & last_version; }

    /// Increments the version after a change of the value.
    /// Preconditions: the caller holds lock().
    void count_version() noexcept {
        // release: pairs with the acquire in load(). When the version wraps around, bit 0 does not change.
        word_.fetch_add(one_version, std::memory_order_release);
    }
    /// Wakes the receivers. Call it after count_version(), without the lock.
    void tell_receivers() noexcept { changes_.notify_waiters(); }

    /// Returns `value` if the version is not `seen`, and stores the version in `seen`; `closed` if there will be no new
    /// version. Otherwise returns `none`; `wake` is woken when there may be a new version, or no senders.
    [[nodiscard]] news poll_news(version_type& seen, notify_waiter& one, const waker& wake) noexcept;
    void stop_waiting_for_news(notify_waiter& one) noexcept { changes_.leave(one); }
    /// The name of the future of closed(), for messages.
    static constexpr const char* name_of_closed = "a watch's closed()";
    /// Returns whether there are no receivers. Otherwise `wake` will be woken when the receivers may be gone.
    [[nodiscard]] bool poll_receivers_gone(notify_waiter& one, const waker& wake) noexcept;
    void stop_waiting_for_receivers_gone(notify_waiter& one) noexcept { receivers_gone_.leave(one); }

    [[nodiscard]] std::size_t senders() const noexcept { return senders_.count(); }
    [[nodiscard]] std::size_t receivers() const noexcept { return receivers_.count(); }

    void add_sender() noexcept { add(senders_); }
    void add_receiver() noexcept { add(receivers_); }
    /// Drop a sender or a receiver. Return true if the caller must destroy the channel: it has dropped the last end.
    [[nodiscard]] bool drop_sender() noexcept;
    [[nodiscard]] bool drop_receiver() noexcept;

private:
    using word = std::uint64_t;
    static constexpr word closed = 1;
    static constexpr word one_version = 2;
    static constexpr version_type last_version = ~word{0} / one_version;

    // acquire: pairs with the release in count_version() and drop_sender(). What was done before them is visible.
    [[nodiscard]] word load() const noexcept { return word_.load(std::memory_order_acquire); }

    void add(ref_count<std::size_t>& ends) noexcept {
        ends.add();
        references_.add();
    }

    atomic<word> word_;
    value_lock lock_;
    ref_count<std::size_t> senders_;
    ref_count<std::size_t> receivers_;
    ref_count<std::size_t> references_{2};  // one for each end
    notify_state changes_;
    notify_state receivers_gone_;
};

}  // namespace eddy::detail
