// SPDX-License-Identifier: MIT
#pragma once

#include <utility>

#include <eddy/future/future.hpp>
#include <eddy/future/future_ops.hpp>
#include <eddy/task/join_handle.hpp>

namespace eddy {

/// A join handle that aborts its task when it is destroyed, where a plain join_handle detaches it:
/// `eddy::abort_on_drop_handle task(eddy::spawn(work()));`. Everything else is the same as for join_handle. The
/// destructor does not wait until the task has ended. If the parent must wait for it, use eddy::scope.
///
/// Cancel safety: destroying the handle aborts the task. Awaiting it by reference (`co_await task`) is safe: if that
/// await is cancelled, the task continues.
/// Thread safety: not synchronized; use one object from one thread at a time. The task may run on another thread.
/// Cost: the same as join_handle.
template <class T>
class [[nodiscard("dropping it aborts the task")]] abort_on_drop_handle : public future_ops<abort_on_drop_handle<T>> {
public:
    using output_type = typename join_handle<T>::output_type;

    /// Takes ownership of the task of `task`. If `task` is empty, this handle is empty, too.
    explicit abort_on_drop_handle(join_handle<T> task) noexcept : task_(std::move(task)) {}
    /// Moving leaves `other` empty. The assignment aborts the task that this handle had before.
    abort_on_drop_handle(abort_on_drop_handle&&) noexcept = default;
    abort_on_drop_handle& operator=(abort_on_drop_handle&& other) noexcept {
        abort_on_drop_handle taken(std::move(other));
        task_.swap(taken.task_);
        return *this;
    }
    /// Aborts the task, if there is one.
    ~abort_on_drop_handle() { task_.abort(); }

    poll_result<output_type> poll(context& cx) { return task_.poll(cx); }

    static constexpr auto wait_shape() { return inspect::waits_as(&abort_on_drop_handle::task_); }

    /// Same as the member functions of join_handle.
    void abort() const noexcept { task_.abort(); }
    [[nodiscard]] bool is_finished() const noexcept { return task_.is_finished(); }
    [[nodiscard]] eddy::abort_handle abort_handle(std::source_location where = std::source_location::current()) const {
        return task_.abort_handle(where);
    }
    [[nodiscard]] task_id id() const noexcept { return task_.id(); }

    /// Returns a plain join handle, which does not abort the task. This handle is empty afterwards.
    [[nodiscard]] join_handle<T> detach() noexcept { return std::move(task_); }

private:
    join_handle<T> task_;
};

/// Deduces `T` from the join handle.
template <class T>
abort_on_drop_handle(join_handle<T>) -> abort_on_drop_handle<T>;

}  // namespace eddy
