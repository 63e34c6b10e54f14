// SPDX-License-Identifier: MIT
// Processes with other rights. The model is vfork(2), as in posix_spawn(3) of glibc: clone(2) with CLONE_VM and
// CLONE_VFORK, on a stack of its own. So the time does not depend on the memory of this program, and no pages are
// copied. Until execve(2), the process runs in the memory of this program, while the thread that has called clone()
// waits. Therefore, in between:
//
// - There are only system calls, by syscall(2): no memory is allocated and no lock is taken, which another thread may
//   have. The functions of the C library for users would change the user of all threads of *this* program.
// - All signals are blocked, and then have the default action, since a handler would run in this program's memory.
// - A result is written into an object of the waiting thread.
// - ThreadSanitizer would count the functions that do not return, since execve(2) follows, as calls of that thread.
#include "sys/rights.hpp"

#include <fcntl.h>
#include <grp.h>
#include <pthread.h>
#include <pwd.h>
#include <sched.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <climits>
#include <csignal>
#include <cstddef>
#include <cstdint>
#include <system_error>
#include <vector>

#include "sys/syscall.hpp"

// Numbers of users have 16 bits in the older calls of some systems.
#if defined(SYS_setresuid32)
#define EDDY_SYS_OF_USERS(name) SYS_##name##32
#else
#define EDDY_SYS_OF_USERS(name) SYS_##name
#endif

// ThreadSanitizer expects a process with memory of its own from clone(), which it replaces. This is glibc's function.
#if defined(__SANITIZE_THREAD__)
#define EDDY_CLONE __clone
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define EDDY_CLONE __clone
#endif
#endif
#if defined(EDDY_CLONE)
extern "C" int __clone(int (*function)(void*), void* stack, int flags, void* argument, ...);  // NOLINT: glibc's name
#else
#define EDDY_CLONE ::clone
#endif

namespace eddy::sys {

const bool has_rights = true;

result<process::detail::process_rights::identity> find_user(const std::string& name) {
    std::vector<char> texts(1024);
    passwd entry{};
    passwd* found = nullptr;
    int error = 0;
    while ((error = ::getpwnam_r(name.c_str(), &entry, texts.data(), texts.size(), &found)) == ERANGE)
        texts.resize(texts.size() * 2);
    // A system without such a database has no user either (ENOENT).
    if (error != 0 && error != ENOENT) return std::unexpected(std::error_code(error, std::generic_category()));
    if (found == nullptr) return std::unexpected(make_error_code(process::errc::no_user));
    std::vector<gid_t> groups(16);
    int count = static_cast<int>(groups.size());
    while (::getgrouplist(name.c_str(), entry.pw_gid, groups.data(), &count) < 0)
        groups.resize(static_cast<std::size_t>(count));
    groups.resize(static_cast<std::size_t>(count));
    return process::detail::process_rights::identity{entry.pw_uid, entry.pw_gid, {groups.begin(), groups.end()}};
}

namespace {

/// The process until it executes its program. All functions run in it, apart from the constructor and the results.
class first_steps {
public:
    first_steps(const start_request& what, const std::array<int, 3>& streams, const program_file& program)
        : what_(what), rights_(what.rights), streams_(streams), program_(program) {}

    /// The function of clone(2).
    [[gnu::no_sanitize_thread]] static int run(void* steps) noexcept {
        // SAFETY: the address comes from start_with_rights(), which waits.
        auto& me = *static_cast<first_steps*>(steps);
        me.execute();
        me.error_ = me.own_errno_;
        ::syscall(SYS_exit, 127);
        return 127;
    }

    [[nodiscard]] int error() const noexcept { return error_; }
    [[nodiscard]] const char* failed_step() const noexcept { return error_ == 0 ? nullptr : step_; }

private:
    [[gnu::no_sanitize_thread]] void execute() noexcept {
        if (!prepare()) return;
        step_ = nullptr;
        static_cast<void>(call(SYS_execve, program_.path, program_.arguments, program_.environment));
    }

