// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <optional>
#include <utility>

#include <eddy/detail/atomic.hpp>
#include <eddy/sync/detail/notify_state.hpp>

// A value that is set once: the state of sync::once_cell and sync::set_once.
//
//            claim()               set_value()
//     empty ─────────> claimed ───────────────> set          claimed: only the claimer may access the value
//       ^                 │                                  set: all threads may read the value
//       └── give_up() ────┘
//
// give_up() notifies the first waiter, set() notifies all.

namespace eddy::detail {

/// The state without the value.
/// Thread safety: any thread. Only the claimer may call give_up() and set().
class once_state {
public:
    once_state() noexcept = default;
    once_state(const once_state&) = delete;
    once_state& operator=(const once_state&) = delete;

    // acquire: pairs with the release in set(). The value is visible.
    [[nodiscard]] bool is_set() const noexcept { return state_.load(std::memory_order_acquire) == states::set; }
    /// Claims the right to make the value. Returns false if the state is not `empty`.
    [[nodiscard]] bool claim() noexcept {
        states now = states::empty;
        // acquire: pairs with the release in give_up(). What the previous claimer did to the value is visible.
        // relaxed on failure: it publishes no other data; the caller uses is_set().
        return state_.compare_exchange_strong(now, states::claimed, std::memory_order_acquire,
                                              std::memory_order_relaxed);
    }
    /// Returns whether a future is making the value. For the destructor.
    // relaxed: the destroying thread is the last user, and already synchronizes with the other users.
    [[nodiscard]] bool is_claimed() const noexcept { return state_.load(std::memory_order_relaxed) == states::claimed; }
    /// Gives up the claim.
    /// Preconditions: the caller has the claim.
    void give_up() noexcept {
        // release: pairs with the acquire in claim().
        state_.store(states::empty, std::memory_order_release);
        // One waiter is enough: it claims the value, and notifies the next one if it gives up in turn.
        changes.notify_one();
    }
    /// Publishes the value.
    /// Preconditions: the caller has the claim, and has constructed the value.
    void set() noexcept {
        // release: pairs with the acquire in is_set().
        state_.store(states::set, std::memory_order_release);
        changes.notify_waiters();
    }

    notify_state changes;

protected:
    enum class states : std::uint8_t { empty, claimed, set };
    atomic<states> state_{states::empty};
};

/// A value that is set once.
template <class T>
class once_value : public once_state {
public:
    /// Returns the value, or null if it is not set.
    [[nodiscard]] const T* get() const noexcept { return is_set() ? &*value_ : nullptr; }

    /// Sets the value. If the move throws, gives up the claim.
    /// Preconditions: the caller has the claim.
    const T* set_value(T&& given) {
        try {
            value_.emplace(std::move(given));
        } catch (...) {
            give_up();
            throw;
        }
        set();
        return &*value_;
    }

    // Precondition of get_alone() and take(): no other thread accesses this object.
    [[nodiscard]] T* get_alone() noexcept { return is_set() ? &*value_ : nullptr; }
    [[nodiscard]] std::optional<T> take() {
        if (!is_set()) return std::nullopt;
        std::optional<T> taken(std::move(value_));
        value_.reset();
        state_.store(states::empty, std::memory_order_relaxed);  // relaxed: no other thread accesses it
        return taken;
    }

private:
    std::optional<T> value_;
};

}  // namespace eddy::detail
