// SPDX-License-Identifier: MIT
#pragma once

#include <chrono>
#include <cstddef>
#include <memory>
#include <span>
#include <string>
#include <string_view>

#include <eddy/detail/export.hpp>
#include <eddy/future/future.hpp>
#include <eddy/result.hpp>
#include <eddy/sync/semaphore.hpp>
#include <eddy/tls/config.hpp>

namespace eddy::detail {

/// The connection below a TLS stream: passes the calls on to a reader and writer of any type.
class tls_transport {
public:
    virtual poll_result<result<std::size_t>> poll_read(context& cx, std::span<std::byte> into) = 0;
    virtual poll_result<result<std::size_t>> poll_write(context& cx, std::span<const std::byte> from) = 0;
    virtual poll_result<result<void>> poll_flush(context& cx) = 0;
    virtual poll_result<result<void>> poll_shutdown(context& cx) = 0;

protected:
    ~tls_transport() = default;
};

template <class S>
class tls_transport_of final : public tls_transport {
public:
    explicit tls_transport_of(S& below) noexcept : below_(below) {}
    poll_result<result<std::size_t>> poll_read(context& cx, std::span<std::byte> into) override {
        return below_.poll_read(cx, into);
    }
    poll_result<result<std::size_t>> poll_write(context& cx, std::span<const std::byte> from) override {
        return below_.poll_write(cx, from);
    }
    poll_result<result<void>> poll_flush(context& cx) override { return below_.poll_flush(cx); }
    poll_result<result<void>> poll_shutdown(context& cx) override { return below_.poll_shutdown(cx); }

private:
    S& below_;
};

/// The state of one TLS connection: OpenSSL's object, the encrypted bytes in both directions, and the waiting tasks.
/// Thread safety: one thread at a time.
class EDDY_API tls_engine {
public:
    struct state;

    /// Begins the handshake of a client with the server `host`, a host name or an IP address.
    /// Errors: the errors of openssl_category().
    [[nodiscard]] static result<tls_engine> connect(const tls::client_config& config, const std::string& host);
    /// Begins the handshake of a server.
    /// Errors: the errors of openssl_category().
    [[nodiscard]] static result<tls_engine> accept(const tls::server_config& config);

    tls_engine(tls_engine&& other) noexcept;
    tls_engine& operator=(tls_engine&& other) noexcept;
    ~tls_engine();

    [[nodiscard]] poll_result<result<void>> poll_handshake(tls_transport& below, context& cx);
    [[nodiscard]] poll_result<result<std::size_t>> poll_read(tls_transport& below, context& cx,
                                                             std::span<std::byte> into);
    [[nodiscard]] poll_result<result<std::size_t>> poll_write(tls_transport& below, context& cx,
                                                              std::span<const std::byte> from);
    [[nodiscard]] poll_result<result<void>> poll_flush(tls_transport& below, context& cx);
    [[nodiscard]] poll_result<result<void>> poll_shutdown(tls_transport& below, context& cx);

    [[nodiscard]] std::string_view alpn() const noexcept;
    [[nodiscard]] std::string_view server_name() const noexcept;
    [[nodiscard]] tls::version version() const noexcept;
    [[nodiscard]] bool was_resumed() const noexcept;
    [[nodiscard]] std::string peer_certificate() const;

private:
    explicit tls_engine(std::unique_ptr<state> made) noexcept;

    std::unique_ptr<state> state_;
};

/// For use by the library: access to the contents of the settings.
struct EDDY_API tls_access {
    static const tls_identity& get(const tls::identity& of) noexcept { return *of.parsed_; }
    static tls::identity make(std::shared_ptr<const tls_identity> parsed) noexcept {
        return tls::identity(std::move(parsed));
    }
    static const std::shared_ptr<tls_client_context>& shared(const tls::client_config& of) noexcept {
        return of.context_;
    }
    static const std::shared_ptr<const std::string>& alpn(const tls::client_config& of) noexcept { return of.alpn_; }
    static tls_server_context& get(const tls::server_config& of) noexcept { return *of.context_; }
    [[nodiscard]] static std::chrono::nanoseconds handshake_timeout(const tls::client_config& of) noexcept;
    [[nodiscard]] static std::chrono::nanoseconds handshake_timeout(const tls::server_config& of) noexcept;
    [[nodiscard]] static sync::semaphore& handshakes(const tls::server_config& of) noexcept;
};

}  // namespace eddy::detail
