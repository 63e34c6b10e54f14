// SPDX-License-Identifier: MIT
#pragma once

#include <utility>

#include <eddy/future.hpp>
#include <eddy/future_ops.hpp>
#include <eddy/join_handle.hpp>

namespace eddy {

/// A join handle that aborts its task when it is dropped, and does not detach it:
/// `eddy::abort_on_drop_handle task(eddy::spawn(work()));`. Otherwise as join_handle.
/// For a task that must have ended before its parent goes on there is eddy::scope.
///
/// Cancel safety: dropping it aborts the task; borrowed (`co_await task`), the task goes on.
/// Thread safety: as a value.
/// Cost: none of its own.
template <class T, bool Marked = false>
class [[nodiscard("dropping it aborts the task")]] abort_on_drop_handle
    : public future_ops<abort_on_drop_handle<T, Marked>> {
public:
    using output_type = typename join_handle<T>::output_type;
    static constexpr bool took_closure = Marked;

    explicit abort_on_drop_handle(join_handle<T> task) noexcept : task_(std::move(task)) {}
    /// From the handle of a task that was given a closure; that one is marked for GCC 12, see detail/closure_guard.hpp.
    abort_on_drop_handle(abort_on_drop_handle<T, !Marked>&& other) noexcept : task_(other.detach()) {}
    abort_on_drop_handle(abort_on_drop_handle&&) noexcept = default;
    abort_on_drop_handle& operator=(abort_on_drop_handle&& other) noexcept {
        abort_on_drop_handle taken(std::move(other));
        task_.swap(taken.task_);
        return *this;
    }
    ~abort_on_drop_handle() { task_.abort(); }

    poll_result<output_type> poll(context& cx) { return task_.poll(cx); }

    /// See join_handle.
    void abort() const noexcept { task_.abort(); }
    [[nodiscard]] bool is_finished() const noexcept { return task_.is_finished(); }
    [[nodiscard]] eddy::abort_handle abort_handle(std::source_location where = std::source_location::current()) const {
        return task_.abort_handle(where);
    }
    [[nodiscard]] task_id id() const noexcept { return task_.id(); }

    /// The plain handle, which does not abort. This one is empty then.
    [[nodiscard]] join_handle<T> detach() noexcept { return std::move(task_); }

private:
    join_handle<T> task_;
};

template <class T>
abort_on_drop_handle(join_handle<T>) -> abort_on_drop_handle<T>;
template <class T>
abort_on_drop_handle(detail::marked_join_handle<T>) -> abort_on_drop_handle<T, true>;

}  // namespace eddy
