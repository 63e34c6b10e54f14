// SPDX-License-Identifier: MIT
#pragma once

#include <chrono>
#include <cstddef>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <eddy/detail/export.hpp>
#include <eddy/result.hpp>
#include <eddy/tls/identity.hpp>

namespace eddy::detail {
class tls_client_context;
class tls_server_context;
}  // namespace eddy::detail

namespace eddy::tls {

/// The version of the protocol.
enum class version : unsigned char {
    tls_1_2,  ///< TLS 1.2, RFC 5246
    tls_1_3,  ///< TLS 1.3, RFC 8446
};

/// The settings of a client, for any number of connections, for example which certificates it trusts. Made by
/// client_builder. Also keeps the sessions that servers offer for resumption; copies share them.
/// Thread safety: copies may be used on any thread.
/// Cost: copying increments a reference count. Keeps up to 4 sessions for each of up to 1,024 hosts.
class EDDY_API client_config {
public:
    /// Makes the default settings; see client_builder.
    /// Errors: same as client_builder::build().
    [[nodiscard]] static result<client_config> make();

    /// Returns the same settings with other application protocols; see client_builder::alpn(). They share the sessions.
    /// Errors: std::errc::invalid_argument for an empty protocol name or one of more than 255 bytes.
    [[nodiscard]] result<client_config> with_alpn(const std::vector<std::string>& protocols) const;

private:
    friend class client_builder;
    friend struct detail::tls_access;
    explicit client_config(std::shared_ptr<detail::tls_client_context> context) noexcept
        : context_(std::move(context)) {}

    std::shared_ptr<detail::tls_client_context> context_;
    std::shared_ptr<const std::string> alpn_;  // in the form of the protocol; null: as in the context
};

/// Builds a client_config. By default, the client trusts the system's certificates, and verifies the server's
/// certificate and host name. It uses TLS 1.2 or 1.3, and limits a handshake to 10 s.
///     auto config = tls::client_builder().alpn({"h2", "http/1.1"}).build();
class EDDY_API client_builder {
public:
    /// Starts with the default settings.
    client_builder() = default;

    /// Trusts the certificates in this PEM text, in place of the system's. May be called several times.
    client_builder& trust_pem(std::string_view certificates);
    /// Trusts the certificates in this file, in place of the system's. build() reads it.
    client_builder& trust_file(std::filesystem::path certificates);
    /// Shows this identity to servers that request a client certificate.
    client_builder& identity(tls::identity own);
    /// Offers application protocols, the preferred one first; see stream::alpn().
    client_builder& alpn(std::vector<std::string> protocols);
    /// Refuses older versions of TLS. TLS 1.2 by default.
    client_builder& min_version(version oldest) noexcept;
    /// Limits the time of a handshake. 10 seconds by default.
    client_builder& handshake_timeout(std::chrono::nanoseconds limit) noexcept;
    /// Appends the secrets of all connections to this file, in the format of SSLKEYLOGFILE. They decrypt recorded
    /// connections. build() creates a missing file, which only its owner can access.
    client_builder& dangerous_key_log(std::filesystem::path file);
    /// Accepts any certificate, even one of an attacker between client and server. Use it only in tests.
    client_builder& dangerous_accept_any_certificate() noexcept;

    /// Makes the settings. Reads files, which blocks the thread.
    /// Errors: the errors of openssl_category(), of reading a file, and of opening the key log.
    /// std::errc::invalid_argument for an empty protocol name or one of more than 255 bytes.
    [[nodiscard]] result<client_config> build() const;

private:
    std::string trusted_pem_;
    std::vector<std::filesystem::path> trusted_files_;
    std::optional<tls::identity> identity_;
    std::vector<std::string> alpn_;
    version min_version_ = version::tls_1_2;
    std::chrono::nanoseconds handshake_timeout_ = std::chrono::seconds(10);
    std::filesystem::path key_log_;
    bool verifies_ = true;
};

/// The settings of a server, for any number of connections, for example its identities. Made by server_builder.
/// Thread safety: copies may be used on any thread, even while one of them calls replace().
/// Cost: copying increments a reference count.
class EDDY_API server_config {
public:
    /// Makes default settings with one identity; see server_builder.
    /// Errors: same as server_builder::build().
    [[nodiscard]] static result<server_config> make(identity own);

