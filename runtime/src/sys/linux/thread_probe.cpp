// SPDX-License-Identifier: MIT
#include "sys/thread_probe.hpp"

#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/syscall.h>
#include <time.h>
#include <ucontext.h>
#include <unistd.h>
#include <unwind.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <charconv>
#include <cstdio>
#include <cstdlib>
#include <string_view>

#include "sys/fd.hpp"

namespace eddy::sys {
namespace {

/// Reads the begin of a file of proc(5).
template <std::size_t Size>
std::string_view read_begin(const char* path, std::array<char, Size>& into) noexcept {
    const unique_fd file(::open(path, O_RDONLY | O_CLOEXEC));
    const ssize_t count = ::read(file.get(), into.data(), into.size());
    return {into.data(), count > 0 ? static_cast<std::size_t>(count) : 0};
}

/// Returns the number behind a title of /proc/self/status; 0 if it is unknown.
std::size_t number_in_status(std::string_view title) noexcept {
    std::array<char, 4096> buffer;
    const std::string_view text = read_begin("/proc/self/status", buffer);
    std::size_t number = 0;
    if (const std::size_t at = text.find(title); at != std::string_view::npos)
        std::from_chars(text.data() + at + title.size(), text.data() + text.size(), number);
    return number;
}

// ---- The signal ----

// SIGURG, as in Go: its default is to be ignored, so a late one is harmless, debuggers do not stop at it, and few
// programs handle it. A real-time signal ends a process by default, and programs choose their numbers themselves.
constexpr int probe_signal = SIGURG;

/// A request to one thread. `state` says which thread may access the snapshot:
///
///     none       the thread that asks                      interrupt_thread(): to asked
///     asked      no thread                                 the handler in `target`: to writing
///                                                          interrupt_thread(), after its time limit: to none
///     writing    the handler                               the handler: to written
///     written    the thread that asks                      interrupt_thread(): to none
struct probe_request {
    enum : int { none, asked, writing, written };
    std::atomic<int> state{none};
    std::atomic<int> target{0};
    thread_snapshot taken;
};
constinit probe_request request;

_Unwind_Reason_Code store_caller(_Unwind_Context* frame, void* into) {
    auto& taken = *static_cast<thread_snapshot*>(into);
    int is_exact = 0;
    const std::uintptr_t at = _Unwind_GetIPInfo(frame, &is_exact);
    if (at == 0 || taken.caller_count == taken.callers.size()) return _URC_END_OF_STACK;
    // A return address is behind the call, which may be in the next function already.
    taken.callers[taken.caller_count++] = is_exact != 0 ? at : at - 1;
    return _URC_NO_REASON;
}

/// Stores the registers, and returns the interrupted instruction; 0 if it is unknown.
std::uintptr_t store_registers(thread_snapshot& into, const ucontext_t& of) noexcept {
#if defined(__x86_64__)
    for (std::size_t i = 0; i < into.registers.size() && i < NGREG; ++i)
        into.registers[i] = static_cast<std::uintptr_t>(of.uc_mcontext.gregs[i]);
    into.stack_pointer = static_cast<std::uintptr_t>(of.uc_mcontext.gregs[REG_RSP]);
    return static_cast<std::uintptr_t>(of.uc_mcontext.gregs[REG_RIP]);
#elif defined(__aarch64__)
    for (std::size_t i = 0; i < 31; ++i) into.registers[i] = of.uc_mcontext.regs[i];
    into.stack_pointer = of.uc_mcontext.sp;
    return of.uc_mcontext.pc;
#else
    static_cast<void>(into);
    static_cast<void>(of);
    return 0;
#endif
}

/// Removes the frames of the handler, which come before the interrupted one.
void remove_handler(thread_snapshot& taken, std::uintptr_t interrupted) noexcept {
    auto* const end = taken.callers.data() + taken.caller_count;
    auto* const first = std::find(taken.callers.data(), end, interrupted);
    if (first == end) {
        taken.callers[0] = interrupted;
        taken.caller_count = interrupted != 0 ? 1 : 0;
        return;
    }
    taken.caller_count = static_cast<std::size_t>(std::copy(first, end, taken.callers.data()) - taken.callers.data());
}

// Only system calls and _Unwind_Backtrace, which finds its tables without locks in glibc 2.35 and later. It works
// without frame pointers. Earlier, it takes the lock of the dynamic linker, which the same thread may take again.
void handle_probe(int, siginfo_t*, void* raw) noexcept {
    const int error = errno;
    const auto is_target = [self = ::syscall(SYS_gettid)] {
        return request.target.load(std::memory_order_relaxed) == self;  // relaxed: `state` publishes it
    };
    int expected = probe_request::asked;
    // acquire: pairs with the release in interrupt_thread(), which has set the target and cleared the snapshot.
    if (is_target() &&
        request.state.compare_exchange_strong(expected, probe_request::writing, std::memory_order_acquire)) {
        // Not for a late signal of an earlier request, if this one was made for another thread since the first look:
        // then the snapshot stays empty.
        if (is_target()) {
            // SAFETY: SA_SIGINFO passes a ucontext_t.
            const std::uintptr_t at = store_registers(request.taken, *static_cast<const ucontext_t*>(raw));
            _Unwind_Backtrace(&store_caller, &request.taken);
            remove_handler(request.taken, at);
        }
        // release: pairs with the acquire in interrupt_thread(), which reads the snapshot.
        request.state.store(probe_request::written, std::memory_order_release);
    }
    errno = error;
}

/// The handler of a request. It is installed for each one, so that the program finds the signal as it was before.
class installed_handler {
public:
    installed_handler() noexcept {
        if (::sigaction(probe_signal, nullptr, &before_) != 0 || (before_.sa_flags & SA_SIGINFO) != 0) return;
        if (before_.sa_handler != SIG_DFL && before_.sa_handler != SIG_IGN) return;
        // The first call may resolve symbols or allocate. It must not do that in the handler.
        thread_snapshot unused;
        _Unwind_Backtrace(&store_caller, &unused);
        struct sigaction ours{};
        ours.sa_sigaction = &handle_probe;
        ours.sa_flags = SA_SIGINFO | SA_ONSTACK | SA_RESTART;
        ::sigfillset(&ours.sa_mask);
        is_installed_ = ::sigaction(probe_signal, &ours, nullptr) == 0;
    }
    installed_handler(const installed_handler&) = delete;
    installed_handler& operator=(const installed_handler&) = delete;
    ~installed_handler() {
        struct sigaction now{};
        const bool is_ours = is_installed_ && ::sigaction(probe_signal, nullptr, &now) == 0 &&
                             (now.sa_flags & SA_SIGINFO) != 0 && now.sa_sigaction == &handle_probe;
        if (is_ours) ::sigaction(probe_signal, &before_, nullptr);
    }

