// SPDX-License-Identifier: MIT
// A store of named blobs: a multiplexed protocol with streamed bodies and a handshake. Uploads and downloads of any
// size share one TCP connection with short requests, and neither side holds more of a body than a few chunks.
//     $ ./blob_store
//     put log: stored 5000000 bytes
//     get log: 5000000 bytes, all as they were sent
//     get nothing: No such file or directory
#include <eddy/prelude.hpp>
#include <eddy/proto.hpp>

#include <array>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <system_error>
#include <utility>
#include <variant>
#include <vector>

namespace {

namespace net = eddy::net;
namespace proto = eddy::proto;
using eddy::bytes;
using eddy::result;
using eddy::task;
using eddy::try_;

// docs: message
// The head of a message is a line of text, and the chunks of its body are bytes.
using message = proto::message<std::string, bytes>;
using frame = proto::multiplexed_frame<std::string, bytes>;
// docs: end

// A frame on the connection: its kind (1 byte), the number of the exchange (8), a value or a size (4), and so many
// bytes.
enum class kind : std::uint8_t { head, head_with_body, chunk, end, error, cancel, credit };

class blob_codec {
public:
    result<std::optional<frame>> decode(eddy::bytes_mut& from) {
        if (!header_) {
            if (from.size() < 13) return std::optional<frame>();
            const auto what = static_cast<kind>(from.get_u8());
            const auto id = from.get_u64();
            header_.emplace(what, id, from.get_u32());
        }
        const bool has_bytes = header_->what <= kind::chunk;
        if (has_bytes && header_->value > largest) return std::unexpected(make_error_code(eddy::errc::frame_too_large));
        if (has_bytes && from.size() < header_->value) return std::optional<frame>();
        const header got = *std::exchange(header_, std::nullopt);
        const bytes payload = has_bytes ? from.split_to(got.value).freeze() : bytes();
        switch (got.what) {
        case kind::head: return frame(got.id, proto::head_frame(std::string(payload.text()), false));
        case kind::head_with_body: return frame(got.id, proto::head_frame(std::string(payload.text()), true));
        case kind::chunk: return frame(got.id, proto::chunk_frame(payload));
        case kind::end: return frame(got.id, proto::end_frame());
        case kind::error:
            return frame(got.id,
                         proto::error_frame(std::error_code(static_cast<int>(got.value), std::generic_category())));
        case kind::cancel: return frame(got.id, proto::cancel_frame());
        case kind::credit: return frame(got.id, proto::credit_frame(got.value));
        }
        return std::unexpected(std::make_error_code(std::errc::bad_message));
    }

    static result<void> encode(const frame& one, eddy::bytes_mut& into) {
        if (const auto* const head = std::get_if<proto::head_frame<std::string>>(&one.body)) {
            put(into, head->has_body ? kind::head_with_body : kind::head, one.id, head->head.size());
            into.put(head->head);
        } else if (const auto* const chunk = std::get_if<proto::chunk_frame<bytes>>(&one.body)) {
            if (chunk->chunk.size() > largest) return std::unexpected(make_error_code(eddy::errc::frame_too_large));
            put(into, kind::chunk, one.id, chunk->chunk.size());
            into.put(chunk->chunk.chunk());
        } else if (std::holds_alternative<proto::end_frame>(one.body)) {
            put(into, kind::end, one.id, 0);
        } else if (const auto* const error = std::get_if<proto::error_frame>(&one.body)) {
            put(into, kind::error, one.id, static_cast<std::size_t>(errno_of(error->error)));
        } else if (const auto* const credit = std::get_if<proto::credit_frame>(&one.body)) {
            put(into, kind::credit, one.id, credit->chunks);
        } else {
            put(into, kind::cancel, one.id, 0);
        }
        return {};
    }

private:
    static constexpr std::size_t largest = 64UL * 1024;

    struct header {
        header(kind which, std::uint64_t number, std::uint32_t with) : what(which), id(number), value(with) {}
        kind what;
        std::uint64_t id;
        std::uint32_t value;
    };

    /// Returns the errno of an error. The numbers of other categories, such as eddy's, mean something else: they become
    /// EIO.
    static int errno_of(const std::error_code& error) {
        const auto condition = error.default_error_condition();
        return condition.category() == std::generic_category() ? condition.value()
                                                               : static_cast<int>(std::errc::io_error);
    }

