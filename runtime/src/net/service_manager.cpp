// SPDX-License-Identifier: MIT
#include <eddy/net/service_manager.hpp>

#include <cstdint>
#include <string>
#include <system_error>
#include <utility>

#include <eddy/future/try.hpp>
#include <eddy/net/unix_addr.hpp>
#include <eddy/net/unix_datagram.hpp>
#include <eddy/time/sleep.hpp>

#include "sys/steady_ns.hpp"
#include "sys/this_process.hpp"

namespace eddy::net {
namespace {

constexpr std::uint64_t most_microseconds = std::uint64_t{1} << 50;  // 35 years, far from an overflow in nanoseconds

/// Returns the address of the manager's socket; nullopt if there is no manager.
result<std::optional<unix_addr>> manager_addr() {
    const std::string_view text = sys::unchecked_environment("NOTIFY_SOCKET");
    if (text.empty()) return std::nullopt;
    if (text.front() == '@') return unix_addr::abstract(text.substr(1));
    if (text.front() == '/') return unix_addr::path(text);
    return std::unexpected(std::make_error_code(std::errc::address_family_not_supported));
}

/// Returns a socket that sends to the manager; nullopt if there is no manager.
result<std::optional<unix_datagram>> connect_to_manager() {
    const auto manager = manager_addr();
    if (!manager) return std::unexpected(manager.error());
    if (!*manager) return std::nullopt;
    auto socket = unix_datagram::unbound();
    if (!socket) return std::unexpected(socket.error());
    if (const auto connected = socket->connect(**manager); !connected) return std::unexpected(connected.error());
    return std::move(*socket);
}

task<result<void>> notify(std::string message) {
    auto manager = co_await try_(connect_to_manager());
    if (manager) co_await try_(manager->send(message));
    co_return ok();
}

}  // namespace

task<result<void>> notify_ready() { return notify("READY=1"); }
task<result<void>> notify_stopping() { return notify("STOPPING=1"); }

task<result<void>> notify_reloading() {
    // Without the time, the manager could take a message that it reads late for one of this reload.
    return notify("RELOADING=1\nMONOTONIC_USEC=" + std::to_string(sys::steady_ns() / 1000));
}

task<result<void>> notify_status(std::string_view text) {
    if (text.find('\n') != std::string_view::npos) {
        return []() -> task<result<void>> {
            co_return std::unexpected(std::make_error_code(std::errc::invalid_argument));
        }();
    }
    return notify("STATUS=" + std::string(text));
}

std::optional<std::chrono::microseconds> watchdog_interval() noexcept {
    // A child inherits the variables; they are meant for the process whose number they have.
    const auto watched = sys::number_in_environment("WATCHDOG_PID");
    if (*sys::unchecked_environment("WATCHDOG_PID") != '\0' && watched != sys::process_id()) return std::nullopt;
    const auto interval = sys::number_in_environment("WATCHDOG_USEC");
    if (!interval || *interval == 0 || *interval > most_microseconds) return std::nullopt;
    return std::chrono::microseconds(*interval);
}

task<result<void>> feed_watchdog() {
    const auto interval = watchdog_interval();
    if (!interval) co_return ok();
    // One socket for all messages: a lack of descriptors must not look like a stuck service.
    auto manager = co_await try_(connect_to_manager());
    while (manager) {
        co_await try_(manager->send("WATCHDOG=1"));
        co_await time::sleep(*interval / 2);
    }
    co_return ok();
}

}  // namespace eddy::net
