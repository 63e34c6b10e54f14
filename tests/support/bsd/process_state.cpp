// SPDX-License-Identifier: MIT
#include <support/process_state.hpp>

#include <fcntl.h>
#include <unistd.h>

#include <stdexcept>
#include <vector>

#if defined(__APPLE__)
#include <mach/mach.h>
#else
#include <sys/param.h>
#include <sys/sysctl.h>
#if defined(__FreeBSD__)
#include <sys/proc.h>
#include <sys/user.h>
#elif defined(__NetBSD__)
#include <sys/lwp.h>
#else
#include <sys/proc.h>
#endif
#endif

namespace support {

std::size_t count_fds(std::string_view what) {
    if (!what.empty()) throw std::logic_error("count_fds: descriptors have no names on this system");
    std::size_t count = 0;
    for (int fd = 0; fd < ::getdtablesize(); ++fd) count += ::fcntl(fd, F_GETFD) >= 0 ? 1 : 0;
    return count;
}

#if defined(__APPLE__)

bool is_asleep(pid_t thread) {
    thread_act_array_t all = nullptr;
    mach_msg_type_number_t count = 0;
    if (::task_threads(mach_task_self(), &all, &count) != KERN_SUCCESS) return false;
    bool is_waiting = false;
    for (mach_msg_type_number_t i = 0; i < count; ++i) {
        thread_identifier_info identity{};
        mach_msg_type_number_t size = THREAD_IDENTIFIER_INFO_COUNT;
        ::thread_info(all[i], THREAD_IDENTIFIER_INFO, reinterpret_cast<thread_info_t>(&identity), &size);
        if (static_cast<pid_t>(identity.thread_id) == thread) {
            thread_basic_info state{};
            size = THREAD_BASIC_INFO_COUNT;
            ::thread_info(all[i], THREAD_BASIC_INFO, reinterpret_cast<thread_info_t>(&state), &size);
            is_waiting = state.run_state == TH_STATE_WAITING;
        }
        ::mach_port_deallocate(mach_task_self(), all[i]);
    }
    ::vm_deallocate(mach_task_self(), reinterpret_cast<vm_address_t>(all), count * sizeof *all);
    return is_waiting;
}

#else

namespace {

#if defined(__FreeBSD__)
using thread_state = kinfo_proc;
bool is(const thread_state& one, pid_t thread) { return one.ki_tid == thread; }
bool sleeps(const thread_state& one) { return one.ki_stat == SSLEEP; }
#elif defined(__NetBSD__)
using thread_state = kinfo_lwp;
bool is(const thread_state& one, pid_t thread) { return one.l_lid == thread; }
bool sleeps(const thread_state& one) { return one.l_stat == LSSLEEP; }
#else
using thread_state = kinfo_proc;
bool is(const thread_state& one, pid_t thread) { return one.p_tid == thread; }
bool sleeps(const thread_state& one) { return one.p_stat == SSLEEP; }
#endif

/// Returns the states of the threads of this process.
std::vector<thread_state> threads() {
    std::vector<thread_state> all(256);
    std::size_t size = all.size() * sizeof all[0];
#if defined(__FreeBSD__)
    int name[] = {CTL_KERN, KERN_PROC, KERN_PROC_PID | KERN_PROC_INC_THREAD, ::getpid()};
#elif defined(__NetBSD__)
    int name[] = {CTL_KERN, KERN_LWP, ::getpid(), int{sizeof all[0]}, static_cast<int>(all.size())};
#else
    int name[] = {CTL_KERN,   KERN_PROC,          KERN_PROC_PID | KERN_PROC_SHOW_THREADS,
                  ::getpid(), int{sizeof all[0]}, static_cast<int>(all.size())};
#endif
    if (::sysctl(name, sizeof name / sizeof *name, all.data(), &size, nullptr, 0) != 0) size = 0;
    all.resize(size / sizeof all[0]);
    return all;
}

}  // namespace

bool is_asleep(pid_t thread) {
    for (const thread_state& one : threads()) {
        if (is(one, thread)) return sleeps(one);
    }
    return false;
}

#endif

}  // namespace support
