// SPDX-License-Identifier: MIT
#pragma once

#include <concepts>
#include <cstddef>
#include <source_location>
#include <utility>

#include <eddy/future/future.hpp>

// Placeholders that library templates return after a failed static_assert, so that the compiler reports that message
// and no further errors.

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

// The functions below are the bodies of overloads that only produce a short compile error. They take the arguments of
// the overload, so that the error occurs only if the overload is called.

/// Reports that an rvalue member function was called on an lvalue.
template <class... A>
auto refuse_lvalue(const A&...) {
    constexpr bool is_moved = sizeof...(A) == std::size_t(-1);
    static_assert(is_moved, "eddy: this takes ownership of its object: write std::move(x).f(...), not x.f(...)");
    return broken_future();
}

/// Reports that a spawn function was called with arguments for the work, which std::thread's constructor accepts.
template <class... A>
auto refuse_arguments(const A&...) {
    constexpr bool is_bound = sizeof...(A) == std::size_t(-1);
    static_assert(is_bound,
                  "eddy: spawn takes no arguments for the work: call it, spawn(f(x)), or bind them in a lambda, "
                  "spawn([=] { return f(x); })");
    return broken_future();
}

/// Reports that the arguments of a timeout were swapped.
template <class... A>
auto refuse_swapped_limit(const A&...) {
    constexpr bool is_limit_first = sizeof...(A) == std::size_t(-1);
    static_assert(is_limit_first, "eddy: the limit of a timeout is its first argument: timeout(1s, work)");
    return broken_future();
}

/// Reports that a number was passed as a duration.
template <class... A>
auto refuse_number_as_duration(const A&...) {
    constexpr bool has_unit = sizeof...(A) == std::size_t(-1);
    static_assert(has_unit,
                  "eddy: a duration has a unit: write 1s or 100ms, after `using namespace std::chrono_literals;`, or "
                  "std::chrono::milliseconds(x)");
    return broken_future();
}

/// Reports that a function that takes a std::shared_ptr was called as a member of its object.
template <class... A>
auto refuse_member_of_shared(const A&...) {
    constexpr bool takes_pointer = sizeof...(A) == std::size_t(-1);
    static_assert(takes_pointer,
                  "eddy: the _owned functions are static, and take the std::shared_ptr: write "
                  "sync::semaphore::acquire_owned(x), not x->acquire_owned()");
    return broken_future();
}

/// Reports that an option was set to a `result`. Returns a reference to `options`, so that no further error follows.
template <class Options, class Result>
Options& refuse_result_of_token(Options& options, const Result&) {
    constexpr bool is_token = sizeof(Result) == std::size_t(-1);
    static_assert(is_token,
                  "eddy: this takes a token, not a result: write `auto stop = co_await "
                  "try_(signal::shutdown_token());`, then shutdown(stop)");
    return options;
}

/// An argument that spawn functions reject after the work. Only a source location is allowed there.
template <class A>
concept argument_of_work = !std::convertible_to<A, std::source_location>;

}  // namespace eddy::detail