    static void put(eddy::bytes_mut& into, kind what, std::uint64_t id, std::size_t value) {
        into.put_u8(static_cast<std::uint8_t>(what));
        into.put_u64(id);
        into.put_u32(static_cast<std::uint32_t>(value));
    }

    std::optional<header> header_;  // of a frame whose payload has not arrived
};

// docs: service
/// "put NAME" stores the body, and "get NAME" returns it.
class blob_service {
public:
    using request_type = message;

    task<result<message>> operator()(message request) const {
        const std::string name = request.head.substr(4);
        if (request.head.starts_with("put ")) return store(blobs_, name, std::move(request.body));
        return load(blobs_, name);
    }

private:
    struct shared {
        std::mutex lock;
        std::map<std::string, std::vector<bytes>> blobs;  // guarded by lock
    };

    static task<result<message>> store(std::shared_ptr<shared> into, std::string name, proto::body<bytes> body) {
        std::vector<bytes> chunks;
        std::size_t size = 0;
        while (auto next = co_await body.next()) {
            bytes chunk = co_await try_(std::move(*next));  // an error here means that the upload was not completed
            size += chunk.size();
            chunks.push_back(std::move(chunk));
        }
        const std::lock_guard guard(into->lock);
        into->blobs.insert_or_assign(name, std::move(chunks));
        co_return message("stored " + std::to_string(size) + " bytes");
    }
    static task<result<message>> load(std::shared_ptr<shared> from, std::string name) {
        const std::lock_guard guard(from->lock);
        const auto found = from->blobs.find(name);
        if (found == from->blobs.end())
            co_return std::unexpected(std::make_error_code(std::errc::no_such_file_or_directory));
        co_return message("found", eddy::streams::iter(found->second));
    }

    std::shared_ptr<shared> blobs_ = std::make_shared<shared>();
};
// docs: end

// docs: handshake
// Both sides send the name of the protocol first. A peer that speaks another one is refused.
task<result<net::tcp_stream>> greet(net::tcp_stream stream) {
    constexpr std::string_view hello = "blobs/1\n";
    co_await try_(eddy::io::write_all(stream, hello));
    std::array<char, hello.size()> got;
    co_await try_(eddy::io::read_exact(stream, std::as_writable_bytes(std::span(got))));
    if (std::string_view(got.data(), got.size()) != hello)
        co_return std::unexpected(std::make_error_code(std::errc::wrong_protocol_type));
    co_return std::move(stream);
}
// docs: end

/// A body of 5,000,000 bytes, which exists only as far as it was sent.
eddy::async_generator<bytes> numbers() {
    for (std::size_t sent = 0; sent < 5'000'000; sent += 50'000)
        co_yield bytes(std::string(50'000, static_cast<char>('a' + sent / 50'000 % 26)));
}

task<result<void>> run_both() {
    auto listener = co_await try_(net::tcp_listener::bind("127.0.0.1:0"));
    const auto address = co_await try_(listener.local_addr());
    // docs: server
    auto server = proto::tcp_server(blob_codec()).setup(greet, std::chrono::seconds(5));
    auto serving = server.serve(std::move(listener), blob_service());
    // docs: end
    eddy::spawn_background(std::move(serving)).detach();

    // docs: client
    const auto client = co_await try_(proto::tcp_client(blob_codec()).setup(greet).connect(address));
    const auto stored = co_await try_(client(message("put log", numbers())));
    std::printf("put log: %s\n", stored.head.c_str());
    // docs: end

    auto found = co_await try_(client(message("get log")));
    auto expected = numbers();
    std::size_t size = 0;
    while (auto next = co_await found.body.next()) {
        const bytes chunk = co_await try_(std::move(*next));
        const auto same = co_await expected.next();
        if (!same || chunk != *same) co_return std::unexpected(std::make_error_code(std::errc::bad_message));
        size += chunk.size();
    }
    std::printf("get log: %zu bytes, all as they were sent\n", size);

    const auto missing = co_await client(message("get nothing"));
    std::printf("get nothing: %s\n", missing.error().message().c_str());
    co_return eddy::ok();
}

}  // namespace

int main() { return eddy::run(run_both()); }
