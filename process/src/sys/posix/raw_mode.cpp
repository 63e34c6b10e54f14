// SPDX-License-Identifier: MIT
#include "sys/raw_mode.hpp"

#include <fcntl.h>
#include <signal.h>
#include <termios.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <cerrno>
#include <cstddef>
#include <cstdlib>
#include <system_error>
#include <utility>

#include "sys/fd.hpp"
#include "sys/syscall.hpp"

namespace eddy::sys {
namespace {

/// Those that end the program by default, and that a program may handle otherwise.
constexpr std::array ends{SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGPIPE, SIGALRM, SIGUSR1, SIGUSR2, SIGXCPU, SIGXFSZ};
constexpr std::array crashes{SIGABRT, SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGTRAP, SIGSYS};

enum class raw_state : int { off, changes, on };

// A signal handler reads these. They are written in the state `changes`, and read in the state `on`, unless said
// otherwise.
constinit std::atomic<raw_state> now{raw_state::off};
constinit termios settings{};
constinit int terminal = -1;
constinit pid_t owner = 0;
/// The actions before, written before the handler is installed.
constinit std::array<struct sigaction, NSIG> former{};

/// Restores the settings, once. May be called by a signal handler.
void restore() noexcept {
    auto expected = raw_state::on;
    // acq_rel: acquires what begin_raw_mode() has stored; its next call stores after it has acquired `off`.
    if (::getpid() != owner || !now.compare_exchange_strong(expected, raw_state::changes, std::memory_order_acq_rel))
        return;
    // Not TCSADRAIN: output that nothing takes would delay the end. A process in the background may change the settings
    // because SIGTTOU is blocked.
    retry_interrupted([] { return ::tcsetattr(terminal, TCSANOW, &settings); });
}

bool is_crash(int number) noexcept {
    for (const int each : crashes)
        if (each == number) return true;
    return false;
}

void on_end(int number, siginfo_t* info, void* place);

bool has_our_handler(int number) noexcept {
    struct sigaction installed{};
    ::sigaction(number, nullptr, &installed);
    return (installed.sa_flags & SA_SIGINFO) != 0 && installed.sa_sigaction == &on_end;
}

void on_end(int number, siginfo_t* info, void* place) {
    const int saved = errno;
    const bool is_fault = is_crash(number);
    // A handler that was installed later, and calls the one before it, has the signal.
    if (!is_fault && !has_our_handler(number)) return;
    restore();
    errno = saved;
    const struct sigaction& before = former[static_cast<std::size_t>(number)];
    if ((before.sa_flags & SA_SIGINFO) != 0) return before.sa_sigaction(number, info, place);
    if (before.sa_handler != SIG_DFL && before.sa_handler != SIG_IGN) return before.sa_handler(number);
    ::sigaction(number, &before, nullptr);
    // A fault occurs again at the same instruction. A signal that was sent does not, and is blocked until the return.
    if (!is_fault || info->si_code <= 0) static_cast<void>(::raise(number));
}

void install(int number) noexcept {
    auto& before = former[static_cast<std::size_t>(number)];
    struct sigaction found{};
    if (has_our_handler(number) || ::sigaction(number, nullptr, &found) != 0) return;
    if (!is_crash(number) && ((found.sa_flags & SA_SIGINFO) != 0 || found.sa_handler != SIG_DFL)) return;
    before = found;
    struct sigaction ours{};
    ours.sa_sigaction = &on_end;
    ours.sa_flags = SA_SIGINFO | SA_ONSTACK;
    static_cast<void>(sigfillset(&ours.sa_mask));  // a macro on macOS
    ::sigaction(number, &ours, nullptr);
}

/// Restores the action of before, unless another handler was installed meanwhile.
void uninstall(int number) noexcept {
    if (has_our_handler(number)) ::sigaction(number, &former[static_cast<std::size_t>(number)], nullptr);
}

}  // namespace

result<void> begin_raw_mode(int fd) noexcept {
    auto expected = raw_state::off;
    // acquire: pairs with the release of end_raw_mode().
    if (!now.compare_exchange_strong(expected, raw_state::changes, std::memory_order_acquire))
        return std::unexpected(std::make_error_code(std::errc::device_or_resource_busy));
    const auto fail = [](std::error_code code) {
        now.store(raw_state::off, std::memory_order_release);  // pairs with the acquire above
        return std::unexpected(code);
    };
    termios raw{};
    if (::tcgetattr(fd, &settings) != 0) return fail(last_error());
    // A descriptor of its own: the program may close its one.
    unique_fd own(::fcntl(fd, F_DUPFD_CLOEXEC, STDERR_FILENO + 1));
    if (!own) return fail(last_error());
    raw = settings;
    ::cfmakeraw(&raw);
    static constinit std::atomic<bool> is_at_exit{false};
    // relaxed: nothing is read through it
    if (!is_at_exit.exchange(true, std::memory_order_relaxed)) static_cast<void>(std::atexit(end_raw_mode));
    for (const int number : ends) install(number);
    for (const int number : crashes) install(number);
    owner = ::getpid();
    terminal = own.release();
    now.store(raw_state::on, std::memory_order_release);  // pairs with the exchange in restore()
    if (const auto begun = done_or_error(retry_interrupted([&] { return ::tcsetattr(terminal, TCSANOW, &raw); }));
        !begun) {
        end_raw_mode();
        return begun;
    }
    return {};
}

void end_raw_mode() noexcept {
    if (::getpid() != owner || now.load(std::memory_order_relaxed) != raw_state::on) return;  // relaxed: see restore()
    sigset_t stops;
    sigset_t before;
    static_cast<void>(sigemptyset(&stops));
    static_cast<void>(sigaddset(&stops, SIGTTOU));
    ::pthread_sigmask(SIG_BLOCK, &stops, &before);
    restore();
    ::pthread_sigmask(SIG_SETMASK, &before, nullptr);
    unique_fd(std::exchange(terminal, -1)).reset();
    for (const int number : ends) uninstall(number);
    for (const int number : crashes) uninstall(number);
    now.store(raw_state::off, std::memory_order_release);  // pairs with begin_raw_mode()
}

}  // namespace eddy::sys
