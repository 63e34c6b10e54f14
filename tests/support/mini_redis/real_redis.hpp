// SPDX-License-Identifier: MIT
#pragma once

#include <gtest/gtest.h>

#include <sys/socket.h>
#include <sys/un.h>

#include <algorithm>
#include <cstddef>
#include <filesystem>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

#include <eddy/bytes/bytes_mut.hpp>

#include <support/mini_redis/redis_server.hpp>
#include <support/net.hpp>
#include <support/process.hpp>
#include <support/temp_dir.hpp>

#include "mini_redis/reply_codec.hpp"
#include "mini_redis/split_words.hpp"

// Compares mini_redis with the real Redis: both servers run the same scripts and must answer with the same bytes.
// Debian's package redis-tools contains the program redis-check-rdb, which runs as the Redis server if it is started
// under another name.

namespace support {

constexpr const char* real_redis_program = "/usr/bin/redis-check-rdb";

/// The real Redis server, on a Unix socket in a temporary folder, so that it needs no port.
class real_redis {
public:
    real_redis() : program_(dir_ / "redis-server"), socket_(dir_ / "socket") {
        std::filesystem::create_symlink(real_redis_program, program_);
        process_.emplace(std::vector<std::string>{program_, "--port", "0", "--unixsocket", socket_, "--save", "",
                                                  "--appendonly", "no", "--dir", dir_ / ""});
        if (!support::comes_true([this] { return connected().has_value(); }))
            throw std::runtime_error("no redis-server");
    }

    [[nodiscard]] raw_socket connect() const { return *connected(); }

private:
    [[nodiscard]] std::optional<raw_socket> connected() const {
        raw_socket made(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
        sockaddr_un to{};
        to.sun_family = AF_UNIX;
        socket_.copy(to.sun_path, sizeof to.sun_path - 1);
        // SAFETY: connect(2) takes a sockaddr*. `to` is a sockaddr_un with its family set, and outlives the call.
        if (::connect(made.fd(), reinterpret_cast<const sockaddr*>(&to), sizeof to) != 0) return std::nullopt;
        return made;
    }

    support::temp_dir dir_;
    std::string program_;
    std::string socket_;
    std::optional<process> process_;
};

// ---- Scripts, run against both servers ----

/// Returns a request in the form of the protocol.
inline std::string encoded(const std::vector<std::string>& words) {
    mini_redis::reply_codec codec;
    eddy::bytes_mut out;
    const std::vector<std::string_view> views(words.begin(), words.end());
    static_cast<void>(codec.encode(views, out));
    return std::string(out.text());
}

/// Reads the bytes of one reply.
inline std::string read_reply(const raw_socket& from) {
    mini_redis::reply_codec codec;
    eddy::bytes_mut in;
    std::string raw;
    for (;;) {
        const std::string more = from.receive(1);
        raw += more;
        in.put(more);
        if (more.empty()) return raw;
        const auto got = codec.decode(in);
        if (!got || *got) return raw;
    }
}

/// Sorts the members of an array reply, for commands whose replies have no order.
inline std::string sorted(const std::string& raw) {
    mini_redis::reply_codec codec;
    auto in = eddy::bytes_mut::copy_of(raw);
    const auto got = codec.decode(in);
    const auto* const items = got && *got ? (*got)->get_if<mini_redis::reply::array>() : nullptr;
    if (items == nullptr) return raw;
    std::vector<std::string> all;
    for (const auto& each : *items) {
        eddy::bytes_mut one;
        mini_redis::write_reply(each, one);
        all.emplace_back(one.text());
    }
    std::ranges::sort(all);
    std::string text = "sorted " + std::to_string(all.size());
    for (const auto& each : all) text += "\r\n" + each;
    return text;
}

using answers = std::vector<std::string>;  // the bytes of each reply

/// Sends the lines of a script one by one and returns the answers.
inline answers run_script(const raw_socket& server, const std::vector<std::string>& script) {
    answers all;
    for (const auto& line : script) {
        const auto words = mini_redis::split_words(line).value();
        server.send(encoded(words));
        // SUBSCRIBE and UNSUBSCRIBE send one reply per channel.
        const bool is_many = (words[0] == "SUBSCRIBE" || words[0] == "UNSUBSCRIBE") && words.size() > 1;
        std::string answer;
        for (std::size_t i = is_many ? words.size() - 1 : 1; i > 0; --i) answer += read_reply(server);
        all.push_back(line.starts_with("SMEMBERS words") ? sorted(answer) : answer);
    }
    return all;
}

/// Requires that both servers answer a script with the same bytes.
inline void expect_same(const std::vector<std::string>& script) {
    const real_redis real;
    const redis_server ours;
    const auto expected = run_script(real.connect(), script);
    const auto got = run_script(ours.connect(), script);
    ASSERT_EQ(expected.size(), got.size());
    for (std::size_t i = 0; i < got.size(); ++i) EXPECT_EQ(got[i], expected[i]) << script[i];
}

}  // namespace support
