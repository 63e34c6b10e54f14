// SPDX-License-Identifier: MIT
#pragma once

#include <exception>
#include <expected>
#include <optional>
#include <type_traits>
#include <utility>

#include <eddy/error.hpp>
#include <eddy/future/detail/awaited_part.hpp>
#include <eddy/future/detail/holds_closure.hpp>
#include <eddy/future/detail/operation_guard.hpp>
#include <eddy/future/detail/stream_adaptor.hpp>
#include <eddy/future/future.hpp>
#include <eddy/future/future_ops.hpp>
#include <eddy/future/try.hpp>
#include <eddy/sink/sink_ops.hpp>

namespace eddy::sinks {

/// The future of sink_ops::feed().
template <class S, class T>
class [[nodiscard("co_await it")]] feed_future : public future_ops<feed_future<S, T>> {
public:
    using output_type = outcome_t<S>;

    template <class U>
    feed_future(S& into, U&& item) : into_(&into), item_(std::in_place, std::forward<U>(item)) {}

    static constexpr bool writes_to_object = true;
    friend auto awaited_object(const feed_future& me) noexcept {
        return eddy::detail::awaited_part_of<eddy::detail::direction::write>(*me.into_);
    }

    poll_result<output_type> poll(context& cx) {
        if (!item_) eddy::detail::throw_has_ended("feed", cx.where());
        return hold_.during(*into_, cx, [&] { return poll_held(cx); });
    }
    /// For send(), which has a hold of its own.
    poll_result<output_type> poll_held(context& cx) {
        if (cx.budget() == 0 && !cx.consume_budget()) return not_ready;
        detail::budget_guard cost(cx);
        auto is_ready = into_->poll_ready(cx);
        if (!is_ready) return not_ready;
        static_cast<void>(cx.budget() != 0 && cost.is_paid());
        T item(*std::move(item_));
        item_.reset();
        if (!*is_ready) return is_ready;
        return into_->start_send(std::move(item));
    }

    static constexpr auto wait_shape() { return inspect::writes_to(&feed_future::into_); }

private:
    S* into_;
    std::optional<T> item_;
    [[no_unique_address]] eddy::detail::sink_hold<S> hold_;
};

/// The future of sink_ops::send().
template <class S, class T>
class [[nodiscard("co_await it")]] send_future : public future_ops<send_future<S, T>> {
public:
    using output_type = outcome_t<S>;

    template <class U>
    send_future(S& into, U&& item) : into_(&into), feed_(std::in_place, into, std::forward<U>(item)) {}

    static constexpr bool writes_to_object = true;
    friend auto awaited_object(const send_future& me) noexcept {
        return eddy::detail::awaited_part_of<eddy::detail::direction::write>(*me.into_);
    }

    poll_result<output_type> poll(context& cx) {
        if (has_ended_) eddy::detail::throw_has_ended("send", cx.where());
        return hold_.during(*into_, cx, [&] { return poll_sent(cx); });
    }

    static constexpr auto wait_shape() { return inspect::writes_to(&send_future::into_); }

private:
    poll_result<output_type> poll_sent(context& cx) {
        if (feed_) {
            auto fed = feed_->poll_held(cx);
            if (!fed) return not_ready;
            feed_.reset();
            if (!*fed) return end(std::move(fed));
        }
        auto flushed = into_->poll_flush(cx);
        if (!flushed) return not_ready;
        return end(std::move(flushed));
    }
    poll_result<output_type> end(poll_result<output_type>&& with) noexcept {
        has_ended_ = true;
        return std::move(with);
    }

    S* into_;
    std::optional<feed_future<S, T>> feed_;  // until the sink has accepted the item
    bool has_ended_ = false;
    [[no_unique_address]] eddy::detail::sink_hold<S> hold_;
};

}  // namespace eddy::sinks

namespace eddy::detail {

// These futures refer to the sink, and own the item.
template <class S, class T>
struct names_closure<sinks::feed_future<S, T>> : holds_closure<T> {};
template <class S, class T>
struct names_closure<sinks::send_future<S, T>> : holds_closure<T> {};

}  // namespace eddy::detail

namespace eddy::sinks {

/// The future of sink_ops::flush().
template <class S>
class [[nodiscard("co_await it")]] flush_future : public future_ops<flush_future<S>> {
public:
    using output_type = outcome_t<S>;

    explicit flush_future(S& of) noexcept : of_(&of) {}

    poll_result<output_type> poll(context& cx) {
        return hold_.during(*of_, cx, [&] { return of_->poll_flush(cx); });
    }

    static constexpr auto wait_shape() { return inspect::writes_to(&flush_future::of_); }

private:
    S* of_;
    [[no_unique_address]] eddy::detail::sink_hold<S> hold_;
};

/// The future of sink_ops::close().
template <class S>
class [[nodiscard("co_await it")]] close_future : public future_ops<close_future<S>> {
public:
    using output_type = outcome_t<S>;

    explicit close_future(S& of) noexcept : of_(&of) {}

    poll_result<output_type> poll(context& cx) { return of_->poll_close(cx); }

