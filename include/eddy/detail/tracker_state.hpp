// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <cstdint>
#include <utility>

#include <eddy/detail/atomic.hpp>
#include <eddy/detail/export.hpp>
#include <eddy/detail/spin_lock.hpp>
#include <eddy/detail/waiter_list.hpp>
#include <eddy/waker.hpp>

namespace eddy::detail {

/// What the copies of a task_tracker, and its tokens, share.
///
///     word       bit 0: closed; the rest: how many tokens there are
///     the rest   under the lock
class EDDY_API tracker_state {
public:
    tracker_state() noexcept = default;
    tracker_state(const tracker_state&) = delete;
    tracker_state& operator=(const tracker_state&) = delete;

    void retain() noexcept;
    void release() noexcept;

    // All acq_rel: whoever finds the tracker empty sees what was done under the tokens that are gone.
    void add() noexcept { word_.fetch_add(one, std::memory_order_acq_rel); }
    void remove() noexcept {
        if (word_.fetch_sub(one, std::memory_order_acq_rel) == (closed | one)) tell();
    }
    /// False if it was closed before.
    bool close() noexcept {
        const std::uint64_t before = word_.fetch_or(closed, std::memory_order_acq_rel);
        if (before == 0) tell();
        return (before & closed) == 0;
    }
    /// False if it was open before.
    bool reopen() noexcept { return (word_.fetch_and(~closed, std::memory_order_acq_rel) & closed) != 0; }

    [[nodiscard]] bool is_closed() const noexcept { return (word() & closed) != 0; }
    [[nodiscard]] std::size_t count() const noexcept { return static_cast<std::size_t>(word() / one); }
    [[nodiscard]] bool is_closed_and_empty() const noexcept { return word() == closed; }

    /// How often it has become closed and empty.
    [[nodiscard]] std::uint64_t ends() noexcept;
    /// Whether it has become so since `seen`. If not, `wake` is woken when it does.
    [[nodiscard]] bool poll_end(std::uint64_t seen, waiter& mine, const waker& wake) noexcept;
    void leave(waiter& mine) noexcept;

private:
    static constexpr std::uint64_t closed = 1;
    static constexpr std::uint64_t one = 2;

    // acquire: pairs with remove().
    [[nodiscard]] std::uint64_t word() const noexcept { return word_.load(std::memory_order_acquire); }
    void tell() noexcept;

    atomic<std::uint64_t> word_{0};
    atomic<std::uint32_t> references_{1};
    spin_lock lock_;
    std::uint64_t ends_ = 0;
    waiter_list<> waiters_;
};

/// A reference.
class tracker_share {
public:
    tracker_share() : state_(new tracker_state) {}
    tracker_share(const tracker_share& other) noexcept : state_(other.state_) {
        if (state_ != nullptr) state_->retain();
    }
    tracker_share(tracker_share&& other) noexcept : state_(std::exchange(other.state_, nullptr)) {}
    tracker_share& operator=(tracker_share other) noexcept {
        std::swap(state_, other.state_);
        return *this;
    }
    ~tracker_share() {
        if (state_ != nullptr) state_->release();
    }

    [[nodiscard]] tracker_state* get() const noexcept { return state_; }
    tracker_state* operator->() const noexcept { return state_; }

private:
    tracker_state* state_;
};

}  // namespace eddy::detail
