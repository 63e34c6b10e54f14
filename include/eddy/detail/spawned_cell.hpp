// SPDX-License-Identifier: MIT
#pragma once

#include <exception>
#include <source_location>
#include <string_view>
#include <utility>

#include <eddy/detail/spawned_task.hpp>
#include <eddy/detail/stored_work.hpp>

// The typed part of a spawned task: its outcome and its work, in one block with the header.

namespace eddy::detail {

/// The header of a task with its outcome.
template <class T>
class spawned_output : public spawned_task {
public:
    using spawned_task::spawned_task;

    // SAFETY, here and in outcome_of(): only classes that derive from spawned_output<T> have these functions in their
    // tables of operations, so `task` is one. The caller has a reference to it.
    static slot<T>& slot_of(spawned_task& task) noexcept { return static_cast<spawned_output&>(task).outcome_; }

    static slot_base& outcome_of(joinable& task) noexcept { return slot_of(static_cast<spawned_task&>(task)); }
    static void fail(spawned_task& task, std::exception_ptr thrown) noexcept {
        slot_of(task).set_exception(std::move(thrown));
    }
    static unread_failure failure_in(spawned_task& task) noexcept { return take_failure(slot_of(task)); }
    static void destroy_output(spawned_task& task) noexcept { slot_of(task).discard(); }

protected:
    static constexpr join_ops joins{&detail::poll_join,    &detail::drop_join_handle, &outcome_of,
                                    &detail::abort_task,   &detail::is_task_finished, &detail::add_task_reference,
                                    &detail::release_task, &detail::id_of_task};
    static std::string_view unnamed(const spawned_task&) noexcept { return {}; }

    slot<T> outcome_;
};

/// A task that runs a future or a callable.
template <class W>
class spawned_cell final : public spawned_output<work_output_t<W>> {
    using base = spawned_output<work_output_t<W>>;

public:
    template <class G>
    spawned_cell(task_owner& runs, std::source_location where, bool has_handle, G&& work)
        : base(operations, runs, where, has_handle), work_(std::forward<G>(work), where) {}

private:
    // SAFETY: only spawned_cell passes `operations` to the base, so `task` is a spawned_cell.
    static spawned_cell& of(spawned_task& task) noexcept { return static_cast<spawned_cell&>(task); }

    static bool poll(spawned_task& task, context& cx) { return of(task).work_.poll(of(task).outcome_, cx); }
    static bool poll_cancel(spawned_task& task, context& cx) { return of(task).work_.poll_cancel(cx); }
    static void destroy_future(spawned_task& task) noexcept { of(task).work_.destroy(); }
    static void free_memory(spawned_task& task) noexcept { pool_delete(&of(task)); }
    static constexpr spawned_ops operations{base::joins,           &poll,        &poll_cancel,
                                            &destroy_future,       &base::fail,  &base::failure_in,
                                            &base::destroy_output, &free_memory, &base::unnamed};

    stored_work<W> work_;
};

/// A task that runs a coroutine. The worker polls its frames directly, through `root`.
template <class T>
class spawned_cell<task<T>> final : public spawned_output<T> {
    using base = spawned_output<T>;

public:
    spawned_cell(task_owner& runs, std::source_location where, bool has_handle, task<T>&& work)
        : base(operations, runs, where, has_handle) {
        this->root = enter_frame(work, where);
        begin_root(*this->root);
    }

private:
    static void nothing(spawned_task&) noexcept {}
    // SAFETY: only spawned_cell passes `operations` to the base, so `task` is a spawned_cell.
    static void free_memory(spawned_task& task) noexcept { pool_delete(static_cast<spawned_cell*>(&task)); }
    static constexpr spawned_ops operations{
        base::joins,           nullptr,      nullptr,       &nothing, &base::fail, &base::failure_in,
        &base::destroy_output, &free_memory, &base::unnamed};
};

}  // namespace eddy::detail
