// SPDX-License-Identifier: MIT
#include <gtest/gtest.h>

#include <sys/ioctl.h>

#include <algorithm>
#include <cstddef>
#include <map>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include <eddy/codec/framed.hpp>
#include <eddy/codec/lines_codec.hpp>
#include <eddy/future/join.hpp>
#include <eddy/future/join_all.hpp>
#include <eddy/future/try.hpp>
#include <eddy/io/write_all.hpp>
#include <eddy/net/tcp_stream.hpp>
#include <eddy/runtime/core.hpp>
#include <eddy/sync/barrier.hpp>
#include <eddy/task/task.hpp>

#include "support/net.hpp"
#include "support/process.hpp"

// The example `chat` as a process, with clients that talk, leave and disconnect.

namespace {

using eddy::result;
using eddy::task;
using eddy::try_;
using eddy::net::socket_addr;
using eddy::net::tcp_stream;
using eddy::sync::barrier;
using support::process;
using support::within;

using lines = eddy::codec::framed<tcp_stream, eddy::codec::lines_codec>;
using texts = std::vector<std::string>;

/// A client in the lobby. Records the lines that it receives.
class guest {
public:
    guest(lines&& connection, std::string name) : lines_(std::move(connection)), name_(std::move(name)) {}

    static task<result<guest>> enter(socket_addr at, std::string name) {
        auto stream = co_await try_(tcp_stream::connect(at));
        guest self(lines(std::move(stream), eddy::codec::lines_codec()), std::move(name));
        co_await try_(self.lines_.send(self.name_));
        co_await try_(self.read_until("* " + self.name_ + " is here"));
        self.heard_.clear();
        co_return std::move(self);
    }
    /// Sends `text`, and waits until the server has sent the message back to this client.
    task<result<void>> say(std::string text) {
        co_await try_(lines_.send(text));
        co_return co_await read_until(name_ + ": " + text);
    }
    task<result<void>> read_until(std::string text) {
        while (heard_.empty() || heard_.back() != text) co_await try_(hear());
        co_return eddy::ok();
    }
    /// Reads until `count` messages of guests were received in total.
    task<result<void>> read_messages(std::size_t count) {
        while (messages_ < count) co_await try_(hear());
        co_return eddy::ok();
    }
    task<result<void>> hear() {
        auto next = co_await lines_.next();
        if (!next) co_return std::unexpected(make_error_code(eddy::errc::unexpected_eof));
        heard_.push_back(co_await try_(std::move(*next)));
        if (heard_.back().find(": ") != std::string::npos) ++messages_;
        co_return eddy::ok();
    }
    [[nodiscard]] bool is_told_about_missed_messages() const {
        return !heard_.empty() && heard_.back().ends_with(" messages were missed");
    }
    lines& connection() { return lines_; }
    const texts& heard() const { return heard_; }

private:
    lines lines_;
    std::string name_;
    texts heard_;
    std::size_t messages_ = 0;
};

struct crowd {
    socket_addr at;
    int stayers;
    int vanishers;
    int says;  // messages per guest
    barrier all_are_here;
    barrier all_was_heard;

