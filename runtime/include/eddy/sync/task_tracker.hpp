// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <source_location>
#include <type_traits>
#include <utility>

#include <eddy/detail/atomic.hpp>
#include <eddy/detail/export.hpp>
#include <eddy/detail/ref_count.hpp>
#include <eddy/detail/spin_lock.hpp>
#include <eddy/error.hpp>
#include <eddy/future/detail/owned.hpp>
#include <eddy/future/detail/wait_record.hpp>
#include <eddy/future/detail/waiter_list.hpp>
#include <eddy/future/future.hpp>
#include <eddy/future/future_ops.hpp>
#include <eddy/future/waker.hpp>
#include <eddy/runtime/handle.hpp>
#include <eddy/task/detail/stored_work.hpp>
#include <eddy/task/join_handle.hpp>
#include <eddy/task/local_set.hpp>
#include <eddy/task/spawn.hpp>
#include <eddy/task/spawn_blocking.hpp>

namespace eddy::detail {

/// The state that the copies and tokens of a task_tracker share.
///
///     word       bit 0: closed; the rest: the number of tokens
///     the rest   guarded by the lock
///
/// Thread safety: any thread.
/// Lifetime: reference counted.
class EDDY_API tracker_state {
public:
    tracker_state() noexcept = default;
    tracker_state(const tracker_state&) = delete;
    tracker_state& operator=(const tracker_state&) = delete;

    /// Adds a reference.
    void retain() noexcept { references_.add(); }
    /// Gives up a reference. Frees the state with the last one.
    void release() noexcept {
        if (references_.drop()) delete this;
    }

    // acq_rel, in all changes of the word: the release publishes the work that was done under a token. The acquire
    // makes that work visible to the caller that finds the tracker closed and empty. That caller then wakes the
    // waiters.

    /// Adds a token.
    void add() noexcept { word_.fetch_add(one, std::memory_order_acq_rel); }
    /// Removes a token. Wakes the waiters if the tracker is closed and this was the last token.
    void remove() noexcept {
        if (word_.fetch_sub(one, std::memory_order_acq_rel) == (closed | one)) tell();
    }
    /// Closes the tracker. Returns false if it was closed already.
    bool close() noexcept {
        const std::uint64_t before = word_.fetch_or(closed, std::memory_order_acq_rel);
        if (before == 0) tell();
        return (before & closed) == 0;
    }
    /// Reopens the tracker. Returns false if it was open already.
    bool reopen() noexcept { return (word_.fetch_and(~closed, std::memory_order_acq_rel) & closed) != 0; }

    [[nodiscard]] bool is_closed() const noexcept { return (word() & closed) != 0; }
    [[nodiscard]] std::size_t count() const noexcept { return static_cast<std::size_t>(word() / one); }
    [[nodiscard]] bool is_closed_and_empty() const noexcept { return word() == closed; }

    /// Returns how many times the tracker has become closed and empty.
    [[nodiscard]] std::uint64_t ends() noexcept;
    /// Returns whether the tracker has become closed and empty since ends() returned `seen`. Otherwise `wake` will be
    /// woken when the tracker becomes closed and empty.
    [[nodiscard]] bool poll_end(std::uint64_t seen, waiter& mine, const waker& wake) noexcept;
    /// Stops waiting.
    void leave(waiter& mine) noexcept;

private:
    static constexpr std::uint64_t closed = 1;
    static constexpr std::uint64_t one = 2;

    // acquire: pairs with the release in remove() and close(). The caller sees what was done under the tokens.
    [[nodiscard]] std::uint64_t word() const noexcept { return word_.load(std::memory_order_acquire); }
    /// Counts an end and wakes all waiters.
    void tell() noexcept;

    atomic<std::uint64_t> word_{0};
    ref_count<> references_;
    spin_lock lock_;
    std::uint64_t ends_ = 0;
    waiter_list<> waiters_;
};

/// A reference to a tracker_state.
using tracker_share = ref_ptr<tracker_state>;

}  // namespace eddy::detail

namespace eddy::sync {

/// Counts as one tracked item of a task_tracker while it exists. A copy counts as one more.
/// Thread safety: one thread at a time; copies may be used on different threads.
class [[nodiscard("it counts while it lives")]] task_tracker_token {
public:
    task_tracker_token(const task_tracker_token& other) noexcept : state_(other.state_) {
        if (state_.get() != nullptr) state_->add();
    }
    task_tracker_token(task_tracker_token&& other) noexcept = default;
    task_tracker_token& operator=(task_tracker_token other) noexcept {
        std::swap(state_, other.state_);
        return *this;
    }
    ~task_tracker_token() {
        if (state_.get() != nullptr) state_->remove();
    }

private:
    friend class task_tracker;
    explicit task_tracker_token(detail::tracker_share state) noexcept : state_(std::move(state)) { state_->add(); }

