// SPDX-License-Identifier: MIT
#include "support/fs/file_faults.hpp"

#include <dirent.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <condition_variable>
#include <csignal>
#include <cstdint>
#include <limits>
#include <mutex>
#include <string_view>
#include <utility>

// The linker redirects each call of a function to wrapped_*. The functions *_for_real are the originals. The labels are
// the names that `--wrap` of ld(1) defines.
#define EDDY_WRAPPED(Result, name, ...)                           \
    Result name##_for_real(__VA_ARGS__) __asm__("__real_" #name); \
    Result wrapped_##name(__VA_ARGS__) __asm__("__wrap_" #name)

extern "C" {
EDDY_WRAPPED(int, close, int fd);
EDDY_WRAPPED(ssize_t, copy_file_range, int from, loff_t* in, int to, loff_t* out, std::size_t size, unsigned flags);
EDDY_WRAPPED(int, fallocate, int fd, int mode, off_t offset, off_t size);
EDDY_WRAPPED(int, fchmod, int fd, mode_t mode);
EDDY_WRAPPED(int, fchown, int fd, uid_t user, gid_t group);
EDDY_WRAPPED(int, fcntl, int fd, int command, void* argument);
EDDY_WRAPPED(int, fdatasync, int fd);
EDDY_WRAPPED(DIR*, fdopendir, int fd);
EDDY_WRAPPED(int, fchmodat, int dir, const char* path, mode_t mode, int flags);
EDDY_WRAPPED(int, fchownat, int dir, const char* path, uid_t user, gid_t group, int flags);
EDDY_WRAPPED(int, fstatat, int dir, const char* path, struct stat* to, int flags);
EDDY_WRAPPED(int, inotify_add_watch, int queue, const char* path, std::uint32_t mask);
EDDY_WRAPPED(int, inotify_init1, int flags);
EDDY_WRAPPED(int, linkat, int from_dir, const char* from, int to_dir, const char* to, int flags);
EDDY_WRAPPED(off_t, lseek, int fd, off_t offset, int whence);
EDDY_WRAPPED(int, mknodat, int dir, const char* path, mode_t mode, dev_t device);
EDDY_WRAPPED(dirent*, readdir, DIR* from);
EDDY_WRAPPED(ssize_t, readlinkat, int dir, const char* path, char* into, std::size_t size);
EDDY_WRAPPED(int, symlinkat, const char* target, int dir, const char* path);
EDDY_WRAPPED(long, syscall, long number, long a, long b, long c, long d, long e, long f);
EDDY_WRAPPED(int, utimensat, int dir, const char* path, const timespec* times, int flags);
EDDY_WRAPPED(int, fstat, int fd, struct stat* to);
EDDY_WRAPPED(int, fstatfs, int fd, struct statfs* to);
EDDY_WRAPPED(int, fsync, int fd);
EDDY_WRAPPED(int, ftruncate, int fd, off_t size);
EDDY_WRAPPED(int, futimens, int fd, const timespec* times);
EDDY_WRAPPED(int, mkdirat, int dir, const char* path, mode_t mode);
EDDY_WRAPPED(int, open, const char* path, int flags, mode_t mode);
EDDY_WRAPPED(int, openat, int dir, const char* path, int flags, mode_t mode);
EDDY_WRAPPED(int, posix_fadvise, int fd, off_t offset, off_t size, int advice);
EDDY_WRAPPED(ssize_t, pread, int fd, void* into, std::size_t size, off_t offset);
EDDY_WRAPPED(ssize_t, preadv2, int fd, const iovec* into, int count, off_t offset, int flags);
EDDY_WRAPPED(ssize_t, pwrite, int fd, const void* from, std::size_t size, off_t offset);
EDDY_WRAPPED(int, renameat, int from_dir, const char* from, int to_dir, const char* to);
EDDY_WRAPPED(ssize_t, sendfile, int to, int from, off_t* offset, std::size_t size);
EDDY_WRAPPED(int, syncfs, int fd);
EDDY_WRAPPED(int, statx, int dir, const char* path, int flags, unsigned mask, struct statx* to);
EDDY_WRAPPED(int, unlinkat, int dir, const char* path, int flags);
EDDY_WRAPPED(ssize_t, write, int fd, const void* from, std::size_t size);
}

