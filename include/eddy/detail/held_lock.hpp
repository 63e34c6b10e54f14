// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <functional>
#include <memory>
#include <type_traits>
#include <utility>

#include <eddy/detail/export.hpp>
#include <eddy/detail/semaphore_state.hpp>

namespace eddy::detail {

/// Ends the program: an empty guard was used. Out of line, as it is never called.
[[noreturn]] EDDY_API void guard_is_empty() noexcept;

/// What the guards of mutex and rwlock have in common: a way to the value, and permits that are given back at the end.
/// `Home` is what leads to the permits: a pointer, or a share of what they belong to.
/// `Count` is a number, or one_permit.
template <class T, class Home, class Count>
class held_lock {
public:
    using value_type = T;
    using home_type = Home;
    using count_type = Count;

    held_lock(T& value, Home home, Count count) noexcept
        : value_(std::addressof(value)), home_(std::move(home)), count_(count) {}
    held_lock(held_lock&& other) noexcept
        : value_(other.value_), home_(std::exchange(other.home_, nullptr)), count_(other.count_) {}
    held_lock& operator=(held_lock&& other) noexcept {
        held_lock taken(std::move(other));
        std::swap(value_, taken.value_);
        std::swap(home_, taken.home_);
        if constexpr (!std::is_empty_v<Count>) std::swap(count_, taken.count_);
        return *this;
    }
    ~held_lock() { unlock(); }

    /// The value that is locked. Preconditions, here and below: owns_lock(); without it the program ends, with a
    /// sentence.
    [[nodiscard]] T& operator*() const noexcept { return *operator->(); }
    [[nodiscard]] T* operator->() const noexcept {
        if (home_ == nullptr) [[unlikely]]
            guard_is_empty();
        return value_;
    }

    /// False once it was unlocked or moved from.
    [[nodiscard]] bool owns_lock() const noexcept { return home_ != nullptr; }
    explicit operator bool() const noexcept { return owns_lock(); }

    /// Ends it before its scope does; a second time it does nothing.
    void unlock() noexcept {
        // It cannot be too many: it is what was taken from there.
        if (Home home = std::exchange(home_, nullptr); home != nullptr) static_cast<void>(home->release(count_));
    }

protected:
    /// The same lock, for what `fn` finds in the value; this one has nothing any more. If `fn` throws it is unchanged.
    template <class Fn>
    auto narrow(Fn&& fn) {
        using found = std::invoke_result_t<Fn, T&>;
        static_assert(std::is_lvalue_reference_v<found>,
                      "eddy: map takes a pointer to a member, or a function that returns a reference into the value");
        found part = std::invoke(std::forward<Fn>(fn), **this);
        return hand_over(part);
    }
    template <class U>
    held_lock<U, Home, Count> hand_over(U& part) noexcept {
        return {part, std::exchange(home_, nullptr), count_};
    }
    /// Gives back all but one permit.
    held_lock<const T, Home, Count> downgraded() noexcept {
        T& value = **this;
        static_cast<void>(home_->release(std::exchange(count_, 1) - 1));
        return hand_over(std::as_const(value));
    }

    template <class Fn>
    using found_by = std::remove_pointer_t<std::invoke_result_t<Fn, T&>>;

private:
    T* value_;
    Home home_;
    [[no_unique_address]] Count count_;
};

}  // namespace eddy::detail
