// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

#include <eddy/detail/export.hpp>
#include <eddy/future/future.hpp>
#include <eddy/future/future_ops.hpp>
#include <eddy/net/socket_addr.hpp>
#include <eddy/net/to_socket_addrs.hpp>
#include <eddy/result.hpp>

namespace eddy::net {

/// Returns the category of the errors of the system's resolver. The values come from getaddrinfo(3), such as
/// EAI_NONAME. The texts come from gai_strerror(3). EAI_AGAIN and EAI_MEMORY are equal to
/// std::errc::resource_unavailable_try_again and not_enough_memory. EAI_SYSTEM is replaced by the error of the system.
[[nodiscard]] EDDY_API const std::error_category& resolver_category() noexcept;

/// Looks up a host. Returned by lookup_host().
class [[nodiscard("co_await it")]] EDDY_API lookup_future : public future_ops<lookup_future> {
public:
    using output_type = result<std::vector<socket_addr>>;

    /// Looks up `what`.
    explicit lookup_future(lookup_request what) noexcept : what_(std::move(what)) {}
    /// Moves the future. It must not move after its first poll.
    lookup_future(lookup_future&& other) noexcept
        : what_(std::move(other.what_)), answer_(std::exchange(other.answer_, nullptr)), has_ended_(other.has_ended_) {}
    lookup_future& operator=(lookup_future&& other) noexcept;
    ~lookup_future();

    /// Returns "look up localhost:80". In a coroutine that returns an any_result, `try_` adds it to an error.
    [[nodiscard]] std::string operation() const { return "look up " + what_.to_string(); }

    poll_result<output_type> poll(context& cx);

    static constexpr auto wait_shape() { return inspect::awaits(inspect::wait::blocking, &lookup_future::answer_); }

private:
    struct pending;

    /// Returns the result if no look-up is necessary, or the error if no thread is available.
    [[nodiscard]] output_type known() const;
    /// Starts the look-up on a thread that may block. Returns false if no thread is available.
    [[nodiscard]] bool start();

    lookup_request what_;
    pending* answer_ = nullptr;  // null before the look-up has started; owned
    bool has_ended_ = false;
};

/// Returns the socket addresses of a host, at least one, in the order in which to try them.
///     std::vector<eddy::net::socket_addr> addrs = co_await eddy::try_(eddy::net::lookup_host("localhost:80"));
/// Addresses, and text that is an address, are ready immediately. Names are looked up by getaddrinfo(3), with the
/// configuration of the system, on a separate pool of threads. A look-up never blocks the thread that polls. At most 64
/// names are looked up at a time; further look-ups wait.
/// Errors: the errors of resolver_category(); errc::no_address if the host has no addresses; errc::runtime_shutdown.
/// errc::bad_address for text that is neither an address nor a name with a port. resource_unavailable_try_again if no
/// thread is available.
/// Cancel safety: safe. The destructor does not wait. getaddrinfo(3) cannot be interrupted and ends later. Nothing
/// waits for it, not even the end of the program.
/// Thread safety: needs no event loop or runtime on the thread.
[[nodiscard]] inline lookup_future lookup_host(lookup_request what) noexcept { return lookup_future(std::move(what)); }
[[nodiscard]] inline lookup_future lookup_host(std::string_view host, std::uint16_t port) {
    return lookup_future(lookup_request(host, port));
}
[[nodiscard]] inline lookup_future lookup_host(const ip_addr& host, std::uint16_t port) noexcept {
    return lookup_future(lookup_request(host, port));
}

}  // namespace eddy::net
