// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <functional>
#include <optional>
#include <source_location>
#include <type_traits>
#include <utility>

#include <eddy/detail/closure_guard.hpp>
#include <eddy/detail/owned.hpp>
#include <eddy/detail/token_node.hpp>
#include <eddy/error.hpp>
#include <eddy/future.hpp>
#include <eddy/future_ops.hpp>

namespace eddy::sync {

template <class Of>
class basic_cancelled_future;
template <class Of, class F>
class run_until_cancelled_future;
class cancellation_guard;

/// Tells tasks to come to an end. It says so and no more: each task looks at it where it can stop in good order, and
/// goes on to its end.
///     for (;;) {
///         auto next = co_await eddy::select(token.cancelled(), listener.accept());
///         if (next.index() == 0) break;
///         ...
///     }
///
/// Copies are the same token. A child_token() is cancelled with its parent, and can be cancelled without it. Cancelling
/// cannot be undone. It needs no runtime. To wait for the tasks then, see task_tracker.
/// A token that was moved from is the same token still: it is never empty.
/// Thread safety: any thread.
/// Cost: an allocation for a child, two for a root, and a read-modify-write for a copy. is_cancelled() is a load.
class cancellation_token {
public:
    using cancelled_future = basic_cancelled_future<eddy::detail::token_node*>;
    using owned_cancelled_future = basic_cancelled_future<eddy::detail::token_share>;

    /// A new token, without a parent.
    cancellation_token() = default;

    /// A token that is cancelled when this one is. Cancelling it does nothing to this one. It need not be kept alive
    /// for its own children: if it goes, they are this one's. Cost: it waits while a cancel() of a token of the same
    /// family marks those below it.
    [[nodiscard]] cancellation_token child_token() const {
        return cancellation_token(eddy::detail::token_share(eddy::detail::token_node::make_child(*share_.get())));
    }

    /// Cancels the token and all tokens below it, and wakes who waits for one of them. Later calls do nothing.
    /// Who finds a token cancelled finds those below it so, and sees what was done before the cancel().
    /// Cost: proportional to the number of tokens below; no recursion, no allocation.
    void cancel() const noexcept { share_->cancel(); }
    [[nodiscard]] bool is_cancelled() const noexcept { return share_->is_cancelled(); }

    /// A future that ends when the token is cancelled; at once, if it is.
    /// Cancel safety: safe.
    /// Lifetime: the token, or a copy, must outlive it. If the last is destroyed while it waits, the program ends.
    /// Cost: no allocation; no read-modify-write before it waits.
    [[nodiscard]] cancelled_future cancelled() const noexcept;
    /// cancelled() that has a copy of the token.
    [[nodiscard]] owned_cancelled_future cancelled_owned() const noexcept;

    /// Runs `work` until it is ready or the token is cancelled. Gives a std::optional of its output, std::monostate for
    /// void; nothing if the token was cancelled. A token that is cancelled counts before a future that is ready. When
    /// the token is cancelled, `work` is ended: by its poll_cancel() if it has one, which may take time, and by its
    /// destructor. Either way it is gone when this is ready. What it throws passes through.
    /// Cancel safety: that of `work`.
    /// Lifetime: `work` is moved in; use std::ref to lend it. The token, or a copy, must outlive the future.
    template <class F>
    [[nodiscard]] auto run_until_cancelled(F&& work) const;
    /// run_until_cancelled() that has a copy of the token: for a task that is spawned, say.
    template <class F>
    [[nodiscard]] auto run_until_cancelled_owned(F&& work) const;

    /// Cancels the token when it is destroyed, unless it was disarmed: so that leaving a function ends what it has
    /// started.
    [[nodiscard]] cancellation_guard drop_guard() const noexcept;

    /// Whether both are the same token.
    [[nodiscard]] friend bool operator==(const cancellation_token& a, const cancellation_token& b) noexcept {
        return a.share_.get() == b.share_.get();
    }

private:
    friend struct std::hash<cancellation_token>;
    explicit cancellation_token(const eddy::detail::token_share& share) noexcept : share_(share) {}

    eddy::detail::token_share share_;
};

/// What cancellation_token::cancelled() and cancelled_owned() return.
template <class Of>
class [[nodiscard("co_await it")]] basic_cancelled_future : public future_ops<basic_cancelled_future<Of>> {
public:
    using output_type = void;

    explicit basic_cancelled_future(const Of& of) noexcept : of_(of) { of_->begin(waiter_); }
    basic_cancelled_future(basic_cancelled_future&& other) noexcept
        : of_(other.of_), waiter_(other.waiter_, "a cancelled() was moved after its first poll") {}
    basic_cancelled_future& operator=(basic_cancelled_future&&) = delete;
    ~basic_cancelled_future() { of_->leave(waiter_); }

