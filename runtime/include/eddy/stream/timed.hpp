// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <expected>
#include <optional>
#include <source_location>
#include <utility>
#include <vector>

#include <eddy/future/detail/stream_adaptor.hpp>
#include <eddy/future/future.hpp>
#include <eddy/stream/chunks.hpp>
#include <eddy/stream/stream_ops.hpp>
#include <eddy/time/clock.hpp>
#include <eddy/time/sleep.hpp>
#include <eddy/time/timeout.hpp>

// Adapters that use time; see stream_ops. Like a sleep, they wait in the event loop that polls them.

namespace eddy::streams {

/// A deadline whose sleep exists only while a poll waits for it.
class stream_deadline {
public:
    /// Creates a deadline without a start; `after` is the duration.
    stream_deadline(time::duration after, std::source_location where) noexcept : after_(after), where_(where) {}
    // The sleep is not moved, and the next poll creates a new one. So this object may be moved after a poll that was
    // not ready: an adapter such as merge() may return an item of another stream and then be moved.
    stream_deadline(stream_deadline&& other) noexcept : after_(other.after_), where_(other.where_), at_(other.at_) {}
    stream_deadline& operator=(stream_deadline&&) = delete;
    ~stream_deadline() = default;

    /// Sets the deadline to `after` from now.
    void begin() noexcept {
        sleep_.reset();
        at_ = time::deadline_after(after_);
    }

    /// Returns the duration.
    [[nodiscard]] time::duration after() const noexcept { return after_; }

    /// Returns true if the deadline has passed. Otherwise the context's waker is woken when the deadline has passed.
    [[nodiscard]] bool poll(context& cx) {
        if (!sleep_) sleep_.emplace(at_, where_);
        if (!poll_sleep(cx)) return false;
        sleep_.reset();
        return true;
    }

    /// Stops waiting: destroys the sleep.
    void stop() noexcept { sleep_.reset(); }

    static constexpr bool is_part = true;
    static constexpr auto wait_shape() { return inspect::waits_as(&stream_deadline::sleep_); }

private:
    bool poll_sleep(context& cx) {
        return detail::poll_with_budget(cx, [this](context& own) { return sleep_->poll(own).is_ready(); });
    }

    time::duration after_;
    std::source_location where_;
    time::time_point at_;
    std::optional<time::sleep_future> sleep_;
};

/// The stream that stream_ops::timeout() returns.
/// Cancel safety: safe; see stream_ops.
template <class S>
class [[nodiscard]] timeout_stream : public detail::stream_adaptor<timeout_stream<S>, S> {
public:
    using item_type = std::expected<detail::item_t<S>, time::elapsed>;

    timeout_stream(S&& items, time::duration after, std::source_location where)
        : timeout_stream::stream_adaptor(std::move(items)), deadline_(after, where) {
        deadline_.begin();
    }

    poll_result<std::optional<item_type>> poll_next(context& cx) {
        auto next = this->items_.poll_next(cx);
        if (next) {
            deadline_.begin();
            is_elapsed_ = false;
            if (!next->has_value()) return std::nullopt;
            return std::optional<item_type>(std::in_place, std::in_place, **std::move(next));
        }
        if (is_elapsed_ || !deadline_.poll(cx)) return not_ready;
        is_elapsed_ = true;
        return std::optional<item_type>(nothing_came());
    }

    /// Returns no upper bound, because there may be an `elapsed` between any two items.
    [[nodiscard]] size_bounds size_hint() const noexcept { return {this->items_.size_hint().at_least, std::nullopt}; }

    static constexpr auto wait_shape() {
        return inspect::first_of(&timeout_stream::items_, inspect::child(&timeout_stream::deadline_, "deadline"));
    }

private:
    // Not inlined: otherwise GCC 12 warns in user code about the value, which does not exist.
    [[gnu::noinline]] static item_type nothing_came() noexcept { return item_type(std::unexpect); }

    stream_deadline deadline_;
    bool is_elapsed_ = false;
};

/// The stream that stream_ops::timeout_repeating() returns.
/// Cancel safety: safe; see stream_ops.
template <class S, class Ticks>
class [[nodiscard]] timeout_repeating_stream : public detail::stream_adaptor<timeout_repeating_stream<S, Ticks>, S> {
public:
    using item_type = std::expected<detail::item_t<S>, time::elapsed>;