    static constexpr auto wait_shape() { return inspect::writes_to(&close_future::of_); }

private:
    S* of_;
};

/// Sends the items of a stream to a sink, one at a time. Used by send_all() and forward().
template <class Items, class S>
class transfer {
    using item = detail::item_t<Items>;

public:
    using output_type = outcome_t<S>;

    /// Takes ownership of the stream.
    explicit transfer(Items&& items) : items_(std::move(items)) {}

    /// Returns ready when the stream has ended and the sink has accepted all items, or with an error.
    poll_result<output_type> poll(S& into, context& cx) {
        for (;;) {
            detail::budget_guard cost(cx);
            if (!held_) {
                auto next = items_.poll_next(cx);
                if (!next) return flush_meanwhile(into, cx);
                if (!next->has_value()) return output_type();
                if constexpr (detail::is_expected<item>) {
                    if (!**next) return as_error(std::move(**next).error());
                    held_.emplace(*std::move(**next));
                } else {
                    held_.emplace(**std::move(next));
                }
            }
            auto is_ready = into.poll_ready(cx);
            if (!is_ready) return not_ready;
            if (!*is_ready) return is_ready;
            auto sent = send_held(into);
            if (!sent) return sent;
            if (!cost.is_paid()) return not_ready;
        }
    }

    /// Cancels the stream gracefully. Returns whether it is gone.
    [[nodiscard]] bool cancel(context& cx) { return items_.cancel(cx); }

    static constexpr auto wait_shape() { return inspect::waits_as(&transfer::items_); }

private:
    output_type send_held(S& into) {
        detail::item_value_t<item> sent = *std::move(held_);
        held_.reset();
        return into.start_send(std::move(sent));
    }

    /// Flushes the sink while the stream waits, so that items in the sink do not wait with it.
    static poll_result<output_type> flush_meanwhile(S& into, context& cx) {
        auto flushed = poll_flush(into, cx);
        if (flushed && !*flushed) return flushed;
        return not_ready;
    }
    static poll_result<output_type> poll_flush(S& into, context& cx) {
        return detail::poll_with_budget(cx, [&into](context& own) { return into.poll_flush(own); });
    }

    template <class E>
    static output_type as_error(E&& error) {
        return output_type(std::unexpect, convert_error<typename S::error_type>(std::forward<E>(error)));
    }

    detail::inner_stream<Items> items_;
    std::optional<detail::item_value_t<item>> held_;
};

/// The future of send_all() and forward(): a transfer, followed by the operation `Last` of the sink. `Into` is a
/// pointer to the sink or an std::optional that contains it; null or nullopt when this future has ended.
template <class Items, class Into, class Last>
class [[nodiscard("a future does nothing until it is awaited, spawned or run")]] transfer_future
    : public future_ops<transfer_future<Items, Into, Last>> {
    using sink_type = std::remove_reference_t<decltype(*std::declval<Into&>())>;

public:
    using output_type = outcome_t<sink_type>;

    transfer_future(Into&& into, Items&& items) : into_(std::move(into)), transfer_(std::in_place, std::move(items)) {}

    poll_result<output_type> poll(context& cx) {
        if (!into_) eddy::detail::throw_has_ended(Last::name, cx.where());
        if (!outcome_ && !failure_ && !poll_outcome(cx)) return not_ready;
        if (transfer_ && !transfer_->cancel(cx)) return not_ready;  // the sink may fail before the stream ends
        end();
        if (failure_) std::rethrow_exception(std::exchange(failure_, nullptr));
        return *std::move(outcome_);
    }

    poll_result<void> poll_cancel(context& cx)
        requires cancellable_stream<Items>
    {
        if (transfer_ && !transfer_->cancel(cx)) return not_ready;
        end();
        return poll_result<void>::ready();
    }

    static constexpr auto wait_shape() {
        return inspect::first_of(&transfer_future::transfer_, inspect::writer(&transfer_future::into_));
    }

private:
    /// Returns true if there is an output or an exception.
    bool poll_outcome(context& cx) {
        try {
            auto answer = advance(cx);
            if (!answer) return false;
            outcome_.emplace(*std::move(answer));
        } catch (...) {
            failure_ = std::current_exception();
        }
        return true;
    }

    poll_result<output_type> advance(context& cx) {
        if (transfer_) {
            auto moved = transfer_->poll(*into_, cx);
            if (!moved || !*moved) return moved;
            transfer_.reset();
        }
        return Last::poll(*into_, cx);
    }

    void end() noexcept {
        transfer_.reset();
        release(into_);
    }
    static void release(sink_type*& target) noexcept { target = nullptr; }
    static void release(std::optional<sink_type>& owned) noexcept { owned.reset(); }

    Into into_;
    std::optional<transfer<Items, sink_type>> transfer_;  // until the stream has ended
    std::optional<output_type> outcome_;
    std::exception_ptr failure_;
};

}  // namespace eddy::sinks

namespace eddy::detail {

/// The last operation of send_all().
struct then_flush {
    /// The name of the operation, for error messages.
    static constexpr const char* name = "send_all";
    template <class S>
    static poll_result<sinks::outcome_t<S>> poll(S& into, context& cx) {
        return into.poll_flush(cx);
    }
};

}  // namespace eddy::detail
