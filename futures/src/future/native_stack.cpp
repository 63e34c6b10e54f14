// SPDX-License-Identifier: MIT
#include "future/native_stack.hpp"

#include <algorithm>
#include <functional>

#include <eddy/detail/runtime_context.hpp>
#include <eddy/error.hpp>
#include <eddy/future/detail/checked_awaiter.hpp>
#include <eddy/future/detail/closure_coroutine.hpp>

#include "sys/stack.hpp"

namespace eddy::detail {

namespace {

/// Determines the range of the native stack again, since its limit may have changed. Returns whether `here` is in the
/// reserve.
[[gnu::noinline]] bool is_stack_used_up(std::uintptr_t here) noexcept {
    constexpr std::uintptr_t most = 64 * 1024;
    const auto range = sys::stack_of_this_thread();
    stack_here = {range.low, std::min<std::uintptr_t>(most, range.size / 16), range.size};
    return may_be_full(here);
}

}  // namespace

void check_native_stack(call_site where) noexcept {
    const auto here = native_stack_pointer();
    if (!may_be_full(here) || !is_stack_used_up(here)) return;
    fatal_misuse(
        "the native stack of this thread is used up, because too many polls are nested: a recursion awaits its tasks "
        "as lvalues, or through join, select, timeout, map, boxed_future or the like. Await tasks as rvalues, "
        "`co_await f()`, which needs no native stack; or limit the depth. The innermost co_await is",
        source_location_of(where));
}

bool is_on_stack_of_poll(const void* object) noexcept {
    const std::less<const void*> is_lower;
    return !is_lower(object, __builtin_frame_address(0)) && is_lower(object, this_thread.poll_entry);
}

[[gnu::noinline]] bool is_gone_from_stack(const void* object) noexcept {
    if (is_on_stack_of_poll(object)) return true;
    // A native stack frame that has ended is below the current one. On the stack of a fiber the answer is unknown, and
    // this returns false.
    const auto here = native_stack_pointer();
    const auto at = reinterpret_cast<std::uintptr_t>(object);
    if (stack_here.reserve == known_stack{}.reserve) static_cast<void>(is_stack_used_up(here));
    return here - stack_here.low < stack_here.size && at >= stack_here.low && at < here;
}

}  // namespace eddy::detail
