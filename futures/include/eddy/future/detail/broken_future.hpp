// SPDX-License-Identifier: MIT
#pragma once

#include <concepts>
#include <cstddef>
#include <source_location>
#include <utility>

#include <eddy/future/future.hpp>

// Placeholders that library templates return after a failed static_assert, so that the compiler reports that message
// and no further errors.

// EDDY_DELETED(text) ends the declaration of a function template that must not be called: the error is "eddy: " and the
// text. The function returns a placeholder.
#if defined(__cpp_deleted_function) && defined(__clang__)  // which warns about it in C++23
#define EDDY_DELETED(text)                                                                        \
    _Pragma("clang diagnostic push") _Pragma("clang diagnostic ignored \"-Wc++26-extensions\"") = \
        delete ("eddy: " text)_Pragma("clang diagnostic pop")
#elif defined(__cpp_deleted_function)
#define EDDY_DELETED(text) = delete ("eddy: " text)
#else
#define EDDY_DELETED(text)                               \
    {                                                    \
        static_assert(!sizeof(__func__), "eddy: " text); \
        throw;                                           \
    }                                                    \
    static_assert(true)  // for the semicolon
#endif

// The texts of several functions.
#define EDDY_NEEDS_MOVE "this takes ownership of its object: write std::move(x).f(...), not x.f(...)"
#define EDDY_NO_ARGUMENTS                                                                                              \
    "spawn takes no arguments for the work: call it, spawn(f(x)), or bind them in a lambda, spawn([=] { return f(x); " \
    "})"
#define EDDY_ONE_BUFFER "this takes the buffer as one argument: std::span(x).first(size), or std::span(pointer, size)"
#define EDDY_NO_TEMPORARY                                                                                      \
    "this may write only a part of its buffer, and the buffer is a temporary: store it in a variable, or use " \
    "write_all()"
#define EDDY_NEEDS_UNIT                                                                            \
    "a duration has a unit: write 1s or 100ms, after `using namespace std::chrono_literals;`, or " \
    "std::chrono::milliseconds(x)"
#define EDDY_LIMIT_FIRST "the limit of a timeout is its first argument: timeout(1s, work)"
#define EDDY_TAKES_SHARED                                                                                          \
    "the _owned functions are static, and take the std::shared_ptr: write sync::semaphore::acquire_owned(x), not " \
    "x->acquire_owned()"
#define EDDY_NEEDS_TOKEN                                                                                    \
    "this takes a token, not a result: write `auto stop = co_await try_(signal::shutdown_token());`, then " \
    "shutdown(stop)"

namespace eddy::detail {

/// A placeholder for a future that could not be made, and for its join handle, its output and their members.
struct broken_future {
    using output_type = broken_future;
    poll_result<broken_future> poll(context&);

    template <class T>
    operator T() const;  // NOLINT(google-explicit-constructor)

    // Members of futures and handles.
    broken_future and_then(auto&&) const { return {}; }
    broken_future map(auto&&) const { return {}; }
    broken_future map_err(auto&&) const { return {}; }
    broken_future or_else(auto&&) const { return {}; }
    broken_future then(auto&&) const { return {}; }
    broken_future abort_handle() const { return {}; }
    void abort() const {}
    void detach() const {}
    void wait() const {}
    bool is_finished() const { return {}; }
    bool is_cancelled() const { return {}; }
    std::size_t id() const { return {}; }

    // Members of results, optionals and errors.
    broken_future operator*() const { return {}; }
    const broken_future* operator->() const { return this; }
    bool has_value() const { return {}; }
    broken_future value() const { return {}; }
    broken_future value_or(auto&&) const { return {}; }
    broken_future error() const { return {}; }
    broken_future message() const { return {}; }
    broken_future what() const { return {}; }

    // Members of the values that results and optionals may contain.
    const broken_future* begin() const { return this; }
    const broken_future* end() const { return this; }
    std::size_t size() const { return {}; }
    std::size_t index() const { return {}; }

    // Members of intervals.
    broken_future tick() const { return {}; }

    const char* c_str() const { return {}; }
};

/// Returns a `T` made from `args`. If a static_assert has rejected the arguments of the caller, which then passes false
/// for `Fits`, returns a placeholder instead.
template <bool Fits, class T, class Broken = broken_future, class... Args>
auto make_if(Args&&... args) {
    if constexpr (Fits) {
        return T(std::forward<Args>(args)...);
    } else {
        return Broken();
    }
}

template <class A, class B>
concept one_is_broken = std::same_as<A, broken_future> || std::same_as<B, broken_future>;

template <class A, class B>
    requires one_is_broken<A, B>
broken_future operator+(const A&, const B&) {
    return {};
}
template <class A, class B>
    requires one_is_broken<A, B>
A& operator+=(A& a, const B&) {
    return a;
}
template <class A, class B>
    requires one_is_broken<A, B>
A& operator<<(A& a, const B&) {
    return a;
}
template <class A, class B>
    requires one_is_broken<A, B>
bool operator==(const A&, const B&) {
    return {};
}

/// An argument that spawn functions reject after the work. Only a source location is allowed there.
template <class A>
concept argument_of_work = !std::convertible_to<A, std::source_location>;

}  // namespace eddy::detail
