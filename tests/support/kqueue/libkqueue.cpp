// SPDX-License-Identifier: MIT
// Replaces close(2) in programs that are linked with libkqueue. A thread of libkqueue closes the other descriptors of a
// kqueue after its first one was closed. This function waits for it, as close(2) does for a kqueue of the kernel.
#include <sys/event.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cstddef>

// See libkqueue.patch.
extern "C" {
constexpr std::size_t most_descriptors = 1 << 17;
extern char libkqueue_is_kqueue[most_descriptors];
void libkqueue_drain_pending_close();

int close(int fd) {
    const auto index = static_cast<std::size_t>(fd);
    // acquire: pairs with the store in kqueue().
    const bool is_kqueue = fd >= 0 && index < most_descriptors &&
                           __atomic_exchange_n(&libkqueue_is_kqueue[index], 0, __ATOMIC_ACQUIRE) != 0;
    const auto answer = static_cast<int>(::syscall(SYS_close, fd));
    if (is_kqueue) libkqueue_drain_pending_close();
    return answer;
}
}

/// Opens the descriptors that libkqueue keeps until the process ends, so that no test counts them.
[[gnu::constructor]] static void use_libkqueue_once() {
    if (const int first = ::kqueue(); first >= 0) ::close(first);
}
