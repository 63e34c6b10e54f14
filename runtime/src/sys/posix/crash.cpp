// SPDX-License-Identifier: MIT
#include "sys/crash.hpp"

#include <signal.h>

#include <array>
#include <atomic>
#include <cerrno>
#include <cstddef>

namespace eddy::sys {
namespace {

constexpr std::array crashes{SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGABRT};

constinit std::atomic<void (*)() noexcept> to_call{nullptr};
constinit std::array<struct sigaction, crashes.size()> former{};  // set before the handler is installed

void on_crash_signal(int number, siginfo_t* info, void* place) {
    const int saved = errno;
    // acq_rel: pairs with the exchange in on_crash(), so that `former` is set. Only the first thread that crashes calls
    // the function, and a crash inside it does not.
    if (auto* const f = to_call.exchange(nullptr, std::memory_order_acq_rel)) f();
    errno = saved;
    std::size_t index = 0;
    while (crashes[index] != number) ++index;
    const struct sigaction& before = former[index];
    if ((before.sa_flags & SA_SIGINFO) != 0) return before.sa_sigaction(number, info, place);
    if (before.sa_handler != SIG_DFL && before.sa_handler != SIG_IGN) return before.sa_handler(number);
    static_cast<void>(::sigaction(number, &before, nullptr));
    // A fault occurs again at the same instruction. A signal that was sent does not.
    if (info->si_code <= 0) static_cast<void>(::raise(number));
}

}  // namespace

void on_crash(void (*f)() noexcept) noexcept {
    static constinit std::atomic<bool> is_installed{false};
    // relaxed: nothing depends on it. The exchange below publishes `former`.
    const bool was_installed = is_installed.exchange(true, std::memory_order_relaxed);
    for (std::size_t i = 0; !was_installed && i < crashes.size(); ++i) {
        struct sigaction ours{};
        ours.sa_sigaction = on_crash_signal;
        ours.sa_flags = SA_SIGINFO | SA_ONSTACK;
        static_cast<void>(sigemptyset(&ours.sa_mask));  // a macro on macOS
        // Queries the former handler first, because the new handler may run before sigaction(2) returns.
        if (::sigaction(crashes[i], nullptr, &former[i]) == 0)
            static_cast<void>(::sigaction(crashes[i], &ours, nullptr));
    }
    to_call.exchange(f, std::memory_order_acq_rel);  // acq_rel: pairs with the exchange in on_crash_signal()
}

}  // namespace eddy::sys
