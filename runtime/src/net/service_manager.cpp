// SPDX-License-Identifier: MIT
#include <eddy/net/service_manager.hpp>

#include <atomic>
#include <cstdint>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>

#include <eddy/future/try.hpp>
#include <eddy/net/unix_addr.hpp>
#include <eddy/net/unix_datagram.hpp>
#include <eddy/time/sleep.hpp>

#include "sys/notify_sockets.hpp"
#include "sys/steady_ns.hpp"
#include "sys/this_process.hpp"

namespace eddy::net {
namespace {

constexpr std::uint64_t most_microseconds = std::uint64_t{1} << 50;  // 35 years, far from an overflow in nanoseconds

/// Whether another process is the main process of the service. It is set once, and publishes nothing.
constinit std::atomic<bool> has_successor{false};

/// Whether the predecessor knows that this process is ready. It closes its socket then, whose name any user may take.
/// It is set once, and publishes nothing.
constinit std::atomic<bool> has_told_predecessor{false};

/// Returns the address of a socket; nullopt if there is none.
result<std::optional<unix_addr>> addr_of(std::string_view text) {
    if (text.empty()) return std::nullopt;
    if (text.front() == '@') return unix_addr::abstract(text.substr(1));
    if (text.front() == '/') return unix_addr::path(text);
    return std::unexpected(std::make_error_code(std::errc::address_family_not_supported));
}

/// Returns a socket that sends to a receiver; nullopt if there is none.
result<std::optional<unix_datagram>> connect_to(std::string_view receiver) {
    const auto addr = addr_of(receiver);
    if (!addr) return std::unexpected(addr.error());
    if (!*addr) return std::nullopt;
    auto socket = unix_datagram::unbound();
    if (!socket) return std::unexpected(socket.error());
    if (const auto connected = socket->connect(**addr); !connected) return std::unexpected(connected.error());
    return std::move(*socket);
}

task<result<void>> send_to(std::string_view receiver, std::string message) {
    auto socket = co_await try_(connect_to(receiver));
    if (socket) co_await try_(socket->send(message));
    co_return ok();
}

task<result<void>> notify(std::string message) {
    if (has_successor.load(std::memory_order_relaxed)) co_return ok();  // relaxed: see there
    co_return co_await send_to(sys::find_notify_sockets().manager, std::move(message));
}

}  // namespace

task<result<void>> notify_ready() {
    constexpr const char* message = "READY=1";
    if (eddy::detail::is_awaited_by_predecessor()) {  // later messages are about a reload
        const auto told = co_await send_to(sys::find_notify_sockets().predecessor, message);
        if (told) has_told_predecessor.store(true, std::memory_order_relaxed);
        if (told || told.error() != std::errc::connection_refused) co_return told;
    }
    co_return co_await notify(message);
}

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

task<result<void>> notify_main_process(int id) {
    std::string message = "MAINPID=" + std::to_string(id);
    // The manager does not listen to the successor before, and to this process afterwards.
    if (watchdog_interval()) message += "\nWATCHDOG=1";
    // Also if there was a successor before, which may have failed.
    co_await try_(send_to(sys::find_notify_sockets().manager, std::move(message)));
    has_successor.store(true, std::memory_order_relaxed);  // relaxed: see there
    co_return ok();
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
    auto manager = co_await try_(connect_to(sys::find_notify_sockets().manager));
    while (manager && !has_successor.load(std::memory_order_relaxed)) {
        co_await try_(manager->send("WATCHDOG=1"));
        co_await time::sleep(*interval / 2);
    }
    co_return ok();
}

}  // namespace eddy::net

bool eddy::detail::is_awaited_by_predecessor() noexcept {
    // relaxed: see there
    return !net::has_told_predecessor.load(std::memory_order_relaxed) &&
           !sys::find_notify_sockets().predecessor.empty();
}
