// SPDX-License-Identifier: MIT
#pragma once

#include <chrono>
#include <cstddef>
#include <filesystem>
#include <map>
#include <memory>
#include <mutex>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <eddy/result.hpp>
#include <eddy/sync/semaphore.hpp>
#include <eddy/tls/config.hpp>

#include "openssl.hpp"
#include "sys/append_file.hpp"

// The state behind the settings of clients and servers: OpenSSL's contexts, and the data for their callbacks.

namespace eddy::detail {

/// A file to which OpenSSL writes the secrets of connections.
/// Thread safety: any thread. Each line is one write(2) to a file that was opened for appending.
class key_log {
public:
    [[nodiscard]] static result<std::unique_ptr<key_log>> open(const std::filesystem::path& path);
    void write(std::string_view line) const noexcept;

private:
    explicit key_log(sys::append_file file) noexcept : file_(std::move(file)) {}

    sys::append_file file_;
};

/// The state of a client_config, which its copies share.
/// Thread safety: any thread.
class tls_client_context : immovable {
public:
    tls_client_context(ssl_context_owner context, std::unique_ptr<key_log> log, bool verifies,
                       std::chrono::nanoseconds handshake_timeout) noexcept;

    [[nodiscard]] SSL_CTX& context() const noexcept { return *context_; }
    [[nodiscard]] const key_log* log() const noexcept { return log_.get(); }
    [[nodiscard]] bool verifies() const noexcept { return verifies_; }
    [[nodiscard]] std::chrono::nanoseconds handshake_timeout() const noexcept { return handshake_timeout_; }

    /// Keeps a session that the server `host` has offered. Removes sessions that cannot be resumed any more. At the
    /// limits, removes the oldest session of the host, or all sessions of another host. Drops the session if there is
    /// no memory: OpenSSL calls this function, and an exception must not pass through C.
    void keep_session(const std::string& host, ssl_session_owner session) noexcept;
    /// Returns a session for `host`, or null. A session of TLS 1.3 is returned once, so that observers cannot link two
    /// connections by it.
    [[nodiscard]] ssl_session_owner take_session(const std::string& host);

private:
    static constexpr std::size_t sessions_per_host = 4;
    static constexpr std::size_t most_hosts = 1024;

    ssl_context_owner context_;
    std::unique_ptr<key_log> log_;
    bool verifies_;
    std::chrono::nanoseconds handshake_timeout_;

    std::mutex lock_;
    std::map<std::string, std::vector<ssl_session_owner>> sessions_;  // the newest session is the last one
};

/// OpenSSL's contexts of a server: one for each identity. Immutable; replace() makes a new set.
struct tls_server_identities {
    ssl_context_owner usual;
    std::vector<std::pair<std::string, ssl_context_owner>> by_host;
    std::string alpn;  // see encode_alpn()
    std::shared_ptr<const key_log> log;

    /// Returns the context for a host name.
    [[nodiscard]] SSL_CTX& context_for(std::string_view host) const noexcept;
};

/// The state of a server_config, which its copies share.
/// Thread safety: any thread.
class tls_server_context {
public:
    /// Errors: same as server_builder::build().
    [[nodiscard]] static result<std::shared_ptr<tls_server_context>> make(const tls::server_builder& settings);

    [[nodiscard]] result<void> replace(const tls::identity& own);
    [[nodiscard]] std::shared_ptr<const tls_server_identities> identities() const;
    [[nodiscard]] std::chrono::nanoseconds handshake_timeout() const noexcept { return settings_.handshake_timeout_; }
    [[nodiscard]] sync::semaphore& handshakes() noexcept { return handshakes_; }
    [[nodiscard]] std::span<const unsigned char> ticket_keys() const noexcept { return ticket_keys_; }

private:
    explicit tls_server_context(const tls::server_builder& settings);

    [[nodiscard]] result<std::shared_ptr<const tls_server_identities>> make_identities() const;
    [[nodiscard]] result<ssl_context_owner> make_context(const tls::identity& own,
                                                         const tls_server_identities& all) const;

    tls::server_builder settings_;
    std::shared_ptr<const key_log> log_;
    std::vector<unsigned char> ticket_keys_;  // shared by all contexts, so that tickets survive replace()
    std::vector<certificate_owner> client_issuers_;
    sync::semaphore handshakes_;

    mutable std::mutex lock_;  // guards the pointer below, and settings_.identity_
    std::shared_ptr<const tls_server_identities> identities_;
};

/// Returns a list of protocol names as TLS encodes it: with a length before each name.
/// Errors: std::errc::invalid_argument.
[[nodiscard]] result<std::string> encode_alpn(std::span<const std::string> protocols);

/// Stores in `connection` the host to which it belongs, for the sessions of a client.
void set_host(SSL& connection, const std::string* host) noexcept;

}  // namespace eddy::detail
