// SPDX-License-Identifier: MIT
#include <eddy/net/serve.hpp>

#include <algorithm>
#include <cstdio>
#include <map>
#include <mutex>
#include <string>
#include <utility>

#include <eddy/detail/runtime_context.hpp>

#include "executor/task/hook.hpp"
#include "executor/task/uncaught.hpp"
#include "sockets/accept.hpp"
#include "time/time_driver.hpp"

namespace eddy::detail {

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
    if (is_of_shutdown(failure)) return;
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
    std::fprintf(stderr, "eddy: a %s of serve() at %s:%u %s: %s\n", work.empty() ? "connection" : "service",
                 where.file_name(), where.line(), made.exception != nullptr ? "threw" : "failed", made.message.c_str());
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

namespace {

time::time_point now_here() noexcept {
    // Read for each connection or request, so this is a cheap clock, which may be a few milliseconds ahead.
    const time_driver* const driver = this_thread.executor.time;
    return driver != nullptr ? driver->coarse_now() : time::clock::now();
}

}  // namespace

served_state::served_state(std::shared_ptr<idle_connections> all) : all_(std::move(all)) {
    idle_connections::entries made;  // allocated before the lock is taken
    const auto first_look = all_->limit_ ? time::saturating_add(now_here(), *all_->limit_) : time::time_point::max();
    made.emplace(first_look, idle_connections::entry{this, std::nullopt});
    const std::lock_guard guard(all_->lock_);
    entry_ = all_->connections_.insert(made.extract(made.begin()));
}

served_state::~served_state() {
    idle_connections::entries gone;  // freed after the lock is released
    const std::lock_guard guard(all_->lock_);
    if (!is_aborted_) gone.insert(all_->connections_.extract(entry_));
}

void served_state::set_task(abort_handle&& task) noexcept {
    {
        const std::lock_guard guard(all_->lock_);
        if (!is_aborted_) {
            entry_->second.task.emplace(std::move(task));
            return;
        }
    }
    task.abort();
}

void served_state::begin_idle() noexcept {
    // relaxed: only the connection itself changes it, and it does one thing at a time.
    if (idle_since_.load(std::memory_order_relaxed) != busy) return;
    // seq_cst, here and in begin_drain(): each of the two stores, and then loads what the other one stores. At least
    // one of them sees the store of the other.
    const auto since = now_here().time_since_epoch().count();
    idle_since_.store(since, std::memory_order_seq_cst);
    if (!all_->drains_.load(std::memory_order_seq_cst)) return;
    idle_connections::entries aborted;
    {
        const std::lock_guard guard(all_->lock_);
        if (!is_aborted_) all_->take_if_idle_since(since, entry_, aborted);
    }
    idle_connections::abort_all(aborted);
}

// Either end_idle() or claim() ends an idle time, so a connection that is aborted has begun no request. relaxed, in
// both: they publish nothing.

bool served_state::end_idle() noexcept {
    auto since = idle_since_.load(std::memory_order_relaxed);
    if (since == busy) return true;
    return since != claimed && idle_since_.compare_exchange_strong(since, busy, std::memory_order_relaxed);
}

bool served_state::claim(time::duration::rep since) noexcept {
    return since != busy && idle_since_.compare_exchange_strong(since, claimed, std::memory_order_relaxed);
}

/// Removes a connection from the list, unless its idle time has ended. The caller aborts its task after it has released
/// the lock.
/// Preconditions: the lock is held.
void idle_connections::take_if_idle_since(time::duration::rep since, entries::iterator which, entries& into) noexcept {
    served_state& of = *which->second.of;
    if (!of.claim(since)) return;
    of.is_aborted_ = true;
    into.insert(connections_.extract(which));
}

void idle_connections::abort_all(entries& taken) noexcept {
    for (auto& [time, one] : taken) {
        if (one.task) one.task->abort();  // otherwise set_task() aborts it
    }
}

void idle_connections::begin_drain() noexcept {
    entries aborted;
    drains_.store(true, std::memory_order_seq_cst);  // see begin_idle()
    {
        const std::lock_guard guard(lock_);
        for (auto at = connections_.begin(); at != connections_.end();) {
            const auto one = at++;
            take_if_idle_since(one->second.of->idle_since_.load(std::memory_order_seq_cst), one, aborted);
        }
    }
    abort_all(aborted);
}

std::optional<time::time_point> idle_connections::abort_late(time::time_point now) noexcept {
    entries aborted;
    std::optional<time::time_point> next;
    {
        const std::lock_guard guard(lock_);
        while (!connections_.empty()) {
            const auto first = connections_.begin();
            next = first->first;
            if (*next > now) break;
            next.reset();
            // relaxed: a connection that becomes idle or busy at this moment is looked at again later.
            const auto since = first->second.of->idle_since_.load(std::memory_order_relaxed);
            const auto began = since == served_state::busy ? now : time::time_point(time::duration(since));
            const auto late_at = time::saturating_add(began, *limit_);
            if (since != served_state::busy && late_at <= now) {
                take_if_idle_since(since, first, aborted);
                continue;
            }
            auto moved = connections_.extract(first);
            moved.key() = std::max(late_at, now + time::duration(1));  // later than `now`, so that the loop ends
            served_state& of = *moved.mapped().of;
            of.entry_ = connections_.insert(std::move(moved));
        }
    }
    abort_all(aborted);
    return next;
}

void served_state::set_failed_work(std::string&& work) {
    std::list<std::pair<task_id, std::string>> added;  // allocated before the lock is taken
    added.emplace_back(task_id(), std::move(work));
    const std::lock_guard guard(all_->lock_);
    if (is_aborted_ || !entry_->second.task) return;  // or it has failed before set_task(), on another thread
    added.front().first = entry_->second.task->id();
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

}  // namespace eddy::detail

namespace eddy::net {

serve_connection::idle_time serve_connection::idle() const noexcept {
    state_->begin_idle();
    return idle_time(state_);
}

bool serve_connection::idle_time::end() noexcept {
    const auto of = std::exchange(of_, nullptr);
    return of == nullptr || of->end_idle();
}

}  // namespace eddy::net
