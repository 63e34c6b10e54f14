// cors() inside of bearer_auth() would answer preflight requests with 401; also if another layer is in between.
//
// expect-error: static assertion failed
// expect-error: eddy: cors() is inside of basic_auth() or bearer_auth(), so a preflight request
// only-error
#include <eddy/http/auth.hpp>
#include <eddy/http/client_limit.hpp>
#include <eddy/http/cors.hpp>
#include <eddy/http/service.hpp>

#include <chrono>
#include <string_view>

eddy::http::service use(eddy::http::service app) {
    const auto check = [](const eddy::http::request&, std::string_view) -> eddy::task<eddy::http::access> {
        co_return eddy::http::access::granted;
    };
    const auto cors = eddy::http::cors(eddy::http::cors_options().any_origin());
    const auto limit = eddy::http::client_limit(eddy::http::client_limit_options(10, std::chrono::seconds(1)));
#ifdef EDDY_CONTROL
    return app | eddy::http::bearer_auth(check, "notes") | limit | cors;
#else
    return app | cors | limit | eddy::http::bearer_auth(check, "notes");
#endif
}
