// SPDX-License-Identifier: MIT
#pragma once

#include <optional>
#include <type_traits>
#include <utility>

#include <eddy/detail/broken_future.hpp>
#include <eddy/detail/call.hpp>
#include <eddy/detail/closure_guard.hpp>
#include <eddy/error.hpp>
#include <eddy/future.hpp>
#include <eddy/future_ops.hpp>
#include <eddy/result.hpp>
#include <eddy/try.hpp>

namespace eddy {

/// The next item of a stream: `while (auto item = co_await items.next()) ...`; nothing at the end.
/// Cancel safety: that of the stream. Lifetime: borrows the stream.
template <class S>
class [[nodiscard("co_await it")]] next_future : public future_ops<next_future<S>> {
public:
    using output_type = std::optional<typename S::item_type>;

    explicit next_future(S& from) noexcept : from_(&from) {}

    poll_result<output_type> poll(context& cx) { return from_->poll_next(cx); }

private:
    S* from_;
};

namespace detail {

/// What for_each takes out of an item: the value of an `expected`, or the item itself.
template <class Item>
struct item_value : std::type_identity<Item> {};
template <class T, class E>
struct item_value<std::expected<T, E>> : std::type_identity<T> {};

template <class Item>
struct item_error : std::type_identity<std::error_code> {};
template <class T, class E>
struct item_error<std::expected<T, E>> : std::type_identity<E> {};

}  // namespace detail

/// Runs a function for each item of a stream, one after the other. See stream_ops::for_each().
template <class S, class Fn, bool Marked>
class [[nodiscard("a future does nothing until it is awaited, spawned or run")]] for_each_future
    : public future_ops<for_each_future<S, Fn, Marked>> {
    using item = typename S::item_type;
    using value = typename detail::item_value<item>::type;
    using returned = detail::call_result_t<Fn&, value>;
    static constexpr bool runs_futures = future<returned>;
    using body = std::conditional_t<runs_futures, returned, std::monostate>;

public:
    using output_type = std::expected<void, typename detail::item_error<item>::type>;
    static constexpr bool took_closure = Marked;

    template <class G>
    for_each_future(S&& items, G&& f)
        : items_(std::in_place, std::move(items)), f_(std::in_place, std::forward<G>(f)) {}

    poll_result<output_type> poll(context& cx) {
        if (!items_)
            throw misuse("for_each was awaited after it had ended: await it once, and keep its output", cx.where());
        try {
            auto answer = advance(cx);
            if (answer.is_ready()) end();
            return answer;
        } catch (...) {
            end();
            throw;
        }
    }

    poll_result<void> poll_cancel(context& cx)
        requires cancellable_future<body>
    {
        if (body_ && !body_->poll_cancel(cx)) return not_ready;
        end();
        return poll_result<void>::ready();
    }

private:
    poll_result<output_type> advance(context& cx) {
        for (;;) {
            if (auto ended = poll_body(cx); !ended) {
                return not_ready;
            } else if (!*ended) {
                return ended;
            }
            auto next = items_->poll_next(cx);
            if (!next) return not_ready;
            if (!next->has_value()) return output_type();
            if (auto started = start(**std::move(next)); !started) return started;
        }
    }

    /// Calls the function with an item: its answer, or, if that is a future, "go on" with the future in `body_`.
    output_type start(item&& taken) {
        if constexpr (detail::is_expected<item>) {
            if (!taken) return output_type(std::unexpect, std::move(taken.error()));
            return call(*std::move(taken));
        } else {
            return call(std::move(taken));
        }
    }

    output_type call(value&& taken) {
        if constexpr (runs_futures) {
            body_.emplace(detail::call(*f_, std::move(taken)));
            return {};
        } else if constexpr (std::is_void_v<returned>) {
            detail::call(*f_, std::move(taken));
            return {};
        } else {
            return as_output(detail::call(*f_, std::move(taken)));
        }
    }

    /// Ready if no body runs, or with what the body answered.
    poll_result<output_type> poll_body(context& cx) {
        if constexpr (runs_futures) {
            if (body_) {
                auto answer = body_->poll(cx);
                if (!answer) return not_ready;
                if constexpr (std::is_void_v<output_t<returned>>) {
                    body_.reset();
                    return output_type();
                } else {
                    output_type answered = as_output(*std::move(answer));
                    body_.reset();
                    return answered;
                }
            }
        }
        static_cast<void>(cx);
        return output_type();
    }

    template <class Answer>
    static output_type as_output(Answer&& answer) {
        if (answer) return {};
        return output_type(std::unexpect,
                           convert_error<typename output_type::error_type>(std::forward<Answer>(answer).error()));
    }

    /// Destroys what it ran, so that a for_each that somebody has named holds nothing.
    void end() noexcept {
        body_.reset();
        items_.reset();
        f_.reset();
    }

    std::optional<S> items_;
    std::optional<Fn> f_;
    std::optional<body> body_;  // declared last: it may borrow the function's captures
};

/// The members of a stream, for a class that derives from `stream_ops<itself>`.
template <class Self>
class stream_ops {
public:
    [[nodiscard]] next_future<Self> next() noexcept { return next_future<Self>(static_cast<Self&>(*this)); }

    /// Calls `f` with each item, one after the other: the next item is asked for when what `f` returned is done. Items
    /// that are `expected` are unwrapped, and the first error ends it and is its output; an item with parts is given as
    /// several arguments. `f` returns nothing, an `expected` (an error ends it), or a future of either.
    /// Lifetime: takes the stream and `f` over, and keeps `f` while what it returned runs.
    template <class Fn>
    [[nodiscard]] auto for_each(Fn&& f) && {
        using value = typename detail::item_value<typename Self::item_type>::type;
        constexpr bool fits = detail::takes<std::decay_t<Fn>&, value>;
        static_assert(fits, "eddy: for_each needs a function that takes an item (its value, or its parts)");
        if constexpr (fits) {
            using each = for_each_future<Self, std::decay_t<Fn>, detail::is_fragile<Fn>>;
            return each(std::move(static_cast<Self&>(*this)), std::forward<Fn>(f));
        } else {
            return detail::broken_future();
        }
    }
    // Only to say in a short error what to write.
    template <class... A>
    auto for_each(A&&...) & {
        return detail::refuse_lvalue<A...>();
    }
};

}  // namespace eddy