    poll_result<void> poll(context& cx) noexcept {
        if (!cx.consume_budget()) return not_ready;
        if (of_->poll_cancelled(waiter_, cx.waker())) return poll_result<void>::ready();
        cx.refund_budget();
        return not_ready;
    }

private:
    Of of_;
    eddy::detail::notify_waiter waiter_;
};

/// What cancellation_token::run_until_cancelled() and run_until_cancelled_owned() return.
template <class Of, class F>
class [[nodiscard("a future does nothing until it is awaited, spawned or run")]] run_until_cancelled_future
    : public future_ops<run_until_cancelled_future<Of, F>> {
public:
    using output_type = std::optional<eddy::detail::stored_t<output_t<F>>>;
    static constexpr bool took_closure = eddy::detail::is_marked<F>;

    run_until_cancelled_future(const Of& of, F&& inner) : of_(of), inner_(std::in_place, std::move(inner)) {
        of_->begin(waiter_);
    }
    run_until_cancelled_future(run_until_cancelled_future&& other) noexcept(std::is_nothrow_move_constructible_v<F>)
        : of_(other.of_),
          inner_(std::move(other.inner_)),
          waiter_(other.waiter_, "a run_until_cancelled() was moved after its first poll"),
          is_cancelled_(other.is_cancelled_) {}
    run_until_cancelled_future& operator=(run_until_cancelled_future&&) = delete;
    ~run_until_cancelled_future() { of_->leave(waiter_); }

    poll_result<output_type> poll(context& cx) {
        if (!inner_) eddy::detail::throw_has_ended("a run_until_cancelled()", cx.where());
        try {
            return is_cancelled_ || of_->is_cancelled() ? poll_end(cx) : poll_both(cx);
        } catch (...) {
            end();
            throw;
        }
    }

    poll_result<void> poll_cancel(context& cx)
        requires cancellable_future<F>
    {
        if (inner_ && !inner_->poll_cancel(cx).is_ready()) return not_ready;
        end();
        return poll_result<void>::ready();
    }

private:
    poll_result<output_type> poll_both(context& cx) {
        auto answer = inner_->poll(cx);
        if (answer.is_ready()) {
            end();
            return poll_result<output_type>(std::in_place, std::in_place, eddy::detail::take_output(std::move(answer)));
        }
        // Only now, so that a future that is ready at once costs no place in the queue.
        if (!of_->poll_cancelled(waiter_, cx.waker())) return not_ready;
        return poll_end(cx);
    }

    poll_result<output_type> poll_end(context& cx) {
        is_cancelled_ = true;
        if (!eddy::detail::poll_cancel_child(&*inner_, cx)) return not_ready;
        end();
        return output_type();
    }

    /// Takes it down now: somebody may have named this object, and it must not keep the future alive.
    void end() noexcept {
        inner_.reset();
        of_->leave(waiter_);
    }

    Of of_;
    std::optional<F> inner_;
    eddy::detail::notify_waiter waiter_;
    bool is_cancelled_ = false;
};

/// Cancels a token when it is destroyed. Made by cancellation_token::drop_guard().
class [[nodiscard("it cancels its token when it is destroyed")]] cancellation_guard {
public:
    explicit cancellation_guard(const cancellation_token& of) noexcept : token_(of) {}
    /// Leaves `other` disarmed.
    cancellation_guard(cancellation_guard&& other) noexcept : token_(std::exchange(other.token_, std::nullopt)) {}
    cancellation_guard& operator=(cancellation_guard&& other) noexcept {
        cancellation_guard(std::move(other)).token_.swap(token_);
        return *this;
    }
    ~cancellation_guard() {
        if (token_) token_->cancel();
    }

    /// Gives the token back, and cancels nothing any more.
    /// Errors: throws `misuse` if it was disarmed before, or moved from.
    cancellation_token disarm(std::source_location where = std::source_location::current()) {
        if (!token_) throw misuse("a cancellation_guard is disarmed once, and this one was, or was moved from", where);
        return *std::exchange(token_, std::nullopt);
    }

private:
    std::optional<cancellation_token> token_;
};

// ---- Implementation ----

inline cancellation_token::cancelled_future cancellation_token::cancelled() const noexcept {
    return cancelled_future(share_.get());
}

inline cancellation_token::owned_cancelled_future cancellation_token::cancelled_owned() const noexcept {
    return owned_cancelled_future(share_);
}

inline cancellation_guard cancellation_token::drop_guard() const noexcept { return cancellation_guard(*this); }

template <class F>
auto cancellation_token::run_until_cancelled(F&& work) const {
    if constexpr (!eddy::detail::check_futures<F>()) {
        return eddy::detail::broken_future();
    } else {
        using inner = eddy::detail::owned_t<F>;
        return run_until_cancelled_future<eddy::detail::token_node*, inner>(share_.get(),
                                                                            eddy::detail::own(std::forward<F>(work)));
    }
}

template <class F>
auto cancellation_token::run_until_cancelled_owned(F&& work) const {
    if constexpr (!eddy::detail::check_futures<F>()) {
        return eddy::detail::broken_future();
    } else {
        using inner = eddy::detail::owned_t<F>;
        return run_until_cancelled_future<eddy::detail::token_share, inner>(share_,
                                                                            eddy::detail::own(std::forward<F>(work)));
    }
}

}  // namespace eddy::sync

/// Copies of a token have the same hash.
template <>
struct std::hash<eddy::sync::cancellation_token> {
    std::size_t operator()(const eddy::sync::cancellation_token& token) const noexcept {
        return std::hash<eddy::detail::token_node*>()(token.share_.get());
    }
};
