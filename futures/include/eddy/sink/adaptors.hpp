// SPDX-License-Identifier: MIT
#pragma once

#include <concepts>
#include <cstddef>
#include <deque>
#include <expected>
#include <optional>
#include <source_location>
#include <type_traits>
#include <utility>

#include <eddy/error.hpp>
#include <eddy/future/detail/awaited_part.hpp>
#include <eddy/future/detail/call.hpp>
#include <eddy/future/detail/stream_adaptor.hpp>
#include <eddy/future/future.hpp>
#include <eddy/future/try.hpp>
#include <eddy/result.hpp>
#include <eddy/sink/sink_ops.hpp>

// Sinks that wrap another sink. For their behavior, see sink_ops.

namespace eddy::sinks {

/// The sink that sink_ops::with() returns.
template <class S, class In, class Fn>
class [[nodiscard]] with_sink : public sink_ops<with_sink<S, In, Fn>> {
    using body = detail::running<detail::call_result_t<Fn&, In>>;
    using answer = typename body::output_type;

public:
    using error_type = detail::sink_error_t<S>;
    /// The result of the operations of the sink.
    using outcome = std::expected<void, error_type>;

    template <class G>
    with_sink(S&& inner, G&& f) : inner_(std::move(inner)), f_(std::forward<G>(f)) {}

    poll_result<outcome> poll_ready(context& cx) {
        auto sent = poll_body(cx);
        if (!sent || !*sent) return sent;
        return inner_.poll_ready(cx);
    }

    /// Passes the item to the function. If the function returns a future, poll_ready, poll_flush and poll_close poll
    /// that future to its end.
    outcome start_send(In item, [[maybe_unused]] std::source_location where = std::source_location::current()) {
        if constexpr (body::is_future) {
            if (body_)
                throw misuse(
                    "start_send() was called while an item is pending: call it only after poll_ready() was ready",
                    where);
            body_.start(f_, std::move(item));
            return {};
        } else {
            body at_once;  // instead of body_: GCC 12 would emit false warnings about an uninitialized body_
            at_once.start(f_, std::move(item));
            return pass_on(at_once.take());
        }
    }

    poll_result<outcome> poll_flush(context& cx) {
        auto sent = poll_body(cx);
        if (!sent || !*sent) return sent;
        return inner_.poll_flush(cx);
    }

    poll_result<outcome> poll_close(context& cx) {
        auto sent = poll_body(cx);
        if (!sent || !*sent) return sent;
        return inner_.poll_close(cx);
    }

    static constexpr auto wait_shape() {
        return inspect::waits_as(&with_sink::body_, inspect::writer(&with_sink::inner_));
    }

private:
    /// Returns ready when no future is running. The inner sink is then still ready for the item, because it was ready
    /// when the future started.
    poll_result<outcome> poll_body(context& cx) {
        if constexpr (body::is_future) {
            if (!body_) return outcome();
            auto ended = body_.poll(cx);
            if (!ended) return not_ready;
            return pass_on(*std::move(ended));
        } else {
            static_cast<void>(cx);
            return outcome();
        }
    }

    outcome pass_on(answer&& made) {
        if constexpr (detail::is_expected<answer>) {
            if (!made) return outcome(std::unexpect, convert_error<error_type>(std::move(made).error()));
            return inner_.start_send(*std::move(made));
        } else {
            return inner_.start_send(std::move(made));
        }
    }

    S inner_;
    Fn f_;
    body body_;  // declared last: the body may refer to captures of `f_`
};

/// The sink that sink_ops::buffer() returns.
template <class S, class T>
class [[nodiscard]] buffer_sink : public sink_ops<buffer_sink<S, T>> {
public:
    using error_type = detail::sink_error_t<S>;
    /// The result of the operations of the sink.
    using outcome = std::expected<void, error_type>;

    buffer_sink(S&& inner, std::size_t size) : inner_(std::move(inner)), size_(size) {}

