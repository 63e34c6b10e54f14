// SPDX-License-Identifier: MIT
#pragma once

#include <source_location>

#include <eddy/detail/export.hpp>

namespace eddy::detail {

/// A value to which a task_local is currently bound on this thread. The bindings are a linked list, innermost first,
/// and are on the stack.
struct task_local_binding {
    const void* key;  ///< the address of the task_local
    void* value;
    task_local_binding* outer;
};

// These functions are defined in a source file, so that they are never inlined into a coroutine. A coroutine that
// resumes on another thread must not use a cached address of the former thread's list.

/// Makes the binding the innermost one of this thread, and sets its `outer`.
EDDY_API void push_task_local(task_local_binding& binding) noexcept;
/// Removes the innermost binding of this thread, which must be `binding`.
EDDY_API void pop_task_local(const task_local_binding& binding) noexcept;
/// Returns the value of the innermost binding of `key`; null if there is none.
[[nodiscard]] EDDY_API void* find_task_local(const void* key) noexcept;
/// Throws `misuse` because no value is bound.
[[noreturn]] EDDY_API void throw_no_task_local(std::source_location where);

/// Binds a value on this thread during its lifetime, that is, during one poll.
class bound_task_local {
public:
    bound_task_local(const void* key, void* value) noexcept : binding_{key, value, nullptr} {
        push_task_local(binding_);
    }
    bound_task_local(const bound_task_local&) = delete;
    bound_task_local& operator=(const bound_task_local&) = delete;
    ~bound_task_local() { pop_task_local(binding_); }

private:
    task_local_binding binding_;
};

/// Hides all values on this thread during its lifetime.
class EDDY_API hidden_task_locals {
public:
    hidden_task_locals() noexcept;
    hidden_task_locals(const hidden_task_locals&) = delete;
    hidden_task_locals& operator=(const hidden_task_locals&) = delete;
    ~hidden_task_locals();

private:
    task_local_binding* const outer_;
};

}  // namespace eddy::detail
