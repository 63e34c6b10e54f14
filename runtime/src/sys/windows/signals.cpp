// SPDX-License-Identifier: MIT
#include "sys/signals.hpp"

#include <array>
#include <atomic>
#include <csignal>
#include <memory>
#include <mutex>
#include <new>
#include <system_error>
#include <utility>
#include <vector>

#include <eddy/error.hpp>

#include "sys/syscall.hpp"
#include "sys/windows/console_event.hpp"

// Console events take the place of signals, see on_console_event(). The handler runs on a thread of its own, so it may
// lock.

namespace eddy::sys {

/// The two ends of a connection. The handler sends a byte to one end, and the other end is then readable.
struct signal_bell {
    int number = 0;
    unique_fd read_end;
    unique_fd write_end;
};

namespace {

constexpr std::size_t signals = 32;

constinit std::array<std::atomic<std::uint64_t>, signals> counts{};

struct guarded_state {
    std::mutex lock;
    std::array<bool, signals> is_counted{};
    std::vector<signal_bell*> open_bells;
    bool has_handler = false;
};

/// Never destroyed: the handler may run while the program ends.
guarded_state& state() {
    static auto* const only = new guarded_state;
    return *only;
}

int number_of(DWORD event) noexcept {
    switch (event) {
    case CTRL_C_EVENT: return SIGINT;
    case CTRL_BREAK_EVENT: return SIGBREAK;
    default: return SIGTERM;
    }
}

}  // namespace

BOOL WINAPI on_console_event(DWORD event) {
    const int number = number_of(event);
    {
        guarded_state& now = state();
        const std::scoped_lock guard(now.lock);
        if (!now.is_counted[static_cast<std::size_t>(number)]) return FALSE;
        // release: pairs with the load in signals_counted().
        counts[static_cast<std::size_t>(number)].fetch_add(1, std::memory_order_release);
        const std::array<std::byte, 1> one{};
        for (const signal_bell* each : now.open_bells) {
            // A full connection is readable, too.
            if (each->number == number) static_cast<void>(send(each->write_end.get(), one));
        }
    }
    if (number == SIGTERM) ::Sleep(INFINITE);
    return TRUE;
}

namespace {

/// Connects two sockets of this process.
result<std::pair<unique_fd, unique_fd>> make_connection() noexcept {
    const net::socket_addr any(net::ipv4_addr::loopback(), 0);
    auto listener = tcp_socket(ip_version::v4);
    if (!listener) return std::unexpected(listener.error());
    if (auto done = bind(listener->get(), any); !done) return std::unexpected(done.error());
    if (auto done = listen(listener->get(), 1); !done) return std::unexpected(done.error());
    const auto addr = local_addr(listener->get());
    if (!addr) return std::unexpected(addr.error());
    auto client = tcp_socket(ip_version::v4);
    if (!client) return std::unexpected(client.error());
    const auto begun = connect(client->get(), *addr);
    if (begun && begun != std::errc::operation_in_progress) return std::unexpected(begun);
    const auto own = local_addr(client->get());
    if (!own) return std::unexpected(own.error());
    for (;;) {
        WSAPOLLFD wait{};
        wait.fd = to_socket(listener->get());
        wait.events = POLLRDNORM;
        if (::WSAPoll(&wait, 1, -1) < 0) return std::unexpected(last_error());
        auto accepted = accept(listener->get());
        if (!accepted && accepted.error() != std::errc::operation_would_block) return std::unexpected(accepted.error());
        // Another process may have connected first.
        if (accepted && from_native(accepted->peer.get(), accepted->peer.size) == *own) {
            return std::pair(std::move(accepted->fd), std::move(*client));
        }
    }
}

}  // namespace

std::optional<int> signal_named(std::string_view name) noexcept {
    if (name == "INT") return SIGINT;
    if (name == "BREAK") return SIGBREAK;
    if (name == "TERM") return SIGTERM;
    return std::nullopt;
}

int real_time_signal(int) noexcept { return 0; }

result<void> count_signal(int number) {
    if (number != SIGINT && number != SIGBREAK && number != SIGTERM) {
        return std::unexpected(std::make_error_code(std::errc::not_supported));
    }
    guarded_state& now = state();
    const std::scoped_lock guard(now.lock);
    if (!now.has_handler && ::SetConsoleCtrlHandler(&on_console_event, TRUE) == 0) {
        return std::unexpected(last_error());
    }
    now.has_handler = true;
    now.is_counted[static_cast<std::size_t>(number)] = true;
    return ok();
}

bool program_handles_signals() noexcept {
    return true;  // the system starts a thread for each
}

std::uint64_t signals_counted(int number) noexcept {
    // acquire: pairs with the release in the handler. The handler rings the bells after it has counted, under the lock
    // that open_bell() takes. So an event that is not in the result rings the bell.
    return counts[static_cast<std::size_t>(number)].load(std::memory_order_acquire);
}

result<signal_bell*> open_bell(int number, bell_use use) noexcept try {
    if (use == bell_use::keep_info) return std::unexpected(std::make_error_code(std::errc::not_supported));
    auto ends = make_connection();
    if (!ends) return std::unexpected(ends.error());
    auto bell = std::make_unique<signal_bell>();
    bell->number = number;
    bell->read_end = std::move(ends->first);
    bell->write_end = std::move(ends->second);
    guarded_state& now = state();
    const std::scoped_lock guard(now.lock);
    now.open_bells.push_back(bell.get());
    return bell.release();
} catch (const std::bad_alloc&) {
    return std::unexpected(std::make_error_code(std::errc::not_enough_memory));
}

std::optional<received_signal> next_signal(const signal_bell&) noexcept { return std::nullopt; }

std::uint64_t signals_lost(const signal_bell&) noexcept { return 0; }

int descriptor_of(const signal_bell& bell) noexcept { return bell.read_end.get(); }

void silence(const signal_bell& bell) noexcept {
    std::array<std::byte, 64> taken;
    while (recv(bell.read_end.get(), taken).value_or(0) == taken.size()) {
    }
}

bool wait_for_ring(const signal_bell& bell) noexcept {
    WSAPOLLFD rung{};
    rung.fd = to_socket(descriptor_of(bell));
    rung.events = POLLRDNORM;
    while (::WSAPoll(&rung, 1, -1) < 1) {
    }
    if ((rung.revents & POLLRDNORM) == 0) return false;
    silence(bell);
    return true;
}

void unblock_signal(int) noexcept {}  // a console event has a thread of its own

void close_bell(signal_bell& bell) noexcept {
    const std::unique_ptr<signal_bell> owned(&bell);
    guarded_state& now = state();
    const std::scoped_lock guard(now.lock);
    std::erase(now.open_bells, &bell);
}

}  // namespace eddy::sys
