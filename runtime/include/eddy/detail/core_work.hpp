// SPDX-License-Identifier: MIT
#pragma once

#include <exception>
#include <expected>
#include <functional>
#include <memory>
#include <source_location>
#include <system_error>
#include <type_traits>
#include <utility>

#include <eddy/detail/call.hpp>
#include <eddy/detail/core_loop.hpp>
#include <eddy/detail/frame_pool.hpp>
#include <eddy/detail/slot.hpp>
#include <eddy/detail/task_cell.hpp>
#include <eddy/detail/unread_failure.hpp>
#include <eddy/error.hpp>
#include <eddy/future/future.hpp>
#include <eddy/runtime/core_answer.hpp>
#include <eddy/runtime/core_handle.hpp>
#include <eddy/task/task.hpp>

// The templates between user code and an event loop: they store a future, a callable or a main future in a core_task.

namespace eddy::detail {

/// Whether the callable takes a core_handle&.
template <class W>
inline constexpr bool takes_handle = std::is_invocable_v<W&, core_handle&>;

/// The return type of a callable that is spawned.
template <class W>
struct work_result : std::invoke_result<W&> {};
template <class W>
    requires takes_handle<W>
struct work_result<W> : std::invoke_result<W&, core_handle&> {};
template <class W>
using work_result_t = typename work_result<W>::type;

/// Calls `f`, with the handle if it takes one.
template <class F>
auto call_with(F& f, core_handle& handle) -> work_result_t<F> {
    if constexpr (takes_handle<F>) {
        return std::invoke(f, handle);
    } else {
        return std::invoke(f);
    }
}

/// Returns whether a future or callable has no output.
template <class W>
constexpr bool has_no_output() {
    if constexpr (future<W>) {
        return std::is_void_v<output_t<W>>;
    } else {
        return std::is_void_v<typename outcome_of<work_result_t<W>>::type>;
    }
}

/// Rejects, with a static_assert, work that cannot be spawned. Work is stored decayed: a function as its address.
template <class W>
constexpr bool check_work() {
    using work = std::decay_t<W>;
    constexpr const bool is_callable = takes_handle<work> || std::is_invocable_v<work&>;
    constexpr const bool is_work = future<work> || is_callable;
    static_assert(is_work,
                  "eddy: spawn takes a future, or a callable (of core_handle& or of nothing) that returns one: for a "
                  "function with parameters, spawn its result, `spawn(work(x))`");
    if constexpr (is_work) {
        constexpr bool moves = check_work_moves<W>();
        constexpr bool handles_its_errors = has_no_output<work>();
        static_assert(handles_its_errors,
                      "eddy: the output of spawned work is discarded, so it must be void: handle errors inside, or use "
                      "`then`");
        return handles_its_errors && moves;
    } else {
        return false;
    }
}

/// A callable together with the handle that it takes.
template <class W>
class handle_callable {
public:
    template <class G>
    handle_callable(core_shared& loop, G&& work) : work_(std::forward<G>(work)), handle_(core_access::handle(loop)) {}

    work_result_t<W> operator()() { return std::invoke(work_, handle_); }

private:
    W work_;
    core_handle handle_;
};

/// A task without a join handle: header and work.
template <class W>
class work_task : public core_task {
    static constexpr bool binds_handle = !future<W> && takes_handle<W>;
    using stored = std::conditional_t<binds_handle, handle_callable<W>, W>;

public:
    template <class G>
    work_task(core_shared& loop, std::source_location where, G&& work)
        : core_task(table, loop, where, cell_work<stored>::first_root(work, where)),
          work_(bind(loop, std::forward<G>(work)), where) {}

private:
    template <class G>
    static decltype(auto) bind(core_shared& loop, G&& work) {
        if constexpr (binds_handle) {
            return stored(loop, std::forward<G>(work));
        } else {
            return std::forward<G>(work);
        }
    }

    // SAFETY: only objects of this class use `table`.
    static work_task& of(core_task& self) noexcept { return static_cast<work_task&>(self); }
    static bool poll(core_task& self, context& cx) {
        slot<void> ended;
        if (!of(self).work_.poll(self.root, ended, cx)) return false;
        if (ended.has_exception()) report_thrown(self, std::move(ended.exception()));
        return true;
    }
    // The shutdown of a loop destroys a task without a join handle and does not wait for it.
    static bool poll_cancel(core_task&, context&) { return true; }
    static void destroy_future(core_task& self) noexcept { of(self).work_.destroy(); }
    static void free_memory(core_task& self) noexcept { pool_delete(&of(self)); }
    static constexpr work_ops<core_task> operations() noexcept {
        work_ops<core_task> made{nullptr, &poll_cancel, &destroy_future, &report_thrown, &free_memory, nullptr};
        if constexpr (!cell_work<stored>::is_coroutine) made.poll = &poll;
        return made;
    }
    static constexpr core_task_ops table{operations()};

