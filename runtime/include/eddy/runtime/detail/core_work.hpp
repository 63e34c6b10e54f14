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
#include <variant>

#include <eddy/detail/frame_pool.hpp>
#include <eddy/error.hpp>
#include <eddy/future/detail/call.hpp>
#include <eddy/future/detail/unread_failure.hpp>
#include <eddy/future/detail/virtual_stack.hpp>
#include <eddy/future/future.hpp>
#include <eddy/runtime/core_answer.hpp>
#include <eddy/runtime/core_handle.hpp>
#include <eddy/runtime/detail/core_loop.hpp>
#include <eddy/task/detail/spawned_task.hpp>
#include <eddy/task/task.hpp>

// The templates between user code and an event loop: they store a future, a callable or a main future in a task.

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

/// Creates a task without a join handle, for `work`.
template <class W>
spawned_task& make_detached(core_shared& loop, W&& work, std::source_location where) {
    using plain = std::decay_t<W>;
    if constexpr (!future<plain> && takes_handle<plain>) {
        using bound = handle_callable<plain>;
        return *pool_new<task_cell<bound, std::monostate, true>>(owner_of(loop), where,
                                                                 bound(loop, std::forward<W>(work)));
    } else {
        return *pool_new<task_cell<plain, std::monostate, true>>(owner_of(loop), where, std::forward<W>(work));
    }
}

/// Spawns `work` without a join handle, and returns its task. Call this only on the loop's thread.
template <class W>
spawned_task& spawn_work(core_shared& loop, W&& work, std::source_location where) {
    spawned_task& made = make_detached(loop, std::forward<W>(work), where);
    owner_of(loop).adopt(made);
    return made;
}

/// Sends work to an event loop, on any thread. Returns false, and destroys the work, if the event loop is closed. Work
/// that cannot run, such as a task that has ended, is reported by the loop.
template <class W>
[[nodiscard]] bool send_work(core_shared& loop, W&& work, std::source_location where) {
    try {
        return send_task(loop, make_detached(loop, std::forward<W>(work), where));
    } catch (const misuse&) {
        const auto report = [thrown = std::current_exception()] { std::rethrow_exception(thrown); };
        return send_task(loop, make_detached(loop, report, where));
    }
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
    spawned_task& driven = spawn_work(loop, drive<Main>(std::forward<Main>(main), outcome, done, where), where);
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
