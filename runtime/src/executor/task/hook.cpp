// SPDX-License-Identifier: MIT
#include "executor/task/hook.hpp"

#include <eddy/error.hpp>

namespace eddy::detail {

std::string text_of(const std::exception_ptr& thrown) {
    try {
        std::rethrow_exception(thrown);
    } catch (const std::exception& e) {
        return e.what();
    } catch (...) {
        return "an exception that is not a std::exception";
    }
}

void hook_has_thrown(const char* setter, const std::exception_ptr& thrown) noexcept {
    fatal_error(std::string("the function given to ") + setter +
                " threw an exception, which it must not: " + text_of(thrown));
}

bool has_any(const runtime_hooks& hooks) noexcept {
    return hooks.thread_start || hooks.thread_stop || hooks.before_park || hooks.after_unpark || hooks.task_spawn ||
           hooks.task_terminate || hooks.before_task_poll || hooks.after_task_poll;
}

runtime_hooks guarded(const runtime_hooks& hooks) {
    runtime_hooks all;
    all.thread_start = guarded("on_thread_start()", hooks.thread_start);
    all.thread_stop = guarded("on_thread_stop()", hooks.thread_stop);
    all.before_park = guarded("on_thread_park()", hooks.before_park);
    all.after_unpark = guarded("on_thread_unpark()", hooks.after_unpark);
    all.task_spawn = guarded("on_task_spawn()", hooks.task_spawn);
    all.task_terminate = guarded("on_task_terminate()", hooks.task_terminate);
    all.before_task_poll = guarded("on_before_task_poll()", hooks.before_task_poll);
    all.after_task_poll = guarded("on_after_task_poll()", hooks.after_task_poll);
    return all;
}

}  // namespace eddy::detail
