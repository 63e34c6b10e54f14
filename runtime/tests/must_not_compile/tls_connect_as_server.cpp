// The settings of a server are not those of a client.
//
// expect-error: connect() is for clients: make a tls::client_config; a server_config is for accept()
#include <utility>

#include <eddy/net/tcp_stream.hpp>
#include <eddy/tls/stream.hpp>

#ifdef EDDY_CONTROL
using config = eddy::tls::client_config;
#else
using config = eddy::tls::server_config;
#endif

auto use(eddy::net::tcp_stream below, const config& with) {
    return eddy::tls::connect(std::move(below), with, "localhost");
}
