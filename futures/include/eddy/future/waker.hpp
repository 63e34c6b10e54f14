// SPDX-License-Identifier: MIT
#pragma once

#include <utility>

#include <eddy/detail/export.hpp>

namespace eddy {

namespace detail {
class borrowed_waker;
class wake_list;
}  // namespace detail

/// The functions by which an executor lets its tasks be woken. All of them may be called on any thread. They must not
/// throw and must not poll a task.
struct waker_vtable {
    void* (*clone)(void* data) noexcept;       ///< adds a reference and returns the data pointer for it
    void (*wake)(void* data) noexcept;         ///< wakes the task and releases the reference
    void (*wake_by_ref)(void* data) noexcept;  ///< wakes the task and keeps the reference
    void (*drop)(void* data) noexcept;         ///< releases the reference
};

/// Wakes one task, any number of times. A future that returns `not_ready` keeps a copy of its context's waker, and
/// wakes it when another poll can make progress. It is a pair of pointers, so that any executor can provide one.
/// Thread safety: not synchronized; use one object from one thread at a time. Copies may be used on different threads.
/// Lifetime: owns a reference; it may outlive the task and the runtime.
/// Cost: a copy is one `clone` of the executor: a plain increment inside a core's run, an atomic one elsewhere.
class EDDY_API waker {
public:
    /// Constructs a waker that wakes no task.
    constexpr waker() noexcept = default;

    /// Constructs a waker from an executor's functions. Takes ownership of the reference that `data` represents.
    constexpr waker(const waker_vtable* vtable, void* data) noexcept : vtable_(vtable), data_(data) {}

    /// Returns a waker that wakes no task, for polling manually.
    [[nodiscard]] static waker noop() noexcept { return {}; }

    /// A copy adds a reference. A moved-from waker wakes no task.
    waker(const waker& other) noexcept : vtable_(other.vtable_) {
        if (vtable_ != nullptr) data_ = vtable_->clone(other.data_);
    }
    waker(waker&& other) noexcept : vtable_(std::exchange(other.vtable_, nullptr)), data_(other.data_) {}
    // NOLINTNEXTLINE(bugprone-unhandled-self-assignment): a waker will wake the same task as itself
    waker& operator=(const waker& other) noexcept {
        if (will_wake(other)) return *this;
        void* const data = other.vtable_ != nullptr ? other.vtable_->clone(other.data_) : nullptr;
        const waker replaced(std::exchange(vtable_, other.vtable_), std::exchange(data_, data));
        return *this;
    }
    waker& operator=(waker&& other) noexcept {
        waker(std::move(other)).swap(*this);
        return *this;
    }
    ~waker() {
        if (vtable_ != nullptr) vtable_->drop(data_);
    }

    /// Wakes the task and releases the reference. This waker is a no-op afterwards.
    void wake() && noexcept {
        if (const auto* vtable = std::exchange(vtable_, nullptr)) vtable->wake(data_);
    }

    /// Wakes the task.
    void wake_by_ref() const noexcept {
        if (vtable_ != nullptr) vtable_->wake_by_ref(data_);
    }

    /// Returns whether both wakers are known to wake the same task. If this returns false, they may still do so.
    [[nodiscard]] bool will_wake(const waker& other) const noexcept {
        return vtable_ == other.vtable_ && (vtable_ == nullptr || data_ == other.data_);
    }

    /// Returns whether this waker wakes no task: it is noop() or moved from.
    [[nodiscard]] bool is_noop() const noexcept { return vtable_ == nullptr; }

    /// Swaps two wakers.
    void swap(waker& other) noexcept {
        std::swap(vtable_, other.vtable_);
        std::swap(data_, other.data_);
    }

private:
    friend class detail::borrowed_waker;
    friend class detail::wake_list;

    const waker_vtable* vtable_ = nullptr;
    void* data_ = nullptr;
};

namespace detail {

/// A waker that borrows the reference of the executor that polls. It exists during one poll and releases nothing.
/// Lifetime: the caller keeps the reference that `data` represents during the lifetime of this object.
class borrowed_waker {
public:
    borrowed_waker(const waker_vtable* vtable, void* data) noexcept : waker_(vtable, data) {}
    borrowed_waker(const borrowed_waker&) = delete;
    borrowed_waker& operator=(const borrowed_waker&) = delete;
    ~borrowed_waker() {}  // NOLINT(modernize-use-equals-default): the union's member must not be destroyed

    [[nodiscard]] const waker& get() const noexcept { return waker_; }

    /// Returns whether `other` has these functions.
    [[nodiscard]] static bool is_of(const waker_vtable& functions, const waker& other) noexcept {
        return other.vtable_ == &functions;
    }
    [[nodiscard]] static void* data_of(const waker& other) noexcept { return other.data_; }
    /// Makes `other` a no-op. The caller takes over its reference.
    static void forget(waker& other) noexcept { other.vtable_ = nullptr; }

    /// Makes the waker refer to another task of the same executor.
    void point_to(void* data) noexcept { waker_.data_ = data; }

private:
    union {
        waker waker_;
    };
};

}  // namespace detail
}  // namespace eddy