    /// Makes a system call. Returns whether it has succeeded.
    template <class... Args>
    [[gnu::no_sanitize_thread]] bool call(long number, Args... args) noexcept {
        const auto answer = ::syscall(number, args...);
        if (answer < 0) own_errno_ = errno;
        return answer >= 0;
    }

    bool prepare() noexcept {
        step_ = "signals";
        if (!reset_signals()) return false;
        step_ = what_.has_session ? "session" : "group";
        if (what_.has_session && !call(SYS_setsid)) return false;
        if (!what_.has_session && what_.has_group && !call(SYS_setpgid, 0, 0)) return false;
        step_ = "streams";
        if (!take_streams()) return false;
        return take_rights();
    }

    bool reset_signals() noexcept {
        // The kernel's struct sigaction: the default action is 0, and so are the flags and the mask.
        constexpr std::array<std::uint64_t, 8> by_default{};
        constexpr std::size_t mask_size = _NSIG / CHAR_BIT;
        for (int number = 1; number < _NSIG; ++number) {
            if (number == SIGKILL || number == SIGSTOP) continue;
            if (!call(SYS_rt_sigaction, number, by_default.data(), nullptr, mask_size)) return false;
        }
        return true;
    }

    bool take_streams() noexcept {
        // The leader of a session without a terminal gets the one that it opens first.
        if (!what_.terminal.empty() && !open_as(what_.terminal_fd, what_.terminal.c_str())) return false;
        for (int fd = 0; fd < 3; ++fd)
            if (!take_stream(fd, streams_[static_cast<std::size_t>(fd)])) return false;
        unsigned next = STDERR_FILENO + 1;
        for (const auto& [number, from] : what_.further) {
            const auto wanted = static_cast<unsigned>(number);
            if (wanted > next && !close_range(next, wanted - 1)) return false;
            if (!call(SYS_dup3, from, number, 0)) return false;
            next = wanted + 1;
        }
        return close_range(next, ~0U);
    }
    bool take_stream(int fd, int from) noexcept {
        switch (from) {
        case start_request::inherited: return true;
        case closed_stream: static_cast<void>(call(SYS_close, fd)); return true;
        case start_request::null_device: return open_as(fd, "/dev/null");
        case start_request::same_as_out: return call(SYS_dup3, STDOUT_FILENO, fd, 0);
        default: return call(SYS_dup3, from, fd, 0);
        }
    }
    bool open_as(int fd, const char* path) noexcept {
        static_cast<void>(call(SYS_close, fd));  // may be the number that openat(2) returns
        const auto opened = static_cast<int>(::syscall(SYS_openat, AT_FDCWD, path, O_RDWR));
        if (opened < 0) own_errno_ = errno;
        if (opened < 0 || opened == fd) return opened >= 0;
        const bool is_moved = call(SYS_dup3, opened, fd, 0);
        static_cast<void>(::syscall(SYS_close, opened));
        return is_moved;
    }
    bool close_range(unsigned first, unsigned last) noexcept {
        constexpr long number = 436;  // close_range(2), the same on all systems
        if (call(number, first, last, 0)) return true;
        // Before Linux 5.9. More descriptors than the limit allows are possible, but unlikely.
        std::array<std::uint64_t, 2> most{};
        if (!call(SYS_prlimit64, 0, RLIMIT_NOFILE, nullptr, most.data())) return false;
        for (auto fd = first; fd <= last && fd < most[0]; ++fd) static_cast<void>(::syscall(SYS_close, fd));
        return true;
    }

