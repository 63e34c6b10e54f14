// SPDX-License-Identifier: MIT
#include <eddy/task/task_local.hpp>

#include <utility>

#include "task/task_locals_here.hpp"

namespace eddy::detail {

void push_task_local(task_local_binding& binding) noexcept {
    binding.outer = std::exchange(task_locals_here, &binding);
}

void pop_task_local(const task_local_binding& binding) noexcept {
    EDDY_ASSERT(task_locals_here == &binding,
                "task_local: values were not unbound in the reverse order of their binding");
    task_locals_here = binding.outer;
}

void* find_task_local(const void* key) noexcept {
    for (const task_local_binding* each = task_locals_here; each != nullptr; each = each->outer) {
        if (each->key == key) return each->value;
    }
    return nullptr;
}

void throw_no_task_local(std::source_location where) {
    throw misuse(
        "this task_local has no value here: bind one around the code that uses it, `co_await name.scope(value, "
        "future)` (a spawned task does not inherit it), or use try_with()",
        where);
}

}  // namespace eddy::detail
