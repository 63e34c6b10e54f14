// SPDX-License-Identifier: MIT
#include "sys/exit_queue.hpp"

#include <array>
#include <chrono>
#include <cstddef>
#include <memory>
#include <new>
#include <optional>
#include <span>
#include <system_error>
#include <tuple>

#include "sys/processes.hpp"
#include "sys/windows/handle.hpp"

// A wait of the thread pool of the system for each process, whose callback posts the key to an I/O completion port. One
// thread of the system waits for up to 63 processes.

namespace eddy::sys {
namespace {

struct watched_process {
    HANDLE queue;
    void* key;
    PTP_WAIT wait;
};

void CALLBACK on_end(PTP_CALLBACK_INSTANCE, void* context, PTP_WAIT, TP_WAIT_RESULT) {
    // SAFETY: the object lives until exit_queue::wait() has received its address.
    const auto* const ended = static_cast<watched_process*>(context);
    ::PostQueuedCompletionStatus(ended->queue, 0, reinterpret_cast<ULONG_PTR>(ended), nullptr);
}

}  // namespace

result<exit_queue> exit_queue::make() noexcept {
    const HANDLE made = ::CreateIoCompletionPort(INVALID_HANDLE_VALUE, nullptr, 0, 1);
    if (made == nullptr) return std::unexpected(last_windows_error());
    return exit_queue(own_handle(made));
}

bool exit_queue::can_watch(const started_process&) noexcept { return true; }

result<void> exit_queue::add(const started_process& process, void* key) noexcept {
    std::unique_ptr<watched_process> made(new (std::nothrow) watched_process{handle_of(queue_.get()), key, nullptr});
    if (!made) return std::unexpected(std::make_error_code(std::errc::not_enough_memory));
    made->wait = ::CreateThreadpoolWait(&on_end, made.get(), nullptr);
    if (made->wait == nullptr) return std::unexpected(last_windows_error());
    // From here on, the callback owns the object.
    ::SetThreadpoolWait(made.release()->wait, handle_of(process.watched.get()), nullptr);
    return {};
}

void exit_queue::remove(const started_process&) noexcept {}

std::span<void* const> exit_queue::wait(keys& into, std::optional<std::chrono::milliseconds> most) noexcept {
    std::array<OVERLAPPED_ENTRY, std::tuple_size_v<keys>> ended{};
    ULONG count = 0;
    const DWORD limit = most ? static_cast<DWORD>(most->count()) : INFINITE;
    if (::GetQueuedCompletionStatusEx(handle_of(queue_.get()), ended.data(), static_cast<ULONG>(ended.size()), &count,
                                      limit, FALSE) == 0) {
        return {};
    }
    for (std::size_t i = 0; i < count; ++i) {
        // SAFETY: on_end() has posted the address, and uses it no more.
        const std::unique_ptr<watched_process> one(reinterpret_cast<watched_process*>(ended[i].lpCompletionKey));
        ::CloseThreadpoolWait(one->wait);  // the system frees it when the callback has returned
        into[i] = one->key;
    }
    return std::span(into).first(count);
}

}  // namespace eddy::sys
