// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <optional>
#include <utility>

#include <eddy/detail/atomic.hpp>
#include <eddy/detail/notify_state.hpp>

// A value that is made once, behind sync::once_cell and sync::set_once.
//
//            claim()               set_value()
//     empty ─────────> claimed ───────────────> set          claimed: the value is whose claim it is
//       ^                 │                                  set: it is everybody's, to read
//       └── give_up() ────┘ and the first of those who wait is told; at `set`, all are

namespace eddy::detail {

class once_state {
public:
    once_state() noexcept = default;
    once_state(const once_state&) = delete;
    once_state& operator=(const once_state&) = delete;

    // acquire: pairs with set(): the value is seen.
    [[nodiscard]] bool is_set() const noexcept { return state_.load(std::memory_order_acquire) == states::set; }
    /// Whether the value is the caller's to make.
    [[nodiscard]] bool claim() noexcept {
        states now = states::empty;
        // acquire: pairs with the release in give_up(): what a former claim did to the value is over. Where it fails,
        // is_set() is asked for more.
        return state_.compare_exchange_strong(now, states::claimed, std::memory_order_acquire,
                                              std::memory_order_relaxed);
    }
    /// Of the one who has it.
    void give_up() noexcept {
        state_.store(states::empty, std::memory_order_release);
        // One is enough: it claims the value, and tells another if it gives up in turn.
        changes.notify_one();
    }
    void set() noexcept {
        // release: pairs with is_set().
        state_.store(states::set, std::memory_order_release);
        changes.notify_waiters();
    }

    notify_state changes;

protected:
    enum class states : std::uint8_t { empty, claimed, set };
    atomic<states> state_{states::empty};
};

template <class T>
class once_value : public once_state {
public:
    [[nodiscard]] const T* get() const noexcept { return is_set() ? &*value_ : nullptr; }

    /// Only with a claim. If moving throws, the claim is given up.
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

    // For whoever has all of it for itself.
    [[nodiscard]] T* get_alone() noexcept { return is_set() ? &*value_ : nullptr; }
    [[nodiscard]] std::optional<T> take() {
        if (!is_set()) return std::nullopt;
        std::optional<T> taken(std::move(value_));
        value_.reset();
        state_.store(states::empty, std::memory_order_relaxed);  // nobody else looks
        return taken;
    }

private:
    std::optional<T> value_;
};

}  // namespace eddy::detail