#undef EDDY_WRAPPED

namespace {

constexpr std::size_t never = std::numeric_limits<std::size_t>::max();

struct fault_plan {
    std::mutex lock;
    std::condition_variable changed;
    std::size_t calls = 0;
    std::size_t at = never;
    int error = 0;            // 0: SIGKILL
    std::string_view failed;  // the function whose call has failed
    std::string_view refused;
    int refused_error = 0;
    std::size_t refused_every = 1;
    std::size_t refusable = 0;  // calls of that function
    std::string_view held;
    int held_error = 0;
    bool is_held = false;
    std::size_t holds = 0;  // the number of the plan to hold calls
    std::size_t room = never;
    support::file_call_observer* observer = nullptr;
    support::file_advice advice;
    bool is_untyped = false;

    [[nodiscard]] bool is_released(std::size_t hold) const noexcept { return hold != holds || held.empty(); }
    /// Calls the observer, unless it makes this call itself.
    void observe(std::string_view function) {
        static thread_local bool observes = false;
        support::file_call_observer* to = nullptr;
        {
            const std::lock_guard guard(lock);
            to = observer;
        }
        if (to == nullptr || std::exchange(observes, true)) return;
        (*to)(function);
        observes = false;
    }
    void begin(std::size_t n, int with) noexcept {
        const std::lock_guard guard(lock);
        calls = 0;
        at = n;
        error = with;
        failed = {};
    }
    /// Returns the error with which this call must fail; 0 if it must be made.
    int next(std::string_view function) noexcept {
        observe(function);
        std::unique_lock guard(lock);
        if (function == held) {
            is_held = true;
            changed.notify_all();
            const int with = held_error;
            changed.wait(guard, [this, mine = holds] { return is_released(mine); });
            return with;
        }
        if (function == refused) return ++refusable % refused_every == 0 ? refused_error : 0;
        if (calls++ != at) return 0;
        if (error == 0) static_cast<void>(::raise(SIGKILL));
        failed = function;
        return error;
    }
};
fault_plan planned;

/// Calls `write` with the number of bytes for which there is room.
ssize_t write_within_room(std::size_t size, const auto& write) noexcept {
    {
        const std::lock_guard guard(planned.lock);
        if (planned.room != never) planned.room -= size = std::min(size, planned.room);
    }
    if (size != 0) return write(size);
    errno = ENOSPC;
    return -1;
}

bool is_file(int fd) noexcept {
    struct stat status{};
    return fstat_for_real(fd, &status) == 0 && (S_ISREG(status.st_mode) || S_ISDIR(status.st_mode));
}

/// Makes a call, or fails.
template <class Real, class... Args>
auto call(std::string_view function, Real real, Args... args) noexcept -> decltype(real(args...)) {
    if (const int error = planned.next(function); error != 0) {
        errno = error;
        return -1;
    }
    return real(args...);
}
/// The same, if the descriptor is that of a file.
template <class Real, class... Args>
auto call_on(std::string_view function, Real real, int fd, Args... args) noexcept -> decltype(real(fd, args...)) {
    return is_file(fd) ? call(function, real, fd, args...) : real(fd, args...);
}

}  // namespace

