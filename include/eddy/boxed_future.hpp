// SPDX-License-Identifier: MIT
#pragma once

#include <concepts>
#include <source_location>
#include <type_traits>
#include <utility>

#include <eddy/task.hpp>

namespace eddy {

/// Any future of a `T`, behind one type: for containers and interfaces. A `task<T>` becomes one for free; any other
/// future is moved into a coroutine frame. Awaiting an rvalue enters it directly, as a task.
/// Cancel safety and lifetime: those of the future inside.
/// Cost: nothing for a task; else one block of the frame pool.
template <class T = void>
class [[nodiscard]] boxed_future : public future_ops<boxed_future<T>> {
public:
    using output_type = T;

    boxed_future(task<T> inner) noexcept : inner_(std::move(inner)) {}

    template <class F>
        requires(!std::is_lvalue_reference_v<F> && !std::same_as<F, boxed_future> && !std::same_as<F, task<T>> &&
                 future<F> && std::same_as<output_t<F>, T>)
    boxed_future(F&& inner) : inner_(in_a_frame(std::forward<F>(inner))) {}

    poll_result<T> poll(context& cx) { return inner_.poll(cx); }
    poll_result<void> poll_cancel(context& cx) { return inner_.poll_cancel(cx); }

private:
    template <class U>
    friend detail::frame* enter_frame(boxed_future<U>& used, std::source_location where);

    template <class F>
    static task<T> in_a_frame(F inner) {
        co_return co_await inner;
    }

    task<T> inner_;
};

/// For awaits (found by argument): see the overload for tasks.
template <class T>
detail::frame* enter_frame(boxed_future<T>& used, std::source_location where) {
    return enter_frame(used.inner_, where);
}

}  // namespace eddy
