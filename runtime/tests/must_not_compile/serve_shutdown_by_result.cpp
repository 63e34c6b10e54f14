// expect-error: eddy: this takes a token, not a result: write `auto stop = co_await try_(signal::shutdown_token());`
// only-error
#include <eddy/net/serve.hpp>
#include <eddy/signal.hpp>

#include <chrono>

eddy::net::serve_options options() {
#ifdef EDDY_CONTROL
    return eddy::net::serve_options().shutdown(eddy::signal::shutdown_token().value()).drain(std::chrono::seconds(1));
#else
    return eddy::net::serve_options().shutdown(eddy::signal::shutdown_token()).drain(std::chrono::seconds(1));
#endif
}
