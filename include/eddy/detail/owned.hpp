// SPDX-License-Identifier: MIT
#pragma once

#include <functional>
#include <type_traits>
#include <utility>

#include <eddy/detail/broken_future.hpp>
#include <eddy/future.hpp>

// What an adaptor is given it owns: an rvalue is moved in. Whoever wants to lend a future says so with std::ref.

namespace eddy::detail {

/// A future that somebody else owns: how an adaptor holds what came as a std::ref. It has no poll_cancel(): what was
/// lent goes on when its borrower ends.
template <class F>
class borrowed {
public:
    using output_type = typename F::output_type;

    explicit borrowed(std::reference_wrapper<F> lent) noexcept : lent_(&lent.get()) {}

    poll_result<output_type> poll(context& cx) { return lent_->poll(cx); }

private:
    F* lent_;
};

template <class F>
struct owned {
    using type = F;
};
template <class F>
struct owned<std::reference_wrapper<F>> {
    using type = borrowed<F>;
};

/// What an adaptor keeps of an argument deduced as `F`.
template <class F>
using owned_t = typename owned<std::remove_cvref_t<F>>::type;

/// An adaptor's argument, from which its `owned_t` is made where it is to stay: an rvalue as it is. (A temporary more,
/// and GCC 12 warns users of what a future has not yet got.)
template <class F>
decltype(auto) own(F&& given) {
    if constexpr (std::is_same_v<owned_t<F>, F>) {
        return std::forward<F>(given);
    } else {
        return owned_t<F>(std::forward<F>(given));
    }
}

template <class F>
inline constexpr bool is_only_stream = stream<F> && !future<F>;

/// Whether adaptors take arguments deduced as `F...`. If not, the text says what to write.
template <class... F>
constexpr bool check_futures() {
    constexpr bool no_streams = (!is_only_stream<std::remove_cvref_t<F>> && ...);
    static_assert(no_streams, "eddy: this is a stream, and no future: give its next(), f(items.next())");
    constexpr bool given = !no_streams || (!std::is_lvalue_reference_v<F> && ...);
    static_assert(given, "eddy: this takes its futures over: write std::move(f), or std::ref(f) to lend it");
    constexpr bool futures = !no_streams || !given || (future<owned_t<F>> && ...);
    static_assert(
        futures,
        "eddy: this argument is no future, which needs output_type and poll_result<output_type> poll(context&)");
    constexpr bool movable = !no_streams || !given || !futures || (std::is_constructible_v<owned_t<F>, F> && ...);
    static_assert(movable,
                  "eddy: this moves its futures in, and one of them cannot be moved: give it a name, and lend it with "
                  "std::ref(f)");
    return no_streams && given && futures && movable;
}

/// The output that an answer holds; `std::monostate` for void.
template <class T>
stored_t<T> take_output(poll_result<T>&& answer) {
    if constexpr (std::is_void_v<T>) {
        return {};
    } else {
        return *std::move(answer);
    }
}

/// Asks a child to end in an orderly way, if there is one and if it can. True when it may be destroyed.
template <class F>
bool poll_cancel_child(F* child, context& cx) {
    if constexpr (cancellable_future<F>) {
        return child == nullptr || child->poll_cancel(cx).is_ready();
    } else {
        return true;
    }
}

}  // namespace eddy::detail
