// SPDX-License-Identifier: MIT
#pragma once

#include <expected>
#include <functional>
#include <optional>
#include <type_traits>
#include <utility>

#include <eddy/detail/false_warnings.hpp>
#include <eddy/future/detail/await_record.hpp>
#include <eddy/future/detail/owned.hpp>
#include <eddy/future/future.hpp>
#include <eddy/future/on.hpp>
#include <eddy/future/when.hpp>
#include <eddy/stream/next.hpp>

// The sources of the branches of select_loop(). A source makes the future that one round of the loop polls.

EDDY_BEGIN_FALSE_UNINITIALIZED
namespace eddy::detail {

/// The branch of a future that several rounds poll.
template <class F>
class kept_round {
public:
    using output_type = output_t<F>;
    static constexpr bool is_last_resort = detail::is_last_resort<F>();

    explicit kept_round(F* kept) noexcept : kept_(kept) {}

    poll_result<output_type> poll(context& cx) {
        if (kept_ == nullptr) return not_ready;
        return kept_->poll(cx);
    }

    friend auto awaited_objects(const kept_round& me) noexcept {
        return awaited_objects_of(static_cast<const F*>(me.kept_));
    }

    static constexpr auto wait_shape() { return inspect::waits_as(&kept_round::kept_); }

    [[nodiscard]] bool is_enabled() const noexcept { return kept_ != nullptr && is_branch_enabled(*kept_); }
    void settle(bool has_others, bool has_last_resort) noexcept {
        if constexpr (select_branch<F>) {
            if (kept_ != nullptr) kept_->settle(has_others, has_last_resort);
        }
    }

private:
    F* kept_;  // null: the future was ready in an earlier round
};

/// The branch of a stream: its next item.
template <class S>
class stream_round {
public:
    using output_type = std::optional<typename S::item_type>;
    static constexpr bool is_last_resort = false;

    stream_round(S* items, bool* rests) noexcept : items_(items), rests_(rests) {
        if (items_ != nullptr) next_.emplace(*items_);
    }

    poll_result<output_type> poll(context& cx) {
        if (!next_) return not_ready;
        if constexpr (continues_after_end<S>) {
            const auto budget = cx.budget();
            *rests_ = false;
            auto next = next_->poll(cx);
            if (!next || next->has_value()) return next;
            if (cx.budget() != budget) cx.refund_budget();
            *rests_ = true;
            return not_ready;
        } else {
            return next_->poll(cx);
        }
    }

    friend auto awaited_objects(const stream_round& me) noexcept {
        return awaited_objects_of(me.next_ ? std::addressof(*me.next_) : nullptr);
    }

    static constexpr auto wait_shape() { return inspect::waits_as(&stream_round::items_); }

    [[nodiscard]] bool is_enabled() const noexcept { return items_ != nullptr; }
    void settle(bool, bool) noexcept {}

private:
    S* items_;                            // null: the stream has ended
    std::optional<next_future<S>> next_;  // as `items_`
    bool* rests_;                         // set while the stream is at its end, but may continue
};

template <class T>
inline constexpr bool may_be_empty = false;
template <class T>
inline constexpr bool may_be_empty<std::optional<T>> = true;
template <class T, class E>
inline constexpr bool may_be_empty<std::expected<std::optional<T>, E>> = true;

template <class T>
bool is_empty_output(const std::optional<T>& output) noexcept {
    return !output.has_value();
}
template <class T, class E>
bool is_empty_output(const std::expected<std::optional<T>, E>& output) noexcept {
    return output.has_value() && !output->has_value();
}

/// The state that all rounds of a function's branch share. It tells whether the function's futures repeatedly have an
/// empty output.
struct empty_outputs {
    bool was_last = false;  // the last output that the handler got was empty
    bool rests = false;     // the output of this round was empty again, in the first poll
};

/// The branch of a function whose futures may have an empty output. The handler gets the first empty output. If the
/// next future also has an empty output in its first poll, the branch rests until the next round, or it would spin.
template <class F>
class made_round {
public:
    using output_type = output_t<F>;
    static constexpr bool is_last_resort = detail::is_last_resort<F>();

    made_round(F&& made, empty_outputs& seen) : made_(std::move(made)), seen_(&seen) {}

