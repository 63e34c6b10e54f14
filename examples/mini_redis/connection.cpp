// SPDX-License-Identifier: MIT
#include "connection.hpp"

#include <cstddef>
#include <functional>
#include <span>
#include <utility>
#include <variant>

#include <eddy/bytes/bytes_mut.hpp>
#include <eddy/future/select.hpp>
#include <eddy/net/close_gracefully.hpp>

#include "command.hpp"

namespace mini_redis {
namespace {

constexpr std::size_t request_read_size = 16 * 1024;  // minimum spare capacity for a read
constexpr std::size_t flush_size = 64 * 1024;         // replies are sent when they exceed this
constexpr std::size_t kept_size = 256 * 1024;         // larger buffers are freed

/// The part of a connection that does not wait. It uses the codec directly and not through codec::framed, so that it
/// knows when all requests of one read are executed, and can send their replies with one write.
class dialogue {
public:
    explicit dialogue(server_state& server)
        : server_(&server), client_(++server.connections), codec_(server.limits.request) {
        ++server_->clients;
    }
    dialogue(const dialogue&) = delete;
    dialogue& operator=(const dialogue&) = delete;
    ~dialogue() { --server_->clients; }

    /// Returns the spare capacity for the next read.
    std::span<std::byte> room() {
        if (in_.empty() && in_.capacity() > kept_size) in_ = eddy::bytes_mut();
        in_.reserve(request_read_size);
        return in_.chunk_mut();
    }
    /// Takes over the bytes of a read. Returns false at the end of the stream, or after an error.
    bool received(const eddy::result<std::size_t>& count) {
        if (!count || *count == 0) return false;
        in_.advance_mut(*count);
        return true;
    }

    /// Executes requests until none is left or the replies exceed flush_size. If has_more(), send the replies and call
    /// it again.
    void execute_some() {
        // Take the published messages first: a reply may confirm that the client has unsubscribed.
        if (client_.subscribed) client_.subscribed->mail().take(reply_writer(out_));
        do {
            has_more_ = execute_next();
        } while (has_more_ && out_.size() < flush_size && !client_.wants_end);
    }
    [[nodiscard]] bool has_more() const noexcept { return has_more_ && !client_.wants_end; }

    [[nodiscard]] std::span<const std::byte> answers() const noexcept { return out_.chunk(); }
    void answered() {
        out_.clear();
        if (out_.capacity() > kept_size) out_ = eddy::bytes_mut();
    }

    [[nodiscard]] bool wants_end() const noexcept { return client_.wants_end; }
    /// Returns the mailbox; null before the first subscription.
    [[nodiscard]] mailbox* mail() noexcept { return client_.subscribed ? &client_.subscribed->mail() : nullptr; }

private:
    bool execute_next() {
        const auto words = codec_.decode(in_);
        if (words && !*words) return false;
        call request{*server_, client_, reply_writer(out_, client_.version), words ? **words : request_codec::item()};
        if (words) {
            execute(request);
        } else {
            request.out.error("ERR " + words.error().message());
            client_.wants_end = true;
        }
        return true;
    }

    server_state* server_;
    client_state client_;
    request_codec codec_;
    eddy::bytes_mut in_;
    eddy::bytes_mut out_;
    bool has_more_ = false;
};

/// The reason for the end of a dialogue.
enum class ending { by_client, by_server };

/// Reads, executes and answers requests. Returns `by_client` if the client has ended or reset the connection, or is too
/// slow to receive further replies.
eddy::task<ending> answer_requests(server_state& server, eddy::net::tcp_stream& stream,
                                   const eddy::sync::cancellation_token& token) {
    dialogue client(server);
    auto told = token.cancelled();
    while (!client.wants_end()) {
        if (mailbox* const mail = client.mail(); mail == nullptr) {
            const auto event = co_await eddy::select(std::ref(told), stream.read(client.room()));
            if (event.index() == 0) break;
            if (!client.received(std::get<1>(event))) co_return ending::by_client;
        } else {
            const auto event =
                co_await eddy::select(std::ref(told), mail->overflowed(), stream.read(client.room()), mail->posted());
            if (event.index() == 0) break;
            if (event.index() == 1) co_return ending::by_client;
            if (event.index() == 2 && !client.received(std::get<2>(event))) co_return ending::by_client;
        }
        do {
            client.execute_some();
            if (client.answers().empty()) break;
            if (mailbox* const mail = client.mail(); mail == nullptr) {
                const auto sent = co_await stream.write_all(client.answers());
                if (!sent) co_return ending::by_client;
            } else {
                const auto event = co_await eddy::select(mail->overflowed(), stream.write_all(client.answers()));
                if (event.index() == 0 || !std::get<1>(event)) co_return ending::by_client;
            }
            client.answered();
        } while (client.has_more());
    }
    co_return ending::by_server;
}

}  // namespace

eddy::task<void> serve_client(server_state& server, eddy::net::tcp_stream stream,
                              eddy::sync::cancellation_token token) {
    if (!stream.set_nodelay(true)) co_return;
    const auto ended = co_await answer_requests(server, stream, token);
    // The client may still be sending requests. A reset would discard replies that it has not read yet.
    if (ended == ending::by_server) {
        static_cast<void>(co_await eddy::net::close_gracefully(std::move(stream), server.limits.drain));
    }
}

}  // namespace mini_redis
