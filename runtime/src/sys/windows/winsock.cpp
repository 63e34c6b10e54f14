// SPDX-License-Identifier: MIT
#include "sys/windows/winsock.hpp"

#include "sys/socket_api.hpp"
#include "sys/syscall.hpp"

namespace eddy::sys {
namespace {

struct winsock_use {
    winsock_use() noexcept {
        WSADATA about;
        // Without Winsock, each call for a socket reports that it was not started.
        is_started = ::WSAStartup(MAKEWORD(2, 2), &about) == 0;
    }
    winsock_use(const winsock_use&) = delete;
    winsock_use& operator=(const winsock_use&) = delete;
    ~winsock_use() {
        if (is_started) ::WSACleanup();
    }

    bool is_started;
};

struct counterpart {
    int winsock;
    std::errc meaning;
};

constexpr counterpart counterparts[] = {
    {WSAEINTR, std::errc::interrupted},
    {WSAEBADF, std::errc::bad_file_descriptor},
    {WSAEACCES, std::errc::permission_denied},
    {WSAEFAULT, std::errc::bad_address},
    {WSAEINVAL, std::errc::invalid_argument},
    {WSAEMFILE, std::errc::too_many_files_open},
    {WSAEWOULDBLOCK, std::errc::operation_would_block},
    {WSAEINPROGRESS, std::errc::operation_in_progress},
    {WSAEALREADY, std::errc::connection_already_in_progress},
    {WSAENOTSOCK, std::errc::not_a_socket},
    {WSAEDESTADDRREQ, std::errc::destination_address_required},
    {WSAEMSGSIZE, std::errc::message_size},
    {WSAEPROTOTYPE, std::errc::wrong_protocol_type},
    {WSAENOPROTOOPT, std::errc::no_protocol_option},
    {WSAEPROTONOSUPPORT, std::errc::protocol_not_supported},
    {WSAESOCKTNOSUPPORT, std::errc::protocol_not_supported},
    {WSAEOPNOTSUPP, std::errc::operation_not_supported},
    {WSAEPFNOSUPPORT, std::errc::address_family_not_supported},
    {WSAEAFNOSUPPORT, std::errc::address_family_not_supported},
    {WSAEADDRINUSE, std::errc::address_in_use},
    {WSAEADDRNOTAVAIL, std::errc::address_not_available},
    {WSAENETDOWN, std::errc::network_down},
    {WSAENETUNREACH, std::errc::network_unreachable},
    {WSAENETRESET, std::errc::network_reset},
    {WSAECONNABORTED, std::errc::connection_aborted},
    {WSAECONNRESET, std::errc::connection_reset},
    {WSAENOBUFS, std::errc::no_buffer_space},
    {WSAEISCONN, std::errc::already_connected},
    {WSAENOTCONN, std::errc::not_connected},
    {WSAESHUTDOWN, std::errc::broken_pipe},  // a send after shutdown(): EPIPE elsewhere
    {WSAETIMEDOUT, std::errc::timed_out},
    {WSAECONNREFUSED, std::errc::connection_refused},
    {WSAENAMETOOLONG, std::errc::filename_too_long},
    {WSAEHOSTUNREACH, std::errc::host_unreachable},
    {WSA_OPERATION_ABORTED, std::errc::operation_canceled},
    {WSA_NOT_ENOUGH_MEMORY, std::errc::not_enough_memory},
    {WSA_INVALID_HANDLE, std::errc::bad_file_descriptor},
    {WSA_INVALID_PARAMETER, std::errc::invalid_argument},
    {ERROR_BROKEN_PIPE, std::errc::broken_pipe},
    {ERROR_NO_DATA, std::errc::broken_pipe},
    {ERROR_ACCESS_DENIED, std::errc::permission_denied},
    {ERROR_FILE_NOT_FOUND, std::errc::no_such_file_or_directory},
    {ERROR_NOT_SUPPORTED, std::errc::not_supported},
    {ERROR_INVALID_FUNCTION, std::errc::not_supported},
    {ERROR_TOO_MANY_OPEN_FILES, std::errc::too_many_files_open},
    {ERROR_NO_SYSTEM_RESOURCES, std::errc::no_buffer_space},
    {ERROR_PORT_UNREACHABLE, std::errc::connection_refused},
    // Of files.
    {ERROR_PATH_NOT_FOUND, std::errc::no_such_file_or_directory},
    {ERROR_INVALID_NAME, std::errc::no_such_file_or_directory},
    {ERROR_BAD_PATHNAME, std::errc::no_such_file_or_directory},
    {ERROR_BAD_NETPATH, std::errc::no_such_file_or_directory},
    {ERROR_FILE_EXISTS, std::errc::file_exists},
    {ERROR_ALREADY_EXISTS, std::errc::file_exists},
    {ERROR_DIR_NOT_EMPTY, std::errc::directory_not_empty},
    {ERROR_DIRECTORY, std::errc::not_a_directory},
    {ERROR_FILENAME_EXCED_RANGE, std::errc::filename_too_long},
    {ERROR_SHARING_VIOLATION, std::errc::permission_denied},
    {ERROR_DELETE_PENDING, std::errc::permission_denied},
    {ERROR_WRITE_PROTECT, std::errc::read_only_file_system},
    {ERROR_DISK_FULL, std::errc::no_space_on_device},
    {ERROR_HANDLE_DISK_FULL, std::errc::no_space_on_device},
    {ERROR_NOT_SAME_DEVICE, std::errc::cross_device_link},
    {ERROR_TOO_MANY_LINKS, std::errc::too_many_links},
    {ERROR_CANT_RESOLVE_FILENAME, std::errc::too_many_symbolic_link_levels},
    {ERROR_IO_DEVICE, std::errc::io_error},
    {ERROR_BAD_EXE_FORMAT, std::errc::executable_format_error},
};

}  // namespace

void start_winsock() noexcept { static const winsock_use used; }

std::error_code winsock_error(int code) noexcept {
    for (const counterpart& each : counterparts) {
        if (each.winsock == code) return std::make_error_code(each.meaning);
    }
    return {code, std::system_category()};
}

std::error_code windows_error(unsigned long code) noexcept { return winsock_error(static_cast<int>(code)); }

std::error_code last_error() noexcept { return winsock_error(::WSAGetLastError()); }

}  // namespace eddy::sys
