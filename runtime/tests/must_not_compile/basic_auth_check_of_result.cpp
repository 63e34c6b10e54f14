// The same for basic_auth(), with a task of a bool.
//
// expect-error: static assertion failed
// expect-error: eddy: the check of basic_auth() takes a const request& and const basic_credentials&
// only-error
#include <eddy/http/auth.hpp>
#include <eddy/http/service.hpp>

eddy::http::service use(eddy::http::service app) {
#ifdef EDDY_CONTROL
    const auto check = [](const eddy::http::request&,
                          const eddy::http::basic_credentials& from) -> eddy::task<eddy::http::access> {
        co_return from.user == "a" ? eddy::http::access::granted : eddy::http::access::unknown;
    };
#else
    const auto check = [](const eddy::http::request&, const eddy::http::basic_credentials& from) -> eddy::task<bool> {
        co_return from.user == "a";
    };
#endif
    return app | eddy::http::basic_auth(check, "notes");
}
