// SPDX-License-Identifier: MIT
// eddy::proto with streamed bodies: many calls on one connection, with a body in each direction.
#include <algorithm>
#include <cstdint>
#include <memory>
#include <optional>
#include <type_traits>
#include <utility>
#include <variant>
#include <vector>

#include <eddy/bytes.hpp>
#include <eddy/codec.hpp>
#include <eddy/net.hpp>
#include <eddy/proto.hpp>
#include <eddy/task.hpp>

#include "bodies.hpp"
#include "client.hpp"
#include "drops.hpp"
#include "server.hpp"

namespace soak {
namespace {

using eddy::result;
using eddy::task;
using std::chrono_literals::operator""ms;
namespace net = eddy::net;
namespace proto = eddy::proto;

constexpr std::uint64_t returned_key = 0x27d4eb2f;  // so that the bytes of the two bodies of a call differ
constexpr std::size_t most_body = 500'000;
constexpr std::size_t most_chunk = 20'000;

/// The head of a message: the call, and the sizes of the bodies of its request and of its response.
struct body_head {
    std::uint64_t id;
    std::uint64_t sent;
    std::uint64_t returned;

    body_head(std::uint64_t call, std::uint64_t up, std::uint64_t down) : id(call), sent(up), returned(down) {}
};

using body_message = proto::message<body_head, eddy::bytes>;

/// A frame on the connection: its kind (1 byte), the number of the call (8), a value or a size (4), and the payload.
template <bool Numbered>
class frame_codec {
public:
    using frame = std::conditional_t<Numbered, proto::multiplexed_frame<body_head, eddy::bytes>,
                                     proto::pipelined_frame<body_head, eddy::bytes>>;

    result<std::optional<frame>> decode(eddy::bytes_mut& from) {
        if (!kind_) {
            if (from.size() < 13) return std::optional<frame>();
            kind_ = from.get_u8();
            number_ = from.get_u64();
            value_ = from.get_u32();
        }
        const std::size_t payload = *kind_ <= with_body ? 24 : *kind_ == chunk ? value_ : 0;
        if (from.size() < payload) return std::optional<frame>();
        switch (*std::exchange(kind_, std::nullopt)) {
        case without_body: return made(get_head(from, false));
        case with_body: return made(get_head(from, true));
        case chunk: return made(proto::chunk_frame(from.split_to(payload).freeze()));
        case end: return made(proto::end_frame());
        case error: return made(proto::error_frame(std::error_code(static_cast<int>(value_), std::generic_category())));
        case cancel:
            if constexpr (Numbered) return made(proto::cancel_frame());
            break;
        case credit:
            if constexpr (Numbered) return made(proto::credit_frame(value_));
            break;
        default: break;
        }
        return std::unexpected(std::make_error_code(std::errc::bad_message));
    }
    static result<void> encode(const frame& one, eddy::bytes_mut& into) {
        if constexpr (Numbered) {
            std::visit([&](const auto& each) { put(into, one.id, each); }, one.body);
        } else {
            std::visit([&](const auto& each) { put(into, 0, each); }, one);
        }
        return {};
    }

private:
    enum kind : std::uint8_t { without_body, with_body, chunk, end, error, cancel, credit };

    template <class T>
    std::optional<frame> made(T part) const {
        if constexpr (Numbered) {
            return frame(number_, std::move(part));
        } else {
            return frame(std::move(part));
        }
    }
    static proto::head_frame<body_head> get_head(eddy::bytes_mut& from, bool has_body) {
        const auto id = from.get_u64();
        const auto sent = from.get_u64();
        return {body_head(id, sent, from.get_u64()), has_body};
    }

