// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <tuple>
#include <type_traits>
#include <utility>
#include <variant>

#include <eddy/detail/group.hpp>
#include <eddy/detail/random.hpp>
#include <eddy/when.hpp>

namespace eddy {

namespace detail {
struct select_rule;
struct biased_select_rule;
struct race_rule;
}  // namespace detail

/// Runs all futures until the first is ready. The output is a std::variant whose index says which it was; with
/// std::monostate for a future of void.
///
/// Each poll begins with a future chosen at random, and goes on in the order given. So of several that are always
/// ready, such as two channels, none starves the others. If the order is to decide, use `select_biased`. The choice is
/// that of the thread's generator: runtime_builder::rng_seed() seeds it on the workers, so that a run can be repeated.
/// The losers are destroyed before the output comes out; one that has a `poll_cancel` is ended by it before, and the
/// select waits for that. The others are destroyed at once, so that they keep nothing from those. An exception of one
/// future ends the others in the same way and is then thrown again. A branch can have a condition: `when(condition,
/// future)`; `otherwise()` is taken if none of them holds (when.hpp). If all are disabled and there is no otherwise(),
/// it throws `misuse`. Cancel safety: that of the futures. But while it waits for losers to end it holds the output
/// that has won, which is lost if it is cancelled or dropped then. In a loop, an item of a stream is not lost if its
/// next() loses, as long as the stream's own next() is cancel safe, as those of this library are: `select(lines.next(),
/// std::ref(deadline))`, over and over. Lifetime: futures are moved in. Use std::ref to lend one that goes on after the
/// select, in a loop for example. Cost: no allocation.
template <class... F>
[[nodiscard]] auto select(F&&... futures) {
    static_assert(sizeof...(F) > 0, "eddy: select needs at least one future");
    if constexpr (!detail::check_futures<F...>()) {
        return detail::broken_future();
    } else {
        detail::settle_branches(futures...);
        return detail::make_group<detail::select_rule>(std::forward<F>(futures)...);
    }
}

/// `select` that polls the futures in the order given: if several are ready, the first of them wins. So put first what
/// must not starve (a shutdown signal, a deadline), and last what is always ready.
template <class... F>
[[nodiscard]] auto select_biased(F&&... futures) {
    static_assert(sizeof...(F) > 0, "eddy: select_biased needs at least one future");
    if constexpr (!detail::check_futures<F...>()) {
        return detail::broken_future();
    } else {
        detail::settle_branches(futures...);
        return detail::make_group<detail::biased_select_rule>(std::forward<F>(futures)...);
    }
}

/// `select` for futures of one output type: the output is that of whichever is ready first.
template <class... F>
[[nodiscard]] auto race(F&&... futures) {
    static_assert(sizeof...(F) > 0, "eddy: race needs at least one future");
    if constexpr (!detail::check_futures<F...>()) {
        return detail::broken_future();
    } else {
        using first = output_t<std::tuple_element_t<0, std::tuple<detail::owned_t<F>...>>>;
        constexpr bool same = (std::is_same_v<output_t<detail::owned_t<F>>, first> && ...);
        static_assert(same, "eddy: the futures of a race must have the same output type; use select");
        if constexpr (same) {
            detail::settle_branches(futures...);
            return detail::make_group<detail::race_rule>(std::forward<F>(futures)...);
        } else {
            return detail::broken_future();
        }
    }
}

// ---- Implementation ----

namespace detail {

struct select_rule {
    static constexpr const char* name = "select";

    static std::size_t first_child(std::size_t, std::size_t count) noexcept { return random_here.below(count); }

    template <class... F>
    using output = std::variant<stored_t<output_t<F>>...>;

    template <class Out>
    static bool decides(const Out&) noexcept {
        return true;
    }

    template <class Output, class... F>
    static poll_result<Output> deliver(std::tuple<maybe_done_future<F>...>& children, std::size_t which) {
        return with_index<sizeof...(F)>(which, [&](auto i) {
            return poll_result<Output>(std::in_place, std::in_place_index<i>, std::get<i>(children).take_output());
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
    static poll_result<Output> deliver(std::tuple<maybe_done_future<F>...>& children, std::size_t which) {
        return with_index<sizeof...(F)>(
            which, [&](auto i) { return poll_result<Output>(std::get<i>(children).take_output()); });
    }
};

}  // namespace detail
}  // namespace eddy
