// SPDX-License-Identifier: MIT
#pragma once

#include <memory>
#include <optional>
#include <source_location>
#include <type_traits>
#include <utility>

#include <eddy/error.hpp>
#include <eddy/future/detail/broken_future.hpp>
#include <eddy/future/detail/holds_closure.hpp>
#include <eddy/future/detail/owned.hpp>
#include <eddy/future/future.hpp>
#include <eddy/future/future_ops.hpp>
#include <eddy/task/detail/scope_base.hpp>
#include <eddy/task/scope_all.hpp>

namespace eddy {

/// A handle to a scope, which the body receives: spawns children.
/// Thread safety: any thread of a pool; on an event loop, only its thread.
/// Lifetime: valid until the scope ends. Children may use it to spawn more children.
class scope_handle {
public:
    scope_handle(const scope_handle&) = delete;
    scope_handle& operator=(const scope_handle&) = delete;

    /// Spawns a child task that runs concurrently with the body. `work` is a future, or a callable without parameters
    /// that returns one. It may borrow anything that outlives the scope. An exception that leaves the child, or an
    /// output that is an `expected` with an error, fails the scope. Any other output is dropped. In a cancelled scope,
    /// the child is cancelled immediately.
    template <class W>
    void spawn(W&& work, std::source_location where = std::source_location::current()) {
        if constexpr (detail::check_spawned<W>()) base_.spawn(std::forward<W>(work), where);
    }

    detail::broken_future spawn(auto&&, detail::argument_of_work auto&&, auto&&...) EDDY_DELETED(EDDY_NO_ARGUMENTS);

    /// Cancels all children, the present ones and later ones. The body continues.
    void cancel() noexcept { base_.cancel(); }
    /// Returns whether the children were cancelled, by cancel() or because the scope has failed or is cancelled.
    [[nodiscard]] bool is_cancelled() const noexcept { return base_.is_cancelled(); }

private:
    template <class F>
    friend class scope_future;
    scope_handle() noexcept = default;

    detail::scope_base base_;
};

/// The future that scope() returns.
template <class F>
class [[nodiscard("a scope does nothing until it is awaited")]] scope_future : public future_ops<scope_future<F>> {
    using body = std::invoke_result_t<F&, scope_handle&>;

public:
    using output_type = output_t<body>;

    /// Constructs the body's function from `f`.
    template <class G>
    scope_future(std::in_place_t, G&& f, std::source_location where) : f_(std::forward<G>(f)), where_(where) {}
    /// Moves the scope.
    /// Preconditions: it was not polled; otherwise the process ends with a message.
    scope_future(scope_future&& other) noexcept(std::is_nothrow_move_constructible_v<F>)
        : f_(std::move(other.f_)), where_(other.where_) {
        if (other.stage_ != stage::fresh)
            detail::fatal_misuse("a scope was moved after its first poll. It was made", other.where_);
    }
    scope_future& operator=(scope_future&&) = delete;
    /// Destroys the body, then the children; see scope().
    ~scope_future() {
        if (stage_ == stage::fresh || stage_ == stage::ended) return;
        body_.reset();
        handle_.base_.destroy_children();
    }

    poll_result<output_type> poll(context& cx) {
        if (stage_ == stage::ended)
            throw misuse(
                "a scope was awaited after it had ended: await it once; to do the work again, make another scope",
                cx.where());
        if (stage_ == stage::fresh) start();
        if (stage_ == stage::body && !poll_body(cx)) return not_ready;
        if (!handle_.base_.poll_empty(cx.waker())) return not_ready;
        stage_ = stage::ended;
        return take();
    }

    /// Cancels the body and the children. Returns ready when all have ended.
    poll_result<void> poll_cancel(context& cx) {
        if (stage_ == stage::fresh) stage_ = stage::ended;
        if (stage_ == stage::ended) return poll_result<void>::ready();
        handle_.base_.cancel();
        if (stage_ == stage::body) {
            if (!detail::poll_cancel_child(&*body_, cx)) return not_ready;
            body_.reset();
            stage_ = stage::children;
        }
        if (!handle_.base_.poll_empty(cx.waker())) return not_ready;
        stage_ = stage::ended;
        return poll_result<void>::ready();
    }

    static constexpr auto wait_shape() {
        const std::uint32_t scope = detail::offset_of(&scope_future::handle_) + detail::offset_of(&scope_handle::base_);
        return inspect::wait_shape<1>{
            inspect::wait::scope, scope, {inspect::child(&scope_future::body_, "body")}, true};
    }

private:
    enum class stage : unsigned char { fresh, body, children, ended };

