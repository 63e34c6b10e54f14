// SPDX-License-Identifier: MIT
#include "sys/thread_end.hpp"

#include <memory>

#include "sys/socket_api.hpp"

namespace eddy::inline v0_1::sys {
namespace {

struct call {
    void (*f)(void*) noexcept;
    void* argument;
    call* next;
};

void WINAPI run_calls(void* first) {
    for (auto* each = static_cast<call*>(first); each != nullptr;) {
        const std::unique_ptr<call> owned(each);
        each = each->next;
        owned->f(owned->argument);
    }
}

}  // namespace

void call_at_thread_end(void (*f)(void*) noexcept, void* argument) {
    // A slot of the fiber-local storage, because its function is called at the end of each thread.
    static const DWORD slot = ::FlsAlloc(&run_calls);
    auto made = std::make_unique<call>(call{f, argument, static_cast<call*>(::FlsGetValue(slot))});
    // If there is no slot, what belongs to the thread is never released.
    if (::FlsSetValue(slot, made.get()) != 0) static_cast<void>(made.release());
}

}  // namespace eddy::sys
