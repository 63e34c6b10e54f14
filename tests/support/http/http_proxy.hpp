// SPDX-License-Identifier: MIT
#pragma once

#include <array>
#include <cstddef>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <eddy/io.hpp>
#include <eddy/net.hpp>
#include <eddy/runtime.hpp>
#include <eddy/task.hpp>

namespace support {

/// The replies of a proxy that speaks SOCKS5: to the methods of authentication, to a password, and to a request.
struct socks_replies {
    std::string method{'\5', '\0'};
    std::string login{'\1', '\0'};
    std::string request{'\5', '\0', '\0', '\1', '\177', '\0', '\0', '\1', '\0', '\0'};
};

/// A proxy on a free port of this machine. It answers requests to http URLs itself, and connects by CONNECT or by
/// SOCKS5 to the port that the request names, on this machine, whatever its host is.
class http_proxy {
public:
    std::vector<std::string> heads;  // of the requests, in the order of their arrival
    unsigned connections = 0;
    std::string answer = "HTTP/1.1 200 OK\r\nContent-Length: 7\r\n\r\nproxied";  // to requests with http URLs
    std::string established = "HTTP/1.1 200 Connection established\r\n\r\n";     // the response to CONNECT
    std::optional<socks_replies> socks;  // of a proxy for SOCKS5, whose messages are in `heads`
    bool connects = true;                // if false, the connection stays open after the response to CONNECT
    /// Makes a stream of a connection that was accepted, for example a TLS stream.
    std::function<eddy::task<eddy::result<eddy::io::boxed_stream>>(eddy::net::tcp_stream)> accept =
        [](eddy::net::tcp_stream from) -> eddy::task<eddy::result<eddy::io::boxed_stream>> {
        co_return eddy::io::boxed_stream(std::move(from));
    };

    /// Serves while `script(address)` runs.
    template <class Script>
    eddy::task<void> during(Script& script) {
        auto bound = co_await eddy::net::tcp_listener::bind("127.0.0.1:0");
        auto listener = std::move(bound).value();
        const auto address = listener.local_addr().value().to_string();
        const auto handler = [this](eddy::net::tcp_stream from) { return serve(std::move(from)); };
        const auto options = eddy::net::serve_options().on_error([](const auto&) {});  // clients that go away
        auto serving = eddy::spawn(eddy::net::serve(std::move(listener), handler, options));
        co_await script(address);
        serving.abort();
        static_cast<void>(co_await std::move(serving));
    }

private:
    eddy::task<eddy::result<void>> serve(eddy::net::tcp_stream from) {
        ++connections;
        auto client = co_await eddy::try_(accept(std::move(from)));
        if (socks) co_return co_await serve_socks(std::move(client));
        for (;;) {
            auto head = co_await eddy::try_(read_head(client));
            if (head.empty()) co_return eddy::ok();
            heads.push_back(head);
            if (head.starts_with("CONNECT ")) co_return co_await tunnel(std::move(client), std::move(head));
            co_await eddy::try_(eddy::io::write_all(client, std::string(answer)));
        }
    }

    eddy::task<eddy::result<void>> tunnel(eddy::io::boxed_stream client, std::string head) const {
        const auto target = head.substr(8, head.find(' ', 8) - 8);
        co_return co_await connect(std::move(client), established, target.substr(target.rfind(':')));
    }

    eddy::task<eddy::result<void>> serve_socks(eddy::io::boxed_stream client) {
        heads.emplace_back();
        co_await eddy::try_(receive(client, 2));
        co_await eddy::try_(receive(client, heads.back().back()));
        co_await eddy::try_(eddy::io::write_all(client, std::string(socks->method)));
        if (socks->method.ends_with('\2')) {
            heads.emplace_back();
            co_await eddy::try_(receive(client, 2));
            co_await eddy::try_(receive(client, heads.back().back() + 1));
            co_await eddy::try_(receive(client, heads.back().back()));
            co_await eddy::try_(eddy::io::write_all(client, std::string(socks->login)));
        }
        heads.emplace_back();
        co_await eddy::try_(receive(client, 5));
        const char type = heads.back()[3];
        const int of_name = heads.back()[4];
        const int of_address = type == 1 ? 3 : 15;  // without the byte that was received
        co_await eddy::try_(receive(client, 2 + (type == 3 ? of_name : of_address)));
        const auto port = heads.back().substr(heads.back().size() - 2);
        const int number = static_cast<unsigned char>(port[0]) * 256 + static_cast<unsigned char>(port[1]);
        co_return co_await connect(std::move(client), socks->request, ":" + std::to_string(number));
    }

    /// Appends bytes to the last head.
    eddy::task<eddy::result<void>> receive(eddy::io::boxed_stream& from, int count) {
        std::string some(static_cast<std::size_t>(count), '\0');
        if (count != 0) co_await eddy::try_(eddy::io::read_exact(from, some));
        heads.back() += some;
        co_return eddy::ok();
    }

    eddy::task<eddy::result<void>> connect(eddy::io::boxed_stream client, std::string reply, std::string port) const {
        co_await eddy::try_(eddy::io::write_all(client, std::move(reply)));
        co_await eddy::try_(eddy::io::flush(client));
        if (!connects) {
            std::array<std::byte, 256> some{};
            for (std::size_t count = 1; count != 0;) count = co_await eddy::try_(eddy::io::read(client, some));
            co_return eddy::ok();
        }
        auto server = co_await eddy::try_(eddy::net::tcp_stream::connect("127.0.0.1" + port));
        co_await eddy::try_(eddy::io::copy_bidirectional(client, server));
        co_return eddy::ok();
    }

    static eddy::task<eddy::result<std::string>> read_head(eddy::io::boxed_stream& from) {
        std::string head;
        std::array<char, 1> one{};
        while (!head.ends_with("\r\n\r\n")) {
            const auto count = co_await eddy::try_(eddy::io::read(from, one));
            if (count == 0) co_return std::string();
            head += one[0];
        }
        co_return head;
    }
};

}  // namespace support