    static void put(eddy::bytes_mut& into, kind what, std::uint64_t number, std::size_t value) {
        into.put_u8(what);
        into.put_u64(number);
        into.put_u32(static_cast<std::uint32_t>(value));
    }
    static void put(eddy::bytes_mut& into, std::uint64_t number, const proto::head_frame<body_head>& one) {
        put(into, one.has_body ? with_body : without_body, number, 0);
        for (const auto each : {one.head.id, one.head.sent, one.head.returned}) into.put_u64(each);
    }
    static void put(eddy::bytes_mut& into, std::uint64_t number, const proto::chunk_frame<eddy::bytes>& one) {
        put(into, chunk, number, one.chunk.size());
        into.put(std::span<const std::byte>(one.chunk));
    }
    static void put(eddy::bytes_mut& into, std::uint64_t number, const proto::end_frame&) { put(into, end, number, 0); }
    static void put(eddy::bytes_mut& into, std::uint64_t number, const proto::error_frame& one) {
        put(into, error, number, static_cast<std::size_t>(one.error.default_error_condition().value()));
    }
    static void put(eddy::bytes_mut& into, std::uint64_t number, const proto::cancel_frame&) {
        put(into, cancel, number, 0);
    }
    static void put(eddy::bytes_mut& into, std::uint64_t number, const proto::credit_frame& one) {
        put(into, credit, number, one.chunks);
    }

