// SPDX-License-Identifier: MIT
#include "sys/notices.hpp"

#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstddef>
#include <cstring>
#include <string_view>

#include "sys/syscall.hpp"

namespace eddy::sys {

result<unique_fd> make_notice_socket() noexcept {
    auto made = own_or_error(::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
    if (!made) return made;
    const int on = 1;
    if (::setsockopt(made->get(), SOL_SOCKET, SO_PASSCRED, &on, sizeof on) != 0) return std::unexpected(last_error());
    // An address without a name: the system chooses an abstract one, see unix(7).
    sockaddr_un unnamed{};
    unnamed.sun_family = AF_UNIX;
    // SAFETY: the type that the sockets API prescribes for addresses of all families.
    if (::bind(made->get(), reinterpret_cast<const sockaddr*>(&unnamed), sizeof unnamed.sun_family) != 0)
        return std::unexpected(last_error());
    return made;
}

result<std::string> name_of_notice_socket(int fd) {
    sockaddr_un addr{};
    socklen_t size = sizeof addr;
    // SAFETY: as above.
    if (::getsockname(fd, reinterpret_cast<sockaddr*>(&addr), &size) != 0) return std::unexpected(last_error());
    std::string name(addr.sun_path, size - offsetof(sockaddr_un, sun_path));
    name.front() = '@';  // stands for the NUL of an abstract name
    return name;
}

result<std::string> receive_notice(int fd, int process) {
    std::string text(4096, '\0');
    iovec part{text.data(), text.size()};
    // Without capacity for descriptors, which the kernel then closes.
    alignas(cmsghdr) std::array<std::byte, CMSG_SPACE(sizeof(ucred))> control{};
    msghdr message{};
    message.msg_iov = &part;
    message.msg_iovlen = 1;
    message.msg_control = control.data();
    message.msg_controllen = control.size();
    const auto count = count_or_error(retry_interrupted([&] { return ::recvmsg(fd, &message, 0); }));
    if (!count) return std::unexpected(count.error());
    ucred sender{};
    const cmsghdr* const found = CMSG_FIRSTHDR(&message);
    const bool is_known = found != nullptr && found->cmsg_level == SOL_SOCKET && found->cmsg_type == SCM_CREDENTIALS;
    if (is_known) std::memcpy(&sender, CMSG_DATA(found), sizeof sender);
    text.resize(is_known && (sender.pid == process || sender.uid == ::getuid()) ? *count : 0);
    return text;
}

result<unique_fd> make_memory_file(const std::string& contents) noexcept {
    constexpr unsigned not_executable = 8;  // MFD_NOEXEC_SEAL of Linux 6.3: a system may refuse a file without it
    int fd = ::memfd_create("eddy", MFD_CLOEXEC | not_executable);
    if (fd < 0 && errno == EINVAL) fd = ::memfd_create("eddy", MFD_CLOEXEC);
    auto made = own_or_error(fd);
    if (!made) return made;
    for (std::string_view rest = contents; !rest.empty();) {
        const auto count =
            count_or_error(retry_interrupted([&] { return ::write(made->get(), rest.data(), rest.size()); }));
        if (!count) return std::unexpected(count.error());
        rest.remove_prefix(*count);
    }
    return made;
}

result<std::string> read_whole_file(int fd) {
    struct stat about{};
    if (::fstat(fd, &about) != 0) return std::unexpected(last_error());
    std::string contents(static_cast<std::size_t>(std::max<off_t>(about.st_size, 0)), '\0');
    for (std::size_t at = 0; at != contents.size();) {
        const auto count = count_or_error(retry_interrupted(
            [&] { return ::pread(fd, contents.data() + at, contents.size() - at, static_cast<off_t>(at)); }));
        if (!count) return std::unexpected(count.error());
        if (*count == 0) contents.resize(at);
        at += *count;
    }
    return contents;
}

}  // namespace eddy::sys
