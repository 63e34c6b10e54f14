// SPDX-License-Identifier: MIT
#include <eddy/task/spawn_blocking.hpp>

#include <exception>
#include <memory>
#include <new>
#include <system_error>
#include <utility>

#include <eddy/detail/runtime_context.hpp>
#include <eddy/error.hpp>

#include "executor/blocking/blocking.hpp"
#include "executor/pool/pool.hpp"
#include "executor/task/no_thread.hpp"
#include "executor/task/run_task.hpp"
#include "executor/task/spawn_time.hpp"
#include "executor/task/uncaught.hpp"
#include "reactor/io_handle.hpp"

namespace eddy::detail {
namespace {

/// The owner of blocking work that event loops start. Such work runs on the blocking threads of the process.
class process_owner final : public spawned_task_owner {
public:
    void adopt(spawned_task& task) noexcept override { start_blocking(task, nullptr); }
    // Not called: the work is `notified` until it runs, so an abort leaves it to its job, which sees the cancellation.
    void schedule(spawned_task& task) noexcept override { release(task); }
    void report(unread_failure failure, const std::source_location& where, std::string_view name) noexcept override {
        print_failure(failure, where, name);
    }
};

constinit process_owner whole_process;

/// The owner policy of run_task.hpp for blocking work. `pool_` is null for work of the process.
class blocking_end {
public:
    using word = shared_word;

    explicit blocking_end(pool* owner) noexcept : pool_(owner) {}

    void report(unread_failure failure, const std::source_location& where, std::string_view name) const noexcept {
        pool_ != nullptr ? pool_->report(std::move(failure), where, name) : print_failure(failure, where, name);
    }
    /// Returns true: the caller owns the list's reference. It is also there if the work is in no list, because event
    /// loops have none for it, and the lock of a list may be held forever in a forked child.
    [[nodiscard]] bool remove(spawned_task& task) const noexcept {
        return pool_ == nullptr || pool_->is_in_child() || pool_->tasks().remove_blocking(task);
    }

private:
    pool* pool_;
};

/// Ends a task of blocking work whose function was not called. A null `thrown` means that it was cancelled.
/// Preconditions: the caller has the running bit.
void end_without_call(spawned_task& task, std::exception_ptr thrown, pool* owner) noexcept {
    task.ops().destroy_future(task);
    task.ops().fail(task, std::move(thrown));
    const blocking_end ends(owner);
    complete_task(ends, task, 1);
}

/// The job of a task of blocking work.
/// Lifetime: owns two references to the task, for the queue and for the list. Holds a reference to the pool.
class task_job final : public blocking_job, immovable {
public:
    task_job(spawned_task& task, pool* counted) noexcept
        : blocking_job(&run_it, &cancel_it), task_(task), pool_(counted) {
        if (pool_ == nullptr) return;
        pool_->retain();
        pool_->idleness().count_blocking(true);
    }
    ~task_job() {
        if (pool_ == nullptr) return;
        pool_->idleness().count_blocking(false);
        pool_->release();
    }

    /// Ends the task, which no thread will run. A null `thrown` cancels it.
    void end_now(std::exception_ptr thrown) noexcept {
        static_cast<void>(state_of(task_).transition_to_running());
        end_without_call(task_, std::move(thrown), pool_);
    }

private:
    static void run_it(blocking_job& job) noexcept {
        // SAFETY: the blocking pool calls the functions of a job with that job, once. start_blocking() allocated it as
        // a task_job and gave up the ownership.
        const std::unique_ptr<task_job> mine(static_cast<task_job*>(&job));
        const bool is_cancelled = state_of(mine->task_).transition_to_running() == task_flags::run_action::cancel;
        const executor_scope here({mine->pool_, this_thread.executor.time});
        this_thread.blocking_work_of = mine->pool_;
        if (is_cancelled) {
            end_without_call(mine->task_, nullptr, mine->pool_);
        } else {
            mine->call();
        }
        this_thread.blocking_work_of = nullptr;
    }
    static void cancel_it(blocking_job& job) noexcept {
        // SAFETY: as in run_it().
        const std::unique_ptr<task_job> mine(static_cast<task_job*>(&job));
        mine->end_now(nullptr);
    }