    poll_result<output_type> poll(context& cx) {
        if (seen_->rests) return not_ready;
        auto answer = made_.poll(cx);
        if (!answer) {
            if (cx.budget() != 0) is_first_poll_ = false;
            return answer;
        }
        const bool is_empty = is_empty_output(*answer);
        if (is_empty && is_first_poll_ && seen_->was_last) {
            seen_->rests = true;
            return not_ready;
        }
        seen_->was_last = is_empty;
        return answer;
    }
    poll_result<void> poll_cancel(context& cx)
        requires cancellable_future<F>
    {
        return made_.poll_cancel(cx);
    }

    friend auto awaited_objects(const made_round& me) noexcept { return awaited_objects_of(me.made_); }

    static constexpr auto wait_shape() { return inspect::waits_as(&made_round::made_); }

    [[nodiscard]] bool is_enabled() const noexcept { return is_branch_enabled(made_); }
    void settle(bool has_others, bool has_last_resort) noexcept {
        if constexpr (select_branch<F>) made_.settle(has_others, has_last_resort);
    }

private:
    F made_;
    empty_outputs* seen_;
    bool is_first_poll_ = true;
};

/// A source of a branch: makes a future for each round. `round` is the type of that future, and `value` the type that
/// the handler takes. This version is for functions.
template <class S>
class loop_source {
    using made = owned_t<std::invoke_result_t<S&>>;
    static constexpr bool may_rest = may_be_empty<output_t<made>>;

public:
    using round =
        typename std::conditional_t<may_rest, std::type_identity<made_round<made>>, std::type_identity<made>>::type;
    using value = output_t<made>;
    static constexpr bool is_stream = false;
    static constexpr bool is_cancellable = false;

    explicit loop_source(S&& source) : make_(std::move(source)) {}

    round begin() {
        if constexpr (may_rest) {
            seen_.rests = false;
            return round(made(detail::own(make_())), seen_);
        } else {
            return round(detail::own(make_()));
        }
    }
    [[nodiscard]] bool has_ended() const noexcept { return false; }
    [[nodiscard]] bool rests() const noexcept { return seen_.rests; }
    void end() noexcept {}
    bool cancel(context&) noexcept { return true; }

private:
    S make_;
    empty_outputs seen_;
};

/// The specialization of loop_source for a future, which is kept until it is ready.
template <class S>
    requires is_future_source<S>
class loop_source<S> {
    using kept = owned_t<S>;

public:
    using round = kept_round<kept>;
    using value = output_t<kept>;
    static constexpr bool is_stream = false;
    static constexpr bool is_cancellable = cancellable_future<kept>;

    explicit loop_source(S&& source) : kept_(std::in_place, std::move(source)) {}

    round begin() noexcept { return round(kept_ ? &*kept_ : nullptr); }
    [[nodiscard]] bool has_ended() const noexcept { return !kept_; }
    [[nodiscard]] bool rests() const noexcept { return false; }
    void end() noexcept { kept_.reset(); }
    bool cancel(context& cx) {
        if (kept_ && !poll_cancel_child(&*kept_, cx)) return false;
        kept_.reset();
        return true;
    }

private:
    std::optional<kept> kept_;
};

/// The specialization of loop_source for a stream.
template <class S>
    requires is_stream_source<S>
class loop_source<S> {
    using items = std::remove_reference_t<std::unwrap_reference_t<S>>;

public:
    using round = stream_round<items>;
    using value = typename items::item_type;
    static constexpr bool is_stream = true;
    static constexpr bool is_cancellable = std::is_same_v<items, S> && cancellable_stream<items>;

    explicit loop_source(S&& source) : items_(std::in_place, std::move(source)) {}

    round begin() noexcept {
        if (!items_) return round(nullptr, nullptr);
        items& stream = *items_;
        rests_ = false;
        return round(&stream, &rests_);
    }
    [[nodiscard]] bool has_ended() const noexcept { return !items_; }
    [[nodiscard]] bool rests() const noexcept { return rests_; }
    void end() noexcept { items_.reset(); }
    bool cancel([[maybe_unused]] context& cx) {
        if constexpr (is_cancellable) {
            if (items_ && !items_->poll_cancel(cx)) return false;
        }
        items_.reset();
        return true;
    }

private:
    std::optional<S> items_;
    bool rests_ = false;
};

}  // namespace eddy::detail
EDDY_END_FALSE_UNINITIALIZED
