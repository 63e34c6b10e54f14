// SPDX-License-Identifier: MIT
#include "runtime/blocking_pool.hpp"

#include <new>
#include <utility>

#include <eddy/error.hpp>

namespace eddy::detail {
namespace {

/// The pool that this thread belongs to. A plain pointer: it can be read while thread-locals are destroyed (R028).
constinit thread_local const blocking_pool* own_pool = nullptr;

/// `after` from now, or the end of time.
blocking_pool::time_point deadline_after(std::chrono::nanoseconds after) noexcept {
    const auto now = std::chrono::steady_clock::now();
    if (after >= blocking_pool::time_point::max() - now) return blocking_pool::time_point::max();
    return now + after;
}

}  // namespace

blocking_pool::blocking_pool(settings&& chosen) noexcept
    : settings_(std::move(chosen)), is_joined_(settings_.is_joined) {}

blocking_pool::~blocking_pool() {
    // Those that nobody has joined. The last of them may be this very thread, so they cannot be joined here.
    for (worker* one = ended_; one != nullptr; one = one->next) one->thread.detach();
    for (worker* list : {ended_, spare_}) {
        while (worker* const one = list) {
            list = one->next;
            delete one;
        }
    }
}

void blocking_pool::retain() noexcept {
    // relaxed: whoever adds one holds one, so nothing is read through this.
    references_.fetch_add(1, std::memory_order_relaxed);
}

void blocking_pool::release() noexcept {
    // release: what this thread did with the pool comes before its end. acquire: pairs with the releases of the others,
    // for the one who deletes.
    if (references_.fetch_sub(1, std::memory_order_acq_rel) == 1) delete this;
}

// ---- From outside ----

bool blocking_pool::submit(blocking_job& job) noexcept {
    if (is_in_child()) return false;
    worker* sleeper = nullptr;
    {
        const std::lock_guard guard(lock_);
        if (is_shut_down_) return false;
        // A busy thread that ends its job may take one for which another was woken. That other comes all the same, so a
        // job needs a thread only if more jobs wait than threads are on their way: else threads would be woken in vain
        // and, since these are not idle, more and more of them started for one job at a time.
        const std::size_t waiting = queue_.size() + 1;
        if (idle_ != nullptr) {
            if (waiting > woken_count_) sleeper = &pop_idle();
        } else if (waiting > woken_count_ + starting_ && has_room() && !start_thread() && threads_ == 0) {
            return false;
        }
        queue_.push(job);
        ++jobs_;
    }
    // Not under the lock, which the sleeper would find taken. SAFETY: the worker lives as long as the pool, of which
    // the caller has a share. If its thread has seen the mark before this and is gone, then nobody is woken in vain.
    if (sleeper != nullptr) sleeper->woken.notify_one();
    return true;
}

void blocking_pool::shutdown() noexcept {
    if (is_in_child()) return;
    blocking_queue cancelled;
    {
        const std::lock_guard guard(lock_);
        is_shut_down_ = true;
        cancelled = std::exchange(queue_, {});
        while (idle_ != nullptr) pop_idle().woken.notify_one();
    }
    while (blocking_job* const job = cancelled.pop()) job->cancel(*job);
}

bool blocking_pool::is_shut_down() const noexcept {
    const std::lock_guard guard(lock_);
    return is_shut_down_;
}

bool blocking_pool::join_until(time_point deadline) noexcept {
    if (is_in_child()) return true;
    const std::size_t self = own_pool == this ? 1 : 0;
    worker* ended = nullptr;
    bool all_ended = false;
    {
        std::unique_lock guard(lock_);
        EDDY_ASSERT(is_shut_down_, "blocking_pool: join_until() without shutdown()");
        all_ended = one_ended_.wait_until(guard, deadline, [&] { return alive_ == self; });
        // Those that are left detach themselves, and there will be no others.
        is_joined_ = false;
        ended = std::exchange(ended_, nullptr);
    }
    join_all(ended);
    return all_ended;
}

blocking_pool::counts blocking_pool::count() const noexcept {
    if (is_in_child()) return {};
    const std::lock_guard guard(lock_);
    return {.threads = threads_, .idle = idle_count_, .queued = queue_.size(), .jobs = jobs_};
}

bool blocking_pool::leave_for_long() noexcept {
    const std::lock_guard guard(lock_);
    --threads_;
    // What was submitted after the job may have counted on this thread. If it is the only one, and stays so, it still
    // does.
    const bool is_needed = idle_ == nullptr && queue_.size() > woken_count_ + starting_ && has_room();
    if (!is_needed || start_thread() || threads_ != 0) return true;
    ++threads_;
    return false;
}

void blocking_pool::come_back() noexcept {
    const std::lock_guard guard(lock_);
    ++threads_;
}

// ---- Threads ----

/// Starts one that takes from the queue. Under the lock, so that threads_ is never right only for the time being: a job
/// that counted on a thread which then could not be started would be forgotten.
bool blocking_pool::start_thread() noexcept {
    if (spare_ == nullptr) {
        spare_ = new (std::nothrow) worker;
        if (spare_ == nullptr) return false;
    }
    worker& fresh = *spare_;
    auto started = sys::start_thread({}, settings_.stack_size, [this, &fresh]() noexcept { run(fresh); });
    if (!started) return false;
    spare_ = std::exchange(fresh.next, nullptr);
    fresh.thread = *std::move(started);
    ++threads_;
    ++alive_;
    ++starting_;
    retain();  // given up in run(), which comes to that after it had the lock
    return true;
}

void blocking_pool::run(worker& self) noexcept {
    own_pool = this;
    sys::name_this_thread(settings_.name_thread ? settings_.name_thread() : "eddy-blocking");
    if (settings_.on_thread_start) settings_.on_thread_start();
    work(self);
    if (settings_.on_thread_stop) settings_.on_thread_stop();
    end(self);
    own_pool = nullptr;
    release();
}

void blocking_pool::work(worker& self) noexcept {
    std::unique_lock guard(lock_);
    --starting_;
    do {
        while (blocking_job* const job = queue_.pop()) {
            guard.unlock();
            job->run(*job);
            guard.lock();
        }
    } while (!is_shut_down_ && wait_for_job(self, guard));
    // Under the same lock as the last look at the queue: who brings a job from here on does not count on this thread.
    --threads_;
}

/// False if none has come for so long that the thread should end.
bool blocking_pool::wait_for_job(worker& self, std::unique_lock<mutex>& guard) noexcept {
    self.is_woken = false;
    self.next = std::exchange(idle_, &self);
    ++idle_count_;
    const auto deadline = deadline_after(settings_.keep_alive);
    while (!self.is_woken) {
        if (self.woken.wait_until(guard, deadline) == std::cv_status::timeout && !self.is_woken) {
            remove_idle(self);
            return false;
        }
    }
    --woken_count_;
    return true;
}

/// The worker that became idle last. It is marked as woken; the caller wakes it.
blocking_pool::worker& blocking_pool::pop_idle() noexcept {
    worker& last = *idle_;
    remove_idle(last);
    last.is_woken = true;
    ++woken_count_;
    return last;
}

/// The only place where an idle thread ceases to be one (R031).
void blocking_pool::remove_idle(worker& self) noexcept {
    worker** link = &idle_;
    while (*link != &self) link = &(*link)->next;
    *link = std::exchange(self.next, nullptr);
    --idle_count_;
}

/// Signs off. Its predecessors are joined here, which have but their thread-locals to destroy: so of threads that end
/// while the pool lives at most one remains to be joined.
void blocking_pool::end(worker& self) noexcept {
    worker* predecessors = nullptr;
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

void blocking_pool::join_all(worker* ended) noexcept {
    while (worker* const one = ended) {
        // Its own end is what a thread-local's destructor waits for here, if it has ended the pool.
        one->thread.is_this_thread() ? one->thread.detach() : one->thread.join();
        const std::lock_guard guard(lock_);
        ended = std::exchange(one->next, spare_);
        spare_ = one;
    }
}

}  // namespace eddy::detail
