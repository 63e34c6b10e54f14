// SPDX-License-Identifier: MIT

// The baseline for HTTP servers: a bare epoll loop that answers each request with the same response.
//
//     $ bench_http_bare --port 7000 --threads 1
//
// It only finds the end of each head, an empty line. It parses nothing, so a request must not have a body. The response
// has the same bytes as that of http_eddy.cpp.

#include <cstddef>
#include <ctime>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>

#include "bare_epoll.hpp"

namespace {

class plaintext {
public:
    std::span<const std::byte> answer(int fd, std::span<const std::byte> received) {
        // SAFETY: bytes may be read as char. They are valid during this call.
        std::string_view text(reinterpret_cast<const char*>(received.data()), received.size());
        if (!parts_.empty()) [[unlikely]] {
            whole_ = std::move(parts_[fd]).append(text);
            parts_.erase(fd);
            text = whole_;
        }
        responses_.clear();
        for (auto end = text.find(head_end); end != std::string_view::npos; end = text.find(head_end)) {
            append_response();
            text.remove_prefix(end + head_end.size());
        }
        if (!text.empty()) [[unlikely]]
            parts_.emplace(fd, text);
        return std::as_bytes(std::span(responses_));
    }

    void forget(int fd) { parts_.erase(fd); }

private:
    static constexpr std::string_view head_end = "\r\n\r\n";

    void append_response() {
        if (const auto now = std::time(nullptr); now != second_) {
            second_ = now;
            std::tm parts{};
            ::gmtime_r(&now, &parts);
            char text[32];
            date_.assign(text, std::strftime(text, sizeof text, "%a, %d %b %Y %H:%M:%S GMT", &parts));
        }
        responses_.append("HTTP/1.1 200 OK\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Length: 13\r\nDate: ")
            .append(date_)
            .append("\r\n\r\nHello, World!");
    }

    std::unordered_map<int, std::string> parts_;  // by descriptor: the beginning of a head
    std::string whole_;
    std::string responses_;
    std::time_t second_ = -1;
    std::string date_;
};

}  // namespace

int main(int argc, char** argv) { return bench::run_servers<bench::bare_epoll<plaintext>>(argc, argv); }
