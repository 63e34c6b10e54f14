// SPDX-License-Identifier: MIT
#pragma once

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <mutex>
#include <type_traits>

#include "explore/operations.hpp"

// The explored types: the library's aliases name these when it is explored. They have the part of the standard types'
// interface that the library uses. At each operation the explorer may switch to another thread. Outside of a model,
// they support a single thread.
namespace explore {

/// Suspends the thread until another thread has changed something. For loops that spin.
void yield() noexcept;

/// Returns an address that is different for each thread of a model.
[[nodiscard]] const void* thread_mark() noexcept;

template <class T>
class atomic {
    static_assert(std::is_trivially_copyable_v<T> && sizeof(T) <= 8);

public:
    using value_type = T;
    static constexpr bool is_always_lock_free = true;

    constexpr atomic() noexcept : atomic(T()) {}
    constexpr atomic(T value) noexcept : value_(value) {
        if (!std::is_constant_evaluated())
            detail::construct(index_, detail::kind::atomic, this, sizeof(*this), to_bits(value));
    }
    atomic(const atomic&) = delete;
    atomic& operator=(const atomic&) = delete;
    constexpr ~atomic() {
        if (!std::is_constant_evaluated()) detail::destroy(index_, detail::kind::atomic, this);
    }

    [[nodiscard]] bool is_lock_free() const noexcept { return true; }

    [[nodiscard]] T load(std::memory_order order = std::memory_order_seq_cst) const noexcept {
        return from_bits(detail::load(ref(), order));
    }
    void store(T value, std::memory_order order = std::memory_order_seq_cst) noexcept {
        detail::store(ref(), to_bits(value), order);
    }
    operator T() const noexcept { return load(); }
    T operator=(T value) noexcept {
        store(value);
        return value;
    }

    T exchange(T value, std::memory_order order = std::memory_order_seq_cst) noexcept {
        return from_bits(detail::modify(ref(), detail::arithmetic::exchange, to_bits(value), order));
    }

    bool compare_exchange_weak(T& expected, T desired, std::memory_order success, std::memory_order failure) noexcept {
        return compare_exchange(expected, desired, success, failure, true);
    }
    bool compare_exchange_weak(T& expected, T desired, std::memory_order order = std::memory_order_seq_cst) noexcept {
        return compare_exchange(expected, desired, order, without_release(order), true);
    }
    bool compare_exchange_strong(T& expected, T desired, std::memory_order success,
                                 std::memory_order failure) noexcept {
        return compare_exchange(expected, desired, success, failure, false);
    }
    bool compare_exchange_strong(T& expected, T desired, std::memory_order order = std::memory_order_seq_cst) noexcept {
        return compare_exchange(expected, desired, order, without_release(order), false);
    }