    detail::tracker_share state_;
};

}  // namespace eddy::sync

namespace eddy::detail {

/// A callable that is tracked until it is destroyed.
template <class W>
class tracked_callable {
public:
    template <class G>
    tracked_callable(sync::task_tracker_token token, G&& work)
        : token_(std::move(token)), work_(std::forward<G>(work)) {}

    decltype(auto) operator()() { return std::invoke(work_); }

private:
    sync::task_tracker_token token_;  // destroyed last: the work is gone when the tracker is notified
    W work_;
};

}  // namespace eddy::detail

namespace eddy::sync {

/// A future that is tracked until it is ready or dropped; see task_tracker::track_future().
/// Cancel safety: same as the inner future.
template <class F>
class [[nodiscard("a future does nothing until it is awaited, spawned or run")]] tracked_future
    : public future_ops<tracked_future<F>> {
public:
    using output_type = output_t<F>;

    tracked_future(F&& inner, task_tracker_token token)
        : token_(std::move(token)), inner_(std::in_place, std::move(inner)) {}

    poll_result<output_type> poll(context& cx) {
        if (!inner_) eddy::detail::throw_has_ended("a tracked future", cx.where());
        return eddy::detail::poll_then_end([&] { return inner_->poll(cx); }, [this]() noexcept { this->end(); });
    }
    poll_result<void> poll_cancel(context& cx)
        requires cancellable_future<F>
    {
        if (inner_ && !inner_->poll_cancel(cx).is_ready()) return not_ready;
        end();
        return poll_result<void>::ready();
    }

private:
    void end() noexcept {
        inner_.reset();
        token_.reset();
    }

    std::optional<task_tracker_token> token_;  // destroyed last: the future is gone when the tracker is notified
    std::optional<F> inner_;
};

/// Waits until all tracked tasks have ended, for example in a server that shuts down with a cancellation token. In
/// contrast to a join_set, it keeps nothing of a task that has ended. Copies refer to the same tracker.
///     tracker.spawn(serve(std::move(stream)));
///     ...
///     tracker.close();
///     co_await tracker.wait();
///
/// Does not need a runtime, except for the spawn functions. A closed tracker still accepts tasks; closing it only
/// allows wait() to end.
/// Thread safety: all members may be called from any thread; assignment and destruction need exclusive access.
/// Lifetime: it may be destroyed as soon as its wait() is ready, even if the call of close() has not returned yet.
/// Cost: two atomic additions when a task starts, and two when it ends.
class task_tracker {
public:
    class wait_future;

    /// Creates a tracker that is open and empty.
    task_tracker() = default;
    /// Copies refer to the same tracker. A move is a copy, so a tracker is never empty.
    task_tracker(const task_tracker&) = default;
    task_tracker& operator=(const task_tracker&) = default;
    ~task_tracker() = default;

    /// Returns a future that is ready once the tracker has been closed and has tracked nothing at the same time, after
    /// this call.
    [[nodiscard]] wait_future wait() const noexcept;

    /// Allows wait() to end. Returns false if the tracker was already closed.
    bool close() noexcept {
        const eddy::detail::tracker_share kept = state_;  // a task that is woken by close() may destroy this object
        return kept->close();
    }
    /// Reverts close(). Returns false if the tracker was already open.
    bool reopen() noexcept { return state_->reopen(); }
    /// Returns true if the tracker is closed.
    [[nodiscard]] bool is_closed() const noexcept { return state_->is_closed(); }

    /// Returns the number of tracked tasks and tokens.
    [[nodiscard]] std::size_t len() const noexcept { return state_->count(); }
    /// Returns true if nothing is tracked.
    [[nodiscard]] bool is_empty() const noexcept { return len() == 0; }

    /// Returns a token that is tracked while it exists. Use it for work that is not a future.
    [[nodiscard]] task_tracker_token token() const noexcept { return task_tracker_token(state_); }

    /// Returns a future that runs `work` and is tracked until it is ready or dropped.
    /// Cancel safety: same as `work`.
    template <class F>
    [[nodiscard]] auto track_future(F&& work) const {
        return eddy::detail::make_adaptor<tracked_future<eddy::detail::owned_t<F>>>(std::forward<F>(work), token());
    }