    /// Returns ready while the buffer has spare capacity. Also sends buffered items if the inner sink is ready.
    poll_result<outcome> poll_ready(context& cx) {
        if (size_ == 0) return inner_.poll_ready(cx);
        auto emptied = poll_empty(cx);
        if (emptied && !*emptied) return emptied;
        if (waiting_.size() >= size_) return not_ready;
        return outcome();
    }

    outcome start_send(T item) {
        if (size_ == 0) return inner_.start_send(std::move(item));
        waiting_.push_back(std::move(item));
        return {};
    }

    poll_result<outcome> poll_flush(context& cx) {
        auto emptied = poll_empty(cx);
        if (!emptied || !*emptied) return emptied;
        return inner_.poll_flush(cx);
    }

    poll_result<outcome> poll_close(context& cx) {
        auto emptied = poll_empty(cx);
        if (!emptied || !*emptied) return emptied;
        return inner_.poll_close(cx);
    }

    /// Returns the number of buffered items.
    [[nodiscard]] std::size_t waiting() const noexcept { return waiting_.size(); }

    static constexpr auto wait_shape() { return inspect::writes_to(&buffer_sink::inner_); }

private:
    /// Returns ready when the buffer is empty.
    poll_result<outcome> poll_empty(context& cx) {
        while (!waiting_.empty()) {
            auto is_ready = inner_.poll_ready(cx);
            if (!is_ready || !*is_ready) return is_ready;
            T item = std::move(waiting_.front());
            waiting_.pop_front();
            auto sent = inner_.start_send(std::move(item));
            if (!sent) return sent;
        }
        return outcome();
    }

    S inner_;
    std::size_t size_;
    std::deque<T> waiting_;
};

/// The sink that sink_ops::fanout() returns.
template <class A, class B>
class [[nodiscard]] fanout_sink : public sink_ops<fanout_sink<A, B>> {
    static_assert(std::same_as<detail::sink_error_t<A>, detail::sink_error_t<B>>,
                  "eddy: the two sinks of a fanout must have the same type of errors");

public:
    using error_type = typename A::error_type;
    /// The result of the operations of the sink.
    using outcome = std::expected<void, error_type>;

    fanout_sink(A&& first, B&& second) : first_(std::move(first)), second_(std::move(second)) {}

    /// Returns ready when both sinks are ready. Polls both, so that they become ready concurrently.
    poll_result<outcome> poll_ready(context& cx) { return both(first_.poll_ready(cx), second_.poll_ready(cx)); }

    template <class T>
    outcome start_send(T&& item) {
        auto sent = first_.start_send(std::decay_t<T>(std::as_const(item)));
        if (!sent) return sent;
        return second_.start_send(std::forward<T>(item));
    }

    poll_result<outcome> poll_flush(context& cx) { return both(first_.poll_flush(cx), second_.poll_flush(cx)); }

    poll_result<outcome> poll_close(context& cx) {
        return both(close_once(first_, first_is_closed_, cx), close_once(second_, second_is_closed_, cx));
    }

    static constexpr auto wait_shape() {
        return inspect::all_of(inspect::writer(&fanout_sink::first_), inspect::writer(&fanout_sink::second_));
    }

private:
    /// Closes a sink, unless it is closed already.
    template <class S>
    static poll_result<outcome> close_once(S& sink, bool& is_closed, context& cx) {
        if (is_closed) return outcome();
        auto closed = sink.poll_close(cx);
        is_closed = closed && *closed;
        return closed;
    }

    static poll_result<outcome> both(poll_result<outcome>&& a, poll_result<outcome>&& b) {
        if (a && !*a) return std::move(a);
        if (b && !*b) return std::move(b);
        if (!a || !b) return not_ready;
        return outcome();
    }

    A first_;
    B second_;
    bool first_is_closed_ = false;
    bool second_is_closed_ = false;
};

}  // namespace eddy::sinks