    std::optional<std::uint8_t> kind_;  // of a frame whose payload has not arrived
    std::uint64_t number_ = 0;
    std::uint32_t value_ = 0;
};

using body_item = result<eddy::bytes>;

/// The chunks of the pattern.
eddy::async_generator<body_item> pattern_chunks(pattern_source from) {
    std::vector<std::byte> memory(most_chunk);
    for (;;) {
        auto count = co_await eddy::io::read(from, std::span(memory));
        if (!count || *count == 0) co_return;
        co_yield body_item(
            eddy::bytes(std::vector<std::byte>(memory.begin(), memory.begin() + static_cast<std::ptrdiff_t>(*count))));
    }
}

/// Reads the next chunk and compares it. Returns false at the end.
task<result<bool>> compare_chunk(proto::body<eddy::bytes>& from, comparison& with, pace& how) {
    co_await eddy::poll_fn([&how](eddy::context& cx) -> eddy::poll_result<void> {
        return how.poll(cx) ? eddy::poll_result<void>::ready() : eddy::poll_result<void>(eddy::not_ready);
    });
    auto next = co_await from.next();
    if (!next) {
        with.finish();
        co_return false;
    }
    if (!*next) co_return std::unexpected(next->error());
    with.take(std::span<const std::byte>(**next));
    co_return true;
}

task<result<void>> compare_body(proto::body<eddy::bytes> from, comparison with, pace how) {
    for (;;) {
        auto more = co_await compare_chunk(from, with, how);
        if (!more) co_return std::unexpected(more.error());
        if (!*more) co_return result<void>();
    }
}

// ---- The server ----

/// Reads the body of a request while it produces the body of the response.
eddy::async_generator<body_item> exchange_chunks(proto::body<eddy::bytes> asked, comparison with, pace how,
                                                 eddy::async_generator<body_item> returned) {
    for (bool more_asked = true, more_returned = true; more_asked || more_returned;) {
        if (more_asked) {
            auto more = co_await compare_chunk(asked, with, how);
            if (!more) {
                co_yield body_item(std::unexpected(more.error()));
                co_return;
            }
            more_asked = *more;
        }
        if (more_returned) {
            auto next = co_await returned.next();
            more_returned = next.has_value();
            if (next) co_yield *std::move(next);
        }
    }
}

task<result<body_message>> answer_message(body_message asked, std::shared_ptr<server_state> state, layer of) {
    const auto head = asked.head;
    auto mine = std::make_shared<operation>(
        of, "server", head.id, std::to_string(head.sent) + " and " + std::to_string(head.returned) + " bytes");
    state->ledger.add(*mine);
    const auto pauses = state->plan.traffic.pauses_one_in;
    comparison with(head.id, head.sent, mine);
    pace reads(mix(head.id, 11), pauses, mine);
    auto returned =
        pattern_chunks(pattern_source(head.id ^ returned_key, head.returned, pace(mix(head.id, 12), pauses, mine)));
    support::dice random(mix(head.id, 10));
    if (random.one_in(2))
        co_return body_message(
            head, exchange_chunks(std::move(asked.body), std::move(with), std::move(reads), std::move(returned)));
    auto read = co_await compare_body(std::move(asked.body), std::move(with), std::move(reads));
    if (!read) co_return std::unexpected(read.error());
    co_return body_message(head, std::move(returned));
}

class body_service {
public:
    body_service(std::shared_ptr<server_state> state, layer of) : state_(std::move(state)), of_(of) {}
    task<result<body_message>> operator()(body_message asked) const {
        return answer_message(std::move(asked), state_, of_);
    }

private:
    std::shared_ptr<server_state> state_;
    layer of_;
};

// ---- The client ----

template <class Client>
task<outcome> exchange_bodies(const Client client, body_head head, unsigned pauses, std::shared_ptr<operation> of,
                              excuses having) {
    of->doing("waits for the response");
    auto sent = pattern_chunks(pattern_source(head.id, head.sent, pace(mix(head.id, 13), pauses, of)));
    auto answer = co_await client(body_message(head, std::move(sent)));
    if (!answer) co_return judge(*of, having, answer.error(), "call");
    if (answer->head.id != head.id)
        watch::get().fail(*of, "the response to the call " + std::to_string(answer->head.id));
    of->doing("reads the body");
    auto read = co_await compare_body(std::move(answer->body), comparison(head.id ^ returned_key, head.returned, of),
                                      pace(mix(head.id, 14), pauses, of));
    if (!read) co_return judge(*of, having, read.error(), "body");
    co_return outcome::done;
}

/// Makes one call after the other, until the connection ends or has been used enough.
template <class Client>
task<void> exchange_in_turn(std::shared_ptr<client_state> state, Client client, layer of, std::uint64_t session) {
    support::dice random(mix(state->plan.seed, 600, session));
    const auto count = random.between(5, 100);
    for (std::uint64_t i = 0; i < count && !state->is_over && !client.is_closed(); ++i) {
        const auto sent = any_size(random, state->plan.traffic, most_body);
        const body_head head(mix(state->plan.seed, 6'000'000 + session, i), sent,
                             any_size(random, state->plan.traffic, most_body));
        const drop_plan plan(random, state->plan.traffic.drops_one_in);
        auto mine = std::make_shared<operation>(
            of, "client", head.id, std::to_string(head.sent) + " and " + std::to_string(head.returned) + " bytes");
        const excuses having(*state);
        auto ended =
            co_await run_or_drop(exchange_bodies(client, head, state->plan.traffic.pauses_one_in, mine, having), plan);
        mine->end(ended.value_or(outcome::dropped));
    }
}

/// Connects, and makes calls at the same time from several tasks.
template <bool Numbered>
task<void> exchange_together(std::shared_ptr<client_state> state, layer of, std::uint64_t session) {
    const excuses having(*state);
    const operation mine(of, "client", session, "a connection");
    auto client = co_await proto::tcp_client(frame_codec<Numbered>()).connect(state->address(of));
    if (!client) {
        static_cast<void>(judge(mine, having, client.error(), "connect"));
        co_await eddy::time::sleep(5ms);
        co_return;
    }
    eddy::join_set<void> tasks;
    for (std::uint64_t i = 0; i < 4; ++i) tasks.spawn(exchange_in_turn(state, *client, of, session * 4 + i));
    client = std::unexpected(std::error_code());  // the tasks have the only handles
    while (auto ended = co_await tasks.join_next()) static_cast<void>(ended->has_value());
}

template <bool Numbered>
task<served> serve_bodies(net::tcp_listener from, std::shared_ptr<server_state> state, generation now, layer of) {
    auto server = proto::tcp_server(frame_codec<Numbered>()).options(options_of(now)).shutdown(now.ends);
    auto report = co_await server.serve(std::move(from), body_service(std::move(state), of));
    co_return report;
}

}  // namespace

task<served> serve_pipelined_bodies(net::tcp_listener from, std::shared_ptr<server_state> state, generation now) {
    return serve_bodies<false>(std::move(from), std::move(state), std::move(now), layer::pipelined_bodies);
}

task<served> serve_multiplexed_bodies(net::tcp_listener from, std::shared_ptr<server_state> state, generation now) {
    return serve_bodies<true>(std::move(from), std::move(state), std::move(now), layer::multiplexed_bodies);
}

task<void> run_bodies_session(std::shared_ptr<client_state> state, layer of, unsigned number) {
    for (std::uint64_t i = 0; !state->is_over; ++i) {
        const auto session = (static_cast<std::uint64_t>(of) * 1000 + number) * 100'000 + i;
        if (of == layer::pipelined_bodies) {
            co_await exchange_together<false>(state, of, session);
        } else {
            co_await exchange_together<true>(state, of, session);
        }
    }
}

}  // namespace soak
