// SPDX-License-Identifier: MIT
#pragma once

#include <functional>
#include <type_traits>
#include <utility>

#include <eddy/future/detail/await_record.hpp>
#include <eddy/future/detail/broken_future.hpp>
#include <eddy/future/future.hpp>

// Adaptors own their arguments: an rvalue is moved in. Pass std::ref(f) to keep the ownership of a future.

namespace eddy::detail {

/// A reference to a future that the caller owns: the form in which an adaptor stores a std::ref. It has no
/// poll_cancel(), because the future continues to exist when the adaptor ends.
/// Lifetime: the future must outlive this object.
template <class F>
class borrowed {
public:
    using output_type = typename F::output_type;

    explicit borrowed(std::reference_wrapper<F> target) noexcept : target_(&target.get()) {}

    poll_result<output_type> poll(context& cx) { return target_->poll(cx); }

    friend auto awaited_objects(const borrowed& me) noexcept { return awaited_objects_of(*me.target_); }

    static constexpr auto wait_shape() { return inspect::waits_as(&borrowed::target_); }

private:
    F* target_;
};

/// The type in which an adaptor stores an argument: `F` itself, or `borrowed` for a std::reference_wrapper.
template <class F>
struct owned {
    using type = F;
};
template <class F>
struct owned<std::reference_wrapper<F>> {
    using type = borrowed<F>;
};

/// The type in which an adaptor stores an argument deduced as `F`.
template <class F>
using owned_t = typename owned<std::remove_cvref_t<F>>::type;

/// Returns the value from which an adaptor constructs its `owned_t`: an rvalue is forwarded. (With one more temporary,
/// GCC 12 emits false "may be used uninitialized" warnings in user code.)
template <class F>
decltype(auto) own(F&& given) {
    if constexpr (std::is_same_v<owned_t<F>, F>) {
        return std::forward<F>(given);
    } else {
        return owned_t<F>(std::forward<F>(given));
    }
}

/// Whether `F` is a stream and not a future.
template <class F>
inline constexpr bool is_only_stream = stream<F> && !future<F>;

/// Whether `F` is a function, or an object that is called like one, and no future.
template <class F>
inline constexpr bool is_only_callable = std::is_invocable_v<F&> && !future<std::remove_cvref_t<F>>;

/// Whether `F` is a range, and no future.
template <class F>
inline constexpr bool is_only_range = !future<std::remove_cvref_t<F>> && requires(F& f) {
    f.begin();
    f.end();
};

/// Checks that adaptors accept arguments deduced as `F...`. A failure is a static_assert that says what to write.
template <class... F>
constexpr bool check_futures() {
    constexpr bool no_streams = (!is_only_stream<std::remove_cvref_t<F>> && ...);
    static_assert(no_streams, "eddy: this is a stream, not a future: pass its next(), for example f(items.next())");
    constexpr bool no_callables = !no_streams || (!is_only_callable<F> && ...);
    static_assert(no_callables,
                  "eddy: this is a function, not a future: call it, for example f(work()); a lambda with captures must "
                  "outlive its future");
    constexpr bool no_ranges = !no_streams || !no_callables || (!is_only_range<F> && ...);
    static_assert(no_ranges, "eddy: this is a range of futures: pass it to join_all(), scope_all() or select_all()");
    constexpr bool kinds = no_streams && no_callables && no_ranges;
    constexpr bool given = !kinds || (!std::is_lvalue_reference_v<F> && ...);
    static_assert(given, "eddy: this takes ownership of its futures: write std::move(f), or std::ref(f) to keep it");
    constexpr bool futures = !kinds || !given || (future<owned_t<F>> && ...);
    static_assert(
        futures,
        "eddy: this argument is not a future, which needs output_type and poll_result<output_type> poll(context&)");
    constexpr bool movable = !kinds || !given || !futures || (std::is_constructible_v<owned_t<F>, F> && ...);
    static_assert(movable,
                  "eddy: this moves its futures in, and one of them cannot be moved: store it in a variable and pass "
                  "std::ref(f)");
    return kinds && given && futures && movable;
}

/// Returns an `Adaptor` that owns the future `inner`: Adaptor(own(inner), args...). If check_futures() has rejected
/// `inner`, returns a placeholder instead.
template <class Adaptor, class Broken = broken_future, class F, class... Args>
auto make_adaptor(F&& inner, Args&&... args) {
    if constexpr (check_futures<F>()) {
        return Adaptor(own(std::forward<F>(inner)), std::forward<Args>(args)...);
    } else {
        return Broken();
    }
}

/// Returns the output of a ready `answer`; `std::monostate` for void.
template <class T>
stored_t<T> take_output(poll_result<T>&& answer) {
    if constexpr (std::is_void_v<T>) {
        return {};
    } else {
        return *std::move(answer);
    }
}

/// Returns the result of `poll()`. Calls `end()` if the result is ready, or if `poll()` throws.
template <class Poll, class End>
auto poll_then_end(const Poll& poll, const End& end) {
    try {
        auto answer = poll();
        if (answer.is_ready()) end();
        return answer;
    } catch (...) {
        end();
        throw;
    }
}

/// Calls the child's poll_cancel(), if there is a child with that function. Returns whether the child may be destroyed.
template <class F>
bool poll_cancel_child(F* child, context& cx) {
    if constexpr (cancellable_future<F>) {
        return child == nullptr || child->poll_cancel(cx).is_ready();
    } else {
        return true;
    }
}

}  // namespace eddy::detail
