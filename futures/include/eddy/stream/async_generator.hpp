// SPDX-License-Identifier: MIT
#pragma once

#include <coroutine>
#include <exception>
#include <optional>
#include <source_location>
#include <type_traits>
#include <utility>

#include <eddy/error.hpp>
#include <eddy/future/detail/await.hpp>
#include <eddy/future/detail/await_record.hpp>
#include <eddy/future/detail/operation_guard.hpp>
#include <eddy/future/detail/virtual_stack.hpp>
#include <eddy/future/future.hpp>
#include <eddy/result.hpp>
#include <eddy/stream/stream_ops.hpp>

namespace eddy {

namespace detail {
template <class T>
class generator_promise;
}  // namespace detail

template <class T>
class elements_of;

/// A lazy coroutine that is a stream. It produces items with `co_yield` and may await futures between them.
///
///     eddy::async_generator<eddy::result<std::string>> lines(eddy::net::tcp_stream from) {
///         for (;;) {
///             auto line = co_await eddy::try_(read_line(from));     // an error is the last item
///             if (line.empty()) co_return;
///             co_yield std::move(line);
///         }
///     }
///
/// The coroutine starts when the first item is requested, and runs only while an item is requested. The stream ends
/// when the coroutine returns. If `T` is an `expected`, the coroutine may use `try_`: an error becomes the last item.
/// `co_yield elements_of(other(...))` yields all items of another generator; the cost per item does not depend on the
/// depth.
/// Errors: an exception that leaves the coroutine is thrown to the reader and ends the stream.
/// Cancel safety: safe. Dropping a future of the next item loses no item. Destroying the generator destroys its
/// coroutine frames, innermost first.
/// Thread safety: one thread at a time, as a task. If two tasks await an item at the same time, the second one gets a
/// `misuse`, with the locations of both.
/// Lifetime: the arguments of the coroutine follow the rules of a task. A generator may be moved between two items,
/// also after it has started. A generator that was moved from has ended.
/// Cost: one block of the frame pool. Each item costs one resumption of the innermost coroutine frame.
template <class T>
class [[nodiscard("a generator does nothing until its items are requested")]] async_generator
    : public stream_ops<async_generator<T>> {
    static_assert(std::is_object_v<T> && std::is_move_constructible_v<T>,
                  "eddy: the items of an async_generator are moved out of it; yield a pointer or a std::unique_ptr");

public:
    using item_type = T;

    using promise_type = detail::generator_promise<T>;

    async_generator(async_generator&& other) noexcept : frame_(other.release()) {}
    async_generator& operator=(async_generator&& other) noexcept {
        if (this != &other) {
            if (frame_ != nullptr) detail::destroy_root(*frame_);
            frame_ = other.release();
        }
        return *this;
    }
    ~async_generator() {
        detail::check_not_awaited(this, "an async_generator");
        if (frame_ != nullptr) detail::destroy_root(*frame_);
    }

    /// The stream function: runs the coroutine until it yields an item, ends, or has to wait.
    poll_result<std::optional<T>> poll_next(context& cx) {
        if (frame_ == nullptr) return std::nullopt;
        if (cx.budget() == 0 && !cx.consume_budget()) return not_ready;
        detail::budget_guard cost(cx);
        detail::slot<T> outcome;
        if (detail::run_root(*frame_, outcome, cx)) {
            frame_ = nullptr;
        } else if (!outcome.has_value()) {
            return not_ready;
        }
        if (outcome.has_exception()) std::rethrow_exception(outcome.exception());
        if (!outcome.has_value()) return std::nullopt;
        // If the awaited futures have used up the budget, they have already paid for the item.
        static_cast<void>(cx.budget() != 0 && cost.is_paid());
        return std::optional<T>(std::move(outcome.value()));
    }

    /// Cancels the work gracefully: calls poll_cancel() of the innermost future, then destroys the coroutine frames.
    poll_result<void> poll_cancel(context& cx) {
        if (!detail::cancel_root(frame_, cx)) return not_ready;
        return poll_result<void>::ready();
    }

private:
    friend detail::generator_promise<T>;
    friend detail::guard_access;
    friend elements_of<T>;

    explicit async_generator(detail::frame& frame) noexcept : frame_(&frame) {}

    [[nodiscard]] detail::frame* release() noexcept {
        if (frame_ != nullptr && frame_->at.is_polled()) [[unlikely]]
            detail::end_move_in_poll(*frame_, "a generator");
        return std::exchange(frame_, nullptr);
    }

    [[nodiscard]] detail::operation_guard* read_guard() noexcept { return &guard_; }

    detail::frame* frame_;
    detail::operation_guard guard_{
        "the next item of one async_generator (or of a stream that is one, for example that of fs::walk() or "
        "fs::watch()) is awaited twice at the same time, by two tasks or inside its own poll: let one task receive the "
        "items for all, or give each task a stream of its own",
        detail::same_task::permitted};
};

/// All items of another generator, which is moved in: `co_yield elements_of(walk(child))` in a generator of the same
/// type. An exception of the other generator is thrown by the co_yield. An error with which `try_` has ended the other
/// generator is the last item of both.
/// Errors: the co_yield throws misuse if the other generator has already started. Loop over its items in that case.
template <class T>
class [[nodiscard("co_yield it")]] elements_of {
public:
    /// Takes ownership of the generator.
    explicit elements_of(async_generator<T>&& of) noexcept : of_(std::move(of)) {}

private:
    friend detail::generator_promise<T>;

