// SPDX-License-Identifier: MIT
// eddy::proto: many calls on one connection, pipelined and multiplexed. A call has a body in both directions.
#include <algorithm>
#include <cstdint>
#include <memory>
#include <optional>
#include <utility>

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

constexpr std::uint64_t answer_key = 0x165667b1;  // so that the bytes of calls and answers differ
constexpr std::size_t most_payload = 100'000;

/// A call or an answer.
struct packet {
    std::uint64_t id;
    std::uint64_t wants;  // of a call: the size of the answer
    eddy::bytes payload;

    packet(std::uint64_t call, std::uint64_t size, eddy::bytes content)
        : id(call), wants(size), payload(std::move(content)) {}
};

/// The size of the payload, the two numbers, the payload.
struct packet_codec {
    static constexpr std::size_t head = 20;

    result<std::optional<packet>> decode(eddy::bytes_mut& from) {
        if (!size_) {
            if (from.size() < head) return std::optional<packet>();
            size_ = from.get_u32();
            id_ = from.get_u64();
            wants_ = from.get_u64();
        }
        if (from.size() < *size_) return std::optional<packet>();
        packet made(id_, wants_, from.split_to(*size_).freeze());
        size_.reset();
        return std::optional(std::move(made));
    }
    result<void> encode(const packet& what, eddy::bytes_mut& into) {
        into.put_u32(static_cast<std::uint32_t>(what.payload.size()));
        into.put_u64(what.id);
        into.put_u64(what.wants);
        into.put(std::span<const std::byte>(what.payload));
        return {};
    }

private:
    std::optional<std::size_t> size_;
    std::uint64_t id_ = 0;
    std::uint64_t wants_ = 0;
};

/// The same with the number of the call in front.
struct numbered_codec {
    result<std::optional<proto::numbered<packet>>> decode(eddy::bytes_mut& from) {
        if (!number_) {
            if (from.size() < 8) return std::optional<proto::numbered<packet>>();
            number_ = from.get_u64();
        }
        auto inner = codec_.decode(from);
        if (!inner) return std::unexpected(inner.error());
        if (!*inner) return std::optional<proto::numbered<packet>>();
        return std::optional(proto::numbered<packet>(*std::exchange(number_, std::nullopt), **std::move(inner)));
    }
    result<void> encode(const proto::numbered<packet>& what, eddy::bytes_mut& into) {
        into.put_u64(what.id);
        return codec_.encode(what.body, into);
    }

private:
    packet_codec codec_;
    std::optional<std::uint64_t> number_;
};

/// Makes the payload of a call, or of an answer.
eddy::bytes payload_of(std::uint64_t key, std::size_t size) {
    return eddy::bytes(support::byte_pattern(key).make(0, size));
}

void compare(const packet& got, std::uint64_t key, std::size_t size, const std::shared_ptr<operation>& mine) {
    comparison with(key, size, mine);
    with.take(std::span<const std::byte>(got.payload));
    with.finish();
}

// ---- The server ----

task<result<packet>> answer_call(packet asked, std::shared_ptr<server_state> state, layer of) {
    auto mine = std::make_shared<operation>(of, "server", asked.id, std::to_string(asked.payload.size()) + " bytes");
    state->ledger.add(*mine);
    // The size of a call is part of its number.
    compare(asked, asked.id, static_cast<std::size_t>(asked.id % most_payload), mine);
    support::dice random(mix(asked.id, 10));
    if (random.one_in(20)) co_await eddy::time::sleep(std::chrono::milliseconds(random.below(20)));
    if (random.one_in(3)) co_await eddy::yield_now();
    co_return packet(asked.id, 0, payload_of(asked.id ^ answer_key, static_cast<std::size_t>(asked.wants)));
}

class packet_service {
public:
    packet_service(std::shared_ptr<server_state> state, layer of) : state_(std::move(state)), of_(of) {}
    task<result<packet>> operator()(packet asked) const { return answer_call(std::move(asked), state_, of_); }

private:
    std::shared_ptr<server_state> state_;
    layer of_;
};

class pipelined_handler {
public:
    pipelined_handler(std::shared_ptr<server_state> state, const generation& now)
        : service_(std::move(state), layer::pipelined), ends_(now.ends) {}
    auto operator()(net::tcp_stream stream) const {
        return proto::pipelined(eddy::codec::framed(std::move(stream), packet_codec()), service_,
                                proto::connection_options().shutdown(ends_));
    }

private:
    packet_service service_;
    eddy::sync::cancellation_token ends_;
};

