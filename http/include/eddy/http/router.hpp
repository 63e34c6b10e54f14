// SPDX-License-Identifier: MIT
#pragma once

#include <memory>
#include <source_location>
#include <string_view>
#include <utility>

#include <eddy/detail/export.hpp>
#include <eddy/http/method.hpp>
#include <eddy/http/service.hpp>

namespace eddy::detail {
class http_routes;
}  // namespace eddy::detail

namespace eddy::http {

/// A service that selects another service by the path and the method of a request.
///     http::router app;
///     app.get("/users/{id}", show_user).put("/users/{id}", change_user).get("/files/{path...}", show_file);
///
/// A pattern is a path. A part "{name}" matches any one part that is not empty. "{name...}" at the end matches the rest
/// of the path, which may be empty. request::param() returns the text that they matched, decoded. A literal part has
/// precedence over "{name}", which has precedence over "{name...}". The path of a request is split and then decoded
/// before it is compared, so write a pattern without percent-encoding.
///
/// The router answers 404 if no route has the path. It answers 405, with the methods of the path in Allow, if the
/// routes of the path have other methods. HEAD uses the route for GET, unless it has its own. A path with an invalid
/// "%", with "%00", or with a part "." or ".." (also in the form "%2e") gets 400. `app.any("/{path...}", not_found)`
/// replaces the answer 404. "OPTIONS *" gets 204, with OPTIONS and the methods of all routes in Allow.
/// Thread safety: build it on one thread; call it on any.
/// Lifetime: owns the services. Copies share the routes, and moving is copying; add routes before the first copy.
/// Cost: each part of the path is compared with the literal parts that the routes have at its position.
class EDDY_API router {
public:
    /// Makes a router without routes.
    router();
    router(const router&) = default;
    router& operator=(const router&) = default;
    ~router() = default;

    /// Adds a route.
    /// Errors: throws `misuse` if the pattern is invalid, or if the router already has this route.
    router& add(method what, std::string_view pattern, const service& answer,
                std::source_location where = std::source_location::current());
    /// Same as add(), with the method of the function's name.
    router& get(std::string_view pattern, const service& answer,
                std::source_location where = std::source_location::current()) {
        return add(method::get, pattern, answer, where);
    }
    router& post(std::string_view pattern, const service& answer,
                 std::source_location where = std::source_location::current()) {
        return add(method::post, pattern, answer, where);
    }
    router& put(std::string_view pattern, const service& answer,
                std::source_location where = std::source_location::current()) {
        return add(method::put, pattern, answer, where);
    }
    router& patch(std::string_view pattern, const service& answer,
                  std::source_location where = std::source_location::current()) {
        return add(method::patch, pattern, answer, where);
    }
    router& del(std::string_view pattern, const service& answer,
                std::source_location where = std::source_location::current()) {
        return add(method::delete_, pattern, answer, where);
    }

    /// Adds a route for all methods that have no route of their own for this pattern.
    /// Errors: see add().
    router& any(std::string_view pattern, const service& answer,
                std::source_location where = std::source_location::current());

    /// Answers a request.
    /// Errors: any error of the selected service.
    /// Cancel safety: same as the selected service.
    task<result<response>> operator()(request asked) const;

private:
    std::shared_ptr<detail::http_routes> routes_;
};

}  // namespace eddy::http