    void start() {
        handle_.base_.bind(where_);
        stage_ = stage::body;
        try {
            body_.emplace(f_(handle_));
            if constexpr (requires { forget_closure(*body_, nullptr); }) forget_closure(*body_, std::addressof(f_));
        } catch (...) {
            outcome_.set_exception(std::current_exception());
        }
    }

    /// Polls the body, or cancels it after a failure. Returns true once the body has ended and is destroyed.
    bool poll_body(context& cx) {
        auto& base = handle_.base_;
        if (body_ && !base.has_failed()) {
            try {
                if (!advance_body(cx)) {
                    base.set_waker(cx.waker());
                    // A child that failed before the waker was set did not wake this task.
                    if (!base.has_failed()) return false;
                }
            } catch (...) {
                outcome_.set_exception(std::current_exception());
            }
        }
        if (!outcome_.has_value() && !outcome_.has_exception()) {
            if (!detail::poll_cancel_child(&*body_, cx)) return false;
        }
        body_.reset();
        stage_ = stage::children;
        detail::pass_failure<output_type>(outcome_, base);
        return true;
    }

    /// Polls the body. Returns whether it has ended; outcome_ is set then.
    bool advance_body(context& cx) {
        if constexpr (requires { poll_into(*body_, outcome_, cx); }) {
            return poll_into(*body_, outcome_, cx);
        } else {
            return detail::keep_answer<output_type>(outcome_, body_->poll(cx));
        }
    }

    poll_result<output_type> take() {
        if (handle_.base_.has_failed()) return detail::fail_with<output_type>(handle_.base_.failure());
        if constexpr (std::is_void_v<output_type>) {
            outcome_.take(where_);
            return poll_result<void>::ready();
        } else {
            return outcome_.take(where_);
        }
    }

    F f_;
    std::source_location where_;
    scope_handle handle_;
    std::optional<body> body_;  // may borrow from f_ and handle_
    detail::slot<output_type> outcome_;
    stage stage_ = stage::fresh;
};

/// Runs `f(s)`, which returns a future (the body), and the children that it spawns with `s.spawn(...)`. The scope ends
/// when the body and all children have ended; its output is the output of the body. So children may borrow local
/// variables of the coroutine that awaits the scope.
///     co_await eddy::scope([&](auto& s) -> eddy::task<void> {
///         for (auto& each : parts) s.spawn(work_on(each));
///         co_return;
///     });
/// The children run on any worker of the current runtime, or on the current event loop. If they are known beforehand
/// and compute, the form scope(a, b, ...) is faster; see scope_all.hpp.
///
/// Errors: the first failure of a child or of the body cancels the others. After they have ended, this failure is the
/// failure of the scope. An exception is thrown. An error becomes the error of the body's `expected`: unchanged if the
/// types are the same, otherwise converted from an error code. If that is impossible, or if the body's output is not an
/// `expected`, the error is thrown: as std::system_error if it is an error code, otherwise as std::bad_expected_access.
/// Without a runtime on this thread, the scope throws `misuse`.
/// Cancel safety: cancelling the scope cancels its children. A graceful cancellation (poll_cancel) waits for them. The
/// destructor destroys the children that wait, and blocks until those that are being polled at that moment return. A
/// child must not destroy its own scope: that ends the process.
/// Thread safety: same as any future; see eddy::future.
/// Lifetime: an rvalue `f` lives as long as the scope.
/// Cost: two small blocks for each child.
template <class F>
[[nodiscard]] auto scope(F&& f, std::source_location where = std::source_location::current()) {
    using plain = std::decay_t<F>;
    constexpr bool is_callable = std::is_invocable_v<plain&, scope_handle&>;
    static_assert(is_callable,
                  "eddy: scope takes a callable like [&](auto& s) -> eddy::task<T>, or two futures or more; scope_all "
                  "takes a range of futures");
    if constexpr (is_callable) {
        constexpr bool makes_future = future<std::remove_cvref_t<std::invoke_result_t<plain&, scope_handle&>>>;
        static_assert(makes_future, "eddy: the body of a scope must make a future: [&](auto& s) -> eddy::task<T>");
        if constexpr (!makes_future) {
            return detail::broken_future();
        } else {
            return scope_future<detail::kept_fn_t<F>>(std::in_place, std::forward<F>(f), where);
        }
    } else {
        return detail::broken_future();
    }
}

}  // namespace eddy
