// SPDX-License-Identifier: MIT
// Compression of bodies: the layer http::compress(), and the client.
// covers: P147
// runs: once
#include <eddy/http.hpp>

#include <eddy/io.hpp>
#include <eddy/net.hpp>
#include <eddy/proto.hpp>
#include <eddy/stream.hpp>
#include <eddy/sync.hpp>
#include <eddy/task.hpp>
#include <eddy/test.hpp>
#include <eddy/time.hpp>

#include <gtest/gtest.h>
#include <zlib.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <cstddef>
#include <fstream>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

#include "message/coding.hpp"
#include "support/http/http_conversation.hpp"
#include "support/http/http_server.hpp"
#include "support/temp_dir.hpp"

namespace {

using eddy::result;
using eddy::task;
using eddy::detail::available_codings;
using eddy::detail::body_access;
using eddy::detail::body_codings;
using eddy::detail::brotli_coding;
using eddy::detail::decoding_source;
using eddy::detail::encoded_text;
using eddy::detail::encoding_source;
using eddy::detail::gzip_coding;
using eddy::detail::zstd_coding;
namespace http = eddy::http;
namespace io = eddy::io;
namespace net = eddy::net;
namespace proto = eddy::proto;

/// Decompresses with zlib as much as possible. Appends "(end)" if the data is complete.
std::string decompressed(std::string_view from) {
    z_stream stream{};
    EXPECT_EQ(::inflateInit2(&stream, 15 + 16), Z_OK);
    std::string input(from);
    std::string text(1 << 20, '\0');
    stream.next_in = reinterpret_cast<Bytef*>(input.data());
    stream.avail_in = static_cast<uInt>(input.size());
    stream.next_out = reinterpret_cast<Bytef*>(text.data());
    stream.avail_out = static_cast<uInt>(text.size());
    const int code = ::inflate(&stream, Z_SYNC_FLUSH);
    text.resize(text.size() - stream.avail_out);
    if (code == Z_STREAM_END && stream.avail_in == 0) text += "(end)";
    ::inflateEnd(&stream);
    return text;
}

/// Text that is not the same everywhere, so that its compressed form has several KiB.
std::string numbers(std::size_t size) {
    std::string text;
    for (unsigned i = 0; text.size() < size; ++i) text += std::to_string(i * i) + ' ';
    text.resize(size);
    return text;
}

http::request asking(std::string accepts) {
    http::request asked(http::method::get, "/");
    if (!accepts.empty()) asked.headers.add("Accept-Encoding", accepts);
    return asked;
}

/// Returns the response of a service with compression.
task<http::response> compressed(http::service app, http::request asked, http::compress_options options = {}) {
    const auto all = app | http::compress(options);
    auto answer = co_await all(std::move(asked));
    co_return *std::move(answer);
}

http::service always(std::string type, std::string text, std::string name = "X-None", std::string value = "") {
    return [=](http::request) -> task<http::response> {
        auto answer = http::response::of_type(type, std::string_view(text));
        answer.headers.set(name, value);
        co_return answer;
    };
}

std::string coding_of(const http::response& of) { return std::string(of.headers.get("Content-Encoding").value_or("")); }

TEST(HttpCompress, BodiesInMemoryAreCompressed) {
    eddy::test::run_paused([]() -> task<void> {
        for (const std::size_t size : {1024U, 30'000U, 300'000U}) {
            auto answer = co_await compressed(always("text/html; charset=utf-8", numbers(size)), asking("gzip, other"));
            EXPECT_EQ(coding_of(answer), "gzip");
            EXPECT_EQ(answer.headers.get("Vary"), "Accept-Encoding");
            const auto text = co_await answer.body.read_text();
            EXPECT_LT(text->size(), size / 2);
            EXPECT_EQ(decompressed(*text), numbers(size) + "(end)");
        }
    });
}

TEST(HttpCompress, BodyNamesTheMemoryThatItNeeds) {
    eddy::test::run_paused([]() -> task<void> {
        const auto text = numbers(300'000);
        const auto app = [&](http::request) -> task<http::response> {
            auto answer = http::response::of_type("text/plain", std::string(text));
            co_return answer;
        };
        const auto plain = co_await compressed(app, asking(""));
        EXPECT_EQ(body_access::held_bytes(plain.body), text.size());
        const auto streamed = co_await compressed(app, asking("gzip"));
        EXPECT_GT(body_access::held_bytes(streamed.body), text.size() + 200'000);  // and the state of zlib
        auto small = co_await compressed(always("text/plain", numbers(10'000)), asking("gzip"));
        EXPECT_EQ(body_access::held_bytes(small.body), small.body.size());
    });
}

TEST(HttpCompress, MemoryOfEncoderDependsOnItsLevel) {
    const auto memory = [](const eddy::detail::body_coding& coding, int level) {
        const auto source = encoding_source(coding, http::body(std::string_view("abc")), level);
        return source->held_bytes() / 1024;
    };
    EXPECT_EQ(memory(gzip_coding, 6), 264U);  // 262 were measured
    if (!brotli_coding.is_available()) return;
    EXPECT_EQ(memory(brotli_coding, 3), 256U);
    EXPECT_EQ(memory(brotli_coding, 4), 1024U);
    EXPECT_EQ(memory(brotli_coding, 5), 1024U);
    EXPECT_EQ(memory(brotli_coding, 6), 2048U);
}

TEST(HttpCompress, AcceptEncodingDecides) {
    const std::vector<std::pair<std::string, bool>> cases = {
        {"", false},
        {"gzip", true},
        {"GZIP;q=0.5", true},
        {"x-gzip", true},
        {"br, *", true},
        {"*;q=0", false},
        {"gzip;q=0", false},
        {"gzip;q=0.000", false},
        {"*;q=0, gzip;q=0.001", true},
        {"gzip;q=0.5, identity", false},
        {"gzip;q=0.5, identity;q=0.4", true},
        {"gzip;q=x", false},
        {"gzip;q=", false},
        {"gzip;q=2", false},
        {"gzip;q=1x", false},
        {"gzip;q=0.5x", false},
        {"gzip;q=1", true},
        {"gzip;Q=0", false},
        {"gzip;level=9;q=0", false},
        {"gzip;level=9", true},
        {"deflate, br", false},
        {"gzipped", false},
    };
    for (const auto& [accepts, is_compressed] : cases) {
        eddy::test::run_paused([&]() -> task<void> {
            const auto options = http::compress_options().codings({http::content_coding::gzip});
            auto answer = co_await compressed(always("text/plain", numbers(2000)), asking(accepts), options);
            EXPECT_EQ(coding_of(answer), is_compressed ? "gzip" : "") << accepts;
            EXPECT_EQ(answer.headers.get("Vary"), "Accept-Encoding") << accepts;
        });
    }
}

TEST(HttpCompress, QualityThenPreferenceChoosesCoding) {
    if (available_codings() != "zstd, br, gzip") GTEST_SKIP() << "eddy was built without brotli or zstd";
    using enum http::content_coding;
    const auto by_default = http::compress_options();
    const auto chosen = [](std::string accepts, http::compress_options options) {
        std::string coding;
        eddy::test::run_paused([&]() -> task<void> {
            auto answer = co_await compressed(always("text/plain", numbers(2000)), asking(accepts), options);
            coding = coding_of(answer);
        });
        return coding;
    };
    EXPECT_EQ(chosen("gzip, deflate, br, zstd", by_default), "zstd");
    EXPECT_EQ(chosen("gzip, deflate, br", by_default), "br");
    EXPECT_EQ(chosen("GZIP, Br;q=0.9, zstd;q=0.8", by_default), "gzip");
    EXPECT_EQ(chosen("*", by_default), "zstd");
    EXPECT_EQ(chosen("*, zstd;q=0", by_default), "br");
    EXPECT_EQ(chosen("*;q=0, br;q=0.001", by_default), "br");
    EXPECT_EQ(chosen("identity;q=0.5, br;q=0.5, gzip;q=0.4", by_default), "br");
    EXPECT_EQ(chosen("identity;q=0.5, br;q=0.4", by_default), "");
    EXPECT_EQ(chosen("br, gzip, zstd", http::compress_options().codings({brotli, gzip})), "br");
    EXPECT_EQ(chosen("zstd", http::compress_options().codings({brotli, gzip})), "");
    EXPECT_EQ(chosen("gzip", http::compress_options().codings({})), "");
    EXPECT_THROW(http::compress_options().codings({gzip, gzip}), eddy::misuse);
    EXPECT_THROW(http::compress_options().codings({gzip, brotli, zstd, gzip}), eddy::misuse);
}

TEST(HttpCompress, ExcludedResponsesAreNotCompressed) {
    eddy::test::run_paused([]() -> task<void> {
        const auto large = numbers(5000);
        const std::vector<http::service> all = {
            always("text/plain", numbers(1023)),
            always("image/png", large),
            always("text/plain", large, "Content-Encoding", "br"),
            always("text/plain", large, "Content-Range", "bytes 0-4999/9000"),
            always("text/plain", large, "Cache-Control", "public, no-transform"),
        };
        for (const auto& app : all) {
            auto answer = co_await compressed(app, asking("gzip"));
            EXPECT_NE(coding_of(answer), "gzip");
            EXPECT_FALSE(answer.headers.contains("Vary"));
            const auto text = co_await answer.body.read_text();
            EXPECT_TRUE(large.starts_with(*text));
        }
        const http::service without_type = [&](http::request) -> task<http::response> {
            co_return http::response(http::status::ok, http::body(std::string_view(large)));
        };
        auto untyped = co_await compressed(without_type, asking("gzip"));
        EXPECT_EQ(coding_of(untyped), "");
        const http::service fails = [](http::request) -> task<result<http::response>> {
            co_return std::unexpected(make_error_code(std::errc::io_error));
        };
        const auto packs = fails | http::compress();
        const auto failed = co_await packs(asking("gzip"));
        EXPECT_EQ(failed.error(), std::errc::io_error);
        const auto options = http::compress_options().min_size(10).level(100);
        auto answer = co_await compressed(always("application/problem+json", numbers(10)), asking("gzip"), options);
        EXPECT_EQ(coding_of(answer), "gzip");
    });
}

TEST(HttpCompress, FieldsDescribeTheCompressedBody) {
    eddy::test::run_paused([]() -> task<void> {
        auto answer = co_await compressed(always("text/css", numbers(2000), "ETag", "\"a\""), asking("gzip"));
        EXPECT_EQ(answer.headers.get("ETag"), "W/\"a\"");
        answer = co_await compressed(always("image/svg+xml", numbers(2000), "ETag", "W/\"b\""), asking("gzip"));
        EXPECT_EQ(coding_of(answer), "gzip");
        EXPECT_EQ(answer.headers.get("ETag"), "W/\"b\"");
        answer = co_await compressed(always("application/wasm", numbers(2000), "Vary", "*"), asking("gzip"));
        EXPECT_EQ(coding_of(answer), "gzip");
        EXPECT_EQ(answer.headers.get("Vary"), "*");
        answer = co_await compressed(always("text/css", numbers(2000), "Vary", "accept-encoding"), asking("gzip"));
        EXPECT_EQ(answer.headers.count("Vary"), 1U);
        auto head = asking("gzip");
        head.method = http::method::head;
        answer = co_await compressed(always("text/css", numbers(2000), "Content-Length", "2000"), std::move(head));
        EXPECT_EQ(coding_of(answer), "gzip");
        EXPECT_FALSE(answer.headers.contains("Content-Length"));
        EXPECT_FALSE(answer.body.size().has_value());
    });
}

TEST(HttpCompress, DigestsOfTheUncompressedBodyAreRemoved) {
    eddy::test::run_paused([]() -> task<void> {
        for (const std::string name : {"Content-MD5", "Digest", "Content-Digest", "repr-digest"}) {
            for (const auto status : {http::status::ok, http::status::not_modified}) {
                const auto app = [&](http::request) -> task<http::response> {
                    auto answer = http::response::of_type("text/css", numbers(2000));
                    answer.status = status;
                    if (status == http::status::not_modified) {
                        answer.body = http::body();
                        answer.headers.add("Content-Length", "2000");
                    }
                    answer.headers.add(name, "x");
                    answer.headers.add("Other", "y");
                    co_return answer;
                };
                auto answer = co_await compressed(app, asking("gzip"));
                EXPECT_FALSE(answer.headers.contains(name)) << name;
                EXPECT_FALSE(answer.headers.contains("Content-Length"));
                EXPECT_TRUE(answer.headers.contains("Other"));
                answer = co_await compressed(app, asking("identity"));
                EXPECT_TRUE(answer.headers.contains(name)) << name;
            }
        }
    });
}

/// Returns the Vary and ETag of a response.
std::string keys_of(const http::response& answer) {
    return std::string(answer.headers.get("Vary").value_or("-")) + " " +
           std::string(answer.headers.get("ETag").value_or("-"));
}

TEST(HttpCompress, NotModifiedHasVaryAndETagOfTheFile) {
    const support::temp_dir folder;
    std::ofstream(folder / "page.txt") << numbers(5000);
    std::ofstream(folder / "small.txt") << "small";
    std::ofstream(folder / "image.png") << numbers(5000);
    eddy::core loop;
    loop.run([&]() -> task<void> {
        const auto app = http::files(folder / "") | http::compress();
        const auto ask = [&](http::method how, std::string path, std::string accepts, std::string name,
                             std::string value) -> task<http::response> {
            http::request asked(how, path);
            if (!accepts.empty()) asked.headers.add("Accept-Encoding", accepts);
            if (!name.empty()) asked.headers.add(name, value);
            auto answer = co_await app(std::move(asked));
            co_return *std::move(answer);
        };
        for (const std::string path : {"/page.txt", "/small.txt", "/image.png"}) {
            for (const std::string accepts : {"gzip", "", "identity"}) {
                const auto whole = co_await ask(http::method::get, path, accepts, "", "");
                const std::string tag(*whole.headers.get("ETag"));
                const std::string strong = tag.starts_with("W/") ? tag.substr(2) : tag;
                const std::string date(*whole.headers.get("Last-Modified"));
                const std::pair<std::string, std::string> conditions[] = {{"If-None-Match", strong},
                                                                          {"If-None-Match", "W/" + strong},
                                                                          {"If-None-Match", "\"x\", " + strong},
                                                                          {"If-None-Match", "*"},
                                                                          {"If-Modified-Since", date}};
                for (const auto& [name, value] : conditions) {
                    for (const auto how : {http::method::get, http::method::head}) {
                        auto unchanged = co_await ask(how, path, accepts, name, value);
                        EXPECT_EQ(unchanged.status, http::status::not_modified);
                        EXPECT_EQ(keys_of(unchanged), keys_of(whole)) << path << accepts << name << value;
                        EXPECT_FALSE(unchanged.headers.contains("Content-Encoding"));
                        // A compressed body has another size.
                        EXPECT_EQ(unchanged.headers.contains("Content-Length"),
                                  !whole.headers.contains("Content-Encoding"))
                            << path << accepts << name << value;
                    }
                }
                const auto part = co_await ask(http::method::get, path, accepts, "Range", "bytes=1-2");
                EXPECT_EQ(part.status, http::status::partial_content);
                if (path == "/page.txt") {
                    EXPECT_EQ(keys_of(part), "Accept-Encoding " + strong);
                }
            }
        }
        const auto page = co_await ask(http::method::get, "/page.txt", "gzip", "", "");
        EXPECT_TRUE(keys_of(page).starts_with("Accept-Encoding W/")) << keys_of(page);
        const auto image = co_await ask(http::method::get, "/image.png", "gzip", "", "");
        EXPECT_TRUE(keys_of(image).starts_with("- \"")) << keys_of(image);
    }());
}

TEST(HttpCompress, NotModifiedWithoutTypeFollowsTheCondition) {
    eddy::test::run_paused([]() -> task<void> {
        const auto unchanged = [](http::request) -> task<http::response> {
            http::response answer(http::status::not_modified);
            answer.headers.add("ETag", "\"t\"");
            co_return answer;
        };
        const auto keys = [&](std::string accepts, std::string known) -> task<std::string> {
            auto asked = asking(accepts);
            asked.headers.add("If-None-Match", known);
            co_return keys_of(co_await compressed(unchanged, std::move(asked)));
        };
        EXPECT_EQ(co_await keys("gzip", "W/\"t\""), "Accept-Encoding W/\"t\"");
        EXPECT_EQ(co_await keys("gzip", "\"t\""), "Accept-Encoding \"t\"");
        EXPECT_EQ(co_await keys("gzip", "W/\"t\", \"t\""), "Accept-Encoding \"t\"");
        EXPECT_EQ(co_await keys("gzip", "*"), "Accept-Encoding \"t\"");
        EXPECT_EQ(co_await keys("", "W/\"t\""), "Accept-Encoding \"t\"");
    });
}

/// A reader that gives some text, and then waits without an end.
class text_then_silence {
public:
    eddy::poll_result<result<std::size_t>> poll_read(eddy::context&, std::span<std::byte> into) {
        if (std::exchange(has_read_, true)) return eddy::not_ready;
        const auto text = numbers(into.size());
        std::ranges::copy(std::as_bytes(std::span(text)), into.begin());
        return eddy::ok(into.size());
    }

private:
    bool has_read_ = false;
};

// A server that needs memory drops responses that their clients do not read, but not those that wait for the service.
TEST(HttpCompress, StreamThatWaitsForItsServiceIsNotUnread) {
    eddy::test::run_paused([]() -> task<void> {
        const http::service plain = [](http::request asked) -> task<http::response> {
            auto answer = http::response::of_type("text/plain", std::string(200'000, 'x'));
            if (asked.path() == "/idle") answer.body = http::body::from_reader(text_then_silence());
            co_return answer;
        };
        const auto app =
            http::service(plain | http::compress(http::compress_options().codings({http::content_coding::gzip})));
        const auto options = http::serve_options().response_memory_limit(300'000);
        auto first = io::duplex(100);
        auto second = io::duplex(64 * 1024);
        const auto ask_both = [&]() -> task<bool> {
            support::text_client one(std::move(first.first));
            support::text_client other(std::move(second.first));
            EXPECT_TRUE(co_await one.send(support::get("/idle", "Accept-Encoding: gzip\r\n")));
            auto receiving = eddy::spawn(one.receive_all());
            co_await eddy::time::sleep(std::chrono::seconds(5));
            EXPECT_TRUE(co_await other.send(support::get("/", "Connection: close\r\n")));
            EXPECT_EQ(support::statuses(co_await other.receive_all()), "503");
            EXPECT_FALSE(receiving.is_finished());
            receiving.abort();
            static_cast<void>(co_await std::move(receiving));
            co_await one.close();
            co_return true;
        };
        auto all = eddy::join(http::serve_connection(std::move(first.second), app, options),
                              http::serve_connection(std::move(second.second), app, options), ask_both());
        static_cast<void>(co_await all);
    });
}

TEST(HttpCompress, WaitingReadersAreFlushed) {
    eddy::test::run_paused([]() -> task<void> {
        auto [parts, source] = eddy::sync::mpsc<std::string>::channel(4);
        std::optional from(http::body::from_reader(io::stream_reader(std::move(source))));
        const http::service app = [&](http::request) -> task<http::response> {
            co_return http::response::of_type("text/event-stream", std::move(*from));
        };
        auto answer = co_await compressed(app, asking("gzip"));
        std::string received;
        std::array<std::byte, 200> some{};
        for (const std::string part : {"data: one\n\n", "data: two\n\n"}) {
            static_cast<void>(co_await parts.send(part));
            while (!decompressed(received).ends_with(part)) {
                const auto count = co_await io::read(answer.body, some);
                received += support::text_of(std::span(some).first(count.value()));
            }
        }
        {
            const auto dropped = std::move(parts);
        }
        const auto rest = co_await answer.body.read_text();
        EXPECT_EQ(decompressed(received + *rest), "data: one\n\ndata: two\n\n(end)");
    });
}

TEST(HttpCompress, EachCodingSendsEventsAtOnce) {
    eddy::test::run_paused([]() -> task<void> {
        for (const auto* const coding : body_codings) {
            if (!coding->is_available()) continue;
            auto [parts, source] = eddy::sync::mpsc<std::string>::channel(4);
            auto from = http::body::from_reader(io::stream_reader(std::move(source)));
            auto packed = body_access::from_source(encoding_source(*coding, std::move(from), 6));
            auto unpacked = body_access::from_source(decoding_source(*coding, std::move(packed), 10'000));
            std::array<std::byte, 200> some{};
            for (int i = 0; i < 100; ++i) {
                const auto event = "data: " + std::to_string(i) + "\n\n";
                static_cast<void>(co_await parts.send(event));
                const auto count = co_await io::read(unpacked, some);
                EXPECT_EQ(support::text_of(std::span(some).first(count.value())), event) << coding->name;
            }
            {
                const auto dropped = std::move(parts);
            }
            EXPECT_EQ(co_await unpacked.read_text(), "") << coding->name;
        }
    });
}

TEST(HttpCompress, EachCodingSendsLargeEventsAtOnce) {
    eddy::test::run_paused([]() -> task<void> {
        for (const auto* const coding : body_codings) {
            if (!coding->is_available()) continue;
            auto [parts, source] = eddy::sync::mpsc<std::string>::channel(4);
            auto from = http::body::from_reader(io::stream_reader(std::move(source)));
            auto packed = body_access::from_source(encoding_source(*coding, std::move(from), 6));
            auto unpacked = body_access::from_source(decoding_source(*coding, std::move(packed), 100'000));
            std::array<std::byte, 1000> some{};  // smaller than an event
            for (const auto& event : {numbers(3000), std::string(3000, 'x'), numbers(20'000)}) {
                static_cast<void>(co_await parts.send(event));
                std::string received;
                while (received.size() < event.size()) {
                    auto reading = eddy::time::timeout(std::chrono::seconds(1), io::read(unpacked, some));
                    const auto count = co_await reading;
                    if (!count) break;  // the clock moves only if everything waits
                    received += support::text_of(std::span(some).first(count->value()));
                }
                EXPECT_TRUE(received == event) << coding->name << received.size();
            }
        }
    });
}

/// Reads a body in pieces of `step` bytes.
task<std::string> read_in_steps(http::body from, std::size_t step) {
    std::string text;
    std::vector<std::byte> some(step);
    for (;;) {
        const auto count = co_await io::read(from, some);
        if (!count) co_return text.size() > 20 ? "error after much" : text + "(" + count.error().message() + ")";
        if (*count == 0) co_return text;
        text += support::text_of(std::span(some).first(*count));
    }
}

TEST(HttpCompress, SmallReadsGetAllBytes) {
    eddy::test::run_paused([]() -> task<void> {
        const auto text = numbers(40'000);
        for (const std::size_t step : {1U, 6U, 31U, 32U, 5000U}) {
            auto source = body_access::from_source(encoding_source(gzip_coding, std::string_view(text), 6));
            const auto packed = co_await read_in_steps(std::move(source), step);
            EXPECT_EQ(decompressed(packed), text + "(end)") << step;
            auto back = body_access::from_source(decoding_source(gzip_coding, std::string_view(packed), text.size()));
            const auto unpacked = co_await read_in_steps(std::move(back), step);
            EXPECT_EQ(unpacked, text) << step;
        }
    });
}

TEST(HttpCompress, EachCodingReturnsTheSameBytes) {
    eddy::test::run_paused([]() -> task<void> {
        for (const auto* const coding : body_codings) {
            if (!coding->is_available()) continue;
            for (const std::size_t size : {0U, 1U, 5'000U, 200'000U}) {
                const auto text = numbers(size);
                for (const int level : {1, 6, 9}) {
                    const auto packed = encoded_text(*coding, text, level);
                    EXPECT_LE(packed.size(), text.size() / 2 + 30) << coding->name;
                    auto back = body_access::from_source(decoding_source(*coding, std::string_view(packed), size));
                    EXPECT_TRUE(co_await back.read_text() == text) << coding->name << size << level;
                }
                for (const std::size_t step : {size < 10'000 ? 1U : 31U, 5000U}) {
                    auto source = body_access::from_source(encoding_source(*coding, std::string_view(text), 6));
                    const auto packed = co_await read_in_steps(std::move(source), step);
                    auto back = body_access::from_source(decoding_source(*coding, std::string_view(packed), size));
                    const auto unpacked = co_await read_in_steps(std::move(back), step);
                    EXPECT_TRUE(unpacked == text) << coding->name << size << step;
                }
            }
        }
    });
}

TEST(HttpCompress, EachCodingRefusesInvalidData) {
    eddy::test::run_paused([]() -> task<void> {
        const auto text_of = [](std::error_code why) { return "(" + why.message() + ")"; };
        for (const auto* const coding : body_codings) {
            if (!coding->is_available()) continue;
            const auto read = [&](std::string data, std::uint64_t limit) {
                return read_in_steps(body_access::from_source(decoding_source(*coding, std::string_view(data), limit)),
                                     64);
            };
            const auto packed = encoded_text(*coding, "abc", 6);
            EXPECT_EQ(co_await read(packed, 3), "abc") << coding->name;
            EXPECT_EQ(co_await read(packed, 2), text_of(make_error_code(http::errc::body_too_large))) << coding->name;
            EXPECT_EQ(co_await read("", 0), "") << coding->name;
            const auto rest = co_await read(packed + "rest", 100);
            EXPECT_EQ(rest, "abc" + text_of(make_error_code(http::errc::bad_message))) << coding->name;
            const auto shorter = co_await read(packed.substr(0, packed.size() - 1), 100);
            EXPECT_TRUE(shorter.ends_with(text_of(make_error_code(http::errc::body_too_short)))) << coding->name;
            const auto other = co_await read("<html>", 100);
            EXPECT_TRUE(other.ends_with(text_of(make_error_code(http::errc::bad_message)))) << coding->name << other;
            const auto bomb = encoded_text(*coding, std::string(10 << 20, 'x'), 9);
            EXPECT_LT(bomb.size(), 20'000U) << coding->name;
            EXPECT_EQ(co_await read(bomb, 100'000), "error after much") << coding->name;
        }
    });
}

TEST(HttpCompress, LargeWindowsOfZstdAreRefused) {
    if (!zstd_coding.is_available()) GTEST_SKIP() << "eddy was built without zstd";
    eddy::test::run_paused([]() -> task<void> {
        // The head of a frame (RFC 8878, section 3.1.1): the magic number, no options, a window of 8 or 16 MiB, and an
        // empty last block.
        const auto frame = [](char window) {
            return std::string("\x28\xb5\x2f\xfd\x00", 5) + window + std::string("\x01\x00\x00", 3);
        };
        const auto read = [](std::string data) {
            return read_in_steps(body_access::from_source(decoding_source(zstd_coding, std::string_view(data), 10)), 9);
        };
        EXPECT_EQ(co_await read(frame(13 << 3)), "");
        EXPECT_EQ(co_await read(frame(14 << 3)), "(" + make_error_code(http::errc::bad_message).message() + ")");
    });
}

TEST(HttpCompress, InvalidDataIsAnError) {
    eddy::test::run_paused([]() -> task<void> {
        const auto read = [](std::string data, std::uint64_t limit) {
            return read_in_steps(body_access::from_source(decoding_source(gzip_coding, std::string_view(data), limit)),
                                 64);
        };
        const auto abc = encoded_text(gzip_coding, "abc", 6);
        EXPECT_EQ(co_await read(abc, 3), "abc");
        EXPECT_EQ(co_await read(abc + abc, 6), "abcabc");
        EXPECT_EQ(co_await read(abc, 2), "(" + make_error_code(http::errc::body_too_large).message() + ")");
        const auto invalid = "(" + make_error_code(http::errc::bad_message).message() + ")";
        EXPECT_EQ(co_await read("not gzip", 100), invalid);
        EXPECT_EQ(co_await read(abc + "rest", 100), "abc" + invalid);
        auto wrong_sum = abc;
        wrong_sum[wrong_sum.size() - 5] ^= 1;
        EXPECT_EQ(co_await read(wrong_sum, 100), invalid);
        const auto short_body = "abc(" + make_error_code(http::errc::body_too_short).message() + ")";
        EXPECT_EQ(co_await read(abc.substr(0, abc.size() - 1), 100), short_body);
    });
}

TEST(HttpCompress, DecompressionStopsAtLimit) {
    eddy::test::run_paused([]() -> task<void> {
        const auto bomb = encoded_text(gzip_coding, std::string(10 << 20, 'x'), 9);
        EXPECT_LT(bomb.size(), 20'000U);
        auto body = body_access::from_source(decoding_source(gzip_coding, std::string_view(bomb), 100'000));
        std::size_t all = 0;
        std::array<std::byte, 8192> some{};
        std::error_code failure;
        while (!failure) {
            const auto count = co_await io::read(body, some);
            if (count) all += *count;
            if (!count) failure = count.error();
        }
        EXPECT_EQ(failure, http::errc::body_too_large);
        EXPECT_LE(all, 100'000U);
    });
}

TEST(HttpCompress, DecompressionLeavesTimeForOtherTasks) {
    eddy::test::run_paused([]() -> task<void> {
        constexpr std::size_t size = 16 << 20;
        // 16 KiB, which one read of the input returns.
        http::body bomb(encoded_text(gzip_coding, std::string(size, 'x'), 9));
        auto all = body_access::from_source(decoding_source(gzip_coding, std::move(bomb), size));
        int turns = 0;
        auto other = eddy::spawn([&]() -> task<void> {
            for (;; ++turns) co_await eddy::yield_now();
        });
        const auto text = co_await all.read_text();
        EXPECT_EQ(text->size(), size);
        EXPECT_GE(turns, 7);  // a poll has a coop budget for 2 MiB
        other.abort();
    });
}

TEST(HttpCompress, ClientDecompressesWhatItAskedFor) {
    eddy::core loop;
    const auto app = [](const http::request& asked) -> task<http::response> {
        auto answer = http::response::text(std::string(asked.headers.get("Accept-Encoding").value_or("none")));
        if (asked.path() == "/long") answer = http::response::text(numbers(100'000));
        co_return answer;
    };
    const http::service packed = http::service(app) | http::compress(http::compress_options().min_size(1));
    const auto script = [](net::socket_addr at, const auto&) -> task<void> {
        const auto url = "http://" + at.to_string();
        const http::client web;
        for (int i = 0; i < 2; ++i) {
            auto answer = co_await web.get(url + "/long");
            EXPECT_FALSE(answer->headers.contains("Content-Encoding"));
            EXPECT_FALSE(answer->headers.contains("Content-Length"));
            EXPECT_EQ(co_await answer->body.read_text(), numbers(100'000));
        }
        http::request own(http::method::get, "/");
        own.headers.add("Accept-Encoding", "gzip");
        auto answer = co_await web.send(url + "/own", std::move(own));
        const auto text = co_await answer->body.read_text();
        EXPECT_EQ(decompressed(*text), "gzip(end)");
        answer = co_await http::get(url + "/plain", http::client_options().decompressed_limit(0));
        EXPECT_EQ(co_await answer->body.read_text(), "none");
        answer = co_await http::get(url + "/long", http::client_options().decompressed_limit(99'999));
        const auto failed = co_await answer->body.read_text();
        EXPECT_EQ(failed.error(), http::errc::body_too_large);
    };
    const auto report = loop.run(support::serve_http_during(packed, http::serve_options(), script));
    EXPECT_EQ(report.accepted, 3U);  // the client has used its connection again
}

}  // namespace
