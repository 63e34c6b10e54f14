// SPDX-License-Identifier: MIT
#pragma once

#include <utility>

#include <eddy/detail/export.hpp>
#include <eddy/http/request.hpp>
#include <eddy/http/response.hpp>
#include <eddy/proto/service.hpp>
#include <eddy/result.hpp>
#include <eddy/task/task.hpp>

namespace eddy::detail {

/// A service whose requests and responses pass through a filter. `filter.begin(request)` returns an object for the time
/// of a call:
/// - If it has a member `refusal`, an optional response with a value, that is the response, and the service is not
///   called.
/// - Otherwise its function `finish(response)` may change the response of the service.
/// The calls refer to the filter.
template <class Filter, class S>
class filtered_service : public layered<filtered_service<Filter, S>, S> {
public:
    filtered_service(S&& inner, Filter filter)
        : layered<filtered_service<Filter, S>, S>(std::move(inner)), filter_(std::move(filter)) {}

    template <class Given>
    task<result<http::response>> call(Given asked, proto::when_full mode) const {
        auto pass = filter_.begin(asked);
        if constexpr (requires { pass.refusal; }) {
            if (pass.refusal) co_return *std::move(pass.refusal);
        }
        auto answer = co_await this->next(std::move(asked), mode);
        if (answer) pass.finish(*answer);
        co_return answer;
    }

private:
    Filter filter_;
};

/// Returns a layer that passes requests and responses through a copy of `filter`.
template <class Filter>
[[nodiscard]] auto filter_layer(Filter filter) {
    return proto::layer([filter = std::move(filter)]<class S>(S inner) {
        return filtered_service<Filter, S>(std::move(inner), filter);
    });
}

}  // namespace eddy::detail
