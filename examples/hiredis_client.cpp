// SPDX-License-Identifier: MIT
// The C library hiredis on an event loop: hiredis makes the system calls, and eddy waits for its descriptor.
//     $ ./mini_redis_server &        (or redis-server)
//     $ ./hiredis_client 127.0.0.1:6379          (needs libhiredis-dev)
//     SET greeting: OK
//     three commands have counted to 3
//     GET greeting: hello
#include <eddy/interop.hpp>
#include <eddy/prelude.hpp>

#include <hiredis/async.h>
#include <hiredis/hiredis.h>

#include <algorithm>
#include <cstdio>
#include <memory>
#include <string>
#include <utility>

namespace {

using eddy::result;
using eddy::try_;
using reply = eddy::completion<result<std::string>>;

// docs: library
/// A connection to Redis. hiredis is not thread-safe, so the connection belongs to one event loop.
class redis {
public:
    explicit redis(const eddy::net::socket_addr& server)
        : events_([this](int, eddy::io::ready now) { act(now); }),
          context_(redisAsyncConnect(server.ip().to_string().c_str(), server.port())) {
        auto& hooks = context_->ev;
        hooks.data = this;
        // hiredis always wants to read, so addRead and delRead are not needed.
        hooks.addWrite = [](void* self) { static_cast<redis*>(self)->watch(readable | eddy::io::interest::writable); };
        hooks.delWrite = [](void* self) { static_cast<redis*>(self)->watch(readable); };
        hooks.cleanup = [](void* self) { static_cast<redis*>(self)->forget(); };
    }

    /// Sends a command immediately, and returns its reply: `command("SET %s %s", "key", "value")`.
    reply::future command(const char* format, auto... values) {
        auto [done, answer] = reply::make();
        void* const user = std::move(done).into_raw();
        // hiredis calls on_reply once, with a null reply if the connection ends, unless it refuses the command.
        const bool is_sent =
            context_ && redisAsyncCommand(context_.get(), on_reply, user, format, values...) == REDIS_OK;
        if (!is_sent) on_reply(nullptr, nullptr, user);
        return std::move(answer);
    }

private:
    static constexpr auto readable = eddy::io::interest::readable;

    void watch(eddy::io::interest wanted) { events_.watch(context_->c.fd, wanted); }
    void act(eddy::io::ready now) {
        if (now.is_readable()) redisAsyncHandleRead(context_.get());
        // The call above ends the connection after an error.
        if (context_ && now.is_writable()) redisAsyncHandleWrite(context_.get());
    }
    void forget() {  // hiredis closes the descriptor next, and then frees the context
        events_.unwatch(context_->c.fd);
        static_cast<void>(context_.release());
    }
    static void on_reply(redisAsyncContext*, void* got, void* user) {
        const auto done = reply::handler::from_raw(user);
        const auto* const from = static_cast<const redisReply*>(got);
        if (from == nullptr) {
            done(std::unexpected(std::make_error_code(std::errc::connection_aborted)));
        } else if (from->type == REDIS_REPLY_INTEGER) {
            done(std::to_string(from->integer));
        } else {
            done(from->str == nullptr ? std::string("(nil)") : std::string(from->str, from->len));
        }
    }

    eddy::fd_callbacks events_;
    std::unique_ptr<redisAsyncContext, decltype([](redisAsyncContext* context) { redisAsyncFree(context); })> context_;
};
// docs: end

// docs: use
eddy::task<result<void>> talk(std::string where) {
    redis client(co_await try_(eddy::net::socket_addr::parse(where)));
    const auto ok = co_await try_(client.command("SET %s %s", "greeting", "hello"));
    std::printf("SET greeting: %s\n", ok.c_str());
    co_await try_(client.command("SET count 0"));
    auto counting =
        eddy::try_join(client.command("INCR count"), client.command("INCR count"), client.command("INCR count"));
    const auto [a, b, c] = co_await try_(counting);
    std::printf("three commands have counted to %s\n", std::max({a, b, c}).c_str());
    const auto greeting = co_await try_(client.command("GET greeting"));
    std::printf("GET greeting: %s\n", greeting.c_str());
    co_return eddy::ok();
}
// docs: end

}  // namespace

int main(int argc, char** argv) {
    eddy::core core;
    const auto done = core.run(talk(argc > 1 ? argv[1] : "127.0.0.1:6379"));
    if (done) return 0;
    std::fprintf(stderr, "Error: %s\n", done.error().message().c_str());
    return 1;
}
