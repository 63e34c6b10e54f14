// SPDX-License-Identifier: MIT
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <source_location>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>

#include <eddy/detail/export.hpp>
#include <eddy/http/headers.hpp>
#include <eddy/http/request.hpp>
#include <eddy/http/response.hpp>
#include <eddy/proto/service.hpp>
#include <eddy/result.hpp>
#include <eddy/task/task.hpp>

namespace eddy::http {

/// The name and the password of a user.
/// Thread safety: a plain value.
struct basic_credentials {
    std::string user;      ///< has no colon
    std::string password;  ///< may be empty

    /// Makes credentials from their parts.
    basic_credentials(std::string name, std::string secret) : user(std::move(name)), password(std::move(secret)) {}
};

/// Returns the credentials in "Authorization: Basic" (RFC 7617). Returns nullopt if there are none, or if the field is
/// invalid or has a control character.
[[nodiscard]] EDDY_API std::optional<basic_credentials> basic_credentials_of(const headers& of);
/// Returns the token in "Authorization: Bearer" (RFC 6750). Returns nullopt if there is none, or if the field is
/// invalid.
/// Lifetime: the view is valid until the headers change.
[[nodiscard]] EDDY_API std::optional<std::string_view> bearer_token_of(const headers& of) noexcept;

/// What a check decides about a request.
enum class access : unsigned char {
    granted,    ///< the service answers
    unknown,    ///< 401: the credentials are wrong
    forbidden,  ///< 403: the credentials are right, but do not permit this request
};

/// Checks of basic_auth() and bearer_auth(). The request has its path and its fields.
using basic_check = std::function<task<access>(const request& asked, const basic_credentials& from)>;
using bearer_check = std::function<task<access>(const request& asked, std::string_view token)>;

}  // namespace eddy::http

namespace eddy::detail {

/// Decides whether a request reaches the service: the compiled part of guarded_service.
class EDDY_API auth_guard {
public:
    auth_guard(http::basic_check check, std::string_view realm, const std::source_location& where);
    auth_guard(http::bearer_check check, std::string_view realm, const std::source_location& where);

    /// Returns the response to a request that has no access.
    task<std::optional<http::response>> refuse(const http::request& asked) const;

private:
    struct state;
    std::shared_ptr<const state> state_;
};

template <class S>
class guarded_service : public layered<guarded_service<S>, S> {
public:
    guarded_service(S&& inner, auth_guard guard)
        : layered<guarded_service<S>, S>(std::move(inner)), guard_(std::move(guard)) {}

    template <class Given>
    task<result<http::response>> call(Given asked, proto::when_full mode) const {
        auto refusal = co_await guard_.refuse(asked);
        if (refusal) co_return *std::move(refusal);
        auto answer = co_await this->next(std::move(asked), mode);
        co_return answer;
    }

private:
    auth_guard guard_;
};

class cors_filter;

/// Whether cors() is among the layers of a service, as far as their types say.
template <class S>
inline constexpr bool has_cors = std::is_same_v<S, cors_filter>;
template <template <class...> class Layer, class... A>
inline constexpr bool has_cors<Layer<A...>> = (has_cors<A> || ...);

[[nodiscard]] inline auto guard_layer(auth_guard guard) {
    return proto::layer([guard = std::move(guard)]<class S>(S inner) {
        static_assert(!has_cors<S>,
                      "eddy: cors() is inside of basic_auth() or bearer_auth(), so a preflight request, which has no "
                      "credentials, gets 401: add cors() after it, app | http::bearer_auth(...) | http::cors(...)");
        return guarded_service<S>(std::move(inner), guard);
    });
}

/// What basic_auth() and bearer_auth() return for a check of another type: a compile error that names the right one.
template <class F>
[[nodiscard]] auto guard_by_other_check() {
    constexpr bool fits = sizeof(F) == 0;
    static_assert(fits,
                  "eddy: the check of basic_auth() takes a const request& and const basic_credentials&, that of "
                  "bearer_auth() a const request& and a std::string_view, and both return a task<http::access>: "
                  "`co_return is_right ? http::access::granted : http::access::unknown;`");
    return guard_layer(auth_guard(http::bearer_check(), {}, {}));
}

}  // namespace eddy::detail

namespace eddy::http {

/// Returns a layer that asks for a name and a password (RFC 7617), or for a token (RFC 6750), which `check` decides
/// about:
///     const auto is_admin = [](const http::request&, std::string_view token) -> task<http::access> {
///         co_return http::equal_secrets(token, secret) ? http::access::granted : http::access::unknown;
///     };
///     app | http::bearer_auth(is_admin, "notes")
///
/// - A request without credentials, or with wrong ones, gets 401 with WWW-Authenticate, which names `realm`: a text
///   that a browser shows. One with access::forbidden gets 403.
/// - `check` may wait, for example for a database. An exception of it becomes the response 500.
/// - A handler can read the credentials again with basic_credentials_of() and bearer_token_of().
///
/// Compare secrets with equal_secrets(). Passwords and tokens are readable by everyone on the way of the request,
/// unless it uses TLS. Place cors() outside of this layer, after it in the chain: preflight requests have no
/// credentials. If the types of the layers say that it is inside, that is a compile error.
/// Errors: throws `misuse` if the realm has a quote, a backslash, a control character or a byte that is not ASCII.
/// Thread safety: `check` may be called on several threads at the same time.
[[nodiscard]] inline auto basic_auth(basic_check check, std::string_view realm,
                                     std::source_location where = std::source_location::current()) {
    return detail::guard_layer(detail::auth_guard(std::move(check), realm, where));
}
[[nodiscard]] inline auto bearer_auth(bearer_check check, std::string_view realm,
                                      std::source_location where = std::source_location::current()) {
    return detail::guard_layer(detail::auth_guard(std::move(check), realm, where));
}
template <class F>
    requires(!std::is_convertible_v<F, basic_check>)
[[nodiscard]] auto basic_auth(F&&, std::string_view) {
    return detail::guard_by_other_check<F>();
}
template <class F>
    requires(!std::is_convertible_v<F, bearer_check>)
[[nodiscard]] auto bearer_auth(F&&, std::string_view) {
    return detail::guard_by_other_check<F>();
}

}  // namespace eddy::http
