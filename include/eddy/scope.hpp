// SPDX-License-Identifier: MIT
#pragma once

#include <expected>
#include <optional>
#include <source_location>
#include <system_error>
#include <type_traits>
#include <utility>

#include <eddy/detail/broken_future.hpp>
#include <eddy/detail/closure_guard.hpp>
#include <eddy/detail/owned.hpp>
#include <eddy/detail/scope_base.hpp>
#include <eddy/error.hpp>
#include <eddy/future.hpp>
#include <eddy/future_ops.hpp>

namespace eddy {

/// What the body of a scope is given: to start children.
/// Thread safety: any thread, while the scope lives; children may start further ones.
class scope_handle {
public:
    scope_handle(const scope_handle&) = delete;
    scope_handle& operator=(const scope_handle&) = delete;

    /// Runs `work` at the same time as the body: a future, or a callable without parameters that makes one. It may
    /// borrow whatever outlives the scope. An exception that leaves it, or an output that is an `expected` without a
    /// value, fails the scope; any other output is dropped. In a scope that is cancelled the work is cancelled at once.
    template <class W>
    void spawn(W&& work, std::source_location where = std::source_location::current()) {
        if constexpr (detail::check_spawned<W>()) base_.spawn(std::forward<W>(work), where);
    }

    // Only to say in a short error what to write.
    template <class W, detail::argument_of_work A, class... More>
    auto spawn(W&&, A&&, More&&...) {
        return detail::refuse_arguments<W>();
    }

    /// Cancels the children, those that are there and those to come. The body goes on.
    void cancel() noexcept { base_.cancel(); }
    [[nodiscard]] bool is_cancelled() const noexcept { return base_.is_cancelled(); }

private:
    template <class F>
    friend class scope_future;
    scope_handle() noexcept = default;

    detail::scope_base base_;
};

/// What scope() returns.
template <class F>
class [[nodiscard("a scope does nothing until it is awaited")]] scope_future : public future_ops<scope_future<F>> {
    using body = std::invoke_result_t<F&, scope_handle&>;

public:
    using output_type = output_t<body>;

    template <class G>
    scope_future(std::in_place_t, G&& f, std::source_location where) : f_(std::forward<G>(f)), where_(where) {}
    scope_future(scope_future&& other) noexcept(std::is_nothrow_move_constructible_v<F>)
        : f_(std::move(other.f_)), where_(other.where_) {
        if (other.stage_ != stage::fresh) detail::fatal_misuse("a scope was moved after its first poll");
    }
    scope_future& operator=(scope_future&&) = delete;
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

private:
    enum class stage : unsigned char { fresh, body, children, ended };

    void start() {
        handle_.base_.bind(where_);
        stage_ = stage::body;
        try {
            body_.emplace(f_(handle_));
        } catch (...) {
            outcome_.set_exception(std::current_exception());
        }
    }

    /// True if the body is gone.
    bool poll_body(context& cx) {
        auto& base = handle_.base_;
        if (body_ && !base.has_failed()) {
            try {
                auto answer = body_->poll(cx);
                if (!answer) {
                    base.set_waker(cx.waker());
                    // A failure that came before the waker was there has woken nobody.
                    if (!base.has_failed()) return false;
                } else if constexpr (std::is_void_v<output_type>) {
                    outcome_.set_value();
                } else {
                    outcome_.set_value(*std::move(answer));
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
        if (auto failure = detail::failure_in<output_type>(outcome_)) base.fail(std::move(*failure));
        return true;
    }

    poll_result<output_type> take() {
        if (handle_.base_.has_failed()) return fail(handle_.base_.failure());
        if constexpr (std::is_void_v<output_type>) {
            outcome_.take(where_);
            return poll_result<void>::ready();
        } else {
            return outcome_.take(where_);
        }
    }

    /// The failure as this scope's error, if it can be: as it is, or as a code. Else it is thrown.
    poll_result<output_type> fail(detail::scope_failure& failure) {
        if constexpr (detail::is_expected<output_type>) {
            using error = typename output_type::error_type;
            if constexpr (std::is_same_v<error, std::error_code>) {
                if (failure.code) return output_type(std::unexpect, *failure.code);
            }
            try {
                if (failure.thrown != nullptr) std::rethrow_exception(failure.thrown);
            } catch (std::bad_expected_access<error>& e) {
                return output_type(std::unexpect, std::move(e.error()));
            } catch (...) {  // NOLINT(bugprone-empty-catch): below
            }
            if constexpr (detail::error_converts<std::error_code, error>) {
                if (failure.code) return output_type(std::unexpect, convert_error<error>(*failure.code));
            }
        }
        if (failure.code) throw std::system_error(*failure.code, "a child of a scope failed");
        std::rethrow_exception(failure.thrown);
    }

    F f_;
    std::source_location where_;
    scope_handle handle_;
    std::optional<body> body_;  // may borrow f_ and handle_
    detail::kept<output_type> outcome_;
    stage stage_ = stage::fresh;
};

namespace detail {

template <class F>
class marked_scope_future : public scope_future<F> {
public:
    static constexpr bool took_closure = true;
    using scope_future<F>::scope_future;
};

}  // namespace detail

/// Runs `f(s)`, which makes a future, and the children that it starts by `s.spawn(...)`; ends when all have ended, with
/// the body's output. So children may borrow the locals of whoever awaits the scope.
///     co_await eddy::scope([&](auto& s) -> eddy::task<void> {
///         for (auto& each : parts) s.spawn(work_on(each));
///         co_return;
///     });
/// The children run on any worker of the current runtime, or on the current loop.
///
/// Errors: the first failure, of a child or of the body, cancels the rest, which is waited for, and is the scope's: an
/// exception is thrown; an error becomes the error of the body's `expected`, as it is if the types are the same, and
/// else as an error code. If it cannot, or the body's output is no `expected`, it is thrown: as std::system_error, or,
/// if it is no error code either, as std::bad_expected_access. Throws `misuse` without a runtime on this thread. Cancel
/// safety: its children are cancelled with it. In the orderly way (poll_cancel) they are awaited; destroyed outright,
/// it destroys the children that wait, here and now, and blocks only for those that are being polled at that moment. It
/// must not be destroyed by one of its own children.
/// Lifetime: an rvalue `f` is kept as long as the scope.
/// Cost: two small blocks for each child.
template <class F>
[[nodiscard]] auto scope(F&& f, std::source_location where = std::source_location::current()) {
    using plain = std::decay_t<F>;
    constexpr bool is_callable = std::is_invocable_v<plain&, scope_handle&>;
    static_assert(is_callable, "eddy: scope takes a callable like [&](auto& s) -> eddy::task<T>");
    if constexpr (is_callable) {
        constexpr bool makes_future = future<std::remove_cvref_t<std::invoke_result_t<plain&, scope_handle&>>>;
        static_assert(makes_future, "eddy: the body of a scope must make a future: [&](auto& s) -> eddy::task<T>");
        if constexpr (!makes_future) {
            return detail::broken_future();
        } else if constexpr (detail::is_fragile<F>) {
            return detail::marked_scope_future<plain>(std::in_place, std::forward<F>(f), where);
        } else {
            return scope_future<plain>(std::in_place, std::forward<F>(f), where);
        }
    } else {
        return detail::broken_future();
    }
}

}  // namespace eddy
