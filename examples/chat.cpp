// SPDX-License-Identifier: MIT
// Chat: rooms over TCP, a line of text a message: codec::framed, broadcast, select, and an end that says good-bye.
//     $ ./chat 127.0.0.1:6667         and, in two more terminals: $ nc 127.0.0.1 6667
//     The first line is your name. Then what you type goes to your room, "/join ROOM" takes you to another, "/quit"
//     home.
// Ctrl-C, or SIGTERM, ends it: everybody is told, and who does not leave within 5 s is cut off. A second one ends it at
// once.
#include <eddy/prelude.hpp>

#include <charconv>
#include <cstdio>
#include <cstdlib>
#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <variant>

namespace {

using namespace std::chrono_literals;
namespace codec = eddy::codec;
namespace signal = eddy::signal;
using eddy::result;
using eddy::task;
using eddy::try_;
using eddy::net::tcp_stream;
using eddy::sync::cancellation_token;

using room = eddy::sync::broadcast<std::string>;

// A channel for each room that somebody is in. The lock is held for a moment, and never while a task waits: so
// std::mutex will do.
class room_list {
public:
    // Who is further behind than this is told how much he has missed: a slow client costs the others nothing.
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

// Somebody in a room. Whatever ends the talk (a good-bye, an error, a connection that is gone), the others hear of it.
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

// What a connection is: a stream of lines and a sink of lines. No line is longer than 1000 bytes.
using lines = codec::framed<tcp_stream, codec::lines_codec>;

// The room of "/join ROOM", without the blanks around it. Nothing if the line is no such command.
std::optional<std::string> room_to_join(std::string_view line) {
    constexpr std::string_view command = "/join";
    if (line != command && !line.starts_with("/join ")) return std::nullopt;
    line.remove_prefix(command.size());
    const auto first = line.find_first_not_of(' ');
    if (first == line.npos) return std::string();
    return std::string(line.substr(first, line.find_last_not_of(' ') + 1 - first));
}

// Does what a line says. Gives what he alone is told, if there is such a thing.
std::string obey(member& me, const std::string& line) {
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

// Of a client's lines and his room's messages, whichever comes first; until he leaves, or all must. The futures that
// lose a select are dropped, and nothing is lost by that: see "Cancel safety" of next(), recv() and cancelled().
task<result<void>> talk(lines& peer, member& me, const cancellation_token& end) {
    for (;;) {
        auto event = co_await eddy::select(peer.next(), me.inbox().recv(), end.cancelled());
        if (auto* line = std::get_if<0>(&event)) {
            if (!*line) co_return eddy::ok();  // he has hung up
            if (!**line) {
                const auto error = (*line)->error();
                if (!peer.codec().goes_on_after(error)) co_return std::unexpected(error);
                co_await try_(peer.send("! " + error.message()));
            } else if (***line == "/quit") {
                co_return co_await peer.close();
            } else if (const auto answer = obey(me, ***line); !answer.empty()) {
                co_await try_(peer.send(answer));
            }
        } else if (auto* message = std::get_if<1>(&event)) {
            const std::string text = message->has_value()
                                         ? **message
                                         : "! " + std::to_string(message->error().missed()) + " messages were missed";
            co_await try_(peer.send(text));
        } else {
            co_await try_(peer.send("* the server goes down"));
            co_return co_await peer.close();
        }
    }
}

// Asks until there is one. Nothing if he hangs up, or all must leave.
task<result<std::optional<std::string>>> ask_name(lines& peer, const cancellation_token& end) {
    for (;;) {
        co_await try_(peer.send("* your name?"));
        auto event = co_await eddy::select(peer.next(), end.cancelled());
        auto* const line = std::get_if<0>(&event);
        if (line == nullptr || !*line) co_return std::nullopt;
        if (**line) co_return std::move(***line);
        const auto error = (*line)->error();
        if (!peer.codec().goes_on_after(error)) co_return std::unexpected(error);
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

// The first signal asks the program to end, and the next one, of either kind, ends it at once, as a shell would have
// it.
task<void> end_at(signal::signal_stream signals, cancellation_token end) {
    while (auto next = co_await signals.next()) {
        if (end.is_cancelled()) std::_Exit(128 + next->number());
        end.cancel();
    }
}

task<result<void>> run_server(std::string where, std::size_t backlog) {
    // Before anybody can know that we are there. (Where that is no matter, `co_await signal::ctrl_c()` is all one
    // needs.)
    const cancellation_token end;
    auto interrupts = co_await try_(signal::stream(signal::kind::interrupt()));
    auto terminations = co_await try_(signal::stream(signal::kind::terminate()));
    eddy::spawn_background(end_at(std::move(interrupts), end));
    eddy::spawn_background(end_at(std::move(terminations), end));
    auto listener = co_await try_(eddy::net::tcp_listener::bind(where));
    std::printf("listening on %s\n", listener.local_addr().value().to_string().c_str());
    std::fflush(stdout);

    room_list rooms(backlog);
    const auto handler = [&rooms, &end](tcp_stream stream) { return welcome(std::move(stream), rooms, end); };
    auto options = eddy::net::serve_options().shutdown(end).drain(5s);
    const auto report = co_await try_(eddy::net::serve(std::move(listener), handler, std::move(options)));
    std::printf("%llu came, %llu were cut off\n", static_cast<unsigned long long>(report.accepted),
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
