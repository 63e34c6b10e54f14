// SPDX-License-Identifier: MIT
// Remote procedure calls: a multiplexed protocol with its own codec. Many calls share one TCP connection, and the
// answer to each call is sent when the call has ended.
//     $ ./rpc
//     square(12) = 144
//     root(-1): Numerical argument out of domain
//     the squares of 0 to 99 add up to 328350
//     sleep(500): the operation timed out
#include <eddy/prelude.hpp>
#include <eddy/proto.hpp>

#include <cmath>
#include <cstdint>
#include <cstdio>
#include <optional>
#include <system_error>

namespace {

namespace net = eddy::net;
namespace proto = eddy::proto;
using eddy::result;
using eddy::task;
using eddy::try_;
using std::chrono_literals::operator""ms;

// The protocol: the number of the call (8 bytes), a code (4), a value (8).
enum method : std::int32_t { square, root, sleep };

struct message {
    std::int32_t code;  // of a request: the method; of a response: an errno, or 0
    std::int64_t value;

    message(std::int32_t what, std::int64_t with) : code(what), value(with) {}
};

// docs: codec
struct rpc_codec {
    result<std::optional<proto::numbered<message>>> decode(eddy::bytes_mut& from) {
        if (from.size() < 20) return std::optional<proto::numbered<message>>();
        const auto id = from.get_u64();
        const auto code = from.get_i32();
        return std::optional(proto::numbered(id, message(code, from.get_i64())));
    }
    result<void> encode(const proto::numbered<message>& call, eddy::bytes_mut& into) {
        into.put_u64(call.id);
        into.put_i32(call.body.code);
        into.put_i64(call.body.value);
        return {};
    }
};
// docs: end

task<result<message>> execute(message call) {
    if (call.code == sleep) co_await eddy::time::sleep(call.value * 1ms);
    if (call.code != root) co_return message(0, call.value * call.value);
    if (call.value < 0) co_return std::unexpected(std::make_error_code(std::errc::argument_out_of_domain));
    co_return message(0, std::llround(std::sqrt(static_cast<double>(call.value))));
}

// docs: server
task<result<net::serve_report>> serve(net::tcp_listener listener) {
    const auto service = execute | proto::concurrency_limit(1000) |
                         proto::recover([](std::error_code error) { return message(error.value(), 0); });
    const auto handler = [&service](net::tcp_stream stream) {
        return proto::multiplexed(eddy::codec::framed(std::move(stream), rpc_codec()), service);
    };
    co_return co_await net::serve(std::move(listener), handler);
}
// docs: end

result<long> value_of(message answer) {
    if (answer.code == 0) return answer.value;
    return std::unexpected(std::error_code(answer.code, std::generic_category()));
}

task<result<void>> run_both() {
    auto listener = co_await try_(net::tcp_listener::bind("127.0.0.1:0"));
    auto stream = co_await try_(net::tcp_stream::connect(co_await try_(listener.local_addr())));
    eddy::spawn_background(serve(std::move(listener))).detach();
    // docs: client
    const proto::multiplexed_client client(eddy::codec::framed(std::move(stream), rpc_codec()));
    const auto call = client | proto::map_response(value_of);

    std::printf("square(12) = %ld\n", co_await try_(call(message(square, 12))));
    const auto failed = co_await call(message(root, -1));
    std::printf("root(-1): %s\n", failed.error().message().c_str());

    eddy::join_set<result<long>> calls;
    for (int i = 0; i < 100; ++i) calls.spawn(call(message(square, i)));
    long sum = 0;
    while (auto ended = co_await calls.join_next()) sum += co_await try_(co_await try_(std::move(*ended)));
    std::printf("the squares of 0 to 99 add up to %ld\n", sum);

    const auto limited = call | proto::timeout(50ms);
    const auto late = co_await limited(message(sleep, 500));
    std::printf("sleep(500): %s\n", late.error().message().c_str());
    // docs: end
    co_return eddy::ok();
}

}  // namespace

int main() { return eddy::run(run_both()); }
