// SPDX-License-Identifier: MIT
#include <eddy/task/task_local.hpp>

#include <utility>

#include <eddy/detail/runtime_context.hpp>

namespace eddy::detail {

void push_task_local(task_local_binding& binding) noexcept {
    binding.outer = std::exchange(this_thread.task_locals, &binding);
}

void pop_task_local(const task_local_binding& binding) noexcept {
    EDDY_ASSERT(this_thread.task_locals == &binding,
                "task_local: values were not unbound in the reverse order of their binding");
    this_thread.task_locals = binding.outer;
}

void* find_task_local(const void* key) noexcept {
    for (const task_local_binding* each = this_thread.task_locals; each != nullptr; each = each->outer) {
        if (each->key == key) return each->value;
    }
    return nullptr;
}

hidden_task_locals::hidden_task_locals() noexcept : outer_(std::exchange(this_thread.task_locals, nullptr)) {}
hidden_task_locals::~hidden_task_locals() { this_thread.task_locals = outer_; }

void throw_no_task_local(std::source_location where) {
    throw misuse(
        "this task_local has no value here: bind one around the code that uses it, `co_await name.scope(value, "
        "future)` (a spawned task does not inherit it), or use try_with()",
        where);
}

}  // namespace eddy::detail
