// SPDX-License-Identifier: MIT
#pragma once

#include <compare>
#include <concepts>
#include <cstddef>
#include <tuple>
#include <type_traits>
#include <utility>
#include <variant>

#include <eddy/detail/random.hpp>
#include <eddy/future/detail/group.hpp>
#include <eddy/future/on.hpp>
#include <eddy/future/when.hpp>

namespace eddy {

namespace detail {
struct select_rule;
struct biased_select_rule;
struct race_rule;
}  // namespace detail

/// The output of select: a std::variant of the outputs, with std::monostate for a future of void. It has all members of
/// a variant, and the functions for variants accept it: index(), std::get<0>(), std::get_if<0>(), std::visit().
/// Thread safety: a plain value.
template <class... T>
class selected : public std::variant<T...> {
public:
    /// Has the constructors of the variant.
    using std::variant<T...>::variant;

    // Comparison with a number, for a short compile error that names the remedy.
    template <std::integral U>
    friend bool operator==(const selected&, const U&) {
        constexpr bool is_index = sizeof(U) == 0;
        static_assert(is_index, "eddy: the output of select is a std::variant: compare its index() with a number");
        return is_index;
    }
    template <std::integral U>
    friend std::strong_ordering operator<=>(const selected& output, const U& number) {
        static_cast<void>(output == number);
        return std::strong_ordering::equal;
    }
};

/// Runs all futures within one task until the first is ready. The output is a std::variant of the outputs, with
/// std::monostate for a future of void. Its index tells which future was ready first.
///
/// Each poll begins with a random future and continues in the order of the arguments. So no future is starved by
/// another one that is always ready, for example a channel. If the order matters, use `select_biased`. The random
/// numbers come from the thread's generator; on workers, runtime_builder::rng_seed() sets its seed, so that a run can
/// be repeated.
///
/// The other futures (the losers) are destroyed before the output is returned. A loser that has `poll_cancel` is first
/// cancelled with it, and the select waits until `poll_cancel` is ready. Losers without `poll_cancel` are destroyed
/// immediately, so that they do not hold a lock or a permit that another loser needs.
///
/// Branches can have handlers: `select(on(rx.recv(), f), on(stop.cancelled(), g))`. Then the output comes from the
/// handler that ran; see on(). To repeat such a select, see select_loop().
///
/// A branch can have a condition: `when(condition, future)`; `otherwise()` is taken if no condition is true (when.hpp).
/// Errors: if a future throws, the others are cancelled in the same way; then the exception is thrown again. Throws
/// `misuse` if all branches are disabled and there is no otherwise().
/// Cancel safety: same as the futures. While the select waits for losers, it holds the output; that is lost if the
/// select is cancelled or destroyed then. In a loop, no item of a stream is lost if its next() loses, provided that the
/// stream's next() is cancel safe (all streams of this library are): `select(lines.next(), std::ref(deadline))`.
/// Lifetime: futures are moved in. Use std::ref to borrow a future that continues after the select, for example in a
/// loop.
/// Cost: no allocation.
template <class... F>
[[nodiscard]] auto select(F&&... futures) {
    static_assert(sizeof...(F) > 0, "eddy: select needs at least one future");
    if constexpr (detail::has_handlers<F...>) {
        return detail::make_handled_select<detail::select_rule, std::remove_cvref_t<F>...>(std::forward<F>(futures)...);
    } else {
        return detail::make_group<detail::select_rule, detail::check_futures<F...>()>(std::forward<F>(futures)...);
    }
}

/// Same as `select`, but polls the futures in the order of the arguments: if several are ready, the first one
/// wins. Put futures that must not be starved (a shutdown signal, a deadline) first, and futures that are always ready
/// last.
/// Cancel safety, Lifetime, Cost: the same as for select.
template <class... F>
[[nodiscard]] auto select_biased(F&&... futures) {
    static_assert(sizeof...(F) > 0, "eddy: select_biased needs at least one future");
    if constexpr (detail::has_handlers<F...>) {
        return detail::make_handled_select<detail::biased_select_rule, std::remove_cvref_t<F>...>(
            std::forward<F>(futures)...);
    } else {
        return detail::make_group<detail::biased_select_rule, detail::check_futures<F...>()>(
            std::forward<F>(futures)...);
    }
}

/// Same as `select` for futures of one output type. The output is the output of the first future that is ready.
/// Cancel safety, Lifetime, Cost: the same as for select.
template <class... F>
[[nodiscard]] auto race(F&&... futures) {
    static_assert(sizeof...(F) > 0, "eddy: race needs at least one future");
    if constexpr (!detail::check_futures<F...>()) {
        return detail::broken_future();
    } else {
        using first = output_t<std::tuple_element_t<0, std::tuple<detail::owned_t<F>...>>>;
        constexpr bool same = (std::is_same_v<output_t<detail::owned_t<F>>, first> && ...);
        static_assert(same, "eddy: the futures of a race must have the same output type; use select");
        return detail::make_group<detail::race_rule, same>(std::forward<F>(futures)...);
    }
}

// ---- Implementation ----

namespace detail {

struct select_rule {
    static constexpr const char* name = "select";
    static constexpr auto waits_for = wait_kind::any_of;

    static std::size_t first_child(std::size_t, std::size_t count) noexcept { return random_here.below(count); }

    template <class... F>
    using output = selected<stored_t<output_t<F>>...>;

    template <class Out>
    static bool decides(const Out&) noexcept {
        return true;
    }

    template <class Output, class... F>
    static poll_result<Output> deliver(group_children<F...>& children, std::size_t which) {
        return with_index<sizeof...(F)>(which, [&](auto i) {
            return poll_result<Output>(std::in_place, std::in_place_index<i>, children.template get<i>().take_output());
        });
    }
};

struct biased_select_rule : select_rule {
    static constexpr const char* name = "select_biased";

    static std::size_t first_child(std::size_t, std::size_t) noexcept { return 0; }
};

struct race_rule : select_rule {
    static constexpr const char* name = "race";

    template <class... F>
    using output = output_t<std::tuple_element_t<0, std::tuple<F...>>>;

    template <class Output, class... F>
    static poll_result<Output> deliver(group_children<F...>& children, std::size_t which) {
        return with_index<sizeof...(F)>(
            which, [&](auto i) { return poll_result<Output>(children.template get<i>().take_output()); });
    }
};

}  // namespace detail
}  // namespace eddy
