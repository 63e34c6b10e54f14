// SPDX-License-Identifier: MIT
#pragma once

#include <functional>
#include <memory>
#include <type_traits>
#include <utility>

#include <eddy/detail/export.hpp>
#include <eddy/sync/detail/semaphore_state.hpp>

namespace eddy::detail {

/// Terminates the program, because an empty guard was used.
[[noreturn]] EDDY_API void guard_is_empty() noexcept;

/// The common base of the guards of mutex and rwlock: access to the value, and permits that the destructor releases.
/// `Owner` is a pointer, or an owning pointer, to the object whose release() takes the permits back. `Count` is
/// std::size_t or one_permit.
/// Thread safety: not synchronized; distinct objects may be used, and objects destroyed, on different threads.
template <class T, class Owner, class Count>
class held_lock {
public:
    using value_type = T;
    using owner_type = Owner;
    using count_type = Count;

    held_lock(T& value, Owner owner, Count count) noexcept
        : value_(std::addressof(value)), owner_(std::move(owner)), count_(count) {}
    held_lock(held_lock&& other) noexcept
        : value_(other.value_), owner_(std::exchange(other.owner_, nullptr)), count_(other.count_) {}
    held_lock& operator=(held_lock&& other) noexcept {
        held_lock taken(std::move(other));
        std::swap(value_, taken.value_);
        std::swap(owner_, taken.owner_);
        if constexpr (!std::is_empty_v<Count>) std::swap(count_, taken.count_);
        return *this;
    }
    ~held_lock() { unlock(); }

    /// Returns the locked value.
    /// Preconditions: owns_lock(). Otherwise the program terminates with a message.
    [[nodiscard]] T& operator*() const noexcept { return *operator->(); }
    [[nodiscard]] T* operator->() const noexcept {
        if (owner_ == nullptr) [[unlikely]]
            guard_is_empty();
        return value_;
    }

    /// Returns whether the guard holds the lock: false after unlock(), or if it was moved from.
    [[nodiscard]] bool owns_lock() const noexcept { return owner_ != nullptr; }
    explicit operator bool() const noexcept { return owns_lock(); }

    /// Releases the lock. A second call does nothing.
    void unlock() noexcept {
        // release() fails if there would be too many permits, which is impossible: these were acquired from it.
        if (Owner owner = std::exchange(owner_, nullptr); owner != nullptr) static_cast<void>(owner->release(count_));
    }

protected:
    /// Moves the lock into a guard of the part of the value that `fn` returns a reference to. This guard is empty then.
    /// If `fn` throws, nothing changes.
    template <class Fn>
    auto narrow(Fn&& fn) {
        using found = std::invoke_result_t<Fn, T&>;
        static_assert(std::is_lvalue_reference_v<found>,
                      "eddy: map takes a pointer to a member, or a function that returns a reference into the value");
        found part = std::invoke(std::forward<Fn>(fn), **this);
        return hand_over(part);
    }
    /// Moves the lock into a guard of `part`.
    template <class U>
    held_lock<U, Owner, Count> hand_over(U& part) noexcept {
        return {part, std::exchange(owner_, nullptr), count_};
    }
    /// Releases all permits but one, and moves the rest into a guard of `part`.
    /// Preconditions: owns_lock().
    template <class U>
    held_lock<const U, Owner, Count> downgraded(const U& part) noexcept {
        static_cast<void>(owner_->release(std::exchange(count_, 1) - 1));
        return hand_over(part);
    }

    template <class Fn>
    using found_by = std::remove_pointer_t<std::invoke_result_t<Fn, T&>>;

private:
    T* value_;
    Owner owner_;
    [[no_unique_address]] Count count_;
};

}  // namespace eddy::detail