    /// Returns the coroutine frame, which has not started and joins the virtual stack of the yielding generator. Null
    /// if the generator has ended.
    detail::frame* enter(std::source_location where) {
        if (of_.frame_ != nullptr && of_.frame_->at.has_begun())
            throw misuse(
                "elements_of was given a generator that has begun: loop over the rest, `while (auto item = co_await "
                "g.next()) co_yield ...`",
                where);
        return std::exchange(of_.frame_, nullptr);
    }

    async_generator<T> of_;
};

template <class T>
elements_of(async_generator<T>&&) -> elements_of<T>;

// ---- Implementation ----

namespace detail {

/// Suspends the generator after it has yielded an item. The request for the next item resumes it.
struct yield_awaiter {
    frame& yielding;

    bool await_ready() const noexcept { return false; }
    void await_suspend(const auto&) const noexcept { yielding.root().at = stack_position::resumes(yielding); }
    void await_resume() const noexcept {}
};

/// Awaits the coroutine frame of an inner generator, whose items go to the root. Its result slot receives only the end
/// of the inner generator: an exception, or the error with which try_ has ended it.
template <class T>
class elements_awaiter {
public:
    elements_awaiter(frame& yielding, frame* inner) noexcept : inner_(inner), outcome_(yielding) {}
    elements_awaiter(const elements_awaiter&) = delete;
    elements_awaiter& operator=(const elements_awaiter&) = delete;

    bool await_ready() {
        if (inner_ == nullptr) return true;
        if constexpr (is_expected<T>) outcome_.set_propagation(&propagate_error<T, T>);
        return start_child(outcome_.awaiting(), *inner_, outcome_) && !outcome_.has_value();
    }
    void await_suspend(const auto&) noexcept {
        if constexpr (is_expected<T>) {
            if (outcome_.has_value()) end_with_error<T>(outcome_.awaiting(), std::move(outcome_.value()));
        }
    }
    void await_resume() {
        if (outcome_.has_exception()) std::rethrow_exception(outcome_.exception());
    }

private:
    frame* inner_;
    awaited_slot<T, is_expected<T>> outcome_;
};

/// The promise of an async_generator.
template <class T>
class generator_promise final : public frame {
public:
    async_generator<T> get_return_object() noexcept { return async_generator<T>(*this); }

    void return_void() const noexcept {}
    // SAFETY: `outcome` is a slot<T>: the one of poll_next() for a root, or the one of an elements_awaiter<T>
    // otherwise. Its owner keeps it alive while this coroutine runs.
    void unhandled_exception() noexcept { static_cast<slot<T>&>(*outcome).set_exception(std::current_exception()); }

    template <class U = T>
        requires std::is_constructible_v<T, U>
    yield_awaiter yield_value(U&& item) {
        // SAFETY: the root's result slot belongs to the poll that runs this coroutine, and is a slot<T>. A generator's
        // coroutine frame is a root, or is below one through elements_of, which accepts only generators of the same T.
        static_cast<slot<T>&>(*root().outcome).set_value(std::forward<U>(item));
        return yield_awaiter{*this};
    }

    elements_awaiter<T> yield_value(elements_of<T> other, call_site here = EDDY_HERE) {
        where = here;
        return elements_awaiter<T>(*this, other.enter(source_location_of(here)));
    }

    template <class A, bool Checks = has_checks>
    auto await_transform(A&& awaited, call_site here = EDDY_HERE) {
        where = here;
        return make_awaiter<T, Checks>(*this, std::forward<A>(awaited));
    }

    /// By value: see try_expression.
    template <class X, bool Checks = has_checks>
    auto await_transform(try_expression<X> tried, call_site here = EDDY_HERE) {
        where = here;
        return make_awaiter<T, Checks>(*this, std::move(tried));
    }
};

static_assert(sizeof(generator_promise<int>) == sizeof(frame) && alignof(generator_promise<int>) == alignof(frame));

}  // namespace detail
}  // namespace eddy
