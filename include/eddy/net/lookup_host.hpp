// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

#include <eddy/detail/export.hpp>
#include <eddy/future.hpp>
#include <eddy/future_ops.hpp>
#include <eddy/net/socket_addr.hpp>
#include <eddy/net/to_socket_addrs.hpp>
#include <eddy/result.hpp>
#include <eddy/sync/oneshot.hpp>

namespace eddy::net {

/// The category of what the system's resolver reports: values are those of getaddrinfo(3), EAI_NONAME and so on, and
/// the texts those of gai_strerror(3). EAI_AGAIN and EAI_MEMORY equal std::errc::resource_unavailable_try_again and
/// not_enough_memory; in place of EAI_SYSTEM stands the system's own error.
[[nodiscard]] EDDY_API const std::error_category& resolver_category() noexcept;

/// What lookup_host() returns.
class [[nodiscard("co_await it")]] EDDY_API lookup_future : public future_ops<lookup_future> {
public:
    using output_type = result<std::vector<socket_addr>>;

    explicit lookup_future(lookup_request what) noexcept : what_(std::move(what)) {}

    poll_result<output_type> poll(context& cx);

private:
    using channel = sync::oneshot<output_type>;

    [[nodiscard]] output_type known() const;
    /// Hands the name to a thread that may block. False if there is none.
    [[nodiscard]] bool start();

    lookup_request what_;
    std::optional<channel::receiver> answer_;
    bool has_ended_ = false;
};

/// The socket addresses that something stands for, in the order in which to try them; at least one.
///     std::vector<eddy::net::socket_addr> addrs = co_await eddy::try_(eddy::net::lookup_host("localhost:80"));
/// Addresses and their texts are ready at once. A name is looked up with getaddrinfo(3), as the system is set up, on a
/// thread of its own kind: never on the thread that polls, so that a loop is not held up however long it takes. Some 60
/// names are looked up at a time, and others wait their turn.
///
/// Errors: errc::bad_address for text that is neither an address nor a name with a port; those of resolver_category();
/// errc::no_address if there are none; resource_unavailable_try_again if no thread can be had; errc::runtime_shutdown.
/// Cancel safety: safe. Destroyed, it returns at once; getaddrinfo(3) cannot be interrupted, and ends later by itself,
/// which nothing waits for, not even the end of the program.
/// Thread safety: needs no loop or runtime on the thread.
[[nodiscard]] inline lookup_future lookup_host(lookup_request what) noexcept { return lookup_future(std::move(what)); }
[[nodiscard]] inline lookup_future lookup_host(std::string_view host, std::uint16_t port) {
    return lookup_future(lookup_request(host, port));
}
[[nodiscard]] inline lookup_future lookup_host(const ip_addr& host, std::uint16_t port) noexcept {
    return lookup_future(lookup_request(host, port));
}

}  // namespace eddy::net