int wrapped_close(int fd) {
    if (!is_file(fd)) return close_for_real(fd);
    const int error = planned.next("close");
    const int answer = close_for_real(fd);
    if (error == 0) return answer;
    errno = error;
    return -1;
}
ssize_t wrapped_copy_file_range(int from, loff_t* in, int to, loff_t* out, std::size_t size, unsigned flags) {
    return call("copy_file_range", copy_file_range_for_real, from, in, to, out, size, flags);
}
int wrapped_fallocate(int fd, int mode, off_t offset, off_t size) {
    return call("fallocate", fallocate_for_real, fd, mode, offset, size);
}
int wrapped_fchmod(int fd, mode_t mode) { return call("fchmod", fchmod_for_real, fd, mode); }
int wrapped_fchown(int fd, uid_t user, gid_t group) { return call("fchown", fchown_for_real, fd, user, group); }
int wrapped_fcntl(int fd, int command, void* argument) {
    // The calls of fs that change a file. The others only look, or are the runtime's.
    if (command == F_SETFL) return call_on("fcntl", fcntl_for_real, fd, command, argument);
    if (command != F_OFD_SETLK) return fcntl_for_real(fd, command, argument);
    const auto* const function = static_cast<const struct flock*>(argument)->l_type == F_UNLCK ? "unlock" : "lock";
    return call(function, fcntl_for_real, fd, command, argument);
}
int wrapped_fdatasync(int fd) { return call("fdatasync", fdatasync_for_real, fd); }
int wrapped_fstat(int fd, struct stat* to) { return call_on("fstat", fstat_for_real, fd, to); }
// The files are on a server: all writes are jobs, which a test can hold.
int wrapped_fstatfs(int fd, struct statfs* to) {
    const int result = fstatfs_for_real(fd, to);
    to->f_type = NFS_SUPER_MAGIC;
    return result;
}
DIR* wrapped_fdopendir(int fd) {
    if (const int error = planned.next("fdopendir"); error != 0) {
        errno = error;
        return nullptr;
    }
    return fdopendir_for_real(fd);
}
int wrapped_fchmodat(int dir, const char* path, mode_t mode, int flags) {
    return call("fchmodat", fchmodat_for_real, dir, path, mode, flags);
}
int wrapped_fchownat(int dir, const char* path, uid_t user, gid_t group, int flags) {
    return call("fchownat", fchownat_for_real, dir, path, user, group, flags);
}
int wrapped_fstatat(int dir, const char* path, struct stat* to, int flags) {
    return call("fstatat", fstatat_for_real, dir, path, to, flags);
}
int wrapped_inotify_add_watch(int queue, const char* path, std::uint32_t mask) {
    return call("inotify_add_watch", inotify_add_watch_for_real, queue, path, mask);
}
int wrapped_inotify_init1(int flags) { return call("inotify_init1", inotify_init1_for_real, flags); }
int wrapped_linkat(int from_dir, const char* from, int to_dir, const char* to, int flags) {
    return call("linkat", linkat_for_real, from_dir, from, to_dir, to, flags);
}
off_t wrapped_lseek(int fd, off_t offset, int whence) { return call("lseek", lseek_for_real, fd, offset, whence); }
int wrapped_mknodat(int dir, const char* path, mode_t mode, dev_t device) {
    return call("mknodat", mknodat_for_real, dir, path, mode, device);
}
dirent* wrapped_readdir(DIR* from) {
    if (const int error = planned.next("readdir"); error != 0) {
        errno = error;
        return nullptr;
    }
    dirent* const entry = readdir_for_real(from);
    const std::lock_guard guard(planned.lock);
    if (entry != nullptr && planned.is_untyped) entry->d_type = DT_UNKNOWN;
    return entry;
}
ssize_t wrapped_readlinkat(int dir, const char* path, char* into, std::size_t size) {
    return call("readlinkat", readlinkat_for_real, dir, path, into, size);
}
int wrapped_symlinkat(const char* target, int dir, const char* path) {
    return call("symlinkat", symlinkat_for_real, target, dir, path);
}
long wrapped_syscall(long number, long a, long b, long c, long d, long e, long f) {
    if (number != SYS_openat2) return syscall_for_real(number, a, b, c, d, e, f);
    return call("openat2", syscall_for_real, number, a, b, c, d, e, f);
}
int wrapped_utimensat(int dir, const char* path, const timespec* times, int flags) {
    return call("utimensat", utimensat_for_real, dir, path, times, flags);
}
int wrapped_fsync(int fd) { return call("fsync", fsync_for_real, fd); }
int wrapped_ftruncate(int fd, off_t size) { return call("ftruncate", ftruncate_for_real, fd, size); }
int wrapped_futimens(int fd, const timespec* times) { return call("futimens", futimens_for_real, fd, times); }
int wrapped_mkdirat(int dir, const char* path, mode_t mode) {
    return call("mkdirat", mkdirat_for_real, dir, path, mode);
}
int wrapped_open(const char* path, int flags, mode_t mode) { return call("open", open_for_real, path, flags, mode); }
int wrapped_openat(int dir, const char* path, int flags, mode_t mode) {
    return call("openat", openat_for_real, dir, path, flags, mode);
}
int wrapped_posix_fadvise(int fd, off_t offset, off_t size, int advice) {
    // Returns the error, and leaves errno.
    const int error = planned.next("posix_fadvise");
    {
        const std::lock_guard guard(planned.lock);
        planned.advice = {offset, size, advice};
    }
    return error != 0 ? error : posix_fadvise_for_real(fd, offset, size, advice);
}
ssize_t wrapped_pread(int fd, void* into, std::size_t size, off_t offset) {
    return call("pread", pread_for_real, fd, into, size, offset);
}
ssize_t wrapped_preadv2(int fd, const iovec* into, int count, off_t offset, int flags) {
    return call("preadv2", preadv2_for_real, fd, into, count, offset, flags);
}
ssize_t wrapped_pwrite(int fd, const void* from, std::size_t size, off_t offset) {
    return call("pwrite", [=] {
        return write_within_room(size, [=](std::size_t most) { return pwrite_for_real(fd, from, most, offset); });
    });
}
int wrapped_renameat(int from_dir, const char* from, int to_dir, const char* to) {
    return call("renameat", renameat_for_real, from_dir, from, to_dir, to);
}
ssize_t wrapped_sendfile(int to, int from, off_t* offset, std::size_t size) {
    return call("sendfile", sendfile_for_real, to, from, offset, size);
}
int wrapped_syncfs(int fd) { return call("syncfs", syncfs_for_real, fd); }
int wrapped_statx(int dir, const char* path, int flags, unsigned mask, struct statx* to) {
    return call("statx", statx_for_real, dir, path, flags, mask, to);
}
int wrapped_unlinkat(int dir, const char* path, int flags) {
    return call("unlinkat", unlinkat_for_real, dir, path, flags);
}
ssize_t wrapped_write(int fd, const void* from, std::size_t size) {
    if (!is_file(fd)) return write_for_real(fd, from, size);
    return call("write", [=] {
        return write_within_room(size, [=](std::size_t most) { return write_for_real(fd, from, most); });
    });
}

