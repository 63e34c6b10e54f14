// SPDX-License-Identifier: MIT
// TLS: bytes in both directions at the same time, several exchanges on a connection, and each kind of end.
#include <algorithm>
#include <array>
#include <bit>
#include <chrono>
#include <expected>
#include <optional>
#include <span>
#include <utility>
#include <vector>

#include <eddy/io.hpp>
#include <eddy/net.hpp>
#include <eddy/tls.hpp>

#include "bodies.hpp"
#include "client.hpp"
#include "drops.hpp"
#include "server.hpp"

namespace soak {
namespace {

using eddy::result;
using eddy::task;
using std::chrono_literals::operator""ms;
namespace io = eddy::io;
namespace net = eddy::net;
namespace tls = eddy::tls;
using tls_stream = tls::stream<net::tcp_stream>;

/// What follows an exchange.
enum class after : std::uint64_t {
    next,       // another exchange
    end,        // the server ends the connection
    no_answer,  // the client only sends, and closes the connection gracefully
    no_output,  // the same, but the client does not wait for the server, which sends nothing at all
    receipt,    // nothing is exchanged: the server says whether it has got all bytes of another connection
};

/// The announcement of an exchange.
struct exchange_head {
    std::uint64_t id = 0;
    std::uint64_t up = 0;    // bytes to the server
    std::uint64_t down = 0;  // bytes to the client
    after then = after::next;

    exchange_head() {}  // NOLINT(modernize-use-equals-default): not an aggregate: GCC 12 bug

