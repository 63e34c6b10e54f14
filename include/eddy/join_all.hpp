// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <expected>
#include <type_traits>
#include <utility>
#include <vector>

#include <eddy/detail/outcome.hpp>
#include <eddy/detail/range_group.hpp>

namespace eddy {

namespace detail {
struct join_all_rule;
struct try_join_all_rule;
}  // namespace detail

/// `join` for a range of futures of one type, a std::vector of tasks for example: runs them at the same time, on one
/// task, until all have ended. The output is a std::vector of theirs in the order of the range; std::monostate for
/// void. A range without futures is ready at once.
///
/// Up to 30 futures are all polled at each poll, which begins with another one each time; of more only those that were
/// woken. An exception of one future ends the others (with `poll_cancel`, where they have it) and is then thrown again.
/// To use the outputs as they come, and to add futures while others run: futures_unordered. To run them on several
/// threads: spawn them, see join_set. Cancel safety: that of the futures. Outputs of those that have ended are lost.
/// Lifetime: the futures are moved in, and destroyed as they end. A range of std::reference_wrapper lends them.
/// Cost: the vectors of the futures and of the outputs; beyond 30, a block of the frame pool for each future.
///     std::vector<int> lengths = co_await eddy::join_all(std::move(downloads));
template <class R>
[[nodiscard]] auto join_all(R&& futures) {
    if constexpr (!detail::check_range<R>()) {
        return detail::broken_future();
    } else {
        return detail::make_range_group<detail::join_all_rule>(std::forward<R>(futures));
    }
}

/// `join_all` for futures of expecteds: the output is an expected with a vector of the values, or the first error that
/// comes. Then the futures that have not ended are destroyed; those that have a `poll_cancel` are ended by it before.
template <class R>
[[nodiscard]] auto try_join_all(R&& futures) {
    if constexpr (!detail::check_range<R>()) {
        return detail::broken_future();
    } else {
        constexpr bool expecteds = detail::is_expected<output_t<detail::element_t<R>>>;
        static_assert(expecteds, "eddy: try_join_all takes futures of std::expected; use join_all");
        if constexpr (expecteds) {
            return detail::make_range_group<detail::try_join_all_rule>(std::forward<R>(futures));
        } else {
            return detail::broken_future();
        }
    }
}

// ---- Implementation ----

namespace detail {

struct join_all_rule {
    static constexpr const char* name = "join_all";

    template <class F>
    using output = std::vector<stored_t<output_t<F>>>;

    template <class Out>
    static bool decides(const Out&) noexcept {
        return false;
    }

    template <class Output, class Child>
    static Output deliver(std::vector<Child>& children, std::size_t) {
        Output all;
        all.reserve(children.size());
        for (auto& child : children) all.push_back(child.take_output());
        return all;
    }
};

struct try_join_all_rule {
    static constexpr const char* name = "try_join_all";

    template <class F>
    using output =
        std::expected<std::vector<stored_t<typename output_t<F>::value_type>>, typename output_t<F>::error_type>;

    template <class Out>
    static bool decides(const Out& out) noexcept {
        return !out.has_value();
    }

    template <class Output, class Child>
    static Output deliver(std::vector<Child>& children, std::size_t which) {
        if (which < children.size()) return Output(std::unexpect, std::move(children[which].output().error()));
        typename Output::value_type all;
        all.reserve(children.size());
        for (auto& child : children) all.push_back(value_of(child.output()));
        return all;
    }
};

}  // namespace detail
}  // namespace eddy