    template <class N>
    T fetch_add(N by, std::memory_order order = std::memory_order_seq_cst) noexcept {
        return from_bits(detail::modify(ref(), detail::arithmetic::add, steps(by), order));
    }
    template <class N>
    T fetch_sub(N by, std::memory_order order = std::memory_order_seq_cst) noexcept {
        return from_bits(detail::modify(ref(), detail::arithmetic::subtract, steps(by), order));
    }
    T fetch_and(T mask, std::memory_order order = std::memory_order_seq_cst) noexcept {
        return from_bits(detail::modify(ref(), detail::arithmetic::bit_and, to_bits(mask), order));
    }
    T fetch_or(T mask, std::memory_order order = std::memory_order_seq_cst) noexcept {
        return from_bits(detail::modify(ref(), detail::arithmetic::bit_or, to_bits(mask), order));
    }
    T fetch_xor(T mask, std::memory_order order = std::memory_order_seq_cst) noexcept {
        return from_bits(detail::modify(ref(), detail::arithmetic::bit_xor, to_bits(mask), order));
    }
    T operator++() noexcept { return static_cast<T>(fetch_add(1) + 1); }
    T operator++(int) noexcept { return fetch_add(1); }
    T operator--() noexcept { return static_cast<T>(fetch_sub(1) - 1); }
    T operator--(int) noexcept { return fetch_sub(1); }

private:
    static std::uint64_t to_bits(T value) noexcept {
        std::uint64_t bits = 0;
        std::memcpy(&bits, &value, sizeof(T));
        return bits;
    }
    static T from_bits(std::uint64_t bits) noexcept {
        T value;
        std::memcpy(static_cast<void*>(&value), &bits, sizeof(T));  // it may have constructors
        return value;
    }
    template <class N>
    static std::uint64_t steps(N by) noexcept {
        if constexpr (std::is_pointer_v<T>) {
            return static_cast<std::uint64_t>(by) * sizeof(std::remove_pointer_t<T>);
        } else {
            return to_bits(static_cast<T>(by));
        }
    }
    static constexpr std::memory_order without_release(std::memory_order order) noexcept {
        if (order == std::memory_order_acq_rel) return std::memory_order_acquire;
        if (order == std::memory_order_release) return std::memory_order_relaxed;
        return order;
    }
    bool compare_exchange(T& expected, T desired, std::memory_order success, std::memory_order failure,
                          bool is_weak) noexcept {
        std::uint64_t bits = to_bits(expected);
        const bool is_done = detail::compare_exchange(ref(), bits, to_bits(desired), success, failure, is_weak);
        if (!is_done) expected = from_bits(bits);
        return is_done;
    }
    [[nodiscard]] detail::atomic_ref ref() const noexcept { return {index_, this, &value_, sizeof(T)}; }

    mutable T value_;
    mutable detail::object_index index_ = 0;
};

class mutex {
public:
    constexpr mutex() noexcept {
        if (!std::is_constant_evaluated()) detail::construct(index_, detail::kind::mutex, this, sizeof(*this));
    }
    mutex(const mutex&) = delete;
    mutex& operator=(const mutex&) = delete;
    ~mutex() { detail::destroy(index_, detail::kind::mutex, this); }

    void lock() noexcept { detail::lock(index_, this); }
    [[nodiscard]] bool try_lock() noexcept { return detail::try_lock(index_, this); }
    void unlock() noexcept { detail::unlock(index_, this); }

private:
    friend class condition_variable;
    detail::object_index index_ = 0;
};

/// A model has no clock: a wait with a timeout times out when no thread can run. With options::early_timeouts it may
/// time out at any moment.
class condition_variable {
public:
    constexpr condition_variable() noexcept {
        if (!std::is_constant_evaluated()) detail::construct(index_, detail::kind::condition, this, sizeof(*this));
    }
    condition_variable(const condition_variable&) = delete;
    condition_variable& operator=(const condition_variable&) = delete;
    ~condition_variable() { detail::destroy(index_, detail::kind::condition, this); }

    void notify_one() noexcept { detail::notify(index_, this, false); }
    void notify_all() noexcept { detail::notify(index_, this, true); }

    void wait(std::unique_lock<mutex>& guard) noexcept { wait(guard, false); }
    template <class Predicate>
    void wait(std::unique_lock<mutex>& guard, Predicate is_due) {
        while (!is_due()) wait(guard);
    }
    template <class Duration>
    std::cv_status wait_for(std::unique_lock<mutex>& guard, const Duration&) noexcept {
        return wait(guard, true) ? std::cv_status::no_timeout : std::cv_status::timeout;
    }
    template <class Duration, class Predicate>
    bool wait_for(std::unique_lock<mutex>& guard, const Duration& limit, Predicate is_due) {
        while (!is_due()) {
            if (wait_for(guard, limit) == std::cv_status::timeout) return is_due();
        }
        return true;
    }
    template <class Instant, class Predicate>
    bool wait_until(std::unique_lock<mutex>& guard, const Instant& limit, Predicate is_due) {
        if (limit != Instant::max()) return wait_for(guard, limit, is_due);
        wait(guard, is_due);
        return true;
    }

private:
    bool wait(std::unique_lock<mutex>& guard, bool is_timed) noexcept {
        mutex& held = *guard.mutex();
        return detail::wait({index_, this, held.index_, &held}, is_timed);
    }

    detail::object_index index_ = 0;
};

}  // namespace explore