class multiplexed_handler {
public:
    multiplexed_handler(std::shared_ptr<server_state> state, const generation& now)
        : service_(std::move(state), layer::multiplexed), ends_(now.ends) {}
    auto operator()(net::tcp_stream stream) const {
        return proto::multiplexed(eddy::codec::framed(std::move(stream), numbered_codec()), service_,
                                  proto::connection_options().shutdown(ends_));
    }

private:
    packet_service service_;
    eddy::sync::cancellation_token ends_;
};

// ---- The client ----

template <class Client>
task<outcome> make_call(const Client client, std::uint64_t id, std::size_t wants, std::shared_ptr<operation> of,
                        excuses having) {
    of->doing("waits for the answer");
    auto answer = co_await client(packet(id, wants, payload_of(id, static_cast<std::size_t>(id % most_payload))));
    if (!answer) co_return judge(*of, having, answer.error(), "call");
    if (answer->id != id) watch::get().fail(*of, "the answer to the call " + std::to_string(answer->id));
    compare(*answer, id ^ answer_key, wants, of);
    co_return outcome::done;
}

/// Connects, and makes calls at the same time from several tasks, until the connection ends or has been used enough.
template <class Client>
task<void> call_in_turn(std::shared_ptr<client_state> state, Client client, layer of, std::uint64_t session) {
    support::dice random(mix(state->plan.seed, 400, session));
    const auto count = random.between(5, 300);
    for (std::uint64_t i = 0; i < count && !state->is_over && !client.is_closed(); ++i) {
        const auto size = any_size(random, state->plan.traffic, most_payload - 1);
        const auto id = mix(state->plan.seed, 4'000'000 + session, i) / most_payload * most_payload + size;
        const auto wants = any_size(random, state->plan.traffic, most_payload);
        const drop_plan plan(random, state->plan.traffic.drops_one_in);
        auto mine = std::make_shared<operation>(of, "client", id, std::to_string(wants) + " bytes back");
        const excuses having(*state);
        auto ended = co_await run_or_drop(make_call(client, id, wants, mine, having), plan);
        mine->end(ended.value_or(outcome::dropped));
    }
}

template <class Client>
task<void> call_together(std::shared_ptr<client_state> state, Client client, layer of, std::uint64_t session) {
    eddy::join_set<void> tasks;
    for (std::uint64_t i = 0; i < 4; ++i) tasks.spawn(call_in_turn(state, client, of, session * 4 + i));
    while (auto ended = co_await tasks.join_next()) static_cast<void>(ended->has_value());
}

}  // namespace

task<served> serve_pipelined(net::tcp_listener from, std::shared_ptr<server_state> state, generation now) {
    const pipelined_handler handler(std::move(state), now);
    auto options = options_of(now);
    auto report = co_await net::serve(std::move(from), handler, std::move(options));
    co_return report;
}

task<served> serve_multiplexed(net::tcp_listener from, std::shared_ptr<server_state> state, generation now) {
    const multiplexed_handler handler(std::move(state), now);
    auto options = options_of(now);
    auto report = co_await net::serve(std::move(from), handler, std::move(options));
    co_return report;
}

task<void> run_proto_session(std::shared_ptr<client_state> state, layer of, unsigned number) {
    support::dice random(mix(state->plan.seed, 500, static_cast<std::uint64_t>(of) * 1000 + number));
    for (std::uint64_t i = 0; !state->is_over; ++i) {
        const auto session = (static_cast<std::uint64_t>(of) * 1000 + number) * 100'000 + i;
        const excuses having(*state);
        auto mine = std::make_shared<operation>(of, "client", session, "a connection");
        mine->doing("connects");
        auto stream = co_await net::tcp_stream::connect(state->address(of));
        if (!stream) {
            static_cast<void>(judge(*mine, having, stream.error(), "connect"));
            co_await eddy::time::sleep(5ms);
            continue;
        }
        mine.reset();
        const auto most = random.one_of<std::size_t>({1, 3, 64});
        if (of == layer::pipelined) {
            proto::pipelined_client<packet, packet> client(eddy::codec::framed(*std::move(stream), packet_codec()),
                                                           most);
            co_await call_together(state, std::move(client), of, session);
        } else {
            proto::multiplexed_client<packet, packet> client(eddy::codec::framed(*std::move(stream), numbered_codec()),
                                                             most);
            co_await call_together(state, std::move(client), of, session);
        }
    }
}

}  // namespace soak
