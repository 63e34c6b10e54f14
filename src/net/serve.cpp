// SPDX-License-Identifier: MIT
#include <eddy/net/serve.hpp>

#include <algorithm>
#include <cstdio>
#include <mutex>
#include <string>
#include <utility>

#include "io/accept.hpp"
#include "runtime/hook.hpp"
#include "runtime/runtime_context.hpp"
#include "time/time_driver.hpp"

namespace eddy::inline v0_1::detail {

bool may_accept_later(const std::error_code& error) noexcept {
    if (error.category() != std::generic_category()) return false;
    // eddy's own listeners skip a connection that is gone. A user-defined listener may report it, for example after a
    // reset during its handshake.
    const bool has_gone = error == std::errc::connection_aborted || error == std::errc::connection_reset;
    return has_gone || is_exhausted(error);
}

namespace {

/// Fills in the text of `made.exception`, and its code if it is a std::system_error.
void describe_exception(unobserved_error& made) {
    try {
        std::rethrow_exception(made.exception);
    } catch (const std::system_error& e) {
        made.code = e.code();
        made.message = e.what();
    } catch (const std::exception& e) {
        made.message = e.what();
    } catch (...) {
        made.message = "an exception that is not a std::exception";
    }
}

}  // namespace

void report_connection(unread_failure&& failure, const std::string& work, const std::source_location& where,
                       const unobserved_error_handler& handler) noexcept try {
    unobserved_error made;
    made.spawned_at = where;
    if (failure.error != nullptr) {
        made.code = failure.error->code;
        made.message = std::move(failure.error->message);
    }
    made.exception = std::move(failure.thrown);
    if (made.exception != nullptr) describe_exception(made);
    if (!work.empty()) made.message.insert(0, work + ": ");
    if (handler) return call_hook("serve_options::on_error()", [&] { handler(made); });
    std::fprintf(stderr, "eddy: a connection of serve() at %s:%u %s: %s\n", where.file_name(), where.line(),
                 made.exception != nullptr ? "threw" : "failed", made.message.c_str());
} catch (const std::bad_alloc&) {
    std::fprintf(stderr, "eddy: a connection of serve() at %s:%u failed, and there is no memory for the text\n",
                 where.file_name(), where.line());
}

void report_failed_accept(const std::error_code& error, const std::source_location& where,
                          const unobserved_error_handler& handler) noexcept try {
    unobserved_error made;
    made.spawned_at = where;
    made.code = error;
    made.message = "cannot accept a connection: " + error.message();
    if (handler) return call_hook("serve_options::on_error()", [&] { handler(made); });
    std::fprintf(stderr, "eddy: serve() at %s:%u %s\n", where.file_name(), where.line(), made.message.c_str());
} catch (const std::bad_alloc&) {
    std::fprintf(stderr, "eddy: serve() at %s:%u cannot accept a connection\n", where.file_name(), where.line());
}

// ---- Idle connections ----

/// Marks the connection as aborted. The caller aborts the returned task after it has released the lock.
/// Preconditions: the lock is held.
std::optional<abort_handle> served_state::take_to_abort() noexcept {
    is_aborted_ = true;
    leave_list();
    return std::exchange(task_, std::nullopt);
}

/// Preconditions: the lock is held.
void served_state::leave_list() noexcept {
    if (!std::exchange(is_idle_, false)) return;
    (previous_ == nullptr ? all_->first_ : previous_->next_) = next_;
    (next_ == nullptr ? all_->last_ : next_->previous_) = previous_;
    previous_ = nullptr;
    next_ = nullptr;
}

void served_state::set_task(abort_handle&& task) noexcept {
    {
        const std::lock_guard guard(all_->lock_);
        if (!is_aborted_) {
            task_.emplace(std::move(task));
            return;
        }
    }
    task.abort();
}

void served_state::begin_idle() noexcept {
    // Called for each request, so this reads a cheap clock, which may be a few milliseconds ahead.
    const time_driver* const driver = this_thread.executor.time;
    const auto now = driver != nullptr ? driver->coarse_now() : time::clock::now();
    std::optional<abort_handle> aborted;
    waker woken;
    {
        const std::lock_guard guard(all_->lock_);
        if (all_->drains_) {
            aborted = take_to_abort();
        } else if (!std::exchange(is_idle_, true)) {
            idle_since_ = now;
            previous_ = std::exchange(all_->last_, this);
            (previous_ == nullptr ? all_->first_ : previous_->next_) = this;
            if (previous_ == nullptr) woken = std::exchange(all_->waker_, waker());
        }
    }
    if (aborted) aborted->abort();
    std::move(woken).wake();
}

void served_state::set_failed_work(std::string&& work) {
    std::list<std::pair<task_id, std::string>> added;  // allocated before the lock is taken
    added.emplace_back(task_id(), std::move(work));
    const std::lock_guard guard(all_->lock_);
    if (!task_) return;  // the task has failed before set_task(), on another thread
    added.front().first = task_->id();
    all_->failed_work_.splice(all_->failed_work_.end(), added);
}

std::string idle_connections::take_failed_work(task_id of) noexcept {
    std::list<std::pair<task_id, std::string>> taken;  // freed after the lock is released
    const std::lock_guard guard(lock_);
    const auto found = std::ranges::find(failed_work_, of, &std::pair<task_id, std::string>::first);
    if (found == failed_work_.end()) return {};
    taken.splice(taken.end(), failed_work_, found);
    return std::move(taken.front().second);
}

void served_state::end_idle() noexcept {
    const std::lock_guard guard(all_->lock_);
    leave_list();
}

void idle_connections::begin_drain() noexcept {
    for (;;) {
        std::optional<abort_handle> aborted;
        {
            const std::lock_guard guard(lock_);
            drains_ = true;
            if (first_ == nullptr) return;
            aborted = first_->take_to_abort();
        }
        if (aborted) aborted->abort();
    }
}

std::optional<time::time_point> idle_connections::abort_late(time::duration limit, const waker& wake) {
    const auto now = time::clock::now();
    waker next = wake;
    for (;;) {
        std::optional<abort_handle> aborted;
        {
            const std::lock_guard guard(lock_);
            if (first_ == nullptr) {
                std::swap(waker_, next);
                return std::nullopt;
            }
            if (now < time::saturating_add(first_->idle_since_, limit))
                return time::saturating_add(first_->idle_since_, limit);
            aborted = first_->take_to_abort();
        }
        if (aborted) aborted->abort();
    }
}

}  // namespace eddy::detail

namespace eddy::inline v0_1::net {

serve_connection::idle_time serve_connection::idle() const noexcept {
    state_->begin_idle();
    return idle_time(state_);
}

void serve_connection::idle_time::end() noexcept {
    if (const auto of = std::exchange(of_, nullptr)) of->end_idle();
}

}  // namespace eddy::net
