// SPDX-License-Identifier: MIT
#include "sys/thread.hpp"

#include <process.h>

#include <limits>
#include <memory>
#include <new>

#include <eddy/error.hpp>

#include "sys/socket_api.hpp"

// These threads are not made by pthread_create(3). In winpthreads, pthread_detach(3) releases the data of a thread
// whose function has returned, while this thread still uses them: the next thread gets the same data.

namespace eddy::sys {
namespace {

struct thread_entry {
    void* (*function)(void*);
    void* argument;
};

unsigned __stdcall run_entry(void* raw) noexcept {
    const std::unique_ptr<thread_entry> mine(static_cast<thread_entry*>(raw));
    mine->function(mine->argument);
    return 0;
}

}  // namespace

result<thread> thread::start(std::size_t stack_size, void* (*entry)(void*), void* argument) noexcept {
    constexpr std::size_t largest = std::numeric_limits<unsigned>::max();
    if (stack_size > largest) return std::unexpected(std::make_error_code(std::errc::resource_unavailable_try_again));
    std::unique_ptr<thread_entry> made(new (std::nothrow) thread_entry{entry, argument});
    if (!made) return std::unexpected(std::make_error_code(std::errc::not_enough_memory));
    const auto started =
        ::_beginthreadex(nullptr, static_cast<unsigned>(stack_size), &run_entry, made.get(), 0, nullptr);
    if (started == 0) return std::unexpected(std::make_error_code(std::errc::resource_unavailable_try_again));
    static_cast<void>(made.release());
    // SAFETY: a handle is an address, which this function of the C library returns as an integer.
    return thread(reinterpret_cast<void*>(started));
}

bool thread::is_this_thread() const noexcept { return id_ && ::GetThreadId(*id_) == ::GetCurrentThreadId(); }

void thread::join() noexcept {
    const auto handle = *std::exchange(id_, std::nullopt);
    EDDY_ASSERT(::GetThreadId(handle) != ::GetCurrentThreadId(), "sys::thread: a thread cannot join itself");
    ::WaitForSingleObject(handle, INFINITE);
    ::CloseHandle(handle);
}

void thread::detach() noexcept { ::CloseHandle(*std::exchange(id_, std::nullopt)); }

}  // namespace eddy::sys
