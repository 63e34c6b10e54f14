// SPDX-License-Identifier: MIT
#include "sys/windows/afd_poll.hpp"

#include <winternl.h>

#include <cstddef>
#include <limits>

#include "sys/syscall.hpp"
#include "sys/windows/winsock.hpp"

namespace eddy::sys {
namespace {

constexpr ULONG ioctl_afd_poll = 0x00012024;
constexpr LONG status_pending = 0x00000103;
constexpr LONG status_cancelled = static_cast<LONG>(0xC0000120);
constexpr LONG status_unsuccessful = static_cast<LONG>(0xC0000001);

static_assert(sizeof(afd_poll_info) == 32 && offsetof(afd_poll_info, socket) == 16);
static_assert(offsetof(OVERLAPPED, InternalHigh) == offsetof(IO_STATUS_BLOCK, Information));

std::error_code nt_error(NTSTATUS status) noexcept { return windows_error(::RtlNtStatusToDosError(status)); }

/// Asks a service provider for another handle of the socket.
result<HANDLE> ask_for_handle(int fd, DWORD question) noexcept {
    SOCKET found = INVALID_SOCKET;
    DWORD size = 0;
    if (::WSAIoctl(to_socket(fd), question, nullptr, 0, &found, sizeof found, &size, nullptr, nullptr) != 0) {
        return std::unexpected(last_error());
    }
    return reinterpret_cast<HANDLE>(found);
}

}  // namespace

bool afd_operation::was_cancelled() const noexcept { return status() == status_cancelled; }

void afd_operation::set_failed() noexcept { overlapped.Internal = static_cast<ULONG_PTR>(status_unsuccessful); }

result<HANDLE> open_afd(HANDLE port) noexcept {
    // The name after the device's is arbitrary.
    wchar_t path[] = L"\\Device\\Afd\\Eddy";
    UNICODE_STRING name{};
    name.Length = static_cast<USHORT>(sizeof path - sizeof path[0]);
    name.MaximumLength = sizeof path;
    name.Buffer = path;
    OBJECT_ATTRIBUTES attributes{};
    attributes.Length = sizeof attributes;
    attributes.ObjectName = &name;
    IO_STATUS_BLOCK status{};
    HANDLE made = nullptr;
    const NTSTATUS answer = ::NtCreateFile(&made, SYNCHRONIZE, &attributes, &status, nullptr, 0,
                                           FILE_SHARE_READ | FILE_SHARE_WRITE, FILE_OPEN, 0, nullptr, 0);
    if (answer < 0) return std::unexpected(nt_error(answer));
    if (::CreateIoCompletionPort(made, port, 0, 0) == nullptr) {
        const DWORD error = ::GetLastError();
        ::CloseHandle(made);
        return std::unexpected(windows_error(error));
    }
    // Nothing waits for the handle itself.
    ::SetFileCompletionNotificationModes(made, FILE_SKIP_SET_EVENT_ON_HANDLE);
    return made;
}

result<HANDLE> base_socket(int fd) noexcept {
    auto found = ask_for_handle(fd, SIO_BASE_HANDLE);
    if (found || found.error() == std::errc::not_a_socket) return found;
    // Some layered service providers do not pass on the question. They answer this one, which is for WSAPoll().
    return ask_for_handle(fd, SIO_BSP_HANDLE_POLL);
}

result<void> start_poll(HANDLE device, HANDLE socket, ULONG events, afd_operation& into) noexcept {
    into.overlapped = {};
    into.overlapped.Internal = static_cast<ULONG_PTR>(status_pending);
    into.info = {};
    into.info.timeout.QuadPart = std::numeric_limits<LONGLONG>::max();
    into.info.socket = socket;
    into.info.events = events;
    // SAFETY: the caller keeps the operation alive until its completion. An OVERLAPPED begins with an IO_STATUS_BLOCK.
    // Its address is also the context that the completion contains.
    auto* const block = reinterpret_cast<IO_STATUS_BLOCK*>(&into.overlapped);
    const NTSTATUS answer = ::NtDeviceIoControlFile(device, nullptr, nullptr, &into.overlapped, block, ioctl_afd_poll,
                                                    &into.info, sizeof into.info, &into.info, sizeof into.info);
    if (answer < 0) return std::unexpected(nt_error(answer));
    return ok();
}

void cancel_poll(HANDLE device, afd_operation& operation) noexcept { ::CancelIoEx(device, &operation.overlapped); }

}  // namespace eddy::sys
