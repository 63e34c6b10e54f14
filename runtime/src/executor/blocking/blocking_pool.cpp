// SPDX-License-Identifier: MIT
#include "executor/blocking/blocking_pool.hpp"

#include <new>
#include <utility>

#include <eddy/detail/runtime_context.hpp>
#include <eddy/error.hpp>

namespace eddy::detail {

blocking_pool::blocking_pool(settings&& chosen) noexcept
    : settings_(std::move(chosen)), is_joined_(settings_.is_joined) {}

blocking_pool::~blocking_pool() {
    // Detaches the threads that have ended and are not joined. They cannot be joined here: this thread may be one.
    for (blocking_thread* one = ended_; one != nullptr; one = one->next) one->thread.detach();
    for (blocking_thread* list : {ended_, spare_}) {
        while (blocking_thread* const one = list) {
            list = one->next;
            delete one;
        }
    }
}

// ---- Interface ----

result<void> blocking_pool::submit(blocking_job& job) noexcept {
    if (is_in_child()) return std::unexpected(make_error_code(errc::runtime_shutdown));
    blocking_thread* sleeper = nullptr;
    {
        const std::lock_guard guard(lock_);
        if (is_shut_down_) return std::unexpected(make_error_code(errc::runtime_shutdown));
        // A woken or starting thread checks the queue even if a busy thread has taken the job it was woken for. So
        // another thread is needed only if the waiting jobs outnumber the woken and starting threads. Otherwise threads
        // would be woken for nothing. A woken thread does not count as idle, so a steady stream of jobs would start
        // more and more threads.
        const std::size_t waiting = queued_ + 1;
        if (!idle_.is_empty()) {
            if (waiting > idle_.woken()) sleeper = idle_.pop();
        } else if (waiting > idle_.woken() + starting_ && has_room()) {
            if (const auto started = start_thread(); !started && threads_ == 0) return started;
        }
        queue_.push(job);
        ++queued_;
        ++jobs_;
    }
    // Wakes the thread after the unlock, so that it does not block on the lock.
    // SAFETY: the thread object lives as long as the pool, and the caller holds a reference to the pool. If the thread
    // has seen the signal before this and has ended, the call has no effect.
    if (sleeper != nullptr) sleeper->woken.wake();
    return ok();
}

void blocking_pool::shutdown() noexcept {
    if (is_in_child()) return;
    queue cancelled;
    {
        const std::lock_guard guard(lock_);
        is_shut_down_ = true;
        cancelled = std::exchange(queue_, {});
        queued_ = 0;
        while (!idle_.is_empty()) {
            if (blocking_thread* const sleeper = idle_.pop()) sleeper->woken.wake();
        }
    }
    while (blocking_job* const job = cancelled.pop()) job->cancel(*job);
}

bool blocking_pool::join_until(time_point deadline) noexcept {
    if (is_in_child()) return true;
    const std::size_t self = this_thread.blocking_thread_of == this ? 1 : 0;
    blocking_thread* ended = nullptr;
    bool all_ended = false;
    {
        std::unique_lock guard(lock_);
        EDDY_ASSERT(is_shut_down_, "blocking_pool: join_until() without shutdown()");
        all_ended = one_ended_.wait_until(guard, deadline, [&] { return alive_ == self; });
        // Threads that still run detach themselves at their end, and no new threads are started.
        is_joined_ = false;
        ended = std::exchange(ended_, nullptr);
    }
    join_all(ended);
    return all_ended;
}

blocking_pool::counts blocking_pool::count() const noexcept {
    if (is_in_child()) return {};
    const std::lock_guard guard(lock_);
    return {.threads = threads_, .idle = idle_.size(), .queued = queued_, .jobs = jobs_};
}

bool blocking_pool::leave_for_long() noexcept {
    const std::lock_guard guard(lock_);
    --threads_;
    // A job submitted after the current one may rely on this thread, so a replacement is started. If that fails and
    // there is no other thread, this one must stay.
    const bool is_needed = idle_.is_empty() && queued_ > idle_.woken() + starting_ && has_room();
    if (!is_needed || start_thread() || threads_ != 0) return true;
    ++threads_;
    return false;
}

void blocking_pool::come_back() noexcept {
    const std::lock_guard guard(lock_);
    ++threads_;
}

// ---- Threads ----

/// Starts a thread that takes jobs from the queue. The lock is held during the start, so that threads_ counts only
/// threads that exist. Otherwise a job could rely on a thread whose start then fails.
result<void> blocking_pool::start_thread() noexcept {
    if (spare_ == nullptr) {
        spare_ = new (std::nothrow) blocking_thread;
        if (spare_ == nullptr) return std::unexpected(std::make_error_code(std::errc::not_enough_memory));
    }
    blocking_thread& fresh = *spare_;
    auto started = sys::start_thread({}, settings_.stack_size, [this, &fresh]() noexcept { run(fresh); });
    if (!started) return std::unexpected(started.error());
    spare_ = std::exchange(fresh.next, nullptr);
    fresh.thread = *std::move(started);
    ++threads_;
    ++alive_;
    ++starting_;
    retain();  // released at the end of run(), which takes the lock before that
    return ok();
}

void blocking_pool::run(blocking_thread& self) noexcept {
    this_thread.blocking_thread_of = this;
    sys::name_this_thread(settings_.name_thread ? settings_.name_thread() : "eddy-blocking");
    if (settings_.on_thread_start) settings_.on_thread_start();
    work(self);
    if (settings_.on_thread_stop) settings_.on_thread_stop();
    end(self);
    this_thread.blocking_thread_of = nullptr;
    release();
}

void blocking_pool::work(blocking_thread& self) noexcept {
    std::unique_lock guard(lock_);
    --starting_;
    do {
        while (blocking_job* const job = queue_.pop()) {
            --queued_;
            guard.unlock();
            job->run(*job);
            guard.lock();
        }
    } while (!is_shut_down_ && idle_.wait(self, guard, settings_.keep_alive));
    // Decremented under the same lock as the last check of the queue, so later jobs do not rely on this thread.
    --threads_;
}

/// Records the end of this thread. Joins the threads that ended before; they only have thread-locals left to destroy.
/// So at most one ended thread is unjoined while the pool is open.
void blocking_pool::end(blocking_thread& self) noexcept {
    blocking_thread* predecessors = nullptr;
    {
        const std::lock_guard guard(lock_);
        --alive_;
        if (is_joined_) {
            if (!is_shut_down_) predecessors = std::exchange(ended_, nullptr);
            self.next = std::exchange(ended_, &self);
        } else {
            self.thread.detach();
            self.next = std::exchange(spare_, &self);
        }
        one_ended_.notify_all();
    }
    join_all(predecessors);
}

void blocking_pool::join_all(blocking_thread* ended) noexcept {
    while (blocking_thread* const one = ended) {
        // A destructor of a thread-local on a pool thread may end the pool. That thread cannot join itself.
        one->thread.is_this_thread() ? one->thread.detach() : one->thread.join();
        const std::lock_guard guard(lock_);
        ended = std::exchange(one->next, spare_);
        spare_ = one;
    }
}

}  // namespace eddy::detail
