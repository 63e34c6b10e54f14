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
    const std::string_view text = sys::environment("NOTIFY_SOCKET");
    if (text.empty()) return std::nullopt;
    if (text.front() == '@') return unix_addr::abstract(text.substr(1));
    if (text.front() == '/') return unix_addr::path(text);
    return std::unexpected(std::make_error_code(std::errc::address_family_not_supported));
}

task<result<void>> notify(std::string message) {
    const auto manager = co_await try_(manager_addr());
    if (!manager) co_return ok();
    auto socket = co_await try_(unix_datagram::unbound());
    co_await try_(socket.connect(*manager));
    co_await try_(socket.send(message));
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
    if (*sys::environment("WATCHDOG_PID") != '\0' && watched != sys::process_id()) return std::nullopt;
    const auto interval = sys::number_in_environment("WATCHDOG_USEC");
    if (!interval || *interval == 0 || *interval > most_microseconds) return std::nullopt;
    return std::chrono::microseconds(*interval);
}

task<result<void>> feed_watchdog() {
    const auto interval = watchdog_interval();
    while (interval) {
        co_await try_(notify("WATCHDOG=1"));
        co_await time::sleep(*interval / 2);
    }
    co_return ok();
}

}  // namespace eddy::net
