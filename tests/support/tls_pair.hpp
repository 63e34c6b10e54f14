// SPDX-License-Identifier: MIT
#pragma once

#include <expected>
#include <string>
#include <system_error>
#include <utility>

#include <eddy/future/join.hpp>
#include <eddy/io/duplex.hpp>
#include <eddy/result.hpp>
#include <eddy/runtime/core.hpp>
#include <eddy/task/task.hpp>
#include <eddy/tls.hpp>

#include "support/certificates.hpp"

namespace support {

/// The certificates of most TLS tests: an authority, and a certificate that it has issued for the server "localhost".
class tls_world {
public:
    tls_world() : issued_(authority_.issue({"DNS:localhost", "IP:127.0.0.1"})) {}

    [[nodiscard]] const certificate_authority& authority() const noexcept { return authority_; }
    [[nodiscard]] const certificate& issued() const noexcept { return issued_; }
    [[nodiscard]] eddy::tls::identity identity() const { return identity_of(issued_); }
    [[nodiscard]] eddy::tls::identity identity_of(const certificate& from) const {
        return *eddy::tls::identity::from_pem(from.pem, from.key);
    }
    [[nodiscard]] eddy::tls::server_builder server() const { return eddy::tls::server_builder(identity()); }
    [[nodiscard]] eddy::tls::client_builder client() const {
        return eddy::tls::client_builder().trust_pem(authority_.pem());
    }

private:
    certificate_authority authority_;
    certificate issued_;
};

using tls_stream = eddy::tls::stream<eddy::io::duplex_stream>;

/// The outcomes of a handshake on both sides.
struct tls_handshake {
    eddy::result<tls_stream> client;
    eddy::result<tls_stream> server;

    tls_handshake(eddy::result<tls_stream>&& one, eddy::result<tls_stream>&& other)
        : client(std::move(one)), server(std::move(other)) {}
};

/// Performs a handshake in memory. The connection holds `capacity` bytes in each direction.
inline tls_handshake shake_hands(eddy::core& loop, const eddy::tls::client_config& client,
                                 const eddy::tls::server_config& server, const std::string& host = "localhost",
                                 std::size_t capacity = 64 * 1024) {
    auto [here, there] = eddy::io::duplex(capacity);
    auto both =
        eddy::join(eddy::tls::connect(std::move(here), client, host), eddy::tls::accept(std::move(there), server));
    auto [one, other] = loop.run(std::move(both));
    return tls_handshake(std::move(one), std::move(other));
}

}  // namespace support
