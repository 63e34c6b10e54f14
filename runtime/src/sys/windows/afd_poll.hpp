// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>

#include <eddy/result.hpp>

#include "sys/socket_api.hpp"

/// Poll operations of AFD, the device that implements sockets. The constants and records are not in a public header of
/// Windows; select() and WSAPoll() use them.
namespace eddy::sys {

/// The conditions of a poll operation.
namespace afd_event {
inline constexpr ULONG receive = 0x001;            // data can be received
inline constexpr ULONG receive_expedited = 0x002;  // urgent data can be received
inline constexpr ULONG send = 0x004;               // data can be sent; a connect has succeeded
inline constexpr ULONG disconnect = 0x008;         // the peer sends no more data
inline constexpr ULONG abort = 0x010;              // the connection was reset
inline constexpr ULONG local_close = 0x020;        // this process has closed the socket
inline constexpr ULONG accept = 0x080;             // a connection can be accepted
inline constexpr ULONG connect_fail = 0x100;       // a connect has failed
}  // namespace afd_event

/// The input and output of a poll operation for one socket.
struct afd_poll_info {
    LARGE_INTEGER timeout{};
    ULONG sockets = 1;
    ULONG is_exclusive = 0;
    HANDLE socket = nullptr;
    ULONG events = 0;
    LONG status = 0;
};

/// A poll operation. The kernel writes to it until its completion was taken from the port.
struct afd_operation {
    // First member: a completion contains its address. Its first two members have the layout of an IO_STATUS_BLOCK.
    OVERLAPPED overlapped{};
    afd_poll_info info;

    [[nodiscard]] LONG status() const noexcept { return static_cast<LONG>(overlapped.Internal); }
    [[nodiscard]] bool was_cancelled() const noexcept;
    [[nodiscard]] bool has_failed() const noexcept { return status() < 0 && !was_cancelled(); }
    void set_failed() noexcept;
};

/// Opens a handle of the device, whose completions go to the port.
/// Errors: what NtCreateFile() and CreateIoCompletionPort() report.
[[nodiscard]] result<HANDLE> open_afd(HANDLE port) noexcept;

/// Returns the handle of a socket that AFD knows. It differs from the socket if a service provider is layered over it.
/// Errors: not_a_socket.
[[nodiscard]] result<HANDLE> base_socket(int fd) noexcept;

/// Starts to poll the socket. A completion arrives at the port, also if the operation has completed immediately. After
/// an error none arrives.
/// Errors: what NtDeviceIoControlFile() reports.
[[nodiscard]] result<void> start_poll(HANDLE device, HANDLE socket, ULONG events, afd_operation& into) noexcept;

/// Makes the operation complete soon. It may nevertheless report events.
void cancel_poll(HANDLE device, afd_operation& operation) noexcept;

}  // namespace eddy::sys
