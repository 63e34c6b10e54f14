// SPDX-License-Identifier: MIT
#pragma once

#include <exception>
#include <functional>
#include <string>
#include <utility>

#include <eddy/runtime/runtime_hooks.hpp>

// Calls functions that users have given to a builder, and that must not throw.

namespace eddy::detail {

/// Returns the text of an exception.
std::string text_of(const std::exception_ptr& thrown);

/// Ends the process with a message: a hook has thrown. `setter` is the function that has set the hook.
[[noreturn]] void hook_has_thrown(const char* setter, const std::exception_ptr& thrown) noexcept;

/// Calls a hook.
template <class F>
auto call_hook(const char* setter, F call) noexcept {
    try {
        return call();
    } catch (...) {
        hook_has_thrown(setter, std::current_exception());
    }
}

/// Returns a function that calls `hook` by call_hook(). Null if `hook` is null.
template <class R, class... A>
std::function<R(A...)> guarded(const char* setter, const std::function<R(A...)>& hook) {
    if (!hook) return nullptr;
    return [setter, hook](A... arguments) -> R { return call_hook(setter, [&] { return hook(arguments...); }); };
}

/// Returns whether any hook is set.
[[nodiscard]] bool has_any(const runtime_hooks& hooks) noexcept;
/// Returns the same hooks, guarded.
runtime_hooks guarded(const runtime_hooks& hooks);

}  // namespace eddy::detail
