// SPDX-License-Identifier: MIT
#pragma once

#include <exception>
#include <functional>
#include <optional>
#include <source_location>
#include <string_view>
#include <type_traits>
#include <utility>

#include <eddy/detail/pool.hpp>
#include <eddy/detail/spawned_cell.hpp>
#include <eddy/join_handle.hpp>

namespace eddy::detail {

/// Blocking work: a spawned task that a thread for such work runs, once, and that nobody wakes. Its life is that of
/// task_state, so that join handles and aborts are the same.
template <class F>
class blocking_cell final : public spawned_output<std::decay_t<std::invoke_result_t<F&>>> {
    using output = std::decay_t<std::invoke_result_t<F&>>;
    using base = spawned_output<output>;

public:
    template <class G>
    blocking_cell(task_owner& runs, std::source_location where, G&& f)
        : base(operations, runs, where, true), f_(std::in_place, std::forward<G>(f)) {}

private:
    static blocking_cell& of(spawned_task& task) noexcept { return static_cast<blocking_cell&>(task); }

    static bool poll(spawned_task& task, context&) {
        auto& me = of(task);
        if constexpr (std::is_void_v<output>) {
            std::invoke(*me.f_);
            me.outcome_.set_value();
        } else {
            me.outcome_.set_value(std::invoke(*me.f_));
        }
        return true;
    }
    static void destroy_future(spawned_task& task) noexcept { of(task).f_.reset(); }
    static void free_memory(spawned_task& task) noexcept { pool_delete(&of(task)); }
    static constexpr spawned_ops operations{base::joins,           &poll,        nullptr,
                                            &destroy_future,       &base::fail,  &base::exception_of,
                                            &base::destroy_output, &free_memory, &base::unnamed};

    std::optional<F> f_;
};

/// Who runs blocking work that is spawned on this thread. Throws `misuse` if there is no runtime and no loop.
[[nodiscard]] task_owner& current_blocking_owner(std::source_location where);

/// Sends it to a thread. If there is none, the work is cancelled.
void start_blocking(spawned_task& task) noexcept;

template <class F>
auto spawn_blocking_here(F&& f, std::source_location where) {
    using cell = blocking_cell<std::decay_t<F>>;
    using output = std::decay_t<std::invoke_result_t<std::decay_t<F>&>>;
    using handle = std::conditional_t<is_fragile<F>, marked_join_handle<output>, join_handle<output>>;
    cell& made = *pool_new<cell>(current_blocking_owner(where), where, std::forward<F>(f));
    start_blocking(made);
    return handle(made);
}

}  // namespace eddy::detail
