// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <memory>
#include <source_location>
#include <type_traits>
#include <utility>

#include <eddy/detail/false_warnings.hpp>
#include <eddy/error.hpp>
#include <eddy/future/detail/await_record.hpp>
#include <eddy/future/detail/owned.hpp>
#include <eddy/future/future.hpp>
#include <eddy/future/future_ops.hpp>

EDDY_BEGIN_FALSE_UNINITIALIZED
namespace eddy {

namespace detail {
[[noreturn, gnu::cold]] inline void throw_not_done(std::source_location where) {
    throw misuse("maybe_done has no output yet, or its output was taken: check is_done() first", where);
}
}  // namespace detail

/// The future that maybe_done() returns: runs a future and keeps its output.
template <class F>
class [[nodiscard]] maybe_done_future : public future_ops<maybe_done_future<F>> {
public:
    using output_type = void;
    /// The type of the kept output; std::monostate for void.
    using kept_type = detail::stored_t<output_t<F>>;

    /// Takes ownership of `inner`.
    explicit maybe_done_future(F&& inner) : state_(state::running), future_(std::move(inner)) {}
    /// Moves the future or its output.
    /// Preconditions: the future was not polled, or has ended.
    maybe_done_future(maybe_done_future&& other) noexcept(is_nothrow_movable) : state_(other.state_) {
        if (state_ == state::running) std::construct_at(std::addressof(future_), std::move(other.future_));
        if (state_ == state::done) std::construct_at(std::addressof(output_), std::move(other.output_));
    }
    maybe_done_future& operator=(maybe_done_future&&) = delete;
    ~maybe_done_future() { drop(); }

    /// Returns ready when the output is kept.
    poll_result<void> poll(context& cx) {
        if (state_ != state::running) detail::throw_has_ended("maybe_done", cx.where());
        try {
            auto answer = future_.poll(cx);
            if (!answer.is_ready()) return not_ready;
            drop();
            std::construct_at(std::addressof(output_), detail::take_output(std::move(answer)));
            state_ = state::done;
            return poll_result<void>::ready();
        } catch (...) {
            drop();
            throw;
        }
    }

    friend auto awaited_objects(const maybe_done_future& me) noexcept {
        return detail::awaited_objects_of(me.is_running() ? std::addressof(me.future_) : nullptr);
    }

    static constexpr auto wait_shape() {
        return inspect::waits_as(
            inspect::child_while(&maybe_done_future::state_, state::running, &maybe_done_future::future_));
    }

    /// Cancels the future gracefully. An output that is already there is kept.
    poll_result<void> poll_cancel(context& cx)
        requires cancellable_future<F>
    {
        if (is_running()) {
            if (!future_.poll_cancel(cx).is_ready()) return not_ready;
            drop();
        }
        return poll_result<void>::ready();
    }

    /// Destroys the future or its output.
    void drop() noexcept {
        const state was = std::exchange(state_, state::gone);
        if (was == state::running) std::destroy_at(std::addressof(future_));
        if (was == state::done) std::destroy_at(std::addressof(output_));
    }

    /// Returns whether the future has not ended.
    [[nodiscard]] bool is_running() const noexcept { return state_ == state::running; }

    /// Returns whether there is an output that was not taken.
    [[nodiscard]] bool is_done() const noexcept { return state_ == state::done; }

    /// Returns the output; std::monostate for void.
    /// Errors: throws `misuse` unless is_done().
    [[nodiscard]] kept_type& output(std::source_location where = std::source_location::current()) {
        if (!is_done()) detail::throw_not_done(where);
        return output_;
    }

    /// Moves the output out.
    /// Errors: throws `misuse` unless is_done().
    [[nodiscard]] kept_type take_output(std::source_location where = std::source_location::current()) {
        kept_type taken = std::move(output(where));
        drop();
        return taken;
    }

private:
    enum class state : unsigned char { running, done, gone };
    static constexpr bool is_nothrow_movable =
        std::is_nothrow_move_constructible_v<F> && std::is_nothrow_move_constructible_v<kept_type>;

    state state_;
    union {
        F future_;
        kept_type output_;
    };
};

/// Runs `future` and keeps its output until it is taken: `co_await m; use(m.take_output());`. The future is destroyed
/// as soon as it has ended. It is a building block for combinators such as `join`.
/// Cancel safety: same as the future. An output that is already there is kept.
/// Lifetime: the future is moved in; use std::ref to borrow it.
/// Cost: no allocation.
template <class F>
[[nodiscard]] auto maybe_done(F&& future) {
    return detail::make_adaptor<maybe_done_future<detail::owned_t<F>>>(std::forward<F>(future));
}

}  // namespace eddy
EDDY_END_FALSE_UNINITIALIZED
