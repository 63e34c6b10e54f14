// SPDX-License-Identifier: MIT
#include "http_messages.hpp"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <cstring>
#include <string_view>

#include "clock.hpp"

namespace bench {

namespace {

/// Returns the index after the first `text` in `within`.
std::size_t after(std::string_view within, std::string_view text) {
    const auto found = within.find(text);
    if (found == std::string_view::npos) throw failure("the first response has no \"" + std::string(text) + '"');
    return found + text.size();
}

std::size_t size_of_response(std::string_view head) {
    const auto begin = after(head, "\r\nContent-Length: ");
    std::size_t body = 0;
    std::from_chars(head.data() + begin, head.data() + head.size(), body);
    return after(head, "\r\n\r\n") + body;
}

class connection {
public:
    explicit connection(std::uint16_t port) : fd_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
        sockaddr_in to{};
        to.sin_family = AF_INET;
        to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        to.sin_port = htons(port);
        // SAFETY: the socket API takes a sockaddr_in as a sockaddr, and reads it during the call only.
        if (fd_ < 0 || ::connect(fd_, reinterpret_cast<const sockaddr*>(&to), sizeof to) < 0) throw_errno("connect");
    }
    connection(const connection&) = delete;
    connection& operator=(const connection&) = delete;
    ~connection() { ::close(fd_); }

    void send(std::string_view text) const {
        if (::send(fd_, text.data(), text.size(), MSG_NOSIGNAL) != std::ssize(text)) throw_errno("send");
    }
    void receive_more(std::string& into) const {
        std::array<char, 4096> buffer;
        const auto count = ::recv(fd_, buffer.data(), buffer.size(), 0);
        if (count <= 0) throw failure("the server has closed the connection before the end of its first response");
        into.append(buffer.data(), static_cast<std::size_t>(count));
    }

private:
    int fd_;
};

}  // namespace

http_messages::http_messages(std::uint16_t port)
    : request_("GET / HTTP/1.1\r\nHost: 127.0.0.1:" + std::to_string(port) +
               "\r\nUser-Agent: bench_load\r\nAccept: */*\r\n\r\n") {
    const connection server(port);
    server.send(request_);
    while (answer_.find("\r\n\r\n") == std::string::npos) server.receive_more(answer_);
    const auto size = size_of_response(answer_);
    while (answer_.size() < size) server.receive_more(answer_);
    if (answer_.size() > size) throw failure("the first response is longer than announced");
    if (!answer_.starts_with("HTTP/1.1 200 ")) throw failure("the status of the first response is not 200");
    date_begin_ = after(answer_, "\r\nDate: ");
    date_end_ = answer_.find('\r', date_begin_);
}

bool http_messages::is_answer(unsigned, std::uint64_t, std::size_t offset,
                              std::span<const std::byte> bytes) const noexcept {
    const auto equal = [&](std::size_t begin, std::size_t end) {
        begin = std::max(begin, offset);
        end = std::min(end, offset + bytes.size());
        return begin >= end || std::memcmp(bytes.data() + (begin - offset), answer_.data() + begin, end - begin) == 0;
    };
    return equal(0, date_begin_) && equal(date_end_, answer_.size());
}

}  // namespace bench
