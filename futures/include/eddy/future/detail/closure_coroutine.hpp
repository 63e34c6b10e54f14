// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <memory>
#include <source_location>
#include <string_view>
#include <type_traits>

#include <eddy/detail/export.hpp>

// A coroutine that is a lambda refers to the lambda's captures, and does not copy them. So `spawn([x]() -> task<void>
// {...}())` is a mistake: the lambda is destroyed at the end of the statement, before the coroutine runs. The promise's
// constructor receives the lambda, so the library can compare its address with the native stack. (Clang does not pass
// lambdas to the promise, so the library has no such check there.) The check is made when the coroutine is spawned or
// awaited as an rvalue. It is made again when the coroutine starts, because the coroutine may be inside of another
// future, such as a join.

namespace eddy::detail {

/// Returns the name of the type `C`, taken from the text of __PRETTY_FUNCTION__ of GCC and Clang.
template <class C>
constexpr std::string_view type_in_text() noexcept {
    std::string_view text = __PRETTY_FUNCTION__;
    text.remove_prefix(text.find("C = ") + 4);
    // GCC: "... [with C = NAME; std::string_view = ...]", Clang: "... [C = NAME]"
    const std::size_t end = text.find("; std::string_view");
    return text.substr(0, end == std::string_view::npos ? text.size() - 1 : end);
}

/// Returns whether a type name ends with the name of a closure: "(lambda at FILE:LINE)" (Clang), "<lambda(...)>" (GCC).
constexpr bool is_name_of_closure(std::string_view name) noexcept {
    if (name.starts_with("(lambda at ")) return true;
    if (!name.ends_with('>')) return false;
    int open = 0;
    for (std::size_t i = name.size(); i-- > 0;) {
        if (name[i] == '>') ++open;
        if (name[i] == '<' && --open == 0) return name.substr(i).starts_with("<lambda(");
    }
    return false;
}

/// A lambda. The type is incomplete inside of the lambda's own body, so only its name can be used here.
template <class C>
concept closure_type = std::is_class_v<C> && is_name_of_closure(type_in_text<C>());

/// Returns the address of a lambda; null if it has no captures. (The type is complete when this function is compiled.)
template <class C>
[[nodiscard]] const void* captures_of(const C& closure) noexcept {
    if constexpr (std::is_empty_v<C>) {
        return nullptr;
    } else {
        return std::addressof(closure);
    }
}

/// Returns whether `object` is on the native stack of the poll that runs on this thread. Such an object is destroyed
/// before a task that is spawned now runs. Returns false outside of a poll.
[[nodiscard]] EDDY_API bool is_on_stack_of_poll(const void* object) noexcept;

/// Returns whether the lambda `object`, whose coroutine starts now, was on the native stack of this thread and has been
/// destroyed. Lambdas that still exist are in a coroutine frame, on the heap, or on the stack of the executor's caller.
[[nodiscard]] EDDY_API bool is_gone_from_stack(const void* object) noexcept;

/// Throws misuse for a coroutine whose lambda is_on_stack_of_poll().
[[noreturn]] EDDY_API void throw_lambda_is_gone(std::source_location where);

}  // namespace eddy::detail
