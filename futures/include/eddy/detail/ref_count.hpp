// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <utility>

#include <eddy/detail/atomic.hpp>

namespace eddy::detail {

/// A number of owners. drop() tells the last owner that it is the last: it must destroy the object that they share.
/// Thread safety: any thread.
///
/// The memory orders are the same for every count:
/// - add() is relaxed. The caller is an owner, so the count cannot reach zero meanwhile. It publishes no other data.
/// - drop() is acq_rel and pairs with itself. release: what this owner did happens before the destruction. acquire: the
///   last owner sees what all other owners did.
/// - count() is acquire and pairs with drop(). A caller that finds fewer owners sees what the departed owners did.
template <class Word = std::uint32_t>
class ref_count {
public:
    explicit ref_count(Word first = 1) noexcept : word_(first) {}

    /// Sets the number of owners, before the object is published to them.
    // relaxed: what publishes the object publishes the count, too.
    void set(Word count) noexcept { word_.store(count, std::memory_order_relaxed); }

    /// Adds owners. The caller must be an owner.
    void add(Word count = 1) noexcept { word_.fetch_add(count, std::memory_order_relaxed); }

    /// Adds an owner, unless there are none. Returns whether it did.
    /// Preconditions: something else keeps the memory of the count alive.
    [[nodiscard]] bool try_add() noexcept {
        // relaxed, also below: as in add().
        Word now = word_.load(std::memory_order_relaxed);
        do {
            if (now == 0) return false;
        } while (!word_.compare_exchange_weak(now, now + 1, std::memory_order_relaxed, std::memory_order_relaxed));
        return true;
    }

    /// Removes owners. Returns true if they were the last.
    [[nodiscard]] bool drop(Word count = 1) noexcept {
        return word_.fetch_sub(count, std::memory_order_acq_rel) == count;
    }

    /// Returns the number of owners.
    [[nodiscard]] Word count() const noexcept { return word_.load(std::memory_order_acquire); }

private:
    atomic<Word> word_;
};

/// How a ref_ptr counts references: by the object's members retain() and release().
struct counts_by_members {
    static void add(auto& object) noexcept { object.retain(); }
    static void drop(auto& object) noexcept { object.release(); }
};
/// Same as counts_by_members, but calls functions retain(object) and release(object) in the namespace of the object's
/// class. For a class that is incomplete here.
struct counts_by_functions {
    static void add(auto& object) noexcept { retain(object); }
    static void drop(auto& object) noexcept { release(object); }
};

/// A counted reference to an object, or null.
/// Thread safety: not synchronized; distinct objects may be used on different threads.
template <class T, class Counts = counts_by_members>
class ref_ptr {
public:
    ref_ptr() noexcept = default;
    /// Takes ownership of the caller's reference.
    explicit ref_ptr(T* object) noexcept : object_(object) {}
    /// Adds a reference to `object`, which may be null.
    [[nodiscard]] static ref_ptr of(T* object) noexcept {
        if (object != nullptr) Counts::add(*object);
        return ref_ptr(object);
    }
    ref_ptr(const ref_ptr& other) noexcept : ref_ptr(of(other.object_)) {}
    ref_ptr(ref_ptr&& other) noexcept : object_(std::exchange(other.object_, nullptr)) {}
    ref_ptr& operator=(ref_ptr other) noexcept {
        std::swap(object_, other.object_);
        return *this;
    }
    ~ref_ptr() {
        if (object_ != nullptr) Counts::drop(*object_);
    }

    [[nodiscard]] T* get() const noexcept { return object_; }
    T& operator*() const noexcept { return *object_; }
    T* operator->() const noexcept { return object_; }

private:
    T* object_ = nullptr;
};

/// A deleter that releases a reference.
struct releasing {
    void operator()(auto* object) const noexcept { object->release(); }
};
/// A deleter that closes the object. The object frees itself when it is not used any more.
struct closing {
    void operator()(auto* object) const noexcept { object->close(); }
};

}  // namespace eddy::detail