    /// Returns false if the program has a handler.
    [[nodiscard]] bool is_installed() const noexcept { return is_installed_; }

private:
    struct sigaction before_{};
    bool is_installed_ = false;
};

void pause_for_answer() noexcept {
    const timespec some{0, 1'000'000};
    ::nanosleep(&some, nullptr);
}

}  // namespace

int this_thread_number() noexcept { return static_cast<int>(::syscall(SYS_gettid)); }

std::optional<thread_sample> sample_thread(int number) noexcept {
    // The clock of a thread, as pthread_getcpuclockid(3) makes it of a pthread_t, which must not be used after the end
    // of its thread.
    const auto clock = static_cast<clockid_t>(~static_cast<unsigned>(number) << 3U | 6U);
    timespec used{};
    if (::clock_gettime(clock, &used) != 0) return std::nullopt;
    std::array<char, 64> path{};
    std::snprintf(path.data(), path.size(), "/proc/self/task/%d/stat", number);
    std::array<char, 128> buffer{};
    const std::string_view stat = read_begin(path.data(), buffer);
    const std::size_t name_ends = stat.rfind(')');  // the name may contain anything
    const bool has_state = name_ends != std::string_view::npos && name_ends + 2 < stat.size();
    const char state = has_state ? stat[name_ends + 2] : '?';
    return thread_sample{std::chrono::seconds(used.tv_sec) + std::chrono::nanoseconds(used.tv_nsec),
                         state == 'S' || state == 'D', state == 'R' || state == 'T' || state == 't'};
}

std::size_t ready_threads(std::span<ready_thread> into) noexcept {
    constexpr int most_looked_at = 128;
    const int own = this_thread_number();
    std::size_t count = 0;
    DIR* const folder = ::opendir("/proc/self/task");
    if (folder == nullptr) return 0;
    for (int i = 0; i < most_looked_at && count < into.size(); ++i) {
        const dirent* const entry = ::readdir(folder);  // NOLINT(concurrency-mt-unsafe): its own DIR
        if (entry == nullptr) break;
        const int number = std::atoi(entry->d_name);  // NOLINT(cert-err34-c): 0 for "." and ".."
        if (number == 0 || number == own) continue;
        const auto sample = sample_thread(number);
        if (sample && sample->is_ready) into[count++] = {number, sample->used};
    }
    ::closedir(folder);
    return count;
}

std::optional<std::size_t> thread_count() noexcept {
    // The kernel writes the number while it holds a lock that the start and the end of a thread need. (The entries of
    // the folder `task` are not of one moment.)
    const std::size_t count = number_in_status("\nThreads:\t");
    return count != 0 ? std::optional(count) : std::nullopt;
}

bool is_debugged() noexcept { return number_in_status("\nTracerPid:\t") != 0; }

thread_snapshot interrupt_thread(int number) noexcept {
    const installed_handler handler;
    if (!handler.is_installed()) return {};
    request.taken = {};
    // relaxed, then release: pair with the loads in the handler.
    request.target.store(number, std::memory_order_relaxed);
    request.state.store(probe_request::asked, std::memory_order_release);
    if (::syscall(SYS_tgkill, ::getpid(), number, probe_signal) == 0) {
        constexpr int most_pauses = 100;
        // acquire: pairs with the release in the handler.
        for (int i = 0; i < most_pauses && request.state.load(std::memory_order_acquire) != probe_request::written; ++i)
            pause_for_answer();
    }
    int expected = probe_request::asked;
    // relaxed: the snapshot is not used then.
    if (request.state.compare_exchange_strong(expected, probe_request::none, std::memory_order_relaxed)) return {};
    // acquire: as above. The handler has begun, so it will end.
    while (request.state.load(std::memory_order_acquire) != probe_request::written) pause_for_answer();
    request.state.store(probe_request::none, std::memory_order_relaxed);  // relaxed: no handler uses this state
    return request.taken;
}

bool is_probe_signal(int number) noexcept {
    struct sigaction now{};
    return number == probe_signal && ::sigaction(number, nullptr, &now) == 0 && (now.sa_flags & SA_SIGINFO) != 0 &&
           now.sa_sigaction == &handle_probe;
}

}  // namespace eddy::sys
