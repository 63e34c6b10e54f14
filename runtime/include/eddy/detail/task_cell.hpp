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

// The typed part of a task that has a join handle: its outcome, its name and its work, in one block with the header.

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

/// A task: header, outcome, name and work. `Output` is the header with the outcome, and depends on the executor:
///
///     spawned_output    the pool, a local set
///     core_output       an event loop
///
/// An `Output` has three members: `header`, the type that the operations take; the function `fail`; and
/// `operations_of<Cell>`, the table of operations. `Name` is std::string for a named task; the default takes no space.
template <template <class> class Output, class W, class Name = std::monostate>
class task_cell final : public Output<work_output_t<W>> {
    using base = Output<work_output_t<W>>;
    using header = typename base::header;
    static constexpr bool is_named = !std::is_same_v<Name, std::monostate>;
    friend base;

public:
    /// `runs` is the executor.
    template <class Runs, class G>
    task_cell(Runs& runs, std::source_location where, G&& work, Name name = Name())
        : base(base::template operations_of<task_cell>, runs, where, cell_work<W>::first_root(work, where)),
          name_(std::move(name)),
          work_(std::forward<G>(work), where) {}

private:
    // SAFETY, here and in name_of(): only task_cell passes the operations below to the base, so `task` is a task_cell.
    static task_cell& of(header& task) noexcept { return static_cast<task_cell&>(task); }

    static bool poll(header& task, context& cx) { return of(task).work_.poll(root_of(task), of(task).outcome_, cx); }
    static bool poll_cancel(header& task, context& cx) { return of(task).work_.poll_cancel(root_of(task), cx); }
    static void destroy_future(header& task) noexcept { of(task).work_.destroy(); }
    static void free_memory(header& task) noexcept { pool_delete(&of(task)); }
    static std::string_view name_of(const header& task) noexcept {
        if constexpr (is_named) {
            return static_cast<const task_cell&>(task).name_;
        } else {
            return {};
        }
    }

    static constexpr work_ops<header> operations() noexcept {
        if constexpr (cell_work<W>::is_coroutine) {
            return {nullptr, nullptr, &destroy_future, &base::fail, &free_memory, &name_of};
        } else {
            return {&poll, &poll_cancel, &destroy_future, &base::fail, &free_memory, &name_of};
        }
    }

    [[no_unique_address]] Name name_;
    [[no_unique_address]] cell_work<W> work_;
};

/// The header of a spawned task with its outcome.
template <class T>
class spawned_output : public spawned_task {
public:
    using header = spawned_task;

    spawned_output(const spawned_ops& operations, task_owner& runs, std::source_location where, frame* root = nullptr,
                   bool has_handle = true) noexcept
        : spawned_task(operations, runs, where, has_handle) {
        // SAFETY: this word is a part of the empty slot in which no object exists: the memory of an output or an
        // exception, or padding before it.
        static_assert(sizeof(spawned_output) >= sizeof(spawned_task) + sizeof(slot<T>), "not in padding of the header");
        ::new (root_word()) frame*(root);
    }

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
                                    &detail::release_task, &detail::id_of_task,       &detail::spawn_site_of_task};
    template <class Cell>
    static constexpr spawned_ops operations_of{joins, Cell::operations(), &failure_in, &destroy_output};
    static std::string_view unnamed(const spawned_task&) noexcept { return {}; }

    slot<T> outcome_;
};

}  // namespace eddy::detail
