// The check of bearer_auth() returns a task of an access, and not a bool.
//
// expect-error: static assertion failed
// expect-error: eddy: the check of basic_auth() takes
// expect-error: return a task<http::access>
// only-error
#include <eddy/http/auth.hpp>
#include <eddy/http/service.hpp>

#include <string_view>

eddy::http::service use(eddy::http::service app) {
#ifdef EDDY_CONTROL
    const auto check = [](const eddy::http::request&, std::string_view token) -> eddy::task<eddy::http::access> {
        co_return token == "secret" ? eddy::http::access::granted : eddy::http::access::unknown;
    };
#else
    const auto check = [](const eddy::http::request&, std::string_view token) { return token == "secret"; };
#endif
    return app | eddy::http::bearer_auth(check, "notes");
}