    [[no_unique_address]] cell_work<stored> work_;
};

/// Creates a task without a join handle, queues it and returns it. Call this only on the loop's thread.
template <class W>
core_task& spawn_work(core_shared& loop, W&& work, std::source_location where) {
    core_task& made = *pool_new<work_task<std::decay_t<W>>>(loop, where, std::forward<W>(work));
    adopt_task(loop, made);
    return made;
}

/// Work that another thread sends to an event loop, to be spawned there.
template <class W>
class work_job : public inbound_node {
public:
    template <class G>
    work_job(std::source_location where, G&& work)
        : inbound_node(&operations), where_(where), work_(std::forward<G>(work)) {}

private:
    static void arrive(inbound_node& self, core_shared& loop, bool is_open) noexcept {
        // SAFETY: only objects of this class use the table `operations`. The inbound list passes the ownership to this
        // function, so the job is freed here, also if spawning throws.
        const std::unique_ptr<work_job, void (*)(work_job*)> mine(&static_cast<work_job&>(self),
                                                                  &pool_delete<work_job>);
        try {
            if (is_open) spawn_work(loop, std::move(mine->work_), mine->where_);
        } catch (...) {
            report_failure(loop, unread_failure(std::current_exception()), mine->where_);
        }
    }
    static constexpr inbound_ops operations{&arrive};

    std::source_location where_;
    W work_;
};

/// Sends work to an event loop, on any thread. Returns false, and destroys the work, if the event loop is closed.
template <class W>
[[nodiscard]] bool send_work(core_shared& loop, W&& work, std::source_location where) {
    using job = work_job<std::decay_t<W>>;
    job* const sent = pool_new<job>(where, std::forward<W>(work));
    if (send_job(loop, *sent)) return true;
    pool_delete(sent);
    return false;
}

/// Awaits the main future of core::run() and stores its outcome.
/// A task passed as an rvalue is entered. Any other future is awaited as an lvalue.
/// Lifetime: all references are to the stack of core::run(), which outlives this coroutine.
template <class Main>
task<void> drive(Main&& main, kept<output_t<Main>>& outcome, bool& done, std::source_location where) {
    using awaited = std::conditional_t<is_entered<Main>, Main&&, std::remove_reference_t<Main>&>;
    try {
        if constexpr (std::is_void_v<output_t<Main>>) {
            co_await in_name_of<awaited>(static_cast<awaited>(main), where);
            outcome.set_value();
        } else {
            outcome.set_value(co_await in_name_of<awaited>(static_cast<awaited>(main), where));
        }
    } catch (...) {
        outcome.set_exception(std::current_exception());
    }
    done = true;
}

/// Runs the event loop until `main` has ended, and returns its output or throws its exception.
template <class Main>
output_t<Main> run_main(core_shared& loop, Main&& main, std::source_location where) {
    check_entry(loop, where);
    kept<output_t<Main>> outcome;
    bool done = false;
    core_task& driven = spawn_work(loop, drive<Main>(std::forward<Main>(main), outcome, done, where), where);
    run_until_done(loop, driven, done, where);
    return outcome.take(where);
}

/// Calls `f`, awaits the future that it returns, if any, and sends the outcome.
template <class T, class F>
task<void> fulfil(typename answer_channel<T>::sender answer, F f, core_handle& handle) {
    using made = work_result_t<F>;
    using outcome = std::expected<T, std::exception_ptr>;
    const auto send = [&](auto&&... value) {
        static_cast<void>(answer.send(outcome(std::forward<decltype(value)>(value)...)));
    };
    try {
        if constexpr (future<made> && std::is_void_v<T>) {
            co_await call_with(f, handle);
            send();
        } else if constexpr (future<made>) {
            auto output = co_await call_with(f, handle);
            send(std::in_place, std::move(output));
        } else if constexpr (std::is_void_v<T>) {
            call_with(f, handle);
            send();
        } else {
            send(std::in_place, call_with(f, handle));
        }
    } catch (...) {
        send(std::unexpect, std::current_exception());
    }
    co_return;
}

/// Runs `f` on the event loop and returns its answer: core_remote::call().
template <class F>
auto call_on_loop(const core_remote& remote, F&& f, std::source_location where) {
    using work = std::decay_t<F>;
    constexpr bool is_callable = takes_handle<work> || std::is_invocable_v<work&>;
    static_assert(is_callable, "eddy: call takes a callable (of core_handle& or of nothing)");
    if constexpr (is_callable) {
        using value = typename outcome_of<work_result_t<work>>::type;
        auto [sender, receiver] = answer_channel<value>::channel();
        auto job = [answer = std::move(sender), work = work(std::forward<F>(f))](core_handle& handle) mutable {
            return fulfil<value>(std::move(answer), std::move(work), handle);
        };
        // If the event loop is closed, the job is destroyed, and the answer is runtime_shutdown.
        static_cast<void>(remote.spawn(std::move(job), where));
        return core_answer<value>(std::move(receiver), remote);
    }
}

}  // namespace eddy::detail
