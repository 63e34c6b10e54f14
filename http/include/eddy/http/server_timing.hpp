// SPDX-License-Identifier: MIT
#pragma once

#include <source_location>
#include <string>
#include <string_view>
#include <utility>

#include <eddy/detail/export.hpp>
#include <eddy/http/detail/filter.hpp>
#include <eddy/http/request.hpp>
#include <eddy/http/response.hpp>
#include <eddy/time/clock.hpp>

namespace eddy::detail {

/// The filter of http::server_timing().
class EDDY_API server_timing_filter {
public:
    class pass {
    public:
        explicit pass(const std::string& name) noexcept : name_(&name) {}
        void finish(http::response& answer) const;

    private:
        const std::string* name_;
        time::time_point start_ = time::clock::now();
    };

    server_timing_filter(std::string_view name, const std::source_location& where);
    [[nodiscard]] pass begin(const http::request&) const noexcept { return pass(name_); }

private:
    std::string name_;
};

}  // namespace eddy::detail

namespace eddy::http {

/// Returns a layer that adds the time in which the service has made its response to the field Server-Timing, in
/// milliseconds: "app;dur=12.345". Browsers show it in their tools for developers. Handlers may add further fields for
/// the parts of their work. Pages of other origins cannot read the time, unless the service adds Timing-Allow-Origin.
/// Errors: throws `misuse` if the name is not a token.
[[nodiscard]] inline auto server_timing(std::string_view name = "app",
                                        std::source_location where = std::source_location::current()) {
    return detail::filter_layer(detail::server_timing_filter(name, where));
}

}  // namespace eddy::http