namespace support {

std::size_t file_calls() noexcept {
    const std::lock_guard guard(planned.lock);
    return planned.calls;
}
void fail_file_call(std::size_t n, int error) noexcept { planned.begin(n, error); }
std::string_view failed_file_call() noexcept {
    const std::lock_guard guard(planned.lock);
    return planned.failed;
}
void kill_at_file_call(std::size_t n) noexcept { planned.begin(n, 0); }
void pass_file_calls() noexcept { planned.begin(never, 0); }

refused_file_call::refused_file_call(std::string_view function, int error, std::size_t every) noexcept {
    const std::lock_guard guard(planned.lock);
    planned.refused = function;
    planned.refused_error = error;
    planned.refused_every = every;
    planned.refusable = 0;
}
refused_file_call::~refused_file_call() {
    const std::lock_guard guard(planned.lock);
    planned.refused = {};
}

untyped_entries::untyped_entries() noexcept {
    const std::lock_guard guard(planned.lock);
    planned.is_untyped = true;
}
untyped_entries::~untyped_entries() {
    const std::lock_guard guard(planned.lock);
    planned.is_untyped = false;
}

file_advice last_file_advice() noexcept {
    const std::lock_guard guard(planned.lock);
    return planned.advice;
}

observed_file_calls::observed_file_calls(file_call_observer before) : before_(std::move(before)) {
    const std::lock_guard guard(planned.lock);
    planned.observer = &before_;
}
observed_file_calls::~observed_file_calls() {
    const std::lock_guard guard(planned.lock);
    planned.observer = nullptr;
}

almost_full_disk::almost_full_disk(std::size_t room) noexcept {
    const std::lock_guard guard(planned.lock);
    planned.room = room;
}
almost_full_disk::~almost_full_disk() {
    const std::lock_guard guard(planned.lock);
    planned.room = never;
}

held_file_call::held_file_call(std::string_view function, int error) noexcept {
    const std::lock_guard guard(planned.lock);
    ++planned.holds;
    planned.held = function;
    planned.held_error = error;
    planned.is_held = false;
}
void held_file_call::wait_until_held() noexcept {
    std::unique_lock guard(planned.lock);
    planned.changed.wait(guard, [] { return planned.is_held; });
}
void held_file_call::release() noexcept {
    const std::lock_guard guard(planned.lock);
    planned.held = {};
    planned.changed.notify_all();
}

}  // namespace support
