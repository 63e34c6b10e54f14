// SPDX-License-Identifier: MIT
#pragma once

#include <utility>

#include <eddy/detail/export.hpp>

namespace eddy {

namespace detail {
class borrowed_waker;
class wake_list;
}  // namespace detail

/// What an executor provides so that its tasks can be woken. All functions may be called on any thread, must not throw,
/// and must not run a task inline.
struct waker_vtable {
    void* (*clone)(void* data) noexcept;       ///< makes one more reference and returns the data that stands for it
    void (*wake)(void* data) noexcept;         ///< wakes, and gives up the reference
    void (*wake_by_ref)(void* data) noexcept;  ///< wakes, and keeps it
    void (*drop)(void* data) noexcept;         ///< gives up the reference
};

/// Wakes one task, once or often. A future that answers "not yet" keeps a copy of its context's waker and wakes it when
/// it is worth polling again. A pair of pointers, so that any executor can provide one.
/// Thread safety: as a value; distinct copies may be used on distinct threads.
/// Cost: a copy is one `clone` of the executor: plain on the loop's own thread, one atomic increment elsewhere.
class EDDY_API waker {
public:
    /// Wakes nobody.
    constexpr waker() noexcept = default;

    /// Takes over the reference that `data` stands for.
    constexpr waker(const waker_vtable* vtable, void* data) noexcept : vtable_(vtable), data_(data) {}

    /// A waker that wakes nobody: for polling by hand.
    [[nodiscard]] static waker noop() noexcept { return {}; }

    waker(const waker& other) noexcept : vtable_(other.vtable_) {
        if (vtable_ != nullptr) data_ = vtable_->clone(other.data_);
    }
    waker(waker&& other) noexcept : vtable_(std::exchange(other.vtable_, nullptr)), data_(other.data_) {}
    waker& operator=(const waker& other) noexcept {
        if (!will_wake(other)) waker(other).swap(*this);
        return *this;
    }
    waker& operator=(waker&& other) noexcept {
        waker(std::move(other)).swap(*this);
        return *this;
    }
    ~waker() {
        if (vtable_ != nullptr) vtable_->drop(data_);
    }

    /// Wakes the task and gives this waker up.
    void wake() && noexcept {
        if (const auto* vtable = std::exchange(vtable_, nullptr)) vtable->wake(data_);
    }

    /// Wakes the task.
    void wake_by_ref() const noexcept {
        if (vtable_ != nullptr) vtable_->wake_by_ref(data_);
    }

    /// Whether both wake the same task. A "no" may be wrong, a "yes" never is.
    [[nodiscard]] bool will_wake(const waker& other) const noexcept {
        return vtable_ == other.vtable_ && (vtable_ == nullptr || data_ == other.data_);
    }

    /// Whether this wakes nobody: a noop, or moved from.
    [[nodiscard]] bool is_noop() const noexcept { return vtable_ == nullptr; }

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

/// A waker that borrows the reference of whoever polls: made for the length of one poll, never dropped.
class borrowed_waker {
public:
    borrowed_waker(const waker_vtable* vtable, void* data) noexcept : waker_(vtable, data) {}
    borrowed_waker(const borrowed_waker&) = delete;
    borrowed_waker& operator=(const borrowed_waker&) = delete;
    ~borrowed_waker() {}  // NOLINT(modernize-use-equals-default): the union's member must not be destroyed

    [[nodiscard]] const waker& get() const noexcept { return waker_; }

    /// Stands for another task of the same executor from now on.
    void point_to(void* data) noexcept { waker_.data_ = data; }

private:
    union {
        waker waker_;
    };
};

}  // namespace detail
}  // namespace eddy
