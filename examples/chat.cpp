// SPDX-License-Identifier: MIT
// Chat: rooms over TCP, one line of text per message: codec::framed, broadcast, select, graceful shutdown.
//     $ ./chat 127.0.0.1:6667         and, in two more terminals: $ nc 127.0.0.1 6667
//     The first line is your name. Later lines go to your room. "/join ROOM" changes the room, "/quit" disconnects.
// Ctrl-C or SIGTERM ends it: all clients are notified, and connections that are still open after 5 s are aborted. A
// second signal ends it immediately.
#include <eddy/prelude.hpp>

#include <charconv>
#include <cstdio>
#include <expected>
#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <variant>

namespace {

using namespace std::chrono_literals;
namespace codec = eddy::codec;
using eddy::flow;
using eddy::result;
using eddy::task;
using eddy::try_;
using eddy::net::tcp_stream;
using eddy::sync::broadcast_error;
using eddy::sync::cancellation_token;

using room = eddy::sync::broadcast<std::string>;

// One channel for each room that has members. The lock is held briefly, and never across an await, so a std::mutex is
// sufficient.
class room_list {
public:
    // A client that is more than `backlog` messages behind is told how many it missed. It does not slow down the other
    // clients.
    explicit room_list(std::size_t backlog) : backlog_(backlog) {}

    room::receiver enter(const std::string& name) {
        const std::scoped_lock guard(lock_);
        if (const auto found = rooms_.find(name); found != rooms_.end()) return found->second.subscribe();
        auto [sender, receiver] = room::channel(backlog_);
        rooms_.emplace(name, std::move(sender));
        return std::move(receiver);
    }
    void say(const std::string& name, std::string text) {
        const std::scoped_lock guard(lock_);
        if (const auto found = rooms_.find(name); found != rooms_.end())
            static_cast<void>(found->second.send(std::move(text)));
    }
    void forget_if_empty(const std::string& name) {
        const std::scoped_lock guard(lock_);
        const auto found = rooms_.find(name);
        if (found != rooms_.end() && found->second.receiver_count() == 0) rooms_.erase(found);
    }

private:
    std::size_t backlog_;
    std::mutex lock_;
    std::map<std::string, room::sender> rooms_;
};

// A client in a room. Its destructor notifies the other members, however the connection ended.
class member {
public:
    member(room_list& rooms, std::string name) : rooms_(rooms), name_(std::move(name)), inbox_(rooms.enter(where_)) {
        rooms_.say(where_, "* " + name_ + " is here");
    }
    member(const member&) = delete;
    member& operator=(const member&) = delete;
    ~member() {
        rooms_.say(where_, "* " + name_ + " has left");
        leave();
    }

    void say(const std::string& text) { rooms_.say(where_, name_ + ": " + text); }
    void go_to(std::string other) {
        rooms_.say(where_, "* " + name_ + " has gone to " + other);
        leave();
        where_ = std::move(other);
        inbox_ = rooms_.enter(where_);
        rooms_.say(where_, "* " + name_ + " is here");
    }
    room::receiver& inbox() { return *inbox_; }

private:
    void leave() {
        inbox_.reset();
        rooms_.forget_if_empty(where_);
    }