    timeout_repeating_stream(S&& items, Ticks&& every)
        : timeout_repeating_stream::stream_adaptor(std::move(items)), every_(std::move(every)) {}

    poll_result<std::optional<item_type>> poll_next(context& cx) {
        auto next = this->items_.poll_next(cx);
        if (next) {
            if (!next->has_value()) return std::nullopt;
            every_.reset();
            return std::optional<item_type>(std::in_place, std::in_place, **std::move(next));
        }
        if (!poll_tick(cx)) return not_ready;
        return std::optional<item_type>(nothing_came());
    }

    /// Returns no upper bound, because there may be an `elapsed` between any two items.
    [[nodiscard]] size_bounds size_hint() const noexcept { return {this->items_.size_hint().at_least, std::nullopt}; }

    static constexpr auto wait_shape() {
        return inspect::first_of(&timeout_repeating_stream::items_,
                                 inspect::child(&timeout_repeating_stream::every_, "deadline"));
    }

private:
    // Not inlined: see timeout_stream.
    [[gnu::noinline]] static item_type nothing_came() noexcept { return item_type(std::unexpect); }

    bool poll_tick(context& cx) {
        return detail::poll_with_budget(cx, [this](context& own) { return every_.poll_tick(own).is_ready(); });
    }

    Ticks every_;
};

/// The stream that stream_ops::throttle() returns.
/// Cancel safety: safe; see stream_ops.
template <class S>
class [[nodiscard]] throttle_stream : public detail::stream_adaptor<throttle_stream<S>, S> {
public:
    using item_type = detail::item_t<S>;

    throttle_stream(S&& items, time::duration apart, std::source_location where)
        : throttle_stream::stream_adaptor(std::move(items)), next_(apart, where) {}

    poll_result<std::optional<item_type>> poll_next(context& cx) {
        if (waits_) {
            if (!next_.poll(cx)) return not_ready;
            waits_ = false;
        }
        auto next = this->items_.poll_next(cx);
        if (next && next->has_value() && next_.after() > time::duration::zero()) {
            next_.begin();
            waits_ = true;
        }
        return next;
    }

    static constexpr auto wait_shape() { return inspect::waits_as(&throttle_stream::next_, &throttle_stream::items_); }

private:
    stream_deadline next_;
    bool waits_ = false;
};

/// The stream that stream_ops::chunks_timeout() returns.
/// Cancel safety: safe; see stream_ops.
template <class S>
class [[nodiscard]] chunks_timeout_stream : public detail::stream_adaptor<chunks_timeout_stream<S>, S> {
public:
    using item_type = std::vector<detail::item_t<S>>;

    chunks_timeout_stream(S&& items, std::size_t size, time::duration after, std::source_location where)
        : chunks_timeout_stream::stream_adaptor(std::move(items)), chunk_(size, where), deadline_(after, where) {}

    poll_result<std::optional<item_type>> poll_next(context& cx) {
        for (;;) {
            detail::budget_guard cost(cx);
            auto next = this->items_.poll_next(cx);
            if (!next) break;
            if (!next->has_value()) return chunk_.is_empty() ? nothing() : give();
            if (chunk_.is_empty()) deadline_.begin();
            if (chunk_.add(**std::move(next))) return give();
            if (!cost.is_paid()) break;
        }
        if (chunk_.is_empty() || !deadline_.poll(cx)) return not_ready;
        return give();
    }

    [[nodiscard]] size_bounds size_hint() const noexcept {
        const size_bounds items = this->items_.size_hint();
        // The upper bound assumes chunks of one item, and the lower bound full chunks.
        return {chunk_.chunks_of(items).at_least, detail::one_more_if(!chunk_.is_empty(), items).at_most};
    }

    static constexpr auto wait_shape() {
        return inspect::first_of(&chunks_timeout_stream::items_,
                                 inspect::child(&chunks_timeout_stream::deadline_, "deadline"));
    }

private:
    static std::optional<item_type> nothing() noexcept { return std::nullopt; }
    std::optional<item_type> give() {
        deadline_.stop();
        return chunk_.take();
    }

    detail::chunk<detail::item_t<S>> chunk_;
    stream_deadline deadline_;
};

}  // namespace eddy::streams
