// SPDX-License-Identifier: MIT
// WebSockets, with and without TLS and compression: messages that the server sends back, and each kind of end.
#include <algorithm>
#include <array>
#include <cstring>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include <eddy/http.hpp>
#include <eddy/sync.hpp>
#include <eddy/task.hpp>
#include <eddy/ws.hpp>

#include "bodies.hpp"
#include "client.hpp"
#include "drops.hpp"
#include "server.hpp"

namespace soak {
namespace {

using eddy::result;
using eddy::task;
using std::chrono_literals::operator""ms;
namespace http = eddy::http;
namespace ws = eddy::ws;

constexpr std::size_t most_message = 300'000;

/// Makes a message: binary, or text of the letters a to p, which compresses well.
ws::message make_message(std::uint64_t key, std::size_t size, bool is_text) {
    const support::byte_pattern pattern(key);
    if (!is_text) return ws::message(eddy::bytes(pattern.make(0, size)));
    std::string text;
    for (const auto each : pattern.make(0, size)) text += static_cast<char>('a' + (std::to_integer<int>(each) & 15));
    return ws::message(std::move(text));
}

// ---- The server ----

/// Sends each message back. Some connections are closed by the server.
task<result<void>> echo_messages(ws::connection socket, http::request asked, std::shared_ptr<server_state> state) {
    const auto id = asked.query<std::uint64_t>("id").value_or(0);
    const auto closes_after = asked.query<std::uint64_t>("close").value_or(0);
    const bool has_halves = asked.query("halves").has_value();
    const auto of = asked.query("tls") ? layer::wss : layer::ws;
    auto mine = std::make_shared<operation>(of, "server", id, asked.target);
    mine->pause(true);  // while it waits for the client
    pace how(mix(id, 7), state->plan.traffic.pauses_one_in, mine);
    std::optional<ws::halves> halves;
    if (has_halves) halves.emplace(std::move(socket).split());
    for (std::uint64_t count = 0; closes_after == 0 || count < closes_after; ++count) {
        std::optional<result<ws::message>> got;
        if (halves) {
            got.emplace(co_await halves->receiver.receive());
        } else {
            got.emplace(co_await socket.receive());
        }
        if (!*got) co_return result<void>();
        mine->moved((*got)->content().size());
        co_await eddy::poll_fn([&how](eddy::context& cx) -> eddy::poll_result<void> {
            return how.poll(cx) ? eddy::poll_result<void>::ready() : eddy::poll_result<void>(eddy::not_ready);
        });
        std::optional<result<void>> sent;
        if (halves) {
            sent.emplace(co_await halves->sender.send(**std::move(got)));
        } else {
            sent.emplace(co_await socket.send(**std::move(got)));
        }
        if (!*sent) co_return result<void>();
    }
    if (halves) {
        static_cast<void>(co_await halves->sender.close());
    } else {
        static_cast<void>(co_await socket.close());
    }
    co_return result<void>();
}

class ws_handler {
public:
    explicit ws_handler(std::shared_ptr<server_state> state) : state_(std::move(state)) {}
    task<result<void>> operator()(ws::connection socket, http::request asked) const {
        return echo_messages(std::move(socket), std::move(asked), state_);
    }

private:
    std::shared_ptr<server_state> state_;
};

// ---- The client ----

struct ws_plan {
    std::uint64_t seed;
    std::size_t messages;
    traffic like;
    bool is_compressed;
    bool has_halves;        // the server uses two halves
    bool sends_on_another;  // the client sends in a task of its own
    bool server_closes;
    std::uint64_t end;  // what the client does at its end

    ws_plan(support::dice& random, const traffic& of_episode, std::uint64_t of)
        : seed(of),
          messages(random.between(1, 30)),
          like(of_episode),
          is_compressed(random.one_in(2)),
          has_halves(random.one_in(2)),
          sends_on_another(random.one_in(2)),
          server_closes(random.one_in(4)),
          end(random.below(4)) {}

