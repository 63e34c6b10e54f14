// SPDX-License-Identifier: MIT
#pragma once

#include <source_location>
#include <type_traits>
#include <utility>
#include <variant>

#include <eddy/detail/closure_guard.hpp>
#include <eddy/detail/owned.hpp>
#include <eddy/error.hpp>
#include <eddy/future.hpp>
#include <eddy/future_ops.hpp>

namespace eddy {

/// A future that keeps its output: see `maybe_done`.
template <class F>
class [[nodiscard]] maybe_done_future : public future_ops<maybe_done_future<F>> {
public:
    using output_type = void;
    using kept_type = detail::stored_t<output_t<F>>;
    static constexpr bool took_closure = detail::is_marked<F>;

    explicit maybe_done_future(F&& inner) : state_(std::in_place_index<running>, std::move(inner)) {}

    poll_result<void> poll(context& cx) {
        auto* const inner = std::get_if<running>(&state_);
        if (inner == nullptr)
            throw misuse("maybe_done was awaited after it had ended: await it once, and keep its output", cx.where());
        try {
            auto answer = inner->poll(cx);
            if (!answer.is_ready()) return not_ready;
            state_.template emplace<done>(detail::take_output(std::move(answer)));
            return poll_result<void>::ready();
        } catch (...) {
            state_.template emplace<gone>();
            throw;
        }
    }

    /// Ends the future; an output that is already there stays.
    poll_result<void> poll_cancel(context& cx)
        requires cancellable_future<F>
    {
        if (!detail::poll_cancel_child(std::get_if<running>(&state_), cx)) return not_ready;
        if (!is_done()) state_.template emplace<gone>();
        return poll_result<void>::ready();
    }

    /// Destroys what is there, the future or its output.
    void drop() noexcept {
        if (state_.index() != gone) state_.template emplace<gone>();
    }

    /// Whether the future is there, and has not ended.
    [[nodiscard]] bool is_running() const noexcept { return state_.index() == running; }

    /// Whether the output is there, and has not been taken.
    [[nodiscard]] bool is_done() const noexcept { return state_.index() == done; }

    /// The output; std::monostate for void. Throws `misuse` if it is not there.
    [[nodiscard]] kept_type& output(std::source_location where = std::source_location::current()) {
        if (!is_done()) throw misuse("maybe_done has no output yet, or no longer: ask is_done() first", where);
        return *std::get_if<done>(&state_);
    }

    /// Moves the output out.
    [[nodiscard]] kept_type take_output(std::source_location where = std::source_location::current()) {
        kept_type taken = std::move(output(where));
        state_.template emplace<gone>();
        return taken;
    }

private:
    enum : std::size_t { running, done, gone };
    std::variant<F, kept_type, std::monostate> state_;
};

/// Runs `future` and keeps its output until it is taken: `co_await m; use(m.take_output());`. The future itself is
/// destroyed as soon as it has ended. A building block for combinators such as `join`.
/// Cancel safety: that of the future; an output that is there stays.
/// Lifetime: the future is moved in; use std::ref to lend it.
template <class F>
[[nodiscard]] auto maybe_done(F&& future) {
    if constexpr (!detail::check_futures<F>()) {
        return detail::broken_future();
    } else {
        return maybe_done_future<detail::owned_t<F>>(detail::own(std::forward<F>(future)));
    }
}

}  // namespace eddy
