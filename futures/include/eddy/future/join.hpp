// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <expected>
#include <type_traits>
#include <utility>

#include <eddy/future/detail/group.hpp>
#include <eddy/future/detail/outcome.hpp>
#include <eddy/future/joined.hpp>
#include <eddy/future/when.hpp>

namespace eddy {

namespace detail {
struct join_rule;
struct try_join_rule;

/// The size of the largest `joined`.
inline constexpr std::size_t most_joined = 16;
}  // namespace detail

/// Runs up to sixteen futures concurrently within one task until all have ended. The output is a `joined` in the order
/// of the arguments, with std::monostate for a future of void: `auto [a, b] = co_await join(x, y);`.
///
/// Each poll polls every unfinished future once, and starts with a different one each time.
/// Errors: if a future throws, the others are cancelled (with `poll_cancel`, if they have it); then the exception is
/// thrown again. Outputs that are ready are destroyed before that.
/// Cancel safety: same as the futures. Outputs of futures that have ended are lost.
/// Lifetime: futures are moved in, and each is destroyed when it has ended; use std::ref to borrow one.
/// Cost: no allocation.
template <class... F>
[[nodiscard]] auto join(F&&... futures) {
    constexpr bool fits = sizeof...(F) >= 1 && sizeof...(F) <= detail::most_joined;
    static_assert(fits, "eddy: join takes one to sixteen futures; join_all takes a range of any size");
    constexpr bool joinable = fits && detail::check_futures<F...>() && detail::has_no_branches<F...>();
    return detail::make_group<detail::join_rule, joinable>(std::forward<F>(futures)...);
}

/// Same as `join` for futures of expecteds, but stops at the first error. The output is an expected with a
/// `joined` of the values, or with that error. After an error the other futures are cancelled (with `poll_cancel`, if
/// they have it). All error types must convert to one of them; see `convert_error`.
/// Cancel safety, Lifetime, Cost: the same as for join.
template <class... F>
[[nodiscard]] auto try_join(F&&... futures) {
    constexpr bool fits = sizeof...(F) >= 1 && sizeof...(F) <= detail::most_joined;
    static_assert(fits, "eddy: try_join takes one to sixteen futures; try_join_all takes a range of any size");
    if constexpr (!fits || !detail::check_futures<F...>() || !detail::has_no_branches<F...>()) {
        return detail::broken_future();
    } else {
        constexpr bool expecteds = (detail::is_expected<output_t<detail::owned_t<F>>> && ...);
        static_assert(expecteds, "eddy: try_join takes futures of std::expected; use join");
        return detail::make_group<detail::try_join_rule, expecteds>(std::forward<F>(futures)...);
    }
}

// ---- Implementation ----

namespace detail {

struct join_rule {
    static constexpr const char* name = "join";
    static constexpr auto waits_for = wait_kind::all_of;

    // Starts each poll with a different child: a child that is always ready would otherwise take the whole coop budget
    // of each poll.
    static std::size_t first_child(std::size_t last, std::size_t count) noexcept { return (last + 1) % count; }

    template <class... F>
    using output = joined<stored_t<output_t<F>>...>;

    template <class Out>
    static bool decides(const Out&) noexcept {
        return false;
    }

    template <class Output, class Children>
    static poll_result<Output> deliver(Children& children, std::size_t) {
        return children.apply(
            [](auto&... child) { return poll_result<Output>(std::in_place, child.take_output()...); });
    }
};

template <class E, class... Others>
struct joint_error {
    using type = E;
};
template <class E, class Next, class... Others>
struct joint_error<E, Next, Others...> : joint_error<joint_error_t<E, Next>, Others...> {};

struct try_join_rule {
    static constexpr const char* name = "try_join";
    static constexpr auto waits_for = wait_kind::all_of;

    static std::size_t first_child(std::size_t last, std::size_t count) noexcept { return (last + 1) % count; }

    template <class... F>
    using output = std::expected<joined<stored_t<typename output_t<F>::value_type>...>,
                                 typename joint_error<typename output_t<F>::error_type...>::type>;

    template <class Out>
    static bool decides(const Out& out) noexcept {
        return !out.has_value();
    }

    template <class Output, class... F>
    static poll_result<Output> deliver(group_children<F...>& children, std::size_t which) {
        if (which == sizeof...(F)) {
            return children.apply([](auto&... child) {
                return poll_result<Output>(std::in_place, std::in_place, take_value(child.take_output())...);
            });
        }
        return with_index<sizeof...(F)>(which, [&](auto i) {
            return poll_result<Output>(with_error<Output>(children.template get<i>().take_output().error()));
        });
    }
};

}  // namespace detail
}  // namespace eddy