    bool take_rights() noexcept {
        step_ = "limit";
        for (const auto& each : rights_.limits) {
            const std::array<std::uint64_t, 2> values{each.soft, each.hard};
            if (!call(SYS_prlimit64, 0, number_of(each.what), values.data(), nullptr)) return false;
        }
        step_ = "priority";
        if (rights_.priority && !call(SYS_setpriority, PRIO_PROCESS, 0, *rights_.priority)) return false;
        step_ = "root";
        const bool has_root = !rights_.root.empty();
        if (has_root && !(call(SYS_chroot, rights_.root.c_str()) && call(SYS_chdir, "/"))) return false;
        step_ = "user";
        if (rights_.who && !become(*rights_.who)) return false;
        step_ = "no_new_privileges";
        if (rights_.gains_none && !call(SYS_prctl, PR_SET_NO_NEW_PRIVS, 1UL, 0UL, 0UL, 0UL)) return false;
        step_ = "signal_on_parent_end";  // a change of the user would remove it
        if (rights_.signal_of_parent && !follow_parent(*rights_.signal_of_parent)) return false;
        step_ = "directory";
        if (!what_.directory.empty() && !call(SYS_chdir, what_.directory.c_str())) return false;
        step_ = "signals";
        constexpr std::uint64_t none = 0;
        return call(SYS_rt_sigprocmask, SIG_SETMASK, &none, nullptr, std::size_t{_NSIG / CHAR_BIT});
    }
    bool become(const process::detail::process_rights::identity& who) noexcept {
        // The groups first: afterwards, the process may not change them.
        return call(EDDY_SYS_OF_USERS(setgroups), who.groups.size(), who.groups.data()) &&
               call(EDDY_SYS_OF_USERS(setresgid), who.group, who.group, who.group) &&
               call(EDDY_SYS_OF_USERS(setresuid), who.user, who.user, who.user);
    }
    bool follow_parent(int signal) noexcept {
        if (!call(SYS_prctl, PR_SET_PDEATHSIG, static_cast<unsigned long>(signal), 0UL, 0UL, 0UL)) return false;
        // The parent may have ended before. Then there is no program either that would see this result.
        own_errno_ = ESRCH;
        return ::syscall(SYS_getppid) == parent_;
    }
    static int number_of(process::resource what) noexcept {
        constexpr std::array numbers{RLIMIT_AS,      RLIMIT_CORE,   RLIMIT_CPU,   RLIMIT_DATA, RLIMIT_FSIZE,
                                     RLIMIT_MEMLOCK, RLIMIT_NOFILE, RLIMIT_NPROC, RLIMIT_STACK};
        return static_cast<int>(numbers[static_cast<std::size_t>(what)]);
    }

    const start_request& what_;
    const process::detail::process_rights& rights_;
    const std::array<int, 3>& streams_;
    const program_file& program_;
    const long parent_ = ::syscall(SYS_getpid);
    const char* step_ = nullptr;
    int own_errno_ = 0;
    int error_ = 0;
};

}  // namespace

int start_with_rights(int& id, start_request& what, const std::array<int, 3>& streams, const program_file& program) {
    constexpr std::size_t stack_size = 64 * 1024;
    std::vector<std::byte> stack(stack_size);
    first_steps steps(what, streams, program);
    sigset_t all;
    sigset_t before;
    ::sigfillset(&all);
    ::pthread_sigmask(SIG_SETMASK, &all, &before);
    // SAFETY: the stack grows down from its end, which is aligned. Both objects outlive the steps: this thread waits.
    void* const top = stack.data() + stack_size - reinterpret_cast<std::uintptr_t>(stack.data() + stack_size) % 16;
    const int started = EDDY_CLONE(&first_steps::run, top, CLONE_VM | CLONE_VFORK | SIGCHLD, &steps);
    int error = started < 0 ? errno : steps.error();
    ::pthread_sigmask(SIG_SETMASK, &before, nullptr);
    what.failed_step = steps.failed_step();
    if (started >= 0 && error != 0) retry_interrupted([&] { return ::waitpid(started, nullptr, 0); });
    if (started >= 0 && error == 0) id = started;
    return error;
}

}  // namespace eddy::sys