    using encoded = std::array<std::byte, 32>;
    [[nodiscard]] encoded encode() const {
        return std::bit_cast<encoded>(std::array<std::uint64_t, 4>{id, up, down, static_cast<std::uint64_t>(then)});
    }
    static exchange_head decode(const encoded& from) {
        const auto fields = std::bit_cast<std::array<std::uint64_t, 4>>(from);
        exchange_head made;
        made.id = fields[0];
        made.up = fields[1];
        made.down = fields[2];
        made.then = static_cast<after>(fields[3]);
        return made;
    }
};

constexpr std::uint64_t other_direction = 0x5bd1e995;  // so that the bytes of the two directions differ

template <class R>
task<result<void>> receive_part(R& from, std::uint64_t key, std::uint64_t size, pace how,
                                std::shared_ptr<operation> of) {
    comparison with(key, size, std::move(of));
    std::vector<std::byte> memory(20'000);
    while (!with.is_whole()) {
        co_await eddy::poll_fn([&how](eddy::context& cx) -> eddy::poll_result<void> {
            return how.poll(cx) ? eddy::poll_result<void>::ready() : eddy::poll_result<void>(eddy::not_ready);
        });
        const auto most = std::min<std::uint64_t>(how.piece(memory.size()), size - with.position());
        auto count = co_await io::read(from, std::span(memory).first(static_cast<std::size_t>(most)));
        if (!count) co_return std::unexpected(count.error());
        if (*count == 0) co_return std::unexpected(make_error_code(eddy::errc::unexpected_eof));
        with.take(std::span(memory).first(*count));
    }
    co_return result<void>();
}

/// Sends and receives at the same time.
template <class R, class W>
task<result<void>> exchange_bytes(R& from, std::uint64_t in_key, std::uint64_t in, W& to, std::uint64_t out_key,
                                  std::uint64_t out, unsigned pauses, std::shared_ptr<operation> of) {
    pace writing(mix(out_key, 1), pauses, of);
    pace reading(mix(in_key, 2), pauses, of);
    auto both = co_await eddy::join(write_pattern(to, out_key, out, std::move(writing)),
                                    receive_part(from, in_key, in, std::move(reading), of));
    auto& [sent, received] = both;
    if (!received) co_return received;
    co_return sent;
}

// ---- The server ----

/// Receives the bytes of a client that only sends, and the end after them.
template <class R>
task<result<void>> receive_all(R& from, exchange_head head, unsigned pauses, std::shared_ptr<operation> of) {
    comparison with(head.id, head.up, of);
    auto ended = co_await read_and_compare(from, with, pace(mix(head.id, 2), pauses, of), 20'000);
    co_return ended;
}

task<result<void>> serve_exchanges(tls_stream stream, std::shared_ptr<server_state> state) {
    auto halves = io::split(std::move(stream));
    auto& [reader, writer] = halves;
    for (;;) {
        exchange_head::encoded encoded;
        std::size_t have = 0;
        while (have < encoded.size()) {
            auto count = co_await io::read(reader, std::span(encoded).subspan(have));
            if (!count) co_return result<void>();  // the client has dropped the connection
            if (*count == 0 && have != 0) co_return result<void>();
            if (*count == 0) {  // the client has ended its direction
                auto end = co_await eddy::poll_fn([&writer](eddy::context& cx) { return writer.poll_shutdown(cx); });
                static_cast<void>(end);
                co_return result<void>();
            }
            have += *count;
        }
        const auto head = exchange_head::decode(encoded);
        auto mine = std::make_shared<operation>(
            layer::tls, "server", head.id, std::to_string(head.up) + " up, " + std::to_string(head.down) + " down");
        if (head.then == after::receipt) {
            mine->doing("waits for the other connection");
            const auto limit = watch::get().tick() + 30;
            while (!state->ledger.is_complete(head.id) && watch::get().tick() < limit) co_await eddy::time::sleep(2ms);
            if (!state->ledger.is_complete(head.id)) co_return result<void>();
            auto said = co_await io::write_all(writer, std::span<const std::byte>(encoded));
            if (!said) co_return result<void>();
            static_cast<void>(
                co_await eddy::poll_fn([&writer](eddy::context& cx) { return writer.poll_shutdown(cx); }));
            co_return result<void>();
        }
        state->ledger.add(*mine);
        if (head.then == after::no_output || head.then == after::no_answer) {
            auto got = co_await receive_all(reader, head, state->plan.traffic.pauses_one_in, mine);
            if (!got) co_return result<void>();
            state->ledger.complete(head.id);
            if (head.then == after::no_output) co_return result<void>();
            mine->doing("shuts down");
            static_cast<void>(
                co_await eddy::poll_fn([&writer](eddy::context& cx) { return writer.poll_shutdown(cx); }));
            co_return result<void>();
        }
        auto ended = co_await exchange_bytes(reader, head.id, head.up, writer, head.id ^ other_direction, head.down,
                                             state->plan.traffic.pauses_one_in, mine);
        if (!ended) co_return result<void>();
        if (head.then == after::next) continue;
        // The client must read the end, and not an error.
        mine->doing("shuts down");
        auto end = co_await eddy::poll_fn([&writer](eddy::context& cx) { return writer.poll_shutdown(cx); });
        if (!end) co_return result<void>();
        std::array<std::byte, 16> rest;
        static_cast<void>(co_await io::read(reader, std::span(rest)));
        co_return result<void>();
    }
}

class tls_handler {
public:
    explicit tls_handler(std::shared_ptr<server_state> state) : state_(std::move(state)) {}
    task<result<void>> operator()(net::tcp_stream tcp) const { return accept(std::move(tcp), state_); }

private:
    static task<result<void>> accept(net::tcp_stream tcp, std::shared_ptr<server_state> state) {
        auto stream = co_await tls::accept(std::move(tcp), state->tls);
        if (!stream) co_return result<void>();  // the client has dropped it
        co_return co_await serve_exchanges(*std::move(stream), std::move(state));
    }

    std::shared_ptr<server_state> state_;
};

// ---- The client ----

using connected = std::expected<tls_stream, outcome>;

task<connected> connect_stream(std::shared_ptr<client_state> state, std::shared_ptr<operation> of, excuses having) {
    of->doing("connects");
    auto tcp = co_await net::tcp_stream::connect(state->address(layer::tls));
    if (!tcp) co_return std::unexpected(judge(*of, having, tcp.error(), "connect"));
    of->doing("makes the handshake");
    auto stream = co_await tls::connect(*std::move(tcp), state->tls, "localhost");
    if (!stream) co_return std::unexpected(judge(*of, having, stream.error(), "handshake"));
    co_return connected(*std::move(stream));
}

/// Sends, ends the connection, and then asks the server on another connection whether all bytes have arrived.
task<outcome> only_send(std::shared_ptr<client_state> state, std::uint64_t seed, std::shared_ptr<operation> of,
                        excuses having) {
    support::dice random(seed);
    exchange_head head;
    head.id = mix(of->id(), 0);
    head.up = any_size(random, state->plan.traffic);
    head.then = random.one_in(2) ? after::no_answer : after::no_output;
    {
        auto stream = co_await connect_stream(state, of, having);
        if (!stream) co_return stream.error();
        of->doing("sends");
        const auto encoded = head.encode();
        auto announced = co_await io::write_all(*stream, std::span<const std::byte>(encoded));
        if (!announced) co_return judge(*of, having, announced.error(), "write");
        pace how(mix(head.id, 1), state->plan.traffic.pauses_one_in, of);
        auto sent = co_await write_pattern(*stream, head.id, head.up, std::move(how));
        if (!sent) co_return judge(*of, having, sent.error(), "write");
        of->doing("closes");
        std::optional<result<void>> closed;
        if (head.then == after::no_output) {
            closed.emplace(co_await stream->shutdown());
        } else {
            closed.emplace(co_await net::close_gracefully(*std::move(stream), std::chrono::seconds(20)));
        }
        if (!*closed) co_return judge(*of, having, closed->error(), "close");
    }
    head.then = after::receipt;
    auto stream = co_await connect_stream(state, of, having);
    if (!stream) co_return stream.error();
    auto encoded = head.encode();
    auto announced = co_await io::write_all(*stream, std::span<const std::byte>(encoded));
    if (!announced) co_return judge(*of, having, announced.error(), "write");
    of->doing("waits until the server has got all bytes");
    auto receipt = co_await io::read_exact(*stream, std::span(encoded));
    if (!receipt) co_return judge(*of, having, receipt.error(), "receipt");
    co_return outcome::done;
}

/// Connects, makes some exchanges, and ends the connection.
task<outcome> use_connection(std::shared_ptr<client_state> state, std::uint64_t seed, std::shared_ptr<operation> of,
                             excuses having) {
    support::dice random(seed);
    auto stream = co_await connect_stream(state, of, having);
    if (!stream) co_return stream.error();
    auto halves = io::split(*std::move(stream));
    auto& [reader, writer] = halves;
    const auto count = random.between(1, 4);
    for (std::size_t i = 1; i <= count; ++i) {
        exchange_head head;
        head.id = mix(of->id(), i);
        head.up = any_size(random, state->plan.traffic);
        head.down = any_size(random, state->plan.traffic);
        if (i == count && random.one_in(2)) head.then = after::end;
        of->doing("exchanges bytes");
        const auto encoded = head.encode();
        auto announced = co_await io::write_all(writer, std::span<const std::byte>(encoded));
        if (!announced) co_return judge(*of, having, announced.error(), "write");
        auto ended = co_await exchange_bytes(reader, head.id ^ other_direction, head.down, writer, head.id, head.up,
                                             state->plan.traffic.pauses_one_in, of);
        if (!ended) co_return judge(*of, having, ended.error(), "exchange");
        if (head.then == after::next) continue;
        std::array<std::byte, 16> rest;
        of->doing("waits for the end of the server");
        auto end = co_await io::read(reader, std::span(rest));
        if (!end) co_return judge(*of, having, end.error(), "read the end");
        if (*end != 0) watch::get().fail(*of, "bytes after the end");
    }
    if (random.one_in(4)) co_return outcome::done;  // without a close_notify
    of->doing("shuts down");
    auto shut = co_await eddy::poll_fn([&writer](eddy::context& cx) { return writer.poll_shutdown(cx); });
    if (!shut) co_return judge(*of, having, shut.error(), "shutdown");
    std::array<std::byte, 16> rest;
    auto end = co_await io::read(reader, std::span(rest));
    if (!end) co_return judge(*of, having, end.error(), "read after shutdown");
    if (*end != 0) watch::get().fail(*of, "bytes after the end");
    co_return outcome::done;
}

}  // namespace

task<served> serve_tls(net::tcp_listener from, std::shared_ptr<server_state> state, generation now) {
    const tls_handler handler(std::move(state));
    auto options = options_of(now);
    auto report = co_await net::serve(std::move(from), handler, std::move(options));
    co_return report;
}

task<void> run_tls_session(std::shared_ptr<client_state> state, unsigned number) {
    support::dice random(mix(state->plan.seed, 100, number));
    for (std::uint64_t i = 0; !state->is_over; ++i) {
        const auto seed = mix(state->plan.seed, 1'000'000 + number, i);
        auto of = std::make_shared<operation>(layer::tls, "client", seed, "a connection");
        const excuses having(*state);
        const drop_plan plan(random, state->plan.traffic.drops_one_in);
        auto work = random.one_in(4) ? only_send(state, seed, of, having) : use_connection(state, seed, of, having);
        auto ended = co_await run_or_drop(std::move(work), plan);
        of->end(ended.value_or(outcome::dropped));
        if (ended == outcome::excused) co_await eddy::time::sleep(std::chrono::milliseconds(5));
    }
}

}  // namespace soak
