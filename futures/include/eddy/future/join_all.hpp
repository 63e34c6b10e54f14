// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <expected>
#include <type_traits>
#include <utility>
#include <vector>

#include <eddy/future/detail/outcome.hpp>
#include <eddy/future/detail/range_group.hpp>

namespace eddy {

namespace detail {
struct join_all_rule;
struct try_join_all_rule;
}  // namespace detail

/// Runs the futures of a range concurrently within one task until all have ended; `join` for a range of futures of one
/// type, for example a std::vector of tasks. The output is a std::vector of their outputs in the order of the range,
/// with std::monostate for void. An empty range is ready immediately.
///     std::vector<int> lengths = co_await eddy::join_all(std::move(downloads));
///
/// With up to 30 futures, each poll polls all that have not ended, and starts with a different one each time. With
/// more, a poll polls only the woken ones. To use the outputs when they arrive, and to add futures while others run,
/// use futures_unordered. To run futures on several threads, spawn them; see join_set.
/// Errors: if a future throws, the others are cancelled (with `poll_cancel`, if they have it); then the exception is
/// thrown again.
/// Cancel safety: same as the futures. Outputs of futures that have ended are lost.
/// Lifetime: the futures are moved in, and each is destroyed when it has ended. A range of std::reference_wrapper
/// borrows them.
/// Cost: one vector for the futures and one for the outputs; with more than 30 futures, one block from the frame pool
/// for each.
template <class R>
[[nodiscard]] auto join_all(R&& futures) {
    return detail::make_range_group<detail::join_all_rule, detail::check_range<R>()>(std::forward<R>(futures));
}

/// Same as `join_all` for futures of expecteds, but stops at the first error. The output is an expected with a
/// vector of the values, or with that error. After an error the other futures are cancelled (with `poll_cancel`, if
/// they have it).
/// Cancel safety, Lifetime, Cost: the same as for join_all.
template <class R>
[[nodiscard]] auto try_join_all(R&& futures) {
    if constexpr (!detail::check_range<R>()) {
        return detail::broken_future();
    } else {
        constexpr bool expecteds = detail::is_expected<output_t<detail::element_t<R>>>;
        static_assert(expecteds, "eddy: try_join_all takes futures of std::expected; use join_all");
        return detail::make_range_group<detail::try_join_all_rule, expecteds>(std::forward<R>(futures));
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
        for (auto& child : children) all.push_back(take_value(child.output()));
        return all;
    }
};

}  // namespace detail
}  // namespace eddy