    /// Same as eddy::spawn(), handle::spawn() and eddy::spawn_local(), with the task tracked.
    template <class W>
    auto spawn(W&& work, std::source_location where = std::source_location::current()) const {
        return start<W>(std::forward<W>(work), [&](auto all) { return eddy::spawn(std::move(all), where); });
    }
    template <class W>
    auto spawn_on(const handle& runtime, W&& work, std::source_location where = std::source_location::current()) const {
        return start<W>(std::forward<W>(work), [&](auto all) { return runtime.spawn(std::move(all), where); });
    }
    template <class W>
    auto spawn_local(W&& work, std::source_location where = std::source_location::current()) const {
        return start<W>(std::forward<W>(work), [&](auto all) { return eddy::spawn_local(std::move(all), where); });
    }
    /// Same as eddy::spawn_blocking(), with the function tracked.
    template <class F>
    auto spawn_blocking(F&& f, std::source_location where = std::source_location::current()) const {
        return start<F>(std::forward<F>(f), [&](auto all) { return eddy::spawn_blocking(std::move(all), where); });
    }

    eddy::detail::broken_future spawn(auto&&, eddy::detail::argument_of_work auto&&, auto&&...) const
        EDDY_DELETED(EDDY_NO_ARGUMENTS);
    eddy::detail::broken_future spawn_on(const handle&, auto&&, eddy::detail::argument_of_work auto&&, auto&&...) const
        EDDY_DELETED(EDDY_NO_ARGUMENTS);
    eddy::detail::broken_future spawn_local(auto&&, eddy::detail::argument_of_work auto&&, auto&&...) const
        EDDY_DELETED(EDDY_NO_ARGUMENTS);
    eddy::detail::broken_future spawn_blocking(auto&&, eddy::detail::argument_of_work auto&&, auto&&...) const
        EDDY_DELETED(EDDY_NO_ARGUMENTS);

    /// Returns true if both objects refer to the same tracker.
    [[nodiscard]] friend bool operator==(const task_tracker& a, const task_tracker& b) noexcept {
        return a.state_.get() == b.state_.get();
    }

private:
    template <class W, class Spawn>
    auto start(W&& work, Spawn spawn) const {
        using plain = std::decay_t<W>;
        if constexpr (!eddy::detail::check_spawned<W>()) {
            return eddy::detail::broken_future();
        } else if constexpr (future<plain>) {
            return spawn(tracked_future<plain>(plain(std::forward<W>(work)), token()));
        } else {
            auto handle = spawn(eddy::detail::tracked_callable<plain>(token(), std::forward<W>(work)));
            // The type depends on the caller's `work`, and not on the wrapper.
            return eddy::detail::join_handle_for<W>(eddy::detail::join_access::release(handle));
        }
    }

    eddy::detail::tracker_share state_{new eddy::detail::tracker_state};
};

/// The future that task_tracker::wait() returns. Moving it after its first poll terminates the program.
class [[nodiscard("co_await it")]] task_tracker::wait_future : public future_ops<wait_future> {
public:
    using output_type = void;

    wait_future(wait_future&& other) noexcept
        : state_(std::move(other.state_)), seen_(other.seen_), has_ended_(std::exchange(other.has_ended_, true)) {
        if (other.waiter_.is_listed) eddy::detail::fatal_moved("task_tracker::wait()", other.polled_at_);
    }
    wait_future& operator=(wait_future&&) = delete;
    ~wait_future() {
        if (state_.get() != nullptr) state_->leave(waiter_);
    }

    poll_result<void> poll(context& cx) noexcept {
        if (has_ended_ || state_->poll_end(seen_, waiter_, cx.waker())) {
            has_ended_ = true;
            return poll_result<void>::ready();
        }
        polled_at_ = eddy::detail::call_site_of(cx.where());
        return not_ready;
    }

    static constexpr auto wait_shape() { return inspect::awaits("the end of a tracker's tasks", &wait_future::state_); }

private:
    friend task_tracker;
    explicit wait_future(eddy::detail::tracker_share state) noexcept
        : state_(std::move(state)), seen_(state_->ends()), has_ended_(state_->is_closed_and_empty()) {}

    eddy::detail::tracker_share state_;
    std::uint64_t seen_;
    eddy::detail::waiter waiter_;
    eddy::detail::call_site polled_at_ = nullptr;
    bool has_ended_ = false;
};

inline task_tracker::wait_future task_tracker::wait() const noexcept { return wait_future(state_); }

}  // namespace eddy::sync