    [[nodiscard]] std::uint64_t key(std::size_t index) const noexcept { return mix(seed, index); }
    [[nodiscard]] ws::message message(std::size_t index) const {
        support::dice random(key(index));
        const auto size = any_size(random, like, most_message);
        return make_message(key(index), size, random.one_in(2));
    }
};

task<result<void>> send_messages(ws::sender& to, ws_plan plan, unsigned pauses, std::shared_ptr<operation> of) {
    pace how(mix(plan.seed, 8), pauses, of);
    for (std::size_t i = 0; i < plan.messages; ++i) {
        co_await eddy::poll_fn([&how](eddy::context& cx) -> eddy::poll_result<void> {
            return how.poll(cx) ? eddy::poll_result<void>::ready() : eddy::poll_result<void>(eddy::not_ready);
        });
        auto sent = co_await to.send(plan.message(i));
        if (!sent) co_return sent;
        of->moved(0);
    }
    co_return result<void>();
}

/// Same as send_messages(), but owns the sender, and gives it back.
task<std::pair<result<void>, ws::sender>> send_on_another_task(ws::sender to, ws_plan plan, unsigned pauses,
                                                               std::shared_ptr<operation> of) {
    auto sent = co_await send_messages(to, plan, pauses, of);
    co_return std::pair<result<void>, ws::sender>(sent, std::move(to));
}

task<result<void>> receive_messages(ws::receiver& from, ws_plan plan, unsigned pauses, std::shared_ptr<operation> of) {
    pace how(mix(plan.seed, 9), pauses, of);
    for (std::size_t i = 0; i < plan.messages; ++i) {
        co_await eddy::poll_fn([&how](eddy::context& cx) -> eddy::poll_result<void> {
            return how.poll(cx) ? eddy::poll_result<void>::ready() : eddy::poll_result<void>(eddy::not_ready);
        });
        auto got = co_await from.receive();
        if (!got) co_return std::unexpected(got.error());
        of->moved(got->content().size());
        const auto expected = plan.message(i);
        if (!(*got == expected))
            watch::get().fail(*of, "message " + std::to_string(i) + " of " + std::to_string(expected.content().size()) +
                                       " bytes came back as another one of " + std::to_string(got->content().size()) +
                                       " bytes");
    }
    co_return result<void>();
}

task<outcome> use_socket(std::shared_ptr<client_state> state, std::string url, ws_plan plan,
                         std::shared_ptr<operation> of, excuses having) {
    const auto pauses = state->plan.traffic.pauses_one_in;
    of->doing("connects");
    auto options = ws::options().compression(plan.is_compressed);
    options.client(http::client_options().proxies(http::proxies::none()).tls(state->tls));
    auto socket = co_await ws::connect(std::move(url), std::move(options));
    if (!socket) co_return judge(*of, having, socket.error().code(), "connect");
    if (socket->is_compressed() != plan.is_compressed) watch::get().fail(*of, "the compression was not negotiated");
    of->doing("sends and receives");
    auto halves = std::move(*socket).split();
    if (plan.sends_on_another) {
        eddy::abort_on_drop_handle sends(eddy::spawn(send_on_another_task(std::move(halves.sender), plan, pauses, of)));
        auto received = co_await receive_messages(halves.receiver, plan, pauses, of);
        if (!received) co_return judge(*of, having, received.error(), "receive");
        auto sent = co_await sends;
        if (!sent) co_return outcome::excused;  // the runtime ends
        if (!sent->first) co_return judge(*of, having, sent->first.error(), "send");
        halves.sender = std::move(sent->second);
    } else {
        auto both = co_await eddy::join(send_messages(halves.sender, plan, pauses, of),
                                        receive_messages(halves.receiver, plan, pauses, of));
        auto& [sent, received] = both;
        if (!received) co_return judge(*of, having, received.error(), "receive");
        if (!sent) co_return judge(*of, having, sent.error(), "send");
    }
    if (plan.server_closes) {
        of->doing("waits for the end of the server");
        auto end = co_await halves.receiver.receive();
        if (end) {
            watch::get().fail(*of, "a message after the last one");
        } else if (end.error() != ws::errc::closed) {
            co_return judge(*of, having, end.error(), "receive the end");
        }
    }
    if (plan.end == 0) co_return outcome::done;  // without a Close frame
    of->doing("closes");
    auto closed = co_await halves.sender.close();
    if (!closed) co_return judge(*of, having, closed.error(), "close");
    co_return outcome::done;
}

}  // namespace

http::response answer_ws(std::shared_ptr<server_state> state, http::request asked) {
    const auto options = ws::options().compression(asked.query("deflate").has_value());
    return ws::accept(std::move(asked), ws_handler(std::move(state)), options);
}

task<void> run_ws_session(std::shared_ptr<client_state> state, layer of, unsigned number) {
    const auto session = static_cast<std::uint64_t>(of) * 1000 + number;
    support::dice random(mix(state->plan.seed, 300, session));
    const bool is_secure = of == layer::wss;
    const auto base = (is_secure ? "wss://" : "ws://") + state->address(of).to_string() + "/ws?";
    for (std::uint64_t i = 0; !state->is_over; ++i) {
        const ws_plan asked(random, state->plan.traffic, mix(state->plan.seed, 3'000'000 + session, i));
        const drop_plan plan(random, state->plan.traffic.drops_one_in);
        auto url = base + "id=" + std::to_string(asked.seed) + (is_secure ? "&tls=1" : "") +
                   (asked.is_compressed ? "&deflate=1" : "") + (asked.has_halves ? "&halves=1" : "") +
                   (asked.server_closes ? "&close=" + std::to_string(asked.messages) : "");
        auto mine = std::make_shared<operation>(of, "client", asked.seed,
                                                url + ", " + std::to_string(asked.messages) + " messages");
        const excuses having(*state);
        auto ended = co_await run_or_drop(use_socket(state, std::move(url), asked, mine, having), plan);
        mine->end(ended.value_or(outcome::dropped));
        if (ended == outcome::excused) co_await eddy::time::sleep(5ms);
    }
}

}  // namespace soak