    void call() noexcept {
        const waker none;
        context cx(none);
        static_cast<void>(poll_once(task_, cx));
        const blocking_end ends(pool_);
        complete_task(ends, task_, 1);
    }

    const held_clock clock_;  // destroyed last, after the wake-up of the join handle
    spawned_task& task_;
    pool* const pool_;
};

}  // namespace

pool* current_blocking_pool(std::source_location where) {
    if (this_thread.executor.runs != nullptr) return pool_here();
    throw misuse(
        "spawn_blocking needs a runtime or a loop on this thread: call it inside eddy::run(), a runtime's task or "
        "core.run(), or use handle::spawn_blocking",
        where);
}

spawned_task_owner& blocking_owner(pool* runs) noexcept {
    if (runs != nullptr) return *runs;
    return whole_process;
}

void start_blocking(spawned_task& task, pool* runs) noexcept {
    number_task(task.id);
    spawn_time::now().store_in(task);
    if (runs != nullptr && !runs->is_in_child()) runs->tasks().add_blocking(task);
    auto* const job = new (std::nothrow) task_job(task, runs);
    if (job == nullptr) {  // handled like a thread that cannot be started
        static_cast<void>(state_of(task).transition_to_running());
        return end_without_call(task, make_no_blocking_thread(std::make_error_code(std::errc::not_enough_memory)),
                                runs);
    }
    const auto submitted = runs != nullptr ? runs->blocking().submit(*job) : submit_blocking(*job);
    if (submitted) return;
    const std::unique_ptr<task_job> mine(job);
    const bool is_cancelled = submitted.error() == errc::runtime_shutdown;
    mine->end_now(is_cancelled ? nullptr : make_no_blocking_thread(submitted.error()));
}

// ---- block_in_place ----

in_place_scope::in_place_scope(std::source_location where) {
    const executor* const here_runs = this_thread.executor.runs;
    if (here_runs != nullptr && here_runs->is_loop()) {
        throw misuse(
            "block_in_place would block the event loop of this thread, whose tasks cannot run elsewhere: use "
            "spawn_blocking",
            where);
    }
    was_in_call_ = std::exchange(this_thread.is_in_blocking_call, true);
    worker* const here = this_thread.worker;
    if (here == nullptr) return;
    pool& owner = here->owner();
    const current_executor entered = this_thread.executor;
    if (owner.threads().hand_over(*here)) {
        handed_ = here;
        worker::leave_thread();
        // The rest of this poll runs on no worker, but belongs to this runtime, or to another that was entered.
        this_thread.executor = entered;
        if (entered.time == &here->events().time()) this_thread.executor.time = &owner.workers().any_time_driver();
    } else if (here->is_ending()) {
        // A worker that destroys the remaining tasks stays on this thread. Its timers do not fire while it blocks.
        hidden_ = std::exchange(this_thread.worker, nullptr);
        this_thread.runs_here = nullptr;
        this_thread.ends_worker_of = &owner;
        hidden_time_ = std::exchange(this_thread.executor.time, nullptr);
    }
}

bool in_place_scope::is_cheap() noexcept {
    worker* const here = this_thread.worker;
    if (here == nullptr || here->is_ending()) return false;
    const io_handle* const io = here->events().io();
    return io == nullptr || io->ring() == nullptr;
}

in_place_scope::~in_place_scope() {
    this_thread.is_in_blocking_call = was_in_call_;
    if (hidden_ != nullptr) {
        this_thread.worker = hidden_;
        this_thread.runs_here = &hidden_->owner();
        this_thread.ends_worker_of = nullptr;
        this_thread.executor.time = hidden_time_;
    }
    if (handed_ == nullptr || !handed_->take_back()) return;
    pool& owner = handed_->owner();
    const current_executor entered = this_thread.executor;
    handed_->enter_thread();
    if (entered.runs != &owner) this_thread.executor = entered;  // an enter_guard of another runtime is alive
    owner.threads().end_in_place(handed_);
}

}  // namespace eddy::detail