    /// Replaces the default identity for all copies of these settings. New handshakes use the new identity; existing
    /// connections are not affected. Use it to renew a certificate without a restart.
    /// Errors: the errors of openssl_category(); the old identity then remains in use.
    result<void> replace(const identity& own) const;

    /// Returns the keys that encrypt the session tickets, for server_builder::ticket_keys() of another server. They are
    /// secret: they decrypt the recorded connections that were resumed with TLS 1.2.
    [[nodiscard]] std::string ticket_keys() const;

private:
    friend class server_builder;
    friend struct detail::tls_access;
    explicit server_config(std::shared_ptr<detail::tls_server_context> context) noexcept
        : context_(std::move(context)) {}

    std::shared_ptr<detail::tls_server_context> context_;
};

/// Builds a server_config. By default, it uses TLS 1.2 or 1.3, issues session tickets, requests no client certificates,
/// and limits a handshake to 10 s. Renegotiation is refused. With TLS 1.2, only ciphers with forward secrecy and
/// authenticated encryption are used: ECDHE with AES-GCM or ChaCha20-Poly1305.
class EDDY_API server_builder {
public:
    /// Starts with the default settings and the default identity. Clients get this identity if they name no host, or a
    /// host without an identity_for().
    explicit server_builder(tls::identity own) : identity_(std::move(own)) {}

    /// Uses another identity for clients that request this host name (SNI). A name such as `*.example.org` matches all
    /// hosts with exactly one more label. If several names match, the one that was added first is used.
    server_builder& identity_for(std::string host, tls::identity own);
    /// Accepts application protocols, the preferred one first; see stream::alpn(). Refuses a client that offers only
    /// other protocols. Accepts a client that offers no protocol.
    server_builder& alpn(std::vector<std::string> protocols);
    /// Requires client certificates that were issued by one of these PEM certificates. Refuses clients without such a
    /// certificate. May be called several times.
    server_builder& require_client_certificate(std::string_view issuers);
    /// Refuses older versions of TLS. TLS 1.2 by default.
    server_builder& min_version(version oldest) noexcept;
    /// Limits the time of a handshake, including the wait for max_handshakes(). 10 seconds by default.
    server_builder& handshake_timeout(std::chrono::nanoseconds limit) noexcept;
    /// Limits how many threads of a runtime compute handshakes at the same time, so that other threads have time for
    /// established connections. Further handshakes wait. A handshake that waits for its client does not count: limit
    /// those by net::serve_options::max_connections() and handshake_timeout(). 1,000 by default. 0 is treated as 1.
    server_builder& max_handshakes(std::size_t most) noexcept;
    /// Encrypts session tickets with the keys of another server, see server_config::ticket_keys(), so that the clients
    /// of that server resume their sessions with this one. By default, and if `keys` is empty, build() makes new keys.
    server_builder& ticket_keys(std::string keys);
    /// Appends the secrets of all connections to this file, in the format of SSLKEYLOGFILE. They decrypt recorded
    /// connections. build() creates a missing file, which only its owner can access.
    server_builder& dangerous_key_log(std::filesystem::path file);

    /// Makes the settings.
    /// Errors: the errors of openssl_category(); std::errc::invalid_argument for an empty protocol name or one of more
    /// than
    /// 255 bytes, and for ticket keys of another length; errors of opening the key log.
    [[nodiscard]] result<server_config> build() const;

private:
    friend class detail::tls_server_context;

    tls::identity identity_;
    std::vector<std::pair<std::string, tls::identity>> others_;
    std::vector<std::string> alpn_;
    std::string client_issuers_;
    version min_version_ = version::tls_1_2;
    std::chrono::nanoseconds handshake_timeout_ = std::chrono::seconds(10);
    std::size_t max_handshakes_ = 1000;
    std::string ticket_keys_;
    std::filesystem::path key_log_;
};

}  // namespace eddy::tls
