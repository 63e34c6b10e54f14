// SPDX-License-Identifier: MIT
#include <eddy/http/proxies.hpp>

#include <cstdlib>
#include <initializer_list>
#include <string>

#include "client/proxies_access.hpp"

namespace eddy::detail {
namespace {

using lookup = std::function<const char*(const char*)>;

/// Returns the first variable that is set and not empty.
std::string first_of(const lookup& variable, std::initializer_list<const char*> names) {
    for (const char* const name : names) {
        const char* const value = variable(name);
        if (value != nullptr && *value != '\0') return value;
    }
    return {};
}

/// Returns the variable http_proxy or HTTP_PROXY. A CGI program gets the field Proxy of a request as HTTP_PROXY.
std::string http_proxy(const lookup& variable) {
    if (variable("REQUEST_METHOD") == nullptr) return first_of(variable, {"http_proxy", "HTTP_PROXY"});
    // The names of variables are case-insensitive on Windows. Then both names have the same value at the same address.
    const char* const lower = variable("http_proxy");
    return lower == nullptr || lower == variable("HTTP_PROXY") ? std::string() : std::string(lower);
}

}  // namespace

http::proxies proxies_from(const lookup& variable) {
    const auto for_all = first_of(variable, {"all_proxy", "ALL_PROXY"});
    const auto for_http = http_proxy(variable);
    const auto for_https = first_of(variable, {"https_proxy", "HTTPS_PROXY"});
    http::proxies made;
    made.for_http(for_http.empty() ? for_all : for_http);
    made.for_https(for_https.empty() ? for_all : for_https);
    made.except(first_of(variable, {"no_proxy", "NO_PROXY"}));
    proxies_access::exclude_loopback(made);
    return made;
}

}  // namespace eddy::detail

namespace eddy::http {

proxies proxies::from_environment() {
    return detail::proxies_from([](const char* name) -> const char* {
        return std::getenv(name);  // NOLINT(concurrency-mt-unsafe): documented in the header
    });
}

}  // namespace eddy::http
