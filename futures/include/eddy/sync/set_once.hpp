// SPDX-License-Identifier: MIT
#pragma once

#include <expected>
#include <optional>
#include <utility>

#include <eddy/error.hpp>
#include <eddy/future/future.hpp>
#include <eddy/future/future_ops.hpp>
#include <eddy/sync/detail/once_value.hpp>

namespace eddy::sync {

/// A value that is set once, and that any number of tasks can wait for. To let the first task that needs the value
/// create it, use once_cell. To move a value to one receiver, use oneshot. Does not need a runtime.
/// Thread safety: all members may be called from any thread, except into_inner() and the destructor, which need
/// exclusive access. Several threads may read the value at the same time.
/// Lifetime: it must outlive its wait() futures and the calls of its functions. Destroying it while a task waits
/// terminates the program.
/// Cost: no allocation. get() is one load.
template <class T>
class set_once {
public:
    class wait_future;

    /// Creates an empty object, or one that contains `value`.
    set_once() noexcept = default;
    explicit set_once(T value) { [[maybe_unused]] const auto was_empty = set(std::move(value)); }
    set_once(const set_once&) = delete;
    set_once& operator=(const set_once&) = delete;
    ~set_once() {
        if (!value_.changes.may_be_destroyed())
            value_.changes.destroyed_too_early(
                "a sync::set_once was destroyed while a task waits for it: keep it until its wait() "
                "futures are gone");
    }

    /// Sets the value and wakes all waiters.
    /// Errors: returns `value` if the value is already set or another thread is setting it. If moving the value throws,
    /// the exception passes through and nothing is set.
    std::expected<void, T> set(T value) {
        if (!value_.claim()) return std::expected<void, T>(std::unexpect, std::move(value));
        static_cast<void>(value_.set_value(std::move(value)));
        return {};
    }

    /// Returns true if the value is set.
    [[nodiscard]] bool is_set() const noexcept { return value_.is_set(); }
    /// Returns the value, or null if it is not set. The value does not move.
    [[nodiscard]] const T* get() const noexcept { return value_.get(); }

    /// Returns a future of the value, which is never null: `const auto& config = *co_await shared.wait();`.
    /// Lifetime: this object must outlive the future.
    [[nodiscard]] wait_future wait() noexcept { return wait_future(value_); }

    /// Moves the value out, if it is set. The caller must have exclusive access.
    [[nodiscard]] std::optional<T> into_inner() && { return value_.take(); }

private:
    eddy::detail::once_value<T> value_;
};

/// The future that set_once::wait() returns. Moving it after its first poll terminates the program.
template <class T>
class [[nodiscard("co_await it")]] set_once<T>::wait_future : public future_ops<wait_future> {
public:
    using output_type = const T*;

    wait_future(wait_future&& other) noexcept : of_(other.of_), waiter_(other.waiter_, "a set_once's wait()") {}
    wait_future& operator=(wait_future&&) = delete;
    ~wait_future() { of_->changes.leave(waiter_); }

    poll_result<const T*> poll(context& cx) noexcept {
        if (!cx.consume_budget()) return not_ready;
        waiter_.polled_at = eddy::detail::call_site_of(cx.where());
        for (;;) {
            // Register before checking: a change between the two steps is then notified.
            if (waiter_.stage != eddy::detail::notify_waiter::stages::waiting) of_->changes.begin(waiter_);
            if (const T* const value = of_->get()) {
                of_->changes.leave(waiter_);
                return value;
            }
            if (of_->changes.poll(waiter_, &cx.waker())) continue;
            cx.refund_budget();
            return not_ready;
        }
    }

    static constexpr auto wait_shape() { return inspect::awaits("the value of a set_once", &wait_future::of_); }

private:
    friend set_once;
    explicit wait_future(eddy::detail::once_value<T>& of) noexcept : of_(&of) {}

    eddy::detail::once_value<T>* of_;
    eddy::detail::notify_waiter waiter_;
};

}  // namespace eddy::sync
