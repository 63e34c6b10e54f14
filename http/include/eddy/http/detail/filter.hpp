// SPDX-License-Identifier: MIT
#pragma once

#include <optional>
#include <system_error>
#include <tuple>
#include <utility>

#include <eddy/detail/export.hpp>
#include <eddy/http/request.hpp>
#include <eddy/http/response.hpp>
#include <eddy/proto/service.hpp>
#include <eddy/result.hpp>
#include <eddy/task/task.hpp>

namespace eddy::detail {

// Filters are layers that do not wait. For each call, `filter.begin(request)` returns an object, the pass, which exists
// for the time of the call and may refer to the filter:
// - If it has a member `refusal`, an optional response with a value, that is the response, and neither the filters
//   inside of this one nor the service see the request.
// - Its function `finish(response)` may change the response of the service, or the refusal of a filter inside.
// - If it has a function `fail(error)`, that is called if the service fails, without an error for an exception. It is
//   called after finish() if the finish() of a filter outside of this one throws.

/// The passes of a call through filters, of which the first one is the outermost.
template <class... Filters>
class filter_passes {
public:
    explicit filter_passes(http::request&) noexcept {}
    [[nodiscard]] http::response* refusal() noexcept { return nullptr; }
    void finish(http::response&) const noexcept {}
    void fail(const std::error_code&) const noexcept {}
};

template <class First, class... Rest>
class filter_passes<First, Rest...> {
public:
    filter_passes(http::request& asked, const First& first, const Rest&... rest) : first_(first.begin(asked)) {
        if (own_refusal() != nullptr) return;
        try {
            rest_.emplace(asked, rest...);
        } catch (...) {
            fail_first({});
            throw;
        }
    }

    /// Returns the response of the first filter that has refused the request, or null.
    [[nodiscard]] http::response* refusal() {
        if (auto* const own = own_refusal()) return own;
        auto* const refused = rest_->refusal();
        if (refused != nullptr) first_.finish(*refused);
        return refused;
    }
    /// Preconditions: there is no refusal.
    void finish(http::response& answer) {
        rest_->finish(answer);
        first_.finish(answer);
    }
    void fail(const std::error_code& why) {
        if (rest_) rest_->fail(why);
        fail_first(why);
    }

private:
    void fail_first(const std::error_code& why) {
        if constexpr (requires { first_.fail(why); }) first_.fail(why);
    }
    http::response* own_refusal() noexcept {
        if constexpr (requires { first_.refusal; }) {
            return first_.refusal ? &*first_.refusal : nullptr;
        } else {
            return nullptr;
        }
    }

    decltype(std::declval<const First&>().begin(std::declval<http::request&>())) first_;
    std::optional<filter_passes<Rest...>> rest_;  // none if the first filter refuses
};

/// A service inside of filters, of which the first one is the outermost. They share one coroutine, because its frame
/// and the moves of a request and a response take longer than most filters.
template <class S, class... Filters>
class filtered_service : public layered<filtered_service<S, Filters...>, S> {
public:
    filtered_service(S&& inner, std::tuple<Filters...>&& filters)
        : layered<filtered_service<S, Filters...>, S>(std::move(inner)), filters_(std::move(filters)) {}

    template <class Given>
    task<result<http::response>> call(Given asked, proto::when_full mode) const {
        auto passes =
            std::apply([&](const auto&... each) { return filter_passes<Filters...>(asked, each...); }, filters_);
        try {
            if (auto* const refused = passes.refusal()) co_return std::move(*refused);
            auto answer = co_await this->next(std::move(asked), mode);
            if (answer) passes.finish(*answer);
            if (!answer) passes.fail(answer.error());
            co_return answer;
        } catch (...) {
            passes.fail({});
            throw;
        }
    }

    /// Returns this service with a further filter around it.
    template <class Filter>
    [[nodiscard]] auto with(Filter filter) && {
        return filtered_service<S, Filter, Filters...>(
            std::move(*this).release(), std::tuple_cat(std::tuple(std::move(filter)), std::move(filters_)));
    }

private:
    std::tuple<Filters...> filters_;
};

template <class S, class Filter>
[[nodiscard]] auto add_filter(S inner, Filter filter) {
    return filtered_service<S, Filter>(std::move(inner), std::tuple(std::move(filter)));
}
template <class S, class... Filters, class Filter>
[[nodiscard]] auto add_filter(filtered_service<S, Filters...> inner, Filter filter) {
    return std::move(inner).with(std::move(filter));
}

/// Returns a layer that passes requests and responses through a copy of `filter`.
template <class Filter>
[[nodiscard]] auto filter_layer(Filter filter) {
    return proto::layer(
        [filter = std::move(filter)]<class S>(S inner) { return add_filter(std::move(inner), filter); });
}

}  // namespace eddy::detail
