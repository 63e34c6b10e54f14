// SPDX-License-Identifier: MIT
#include "sys/signals.hpp"

#include <fcntl.h>
#include <signal.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <cerrno>
#include <cstddef>
#include <mutex>
#include <system_error>

#include <eddy/error.hpp>

#include "sys/syscall.hpp"

namespace eddy::sys {
namespace {

constexpr int signals = 65;  // signal numbers on Linux are 1 to 64

// The handler only accesses what was set before its installation, or is lock-free.
struct counted_signal {
    std::atomic<std::uint64_t> count{0};
    struct sigaction before{};  // the former handler
    bool is_counted = false;    // guarded by the lock of count_signal()
};
static_assert(std::atomic<std::uint64_t>::is_always_lock_free);

constinit std::array<counted_signal, signals> all;
constinit std::atomic<int> signal_eventfd{-1};  // never closed: the handler may run until the process ends

void call_former(const struct sigaction& former, int number, siginfo_t* info, void* place) {
    if ((former.sa_flags & SA_SIGINFO) != 0) {
        former.sa_sigaction(number, info, place);
    } else if (former.sa_handler != SIG_DFL && former.sa_handler != SIG_IGN) {
        former.sa_handler(number);
    }
}

// Calls only functions that signal-safety(7) allows. It does not read the eventfd, so a forked child, which shares it,
// at most causes a spurious wake-up of its parent.
void on_signal(int number, siginfo_t* info, void* place) {
    const int saved = errno;
    auto& mine = all[static_cast<std::size_t>(number)];
    // release: pairs with the acquire in signals_counted(). The write to the eventfd follows, so a reader that it
    // wakes sees the count.
    mine.count.fetch_add(1, std::memory_order_release);
    const std::uint64_t one = 1;
    // relaxed: the descriptor was stored before the handler was installed.
    [[maybe_unused]] const auto written = ::write(signal_eventfd.load(std::memory_order_relaxed), &one, sizeof one);
    call_former(mine.before, number, info, place);
    errno = saved;
}

bool may_be_counted(int number) noexcept {
    switch (number) {
    case SIGKILL:
    case SIGSTOP:
    case SIGSEGV:
    case SIGBUS:
    case SIGILL:
    case SIGFPE: return false;
    default: return number > 0 && number < signals;
    }
}

result<void> make_signal_eventfd() {
    // relaxed: called under the lock of count_signal().
    if (signal_eventfd.load(std::memory_order_relaxed) >= 0) return {};
    auto made = make_eventfd();
    if (!made) return std::unexpected(made.error());
    signal_eventfd.store(made->release(), std::memory_order_relaxed);
    return {};
}

}  // namespace

result<void> count_signal(int number) {
    if (!may_be_counted(number)) return std::unexpected(make_error_code(errc::forbidden_signal));
    static constinit std::mutex lock;
    const std::scoped_lock guard(lock);
    auto& mine = all[static_cast<std::size_t>(number)];
    if (mine.is_counted) return {};
    if (auto made = make_signal_eventfd(); !made) return made;
    struct sigaction ours{};
    ours.sa_sigaction = on_signal;
    ours.sa_flags = SA_SIGINFO | SA_RESTART | SA_ONSTACK;
    ::sigemptyset(&ours.sa_mask);
    // Queried first, since the handler may run before sigaction(2) returns.
    if (::sigaction(number, nullptr, &mine.before) != 0 || ::sigaction(number, &ours, nullptr) != 0) {
        // The C library reserves a few signals.
        if (errno == EINVAL) return std::unexpected(make_error_code(errc::forbidden_signal));
        return std::unexpected(last_error());
    }
    mine.is_counted = true;
    return {};
}

std::uint64_t signals_counted(int number) noexcept {
    // acquire: pairs with the release in on_signal().
    return all[static_cast<std::size_t>(number)].count.load(std::memory_order_acquire);
}

result<unique_fd> open_signal_eventfd() noexcept {
    // relaxed: count_signal() has stored it before it returned to the caller.
    const int copy = ::fcntl(signal_eventfd.load(std::memory_order_relaxed), F_DUPFD_CLOEXEC, 3);
    if (copy < 0) return std::unexpected(last_error());
    return unique_fd(copy);
}

}  // namespace eddy::sys
