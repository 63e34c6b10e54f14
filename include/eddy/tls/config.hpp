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

/// The settings of a client, for any number of connections: which certificates it trusts, what it offers. Made by
/// client_builder. Also keeps the sessions that servers offer for resumption.
/// Thread safety: immutable; copies may be used on any thread.
/// Cost: a copy is a reference count.
class EDDY_API client_config {
public:
    /// Makes the default settings; see client_builder.
    /// Errors: those of client_builder::build().
    [[nodiscard]] static result<client_config> make();

private:
    friend class client_builder;
    friend struct detail::tls_access;
    explicit client_config(std::shared_ptr<detail::tls_client_context> context) noexcept
        : context_(std::move(context)) {}

    std::shared_ptr<detail::tls_client_context> context_;
};

/// Builds a client_config. By default: the system's trusted certificates, TLS 1.2 and 1.3, the certificate and its host
/// name are verified, a handshake may take 10 s.
///     auto config = tls::client_builder().alpn({"h2", "http/1.1"}).build();
/// Thread safety: one thread at a time.
class EDDY_API client_builder {
public:
    /// Has the default settings.
    client_builder() = default;

    /// Trusts the certificates in this PEM text, in place of the system's. May be called several times.
    client_builder& trust_pem(std::string_view certificates);
    /// Trusts the certificates in this file, in place of the system's. build() reads it.
    client_builder& trust_file(std::filesystem::path certificates);
    /// Proves this identity to servers that ask for one.
    client_builder& identity(tls::identity own);
    /// Offers application protocols, the preferred one first; see stream::alpn().
    client_builder& alpn(std::vector<std::string> protocols);
    /// Refuses older versions.
    client_builder& min_version(version oldest) noexcept;
    /// Limits the time of a handshake.
    client_builder& handshake_timeout(std::chrono::nanoseconds limit) noexcept;
    /// Writes the secrets of all connections to this file (SSLKEYLOGFILE), with which recorded connections can be
    /// decrypted.
    client_builder& dangerous_key_log(std::filesystem::path file);
    /// Accepts any certificate, also from an attacker in the middle. For tests only.
    client_builder& dangerous_accept_any_certificate() noexcept;

    /// Makes the settings. Reads files, which blocks the thread.
    /// Errors: those of openssl_category() and of reading a file; std::errc::invalid_argument for an empty protocol
    /// name or one of more than 255 bytes.
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

/// The settings of a server, for any number of connections: its identities, what it accepts. Made by server_builder.
/// Thread safety: copies may be used on any thread, also while one of them calls replace().
/// Cost: a copy is a reference count.
class EDDY_API server_config {
public:
    /// Makes default settings with one identity; see server_builder.
    /// Errors: those of server_builder::build().
    [[nodiscard]] static result<server_config> make(identity own);

    /// Replaces the identity that clients get by default, for all copies of these settings: new handshakes use the new
    /// one, connections keep theirs. Use it to renew a certificate without a restart.
    /// Errors: those of openssl_category(); the old identity stays then.
    result<void> replace(const identity& own) const;

private:
    friend class server_builder;
    friend struct detail::tls_access;
    explicit server_config(std::shared_ptr<detail::tls_server_context> context) noexcept
        : context_(std::move(context)) {}

    std::shared_ptr<detail::tls_server_context> context_;
};

/// Builds a server_config. By default: TLS 1.2 and 1.3, no certificate is asked of clients, session tickets, no
/// renegotiation, a handshake may take 10 s.
/// Thread safety: one thread at a time.
class EDDY_API server_builder {
public:
    /// Begins with the identity for clients that name no host, or one that has no identity of its own.
    explicit server_builder(tls::identity own) : identity_(std::move(own)) {}

    /// Uses another identity for clients that ask for this host name (SNI). The name matches exactly, or as a wildcard
    /// `*.example.org`.
    server_builder& identity_for(std::string host, tls::identity own);
    /// Accepts application protocols, the preferred one first. A client that offers none of them is refused, one that
    /// offers nothing is accepted; see stream::alpn().
    server_builder& alpn(std::vector<std::string> protocols);
    /// Asks clients for a certificate that one of these PEM certificates has issued, and refuses clients without one.
    server_builder& require_client_certificate(std::string_view issuers);
    /// Refuses older versions.
    server_builder& min_version(version oldest) noexcept;
    /// Limits the time of a handshake, including the wait for max_handshakes().
    server_builder& handshake_timeout(std::chrono::nanoseconds limit) noexcept;
    /// Limits how many handshakes are in progress, which bounds the memory and processor time that clients can demand
    /// before they are known. Others wait. 1,000 by default; 0 is treated as 1.
    server_builder& max_handshakes(std::size_t most) noexcept;
    /// Writes the secrets of all connections to this file (SSLKEYLOGFILE), with which recorded connections can be
    /// decrypted.
    server_builder& dangerous_key_log(std::filesystem::path file);

    /// Makes the settings.
    /// Errors: those of openssl_category(); std::errc::invalid_argument for an empty protocol name or one of more than
    /// 255 bytes; errors of opening the key log.
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
    std::filesystem::path key_log_;
};

}  // namespace eddy::tls
