// SPDX-License-Identifier: MIT
#pragma once

#include <exception>
#include <source_location>
#include <string_view>
#include <type_traits>
#include <utility>
#include <variant>

#include <eddy/detail/frame_pool.hpp>
#include <eddy/detail/spawned_task.hpp>
#include <eddy/detail/stored_work.hpp>
#include <eddy/detail/wait_shape.hpp>

// The typed part of a task: its outcome, its name and its work, in one block with the header.

namespace eddy::detail {

/// The work in a cell. A coroutine is stored as the root of the task's header, and the executor polls and destroys its
/// frames. So is a coroutine that a callable makes in the first poll. A system call in its frames is then three calls
/// nearer to the loop: a system call empties the processor's stack of return addresses, so that each return after it
/// costs about 10 ns.
template <class W>
class cell_work : public stored_work<W> {
public:
    static constexpr bool is_coroutine = false;

    using stored_work<W>::stored_work;

    /// Takes over the frames of a coroutine, and returns their root for the header. Returns null for other work.
    static frame* first_root(const auto&, std::source_location) noexcept { return nullptr; }

    bool poll(frame*& root, slot<work_output_t<W>>& outcome, context& cx) {
        if (stored_work<W>::poll(outcome, cx)) return true;
        root = this->take_root();
        return false;
    }
    bool poll_cancel(frame*& root, context& cx) {
        return root == nullptr ? stored_work<W>::poll_cancel(cx) : cancel_root(root, cx);
    }
};
template <class T>
class cell_work<task<T>> {
public:
    static constexpr bool is_coroutine = true;

    cell_work(const task<T>&, std::source_location) noexcept {}
    static frame* first_root(task<T>& given, std::source_location where) {
        frame* const root = enter_frame(given, where);
        begin_root(*root);
        return root;
    }
    void destroy() noexcept {}
};

/// A task: header, outcome, name and work. `Name` is std::string for a named task; the default takes no space. A task
/// that is detached from the beginning has no join handle, and its cancellation destroys it without poll_cancel().
template <class W, class Name = std::monostate, bool IsDetached = false>
class task_cell final : public spawned_output<work_output_t<W>> {
    using base = spawned_output<work_output_t<W>>;
    static constexpr bool is_named = !std::is_same_v<Name, std::monostate>;

public:
    template <class G>
    task_cell(spawned_task_owner& runs, std::source_location where, G&& work, Name name = Name())
        : base(operations, runs, where, cell_work<W>::first_root(work, where), !IsDetached),
          name_(std::move(name)),
          work_(std::forward<G>(work), where) {
        if constexpr (cell_work<W>::is_coroutine) root_of(*this)->outcome = &this->outcome_;
    }

private:
    // SAFETY, here and in name_of(): only task_cell passes the operations below to the base, so `task` is a task_cell.
    static task_cell& of(spawned_task& task) noexcept { return static_cast<task_cell&>(task); }

    static bool poll(spawned_task& task, context& cx) {
        return of(task).work_.poll(root_of(task), of(task).outcome_, cx);
    }
    static bool poll_cancel(spawned_task& task, context& cx) { return of(task).work_.poll_cancel(root_of(task), cx); }
    static bool end_at_once(spawned_task&, context&) { return true; }
    static void destroy_future(spawned_task& task) noexcept { of(task).work_.destroy(); }
    static void free_memory(spawned_task& task) noexcept { pool_delete(&of(task)); }
    static std::string_view name_of(const spawned_task& task) noexcept {
        if constexpr (is_named) {
            return static_cast<const task_cell&>(task).name_;
        } else {
            return {};
        }
    }

    static constexpr spawned_ops make_operations() noexcept {
        spawned_ops made{nullptr, nullptr, &destroy_future, &base::fail, &free_memory, &name_of, &base::drop_output};
        if constexpr (!cell_work<W>::is_coroutine) {
            made.poll = &poll;
            made.poll_cancel = &poll_cancel;
        }
        if constexpr (IsDetached) made.poll_cancel = &end_at_once;
        EDDY_BEGIN_OFFSETS
        if constexpr (is_named) made.name_offset = EDDY_OFFSET(task_cell, name_);
        if constexpr (!cell_work<W>::is_coroutine) {
            made.work_offset = EDDY_OFFSET(task_cell, work_);
            made.work_shape = &shape_of<stored_work<W>>;
        }
        EDDY_END_OFFSETS
        return made;
    }
    static constexpr spawned_ops operations = make_operations();

    [[no_unique_address]] Name name_;
    [[no_unique_address]] cell_work<W> work_;
};

}  // namespace eddy::detail
