// SPDX-License-Identifier: MIT
#include <support/watchdog.hpp>

#include <execinfo.h>
#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <charconv>
#include <csignal>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <ctime>
#include <string_view>

#include <support/stress.hpp>

#if defined(__has_feature)
#define EDDY_SANITIZED (__has_feature(address_sanitizer) || __has_feature(thread_sanitizer))
#elif defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define EDDY_SANITIZED 1
#else
#define EDDY_SANITIZED 0
#endif

#if EDDY_SANITIZED
#include <sanitizer/common_interface_defs.h>
#endif

namespace support {
namespace {

// ---- Called by signal handlers: no allocation, no lock ----

// The main thread writes these variables before it arms the timer. Handlers read them.
std::array<char, 512> running{"(no test has started)"};
pid_t watched = 0;
std::uint64_t limit_seconds = 0;
std::atomic<unsigned> stacks_printed = 0;

// System calls without the sanitizers' interceptors, some of which are not async-signal-safe.
void print(std::string_view text) noexcept { ::syscall(SYS_write, STDERR_FILENO, text.data(), text.size()); }

void print(std::uint64_t number) noexcept {
    std::array<char, 24> digits{};
    const auto end = std::to_chars(digits.data(), digits.data() + digits.size(), number).ptr;
    print(std::string_view(digits.data(), static_cast<std::size_t>(end - digits.data())));
}

pid_t this_thread() noexcept { return static_cast<pid_t>(::syscall(SYS_gettid)); }

void print_stack() noexcept {
#if EDDY_SANITIZED
    __sanitizer_print_stack_trace();
#else
    // Prints lines such as `build/dev/tests/sync_tests(+0x1234) [0x5555]`, which tests/run.py turns into names.
    std::array<void*, 64> frames{};
    ::backtrace_symbols_fd(frames.data(), ::backtrace(frames.data(), static_cast<int>(frames.size())), STDERR_FILENO);
#endif
}

void print_stack_of_this_thread() noexcept {
    print("thread ");
    print(static_cast<std::uint64_t>(this_thread()));
    print(":\n");
    print_stack();
}

int stack_signal() noexcept { return SIGRTMAX - 2; }
int time_limit_signal() noexcept { return SIGRTMAX - 3; }

void on_stack_signal(int) noexcept {
    print_stack_of_this_thread();
    stacks_printed.fetch_add(1);
}

/// Makes `thread` print its stack, and waits for up to 2 s until it has.
void print_stack_of(pid_t thread) noexcept {
    const auto before = stacks_printed.load();
    if (::syscall(SYS_tgkill, watched, thread, stack_signal()) != 0) return;  // it has ended
    for (int tries = 0; tries < 200; ++tries) {
        if (stacks_printed.load() != before) return;
        const timespec pause{.tv_sec = 0, .tv_nsec = 10'000'000};
        ::syscall(SYS_nanosleep, &pause, nullptr);
    }
    print("thread ");
    print(static_cast<std::uint64_t>(thread));
    print(": does not respond to a signal\n");
}

/// Calls `use` with the id of each thread of this process. readdir(3) allocates, so the entries are parsed here.
template <class Use>
void each_thread(Use use) noexcept {
    const auto folder = ::syscall(SYS_openat, AT_FDCWD, "/proc/self/task", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (folder < 0) return;
    struct entry {  // getdents64(2)
        std::uint64_t inode;
        std::int64_t offset;
        unsigned short size;
        unsigned char type;
        char name[1];
    };
    alignas(entry) static std::array<char, 8192> entries;
    for (;;) {
        const auto filled = ::syscall(SYS_getdents64, folder, entries.data(), entries.size());
        if (filled <= 0) break;
        for (long at = 0; at < filled;) {
            // SAFETY: the kernel wrote an entry here; `size` leads to the next one.
            const auto* const it = reinterpret_cast<const entry*>(entries.data() + at);
            const std::string_view name(it->name);
            pid_t thread = 0;
            std::from_chars(name.data(), name.data() + name.size(), thread);
            if (thread != 0) use(thread);
            at += it->size;
        }
    }
    ::syscall(SYS_close, folder);
}

void on_time_limit(int) noexcept {
    if (::getpid() != watched) return;
    print("\nwatchdog: ");
    print(running.data());
    print(" has run for more than ");
    print(limit_seconds);
    print(" s. The stacks of all threads:\n");
    print_stack_of_this_thread();
    each_thread([](pid_t thread) {
        if (thread != this_thread()) print_stack_of(thread);
    });
    ::syscall(SYS_exit_group, time_limit_exit_code);
}

void name_running_test() noexcept {
    if (::getpid() != watched) return;  // a child process that a test has forked
    print("\nwatchdog: the process ended while running ");
    print(running.data());
    print("\n");
}

void on_crash(int signal) noexcept {
    name_running_test();
    if (::getpid() == watched) print_stack();
    // SA_RESETHAND has restored the default action, which ends the process once this handler returns.
    ::raise(signal);
}

// ---- Installation ----

void handle(int signal, void (*handler)(int) noexcept, int flags) {
    struct sigaction action{};
    action.sa_handler = handler;
    action.sa_flags = flags;
    ::sigaction(signal, &action, nullptr);
}

/// Stores the name of the running test, and restarts the timer for each test.
class test_listener : public testing::EmptyTestEventListener {
public:
    test_listener() {
        sigevent event{};
        event.sigev_notify = SIGEV_SIGNAL;
        event.sigev_signo = time_limit_signal();
        if (limit_seconds != 0 && ::timer_create(CLOCK_MONOTONIC, &event, &timer_) != 0) limit_seconds = 0;
    }

private:
    void OnTestStart(const testing::TestInfo& test) override { begin("", test.test_suite_name(), test.name()); }
    void OnTestEnd(const testing::TestInfo& test) override {
        begin("the part after ", test.test_suite_name(), test.name());
    }

    void begin(std::string_view part, std::string_view suite, std::string_view name) {
        char* to = running.data();
        for (const auto text : {part, suite, std::string_view("."), name}) {
            to += text.copy(to, static_cast<std::size_t>(running.data() + running.size() - 1 - to));
        }
        *to = '\0';
        if (limit_seconds == 0) return;
        itimerspec time{};
        time.it_value.tv_sec = static_cast<time_t>(limit_seconds);
        ::timer_settime(timer_, 0, &time, nullptr);
    }

    timer_t timer_{};
};

}  // namespace

void watch_tests() {
    watched = ::getpid();
    limit_seconds = env_number("EDDY_TEST_LIMIT").value_or(EDDY_SANITIZED ? 180 : 60);

    std::array<void*, 1> frame{};
    ::backtrace(frame.data(), 1);  // the first call loads a library, which a handler must not do

    // SA_RESTART: a stack signal must not make a system call of a test fail, although the process is about to end.
    handle(time_limit_signal(), on_time_limit, SA_RESTART);
    handle(stack_signal(), on_stack_signal, SA_RESTART);
    handle(SIGABRT, on_crash, static_cast<int>(SA_RESETHAND));
#if EDDY_SANITIZED
    __sanitizer_set_death_callback(name_running_test);  // the sanitizer's own handlers report the other signals
#else
    static std::array<std::byte, 65536> stack;  // for the main thread, in case its stack overflows
    stack_t alternative{};
    alternative.ss_sp = stack.data();
    alternative.ss_size = stack.size();
    ::sigaltstack(&alternative, nullptr);
    for (const int signal : {SIGSEGV, SIGBUS, SIGFPE, SIGILL}) {
        handle(signal, on_crash, static_cast<int>(SA_RESETHAND) | SA_ONSTACK);
    }
#endif
    // GoogleTest owns the listener.
    testing::UnitTest::GetInstance()->listeners().Append(new test_listener);
}

}  // namespace support