    room_list& rooms_;
    std::string name_;
    std::string where_ = "lobby";
    std::optional<room::receiver> inbox_;
};

// A connection is a stream of lines and a sink of lines. No line is longer than 1000 bytes.
using lines = codec::framed<tcp_stream, codec::lines_codec>;

// Returns ROOM of "/join ROOM", without surrounding blanks, or nullopt if the line is not a /join command.
std::optional<std::string> room_to_join(std::string_view line) {
    constexpr std::string_view command = "/join";
    if (line != command && !line.starts_with("/join ")) return std::nullopt;
    line.remove_prefix(command.size());
    const auto first = line.find_first_not_of(' ');
    if (first == line.npos) return std::string();
    return std::string(line.substr(first, line.find_last_not_of(' ') + 1 - first));
}

// Executes a line. Returns the reply for this client only, or an empty string.
std::string execute(member& me, const std::string& line) {
    auto room_name = room_to_join(line);
    if (!room_name) {
        me.say(line);
    } else if (room_name->empty()) {
        return "! which room? /join ROOM";
    } else {
        me.go_to(std::move(*room_name));
    }
    return {};
}

// Handles lines of the client and messages of its room in the order of arrival, until the client leaves or the server
// ends. The losing futures of a select are dropped. This loses no data: see "Cancel safety" of next(), recv() and
// cancelled().
task<result<void>> talk(lines& peer, member& me, const cancellation_token& end) {
    const auto on_line = [&](std::optional<result<std::string>> line) -> task<result<flow>> {
        if (!line) co_return flow::stop;  // the client disconnected
        if (!*line) {
            const auto error = line->error();
            if (!peer.codec().can_continue_after(error)) co_return std::unexpected(error);
            co_await try_(peer.send("! " + error.message()));
        } else if (**line == "/quit") {
            co_await try_(peer.close());
            co_return flow::stop;
        } else if (const auto answer = execute(me, **line); !answer.empty()) {
            co_await try_(peer.send(answer));
        }
        co_return flow::next;
    };
    const auto on_message = [&](std::expected<std::string, broadcast_error> message) -> task<result<void>> {
        const std::string text =
            message ? *message : "! " + std::to_string(message.error().missed()) + " messages were missed";
        co_await try_(peer.send(text));
        co_return eddy::ok();
    };
    const auto on_end = [&]() -> task<result<flow>> {
        co_await try_(peer.send("* the server is shutting down"));
        co_await try_(peer.close());
        co_return flow::stop;
    };
    auto events = eddy::select_loop(eddy::on([&] { return peer.next(); }, on_line),
                                    eddy::on([&] { return me.inbox().recv(); }, on_message),
                                    eddy::on([&] { return end.cancelled(); }, on_end));
    co_return co_await events;
}

// Asks for a name until it gets one. Returns nullopt if the client disconnects or the server ends.
task<result<std::optional<std::string>>> ask_name(lines& peer, const cancellation_token& end) {
    for (;;) {
        co_await try_(peer.send("* your name?"));
        auto event = co_await eddy::select(peer.next(), end.cancelled());
        auto* const line = std::get_if<0>(&event);
        if (line == nullptr || !*line) co_return std::nullopt;
        if (**line) co_return std::move(***line);
        const auto error = (*line)->error();
        if (!peer.codec().can_continue_after(error)) co_return std::unexpected(error);
        co_await try_(peer.send("! " + error.message()));
    }
}

task<result<void>> welcome(tcp_stream stream, room_list& rooms, cancellation_token end) {
    lines peer(std::move(stream), codec::lines_codec(1000));
    auto name = co_await try_(ask_name(peer, end));
    if (!name) co_return eddy::ok();
    member me(rooms, std::move(*name));
    co_return co_await talk(peer, me, end);
}

task<result<void>> run_server(std::string where, std::size_t backlog) {
    // The first Ctrl-C or SIGTERM ends the program gracefully, the second one immediately. Call shutdown_token() before
    // the server prints its address, so that no signal is missed.
    const auto end = co_await try_(eddy::signal::shutdown_token());
    auto listener = co_await try_(eddy::net::tcp_listener::bind(where));
    std::printf("listening on %s\n", listener.local_addr().value().to_string().c_str());
    std::fflush(stdout);

    room_list rooms(backlog);
    const auto handler = [&rooms, &end](tcp_stream stream) { return welcome(std::move(stream), rooms, end); };
    auto options = eddy::net::serve_options().shutdown(end).drain(5s);
    options.on_error([](const auto&) {});  // clients that are gone: nothing to report
    const auto report = co_await try_(eddy::net::serve(std::move(listener), handler, std::move(options)));
    std::printf("%llu connections, %llu aborted\n", static_cast<unsigned long long>(report.accepted),
                static_cast<unsigned long long>(report.aborted));
    co_return eddy::ok();
}

}  // namespace

int main(int argc, char** argv) {
    const std::string where = argc > 1 ? argv[1] : "127.0.0.1:6667";
    const std::string_view given = argc > 2 ? argv[2] : "1024";
    std::size_t backlog = 0;
    if (std::from_chars(given.begin(), given.end(), backlog).ptr != given.end() || backlog == 0 || argc > 3) {
        std::fprintf(
            stderr, "usage: chat [ADDRESS [LINES]]: where to listen, and how many lines a slow client may be behind\n");
        return 2;
    }
    const eddy::runtime pool;
    const auto ended = pool.block_on(run_server(where, backlog));
    if (ended) return 0;
    std::fprintf(stderr, "chat: %s: %s\n", where.c_str(), ended.error().message().c_str());
    return 1;
}
