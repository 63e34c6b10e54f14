// SPDX-License-Identifier: MIT
// The C library hiredis on an event loop: hiredis makes the system calls, and async_fd waits for its descriptor.
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
#include <array>
#include <cstdio>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

namespace {

namespace io = eddy::io;
using eddy::result;
using eddy::task;
using eddy::try_;

/// A connection to Redis. hiredis is not thread-safe, so the connection belongs to one event loop.
class redis {
public:
    explicit redis(const eddy::net::socket_addr& server)
        : context_(redisAsyncConnect(server.ip().to_string().c_str(), server.port())) {
        socket_.emplace(io::fd_view(context_->c.fd));
        auto& hooks = context_->ev;
        hooks.data = this;
        hooks.addRead = nothing;
        hooks.delRead = nothing;
        hooks.addWrite = begin_to_write;
        hooks.delWrite = stop_writing;
        hooks.cleanup = forget;
        tasks_.spawn([this] { return drive(); });
    }

    /// Sends a command, and waits for the reply: `command("SET", "key", "value")`.
    task<result<std::string>> command(auto... words) {
        if (!context_) co_return std::unexpected(std::make_error_code(std::errc::not_connected));
        const std::array<std::string_view, sizeof...(words)> all{words...};
        std::array<const char*, sizeof...(words)> text{};
        std::array<std::size_t, sizeof...(words)> sizes{};
        std::ranges::transform(all, text.begin(), [](std::string_view word) { return word.data(); });
        std::ranges::transform(all, sizes.begin(), [](std::string_view word) { return word.size(); });
        auto [done, answer] = reply::make();
        // hiredis copies the command, and calls on_reply exactly once, with a null reply if the connection ends.
        redisAsyncCommandArgv(context_.get(), on_reply, std::move(done).into_raw(), static_cast<int>(all.size()),
                              text.data(), sizes.data());
        co_return co_await std::move(answer);
    }

private:
    using reply = eddy::completion<result<std::string>>;

    /// Calls hiredis when its descriptor is ready. hiredis does not say whether it has read everything, so the waits
    /// are level-triggered.
    task<void> drive() {
        while (socket_) {
            const auto wanted = writes_ ? io::interest::readable | io::interest::writable : io::interest::readable;
            const auto ready =
                co_await eddy::select(eddy::on(socket_->wait(wanted), [](result<io::ready> now) { return now; }),
                                      eddy::on(changed_.notified(), [] { return eddy::ok(io::ready::none); }));
            if (!ready) co_return;
            // Each call may end the connection, and then destroys the socket and the context.
            if (socket_ && ready->is_readable()) redisAsyncHandleRead(context_.get());
            if (socket_ && writes_ && ready->is_writable()) redisAsyncHandleWrite(context_.get());
        }
    }

    // The callbacks of hiredis. drive() always waits for readability, so the callbacks for reading do nothing.
    static void nothing(void*) {}
    static void begin_to_write(void* self) {
        static_cast<redis*>(self)->writes_ = true;
        static_cast<redis*>(self)->changed_.notify_one();
    }
    static void stop_writing(void* self) { static_cast<redis*>(self)->writes_ = false; }
    static void forget(void* self) {  // hiredis closes the descriptor next, and then frees the context
        static_cast<redis*>(self)->socket_.reset();
        static_cast<void>(static_cast<redis*>(self)->context_.release());
    }
    static void on_reply(redisAsyncContext*, void* got, void* user) {
        const auto* const from = static_cast<const redisReply*>(got);
        const auto done = reply::handler::from_raw(user);
        if (from == nullptr) {
            done(std::unexpected(std::make_error_code(std::errc::connection_aborted)));
        } else if (from->type == REDIS_REPLY_INTEGER) {
            done(std::to_string(from->integer));
        } else {
            done(from->str == nullptr ? std::string("(nil)") : std::string(from->str, from->len));
        }
    }

    struct free_context {
        void operator()(redisAsyncContext* context) const { redisAsyncFree(context); }
    };
    bool writes_ = false;
    eddy::sync::notify changed_;
    std::optional<io::async_fd<io::fd_view>> socket_;
    std::unique_ptr<redisAsyncContext, free_context> context_;
    eddy::task_owner tasks_;  // declared last, so that no task uses the other members while they are destroyed
};

task<result<void>> talk(eddy::net::socket_addr server) {
    redis client(server);
    const auto ok = co_await try_(client.command("SET", "greeting", "hello"));
    std::printf("SET greeting: %s\n", ok.c_str());
    co_await try_(client.command("SET", "count", "0"));
    auto counting = eddy::try_join(client.command("INCR", "count"), client.command("INCR", "count"),
                                   client.command("INCR", "count"));
    const auto [a, b, c] = co_await try_(counting);
    std::printf("three commands have counted to %s\n", std::max({a, b, c}).c_str());
    const auto greeting = co_await try_(client.command("GET", "greeting"));
    std::printf("GET greeting: %s\n", greeting.c_str());
    co_return eddy::ok();
}

}  // namespace

int main(int argc, char** argv) {
    const auto server = eddy::net::socket_addr::parse(argc > 1 ? argv[1] : "127.0.0.1:6379");
    eddy::core core;
    const auto done = server ? core.run(talk(*server)) : result<void>(std::unexpect, server.error());
    if (done) return 0;
    std::fprintf(stderr, "Error: %s\n", done.error().message().c_str());
    return 1;
}
