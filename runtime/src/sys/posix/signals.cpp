// SPDX-License-Identifier: MIT
#include "sys/signals.hpp"

#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <bit>
#include <cerrno>
#include <cstddef>
#include <mutex>
#include <new>
#include <system_error>
#include <utility>

#include <eddy/detail/atomic.hpp>
#include <eddy/error.hpp>

#include "sys/bell_ends.hpp"
#include "sys/fault_signals.hpp"
#include "sys/fork.hpp"
#include "sys/syscall.hpp"
#include "sys/thread_probe.hpp"

namespace eddy::sys {
namespace {

#if defined(_SIG_MAXSIG)
constexpr int signals = _SIG_MAXSIG + 1;  // FreeBSD: 1 to 128
#else
constexpr int signals = 65;  // signal numbers on Linux are 1 to 64
#endif

// The handler accesses only members that were set before its installation or that are lock-free.
struct counted_signal {
    detail::atomic<std::uint64_t> count{0};
    struct sigaction before{};  // the former handler
    bool is_counted = false;    // guarded by `lock`
};
static_assert(detail::atomic<std::uint64_t>::is_always_lock_free && detail::atomic<int>::is_always_lock_free);

constinit std::array<counted_signal, signals> all;
constinit detail::mutex lock;  // of count_signal(), open_bell() and close_bell()

}  // namespace

/// A descriptor that the handler writes to. The objects are in a list that only grows, so that the handler can walk it
/// without a lock. A closed object is reused by a later open_bell().
///
/// With `keeps_info`, the descriptors belong to a pipe, which is the queue: handlers on several threads write to it
/// at the same time, and no write of up to PIPE_BUF bytes is split or mixed with another (pipe(7)).
///
///     number      the handler       meaning
///     0           may still ring    not in use; close_bell() waits for `ringing` to become 0
///     a signal    may ring          the descriptors are open
struct signal_bell {
    detail::atomic<int> number{0};
    detail::atomic<int> ringing{0};  // handlers that may use the descriptors
    bell_ends ends;
    int write_end = -1;  // ends.write_end(); this and the next two are written before `number`
    bool keeps_info = false;
    process_mark process;                   // the process that has opened the bell
    detail::atomic<std::uint64_t> lost{0};  // signals that the pipe had no room for
    signal_bell* next = nullptr;
};

namespace {

constinit detail::atomic<signal_bell*> bells{nullptr};

/// Whether si_pid and si_uid describe the sender, or the child process that a SIGCHLD is about.
bool has_sender(const siginfo_t& info) noexcept {
    switch (info.si_code) {
    case SI_USER:
    case SI_QUEUE:
#if defined(SI_TKILL)
    case SI_TKILL:  // Linux: pthread_kill(3)
#elif defined(SI_LWP)
    case SI_LWP:  // BSD: the same
#endif
#if defined(SI_MESGQ)
    case SI_MESGQ:
#endif
        return true;
    default: return info.si_signo == SIGCHLD && info.si_code >= CLD_EXITED && info.si_code <= CLD_CONTINUED;
    }
}

bool has_value(const siginfo_t& info) noexcept {
    switch (info.si_code) {
    case SI_QUEUE:
    case SI_TIMER:
#if defined(SI_MESGQ)
    case SI_MESGQ:
#endif
        return true;
    default: return false;
    }
}

received_signal described(const siginfo_t& info) noexcept {
    received_signal it;
    it.code = info.si_code;
    if (has_sender(info)) {
        it.has_sender = true;
        it.pid = info.si_pid;
        it.uid = info.si_uid;
    }
    if (has_value(info)) {
        it.has_value = true;
        it.value = info.si_value.sival_int;
        it.pointer = info.si_value.sival_ptr;
    }
    return it;
}

void keep_info(signal_bell& bell, const siginfo_t& info) noexcept {
    static_assert(sizeof(received_signal) <= _POSIX_PIPE_BUF);
    const received_signal it = described(info);
    // relaxed: a statistic. What the reader takes from the pipe does not depend on it.
    if (::write(bell.write_end, &it, sizeof it) < 0) bell.lost.fetch_add(1, std::memory_order_relaxed);
}

void ring(const signal_bell& bell) noexcept {
    const std::uint64_t one = 1;
    // A full pipe is readable, too.
    [[maybe_unused]] const auto written = ::write(bell.write_end, &one, sizeof one);
}

void ring_bells(int number, const siginfo_t& info) noexcept {
    // acquire: pairs with the release in open_bell(), so that the object is complete.
    for (signal_bell* each = bells.load(std::memory_order_acquire); each != nullptr; each = each->next) {
        // seq_cst, here and in close_bell(): each side stores, then loads the other's word. Either close_bell() sees
        // this handler and waits, or this handler sees that the bell is closed.
        each->ringing.fetch_add(1, std::memory_order_seq_cst);
        // A forked child shares the descriptors with its parent, which would wake up for a signal of the child.
        if (each->number.load(std::memory_order_seq_cst) == number && !each->process.is_from_parent()) {
            each->keeps_info ? keep_info(*each, info) : ring(*each);
        }
        // release: pairs with the load in close_bell(), which closes the descriptor after the write.
        each->ringing.fetch_sub(1, std::memory_order_release);
    }
}

bool runs_function(const struct sigaction& of) noexcept {
    return (of.sa_flags & SA_SIGINFO) != 0 || (of.sa_handler != SIG_DFL && of.sa_handler != SIG_IGN);
}

void call_former(const struct sigaction& former, int number, siginfo_t* info, void* place) {
    if (!runs_function(former)) return;
    (former.sa_flags & SA_SIGINFO) != 0 ? former.sa_sigaction(number, info, place) : former.sa_handler(number);
}

// Calls only functions that signal-safety(7) allows.
void on_signal(int number, siginfo_t* info, void* place) {
    const int saved = errno;
    auto& mine = all[static_cast<std::size_t>(number)];
    // seq_cst: the store of a store-load pair with open_bell(), see signals_counted(). The bells follow, so a reader
    // that they wake sees the count.
    mine.count.fetch_add(1, std::memory_order_seq_cst);
    ring_bells(number, *info);
    call_former(mine.before, number, info, place);
    errno = saved;
}

bool is_fault(int number) noexcept { return std::ranges::find(fault_signals, number) != fault_signals.end(); }

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

/// Returns a bell that is not in use.
/// Preconditions: `lock` is held.
signal_bell* unused_bell() noexcept {
    // relaxed, both: changed only under the lock.
    for (signal_bell* each = bells.load(std::memory_order_relaxed); each != nullptr; each = each->next) {
        if (each->number.load(std::memory_order_relaxed) == 0) return each;
    }
    auto* const made = new (std::nothrow) signal_bell;
    if (made == nullptr) return nullptr;
    made->next = bells.load(std::memory_order_relaxed);
    // release: pairs with the acquire in ring_bells().
    bells.store(made, std::memory_order_release);
    return made;
}

}  // namespace

std::optional<int> signal_named(std::string_view name) noexcept {
    static constexpr std::array names = std::to_array<std::pair<std::string_view, int>>(
        {{"QUIT", SIGQUIT}, {"HUP", SIGHUP}, {"USR1", SIGUSR1}, {"USR2", SIGUSR2}, {"INT", SIGINT}, {"TERM", SIGTERM}});
    const auto* const found = std::ranges::find(names, name, &std::pair<std::string_view, int>::first);
    return found != names.end() ? std::optional(found->second) : std::nullopt;
}

int real_time_signal(int index) noexcept {
#if defined(SIGRTMIN)
    return index >= 0 && index <= SIGRTMAX - SIGRTMIN ? SIGRTMIN + index : 0;
#else
    static_cast<void>(index);
    return 0;
#endif
}

result<void> count_signal(int number) {
    if (!may_be_counted(number)) return std::unexpected(make_error_code(errc::forbidden_signal));
    const std::scoped_lock guard(lock);
    auto& mine = all[static_cast<std::size_t>(number)];
    if (mine.is_counted) return {};
    struct sigaction ours{};
    ours.sa_sigaction = on_signal;
    ours.sa_flags = SA_SIGINFO | SA_RESTART | SA_ONSTACK;
    static_cast<void>(sigemptyset(&ours.sa_mask));  // a macro on macOS
    // Queries the former handler first, because the new handler may run before sigaction(2) returns.
    if (::sigaction(number, nullptr, &mine.before) != 0 || ::sigaction(number, &ours, nullptr) != 0) {
        // The C library reserves a few signals.
        if (errno == EINVAL) return std::unexpected(make_error_code(errc::forbidden_signal));
        return std::unexpected(last_error());
    }
    mine.is_counted = true;
    return {};
}

std::uint64_t signals_counted(int number) noexcept {
    // seq_cst: the load of a store-load pair. Either this load sees the count of a handler, or that handler sees the
    // bell that the caller has opened before.
    return all[static_cast<std::size_t>(number)].count.load(std::memory_order_seq_cst);
}

bool program_handles_signals() noexcept {
    const std::scoped_lock guard(lock);
    for (int number = 1; number < signals; ++number) {
        struct sigaction now{};
        if (is_fault(number) || is_probe_signal(number)) continue;
        if (::sigaction(number, nullptr, &now) != 0) continue;  // the C library reserves a few
        const counted_signal& mine = all[static_cast<std::size_t>(number)];
        const bool is_ours = mine.is_counted && (now.sa_flags & SA_SIGINFO) != 0 && now.sa_sigaction == on_signal;
        if (runs_function(is_ours ? mine.before : now)) return true;
    }
    return false;
}

namespace {

result<bell_ends> ends_for(bell_use use) noexcept {
    if (use == bell_use::ring) return make_bell_ends();
    auto queue = make_pipe();
    if (!queue) return std::unexpected(queue.error());
    return bell_ends{std::move(queue->first), std::move(queue->second)};
}

}  // namespace

result<signal_bell*> open_bell(int number, bell_use use) noexcept {
    const std::scoped_lock guard(lock);
    signal_bell* const bell = unused_bell();
    if (bell == nullptr) return std::unexpected(std::make_error_code(std::errc::not_enough_memory));
    auto ends = ends_for(use);
    if (!ends) return std::unexpected(ends.error());
    bell->ends = std::move(*ends);
    bell->write_end = bell->ends.write_end();
    bell->keeps_info = use == bell_use::keep_info;
    // relaxed: `number` publishes it.
    bell->lost.store(0, std::memory_order_relaxed);
    bell->process = process_mark();
    // seq_cst: see signals_counted().
    bell->number.store(number, std::memory_order_seq_cst);
    return bell;
}

std::optional<received_signal> next_signal(const signal_bell& bell) noexcept {
    if (bell.process.is_from_parent()) return std::nullopt;
    std::array<std::byte, sizeof(received_signal)> taken;
    if (read(bell.ends.read_end.get(), taken).value_or(0) != taken.size()) return std::nullopt;
    return std::bit_cast<received_signal>(taken);
}

std::uint64_t signals_lost(const signal_bell& bell) noexcept {
    // relaxed: see keep_info().
    return bell.lost.load(std::memory_order_relaxed);
}

int descriptor_of(const signal_bell& bell) noexcept { return bell.ends.read_end.get(); }

void silence(const signal_bell& bell) noexcept {
    std::array<std::byte, 512> taken;
    while (read(bell.ends.read_end.get(), taken).value_or(0) == taken.size()) {
    }
}

bool wait_for_ring(const signal_bell& bell) noexcept {
    pollfd rung{descriptor_of(bell), POLLIN, 0};
    while (::poll(&rung, 1, -1) < 1) {
    }
    if ((rung.revents & POLLIN) == 0) return false;
    silence(bell);
    return true;
}

void unblock_signal(int number) noexcept {
    sigset_t only;
    static_cast<void>(sigemptyset(&only));  // macros on macOS
    static_cast<void>(sigaddset(&only, number));
    ::pthread_sigmask(SIG_UNBLOCK, &only, nullptr);
}

void close_bell(signal_bell& bell) noexcept {
    bell_ends ends;
    {
        const std::scoped_lock guard(lock);
        ends = std::move(bell.ends);
        const bool is_copy = bell.process.is_from_parent();
        // seq_cst: see ring_bells().
        bell.number.store(0, std::memory_order_seq_cst);
        // Waits only for handlers on other threads: a handler on this thread ends before the thread continues. A forked
        // child does not have those threads, so it does not wait.
        // acquire: pairs with the release in ring_bells().
        while (!is_copy && bell.ringing.load(std::memory_order_seq_cst) != 0) detail::yield_thread();
    }
}

}  // namespace eddy::sys