    crowd(const socket_addr& where, int stay, int vanish, int messages)
        : at(where),
          stayers(stay),
          vanishers(vanish),
          says(messages),
          all_are_here(static_cast<std::size_t>(stay + 1)),
          all_was_heard(static_cast<std::size_t>(stay + 1)) {}
    [[nodiscard]] std::size_t messages() const { return static_cast<std::size_t>((stayers + vanishers) * says); }
};

task<result<texts>> stay(crowd& with, int number) {
    auto me = co_await try_(guest::enter(with.at, "s" + std::to_string(number)));
    co_await with.all_are_here.wait();
    for (int i = 0; i < with.says; ++i) co_await try_(me.say(std::to_string(i)));
    co_await try_(me.read_messages(with.messages()));
    co_await with.all_was_heard.wait();
    co_await try_(me.read_until("* the server is shutting down"));
    auto end = co_await me.connection().next();
    EXPECT_FALSE(end.has_value());
    co_return me.heard();
}

/// Connects, sends messages, and leaves: with /quit, without it, or with a reset in the middle of a line.
task<result<void>> vanish(crowd& with, int number) {
    auto me = co_await try_(guest::enter(with.at, "v" + std::to_string(number)));
    for (int i = 0; i < with.says; ++i) co_await try_(me.say(std::to_string(i)));
    if (number % 3 == 0) co_await try_(me.connection().send("/quit"));
    if (number % 3 == 1) {
        const std::string half = "half a li";
        co_await try_(eddy::io::write_all(me.connection().inner(), std::as_bytes(std::span(half))));
        co_await try_(me.connection().inner().set_zero_linger());
    }
    co_return eddy::ok();
}

/// Returns the messages of each speaker, in the order in which they were received.
std::map<std::string, texts> by_speaker(const texts& heard) {
    std::map<std::string, texts> all;
    for (const auto& line : heard) {
        if (const auto colon = line.find(": "); colon != line.npos)
            all[line.substr(0, colon)].push_back(line.substr(colon + 2));
    }
    return all;
}

task<result<std::vector<texts>>> run_crowd(crowd& all, process& server) {
    std::vector<task<result<texts>>> staying;
    for (int i = 0; i < all.stayers; ++i) staying.push_back(stay(all, i));
    std::vector<task<result<void>>> vanishing;
    for (int i = 0; i < all.vanishers; ++i) vanishing.push_back(vanish(all, i));
    const auto direct = [](crowd& of, std::vector<task<result<void>>> guests, process& chat) -> task<result<void>> {
        co_await of.all_are_here.wait();
        co_await try_(eddy::try_join_all(std::move(guests)));
        co_await of.all_was_heard.wait();
        chat.signal(SIGINT);
        co_return eddy::ok();
    };
    auto directed = direct(all, std::move(vanishing), server);
    auto stayed = eddy::try_join_all(std::move(staying));
    auto [heard, none] = co_await try_(eddy::try_join(std::move(stayed), std::move(directed)));
    co_return std::move(heard);
}

TEST(Chat, ClientsThatStayMissNoMessage) {
    process server({"chat", "127.0.0.1:0", "10000"});
    crowd all(support::addr_in(server.line()), 50, 150, 5);
    eddy::core core;
    const auto heard = within(core, run_crowd(all, server), std::chrono::seconds(50));
    ASSERT_TRUE(heard) << heard.error().message();
    texts expected;
    for (int i = 0; i < all.says; ++i) expected.push_back(std::to_string(i));
    for (const auto& one : *heard) {
        const auto said = by_speaker(one);
        EXPECT_EQ(said.size(), 200u);
        for (const auto& [speaker, messages] : said) EXPECT_EQ(messages, expected) << speaker;
    }
    const auto ended = server.wait();
    EXPECT_EQ(ended.code, 0);
    EXPECT_EQ(ended.out, "200 connections, 0 aborted\n");
    EXPECT_EQ(ended.err, "");
}

TEST(Chat, RoomsAreSeparateAndTooLongLineIsReported) {
    process server({"chat", "127.0.0.1:0"});
    const auto at = support::addr_in(server.line());
    eddy::core core;
    const auto work = [](socket_addr where) -> task<result<texts>> {
        auto ann = co_await try_(guest::enter(where, "ann"));
        auto bob = co_await try_(guest::enter(where, "bob"));
        co_await try_(bob.connection().send("/join kitchen"));
        co_await try_(bob.read_until("* bob is here"));
        co_await try_(bob.say("hello kitchen"));
        co_await try_(ann.read_until("* bob has gone to kitchen"));  // may come after the answer to a line of ann
        co_await try_(ann.connection().send(std::string(5000, 'x')));
        co_await try_(ann.say("still here"));
        co_await try_(ann.connection().send("/quit"));
        auto end = co_await ann.connection().next();
        EXPECT_FALSE(end.has_value());
        co_return ann.heard();
    };
    const auto heard = within(core, work(at));
    ASSERT_TRUE(heard) << heard.error().message();
    EXPECT_EQ(*heard, (texts{"* bob is here", "* bob has gone to kitchen", "! the line is longer than its limit",
                             "ann: still here"}));
    server.signal(SIGTERM);
    EXPECT_EQ(server.wait().out, "2 connections, 0 aborted\n");
}

/// Sends `line` and returns the next line that the client receives.
task<result<std::string>> answer_to(guest& client, std::string line) {
    co_await try_(client.connection().send(line));
    co_await try_(client.hear());
    co_return client.heard().back();
}

TEST(Chat, JoinWithoutRoomNamePrintsUsage) {
    process server({"chat", "127.0.0.1:0"});
    eddy::core core;
    const auto work = [](socket_addr where) -> task<result<texts>> {
        auto ann = co_await try_(guest::enter(where, "ann"));
        for (const std::string line : {"/join", "/join ", "/join   "}) {
            const auto answer = co_await try_(answer_to(ann, line));
            EXPECT_EQ(answer, "! which room? /join ROOM") << line;
        }
        co_await try_(ann.say("/joiners"));
        auto bob = co_await try_(guest::enter(where, "bob"));
        co_await try_(bob.connection().send("/join  the kitchen "));
        co_await try_(bob.read_until("* bob is here"));
        co_await try_(ann.read_until("* bob has gone to the kitchen"));
        co_return ann.heard();
    };
    const auto heard = within(core, work(support::addr_in(server.line())));
    ASSERT_TRUE(heard) << heard.error().message();
    const std::string told = "! which room? /join ROOM";
    EXPECT_EQ(*heard, (texts{told, told, told, "ann: /joiners", "* bob is here", "* bob has gone to the kitchen"}));
}

TEST(Chat, TooLongNameIsRefusedAndPromptedAgain) {
    process server({"chat", "127.0.0.1:0"});
    eddy::core core;
    const auto work = [](socket_addr where) -> task<result<texts>> {
        auto stream = co_await try_(tcp_stream::connect(where));
        guest ann(lines(std::move(stream), eddy::codec::lines_codec()), "ann");
        co_await try_(ann.connection().send(std::string(5000, 'x')));
        co_await try_(ann.connection().send("ann"));
        co_await try_(ann.read_until("* ann is here"));
        co_return ann.heard();
    };
    const auto heard = within(core, work(support::addr_in(server.line())));
    ASSERT_TRUE(heard) << heard.error().message();
    EXPECT_EQ(*heard, (texts{"* your name?", "! the line is longer than its limit", "* your name?", "* ann is here"}));
}

TEST(Chat, SlowClientIsNotifiedOfMissedMessages) {
    process server({"chat", "127.0.0.1:0", "4"});
    const auto at = support::addr_in(server.line());
    eddy::core core;
    const auto work = [](socket_addr where) -> task<result<void>> {
        auto slow = co_await try_(guest::enter(where, "slow"));
        auto fast = co_await try_(guest::enter(where, "fast"));
        const std::string text(900, 'x');
        for (int i = 0; i < 20'000; ++i) co_await try_(fast.say(text));  // more than all buffers can hold
        while (!slow.is_told_about_missed_messages()) co_await try_(slow.hear());
        co_return eddy::ok();
    };
    const auto done = within(core, work(at), std::chrono::seconds(50));
    EXPECT_TRUE(done) << done.error().message();
}

TEST(Chat, SecondSignalEndsServerImmediately) {
    process server({"chat", "127.0.0.1:0"});
    const auto at = support::addr_in(server.line());
    eddy::core core;
    const auto work = [](socket_addr where, process& chat) -> task<result<void>> {
        auto stalled = co_await try_(guest::enter(where, "stalled"));
        auto talker = co_await try_(guest::enter(where, "talker"));
        // Sends until the buffers of the stalled client are full: its number of unread bytes stays the same while more
        // bytes are sent than the server's send buffer can hold (tcp(7): 4 MiB). A fixed number of messages is not
        // enough, since a slow writer skips some.
        const std::string text(950, 'x');
        int unread = -1;
        for (int i = 0, unchanged = 0; unchanged < 10'000 && i < 200'000; ++i, ++unchanged) {
            co_await try_(talker.say(text + std::to_string(i)));
            int now = 0;
            ::ioctl(stalled.connection().inner().native_handle(), FIONREAD, &now);
            if (std::exchange(unread, now) != now) unchanged = 0;
        }
        chat.signal(SIGINT);
        co_await try_(talker.read_until("* the server is shutting down"));
        // The server waits for the stalled client, which must stay connected until the server ends.
        chat.signal(SIGINT);
        EXPECT_EQ(chat.wait().code, 128 + SIGINT);
        co_return eddy::ok();
    };
    const auto done = within(core, work(at, server), std::chrono::seconds(50));
    EXPECT_TRUE(done) << done.error().message();
}

}  // namespace
