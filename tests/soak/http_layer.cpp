// SPDX-License-Identifier: MIT
// HTTP/1.1 and HTTP/2, with and without TLS: uploads, downloads, both at the same time, and bodies that fail.
#include <algorithm>
#include <array>
#include <charconv>
#include <map>
#include <mutex>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>

#include <eddy/http.hpp>
#include <eddy/io.hpp>
#include <eddy/net.hpp>
#include <eddy/sync.hpp>
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
namespace http = eddy::http;
namespace net = eddy::net;
namespace tls = eddy::tls;

constexpr std::uint64_t response_key = 0x27d4eb2f;  // so that the bytes of requests and responses differ
constexpr const char* id_field = "Soak-Id";         // in the head and in the trailer fields of requests and responses

// ---- The server ----

/// What the target of a request asks for.
struct asked_for {
    std::uint64_t id;
    std::uint64_t up;                  // bytes of the request
    std::uint64_t down;                // bytes of the response
    std::optional<std::uint64_t> cut;  // the response fails after as many bytes
    bool has_size;                     // of the response
    bool has_trailers;                 // of the request

    explicit asked_for(const http::request& from)
        : id(from.query<std::uint64_t>("id").value_or(0)),
          up(from.query<std::uint64_t>("up").value_or(0)),
          down(from.query<std::uint64_t>("down").value_or(0)),
          cut(from.query<std::uint64_t>("cut")),
          has_size(from.query("sized").has_value()),
          has_trailers(from.query("trailers").has_value()) {}
};

http::headers make_trailers(std::uint64_t id) {
    http::headers made;
    made.add(id_field, std::to_string(id));
    return made;
}

/// Compares the trailer fields of a body that was read to its end.
void compare_trailers(http::body& of, std::uint64_t id, const operation& mine) {
    const auto got = of.trailers().get(id_field);
    if (got != std::to_string(id))
        watch::get().fail(mine, "wrong trailer fields: " + std::string(got.value_or("(none)")));
}

layer layer_of(const http::request& asked) {
    const bool is_2 = asked.version == http::version::http_2;
    const bool is_secure = asked.query("tls").has_value();
    if (is_2) return is_secure ? layer::https2 : layer::http2;
    return is_secure ? layer::https1 : layer::http1;
}

/// The end of the request's body, for a response that waits for it.
using upload_end = eddy::sync::oneshot<bool>;

/// Reads the body of a request in a task of its own.
task<void> read_upload(http::body from, asked_for want, unsigned pauses, std::shared_ptr<operation> mine,
                       upload_end::sender tell) {
    comparison with(want.id, want.up, mine);
    auto ended = co_await read_and_compare(from, with, pace(mix(want.id, 3), pauses, mine), 16'384);
    if (ended && want.has_trailers) compare_trailers(from, want.id, *mine);
    static_cast<void>(tell.send(ended.has_value()));
}

/// The body of a response that ends only after the body of the request was received.
class response_with_upload {
public:
    response_with_upload(pattern_source source, upload_end::receiver uploaded)
        : source_(std::move(source)), uploaded_(std::move(uploaded)) {}

    eddy::poll_result<result<std::size_t>> poll_read(eddy::context& cx, std::span<std::byte> into) {
        if (!is_read_) {
            auto part = source_.poll_read(cx, into);
            if (!part || !*part || **part != 0) return part;
            is_read_ = true;
        }
        auto whole = uploaded_.poll(cx);
        if (!whole) return eddy::not_ready;
        if (!*whole || !**whole) return result<std::size_t>(std::unexpected(planned_failure()));
        return result<std::size_t>(0);
    }

private:
    pattern_source source_;
    upload_end::receiver uploaded_;
    bool is_read_ = false;
};

/// Reads the body of the request, then responds with its size.
task<result<http::response>> take_upload(std::shared_ptr<server_state> state, http::request asked, asked_for want,
                                         std::shared_ptr<operation> mine) {
    comparison with(want.id, want.up, mine);
    auto ended = co_await read_and_compare(asked.body, with,
                                           pace(mix(want.id, 3), state->plan.traffic.pauses_one_in, mine), 16'384);
    if (!ended) co_return std::unexpected(ended.error());
    if (want.has_trailers) compare_trailers(asked.body, want.id, *mine);
    state->ledger.complete(want.id);
    mine->doing("responds");
    auto answer = http::response::text("got " + std::to_string(want.id) + " " + std::to_string(with.position()));
    answer.headers.add(id_field, std::to_string(want.id));
    co_return answer;
}

task<result<http::response>> answer(std::shared_ptr<server_state> state, http::request asked) {
    if (asked.path() == "/ws") co_return answer_ws(std::move(state), std::move(asked));
    const asked_for want(asked);
    auto mine = std::make_shared<operation>(layer_of(asked), "server", want.id, asked.target);
    // Only these may not be repeated by the client.
    if (asked.method == http::method::post) state->ledger.add(*mine);
    if (asked.path() == "/up") {
        auto ended = co_await take_upload(std::move(state), std::move(asked), want, std::move(mine));
        co_return ended;
    }
    if (asked.path() == "/echo") {
        // The client compares the bytes.
        http::response back(http::status::ok, std::move(asked.body));
        back.headers.add(id_field, std::to_string(want.id));
        co_return back;
    }
    const auto pauses = state->plan.traffic.pauses_one_in;
    pattern_source source(want.id ^ response_key, want.down, pace(mix(want.id, 4), pauses, mine), want.cut);
    http::response made(http::status::ok);
    made.headers.add(id_field, std::to_string(want.id));
    if (asked.path() == "/both") {
        auto ends = upload_end::channel();
        eddy::spawn(read_upload(std::move(asked.body), want, pauses, mine, std::move(ends.sender))).detach();
        made.body = http::body::from_reader(response_with_upload(std::move(source), std::move(ends.receiver)));
        co_return made;
    }
    // "/down" and "/early", which does not read its request.
    const auto size = want.has_size ? std::optional(want.down) : std::nullopt;
    made.body = http::body::from_reader(std::move(source), size);
    if (!size) made.body = std::move(made.body).with_trailers([id = want.id] { return make_trailers(id); });
    co_return made;
}

class http_service {
public:
    explicit http_service(std::shared_ptr<server_state> state) : state_(std::move(state)) {}
    task<result<http::response>> operator()(http::request asked) const { return answer(state_, std::move(asked)); }

private:
    std::shared_ptr<server_state> state_;
};

http::serve_options http_options(const server_state& state, const generation& now) {
    return http::serve_options()
        .shutdown(now.ends)
        .drain(now.drain)
        .header_timeout(busy_limit)
        .body_limit(std::uint64_t{1} << 30)
        .max_streams(state.plan.max_streams)
        .on_error([](const eddy::unobserved_error& failed) {
            if (failed.exception) watch::get().fail("a service threw: " + failed.what());
        });
}

class https_handler {
public:
    https_handler(std::shared_ptr<server_state> state, const generation& now)
        : state_(std::move(state)), answer_(http_service(state_)), options_(http_options(*state_, now)) {}

    task<result<void>> operator()(net::tcp_stream tcp, net::socket_addr peer, net::serve_connection connection) const {
        return serve_one(std::move(tcp), state_->tls, answer_, options_, std::move(connection), peer);
    }

private:
    static task<result<void>> serve_one(net::tcp_stream tcp, tls::server_config config, http::service app,
                                        http::serve_options options, net::serve_connection connection,
                                        net::socket_addr peer) {
        auto stream = co_await tls::accept(std::move(tcp), config);
        if (!stream) co_return result<void>();  // the client has dropped it
        auto ended =
            co_await http::serve_connection(*std::move(stream), app, std::move(options), std::move(connection), peer);
        co_return ended;
    }

    std::shared_ptr<server_state> state_;
    http::service answer_;
    http::serve_options options_;
};

// ---- The client ----

enum class shape : unsigned char { up, down, both, echo, early };

/// A request that a client makes.
struct request_plan {
    shape what;
    bool is_post;
    bool is_streamed;  // the body of the request is a reader
    bool has_size;
    bool has_trailers;
    std::uint64_t up;
    std::uint64_t down;
    std::optional<std::uint64_t> fails_at;   // the body of the request fails
    std::optional<std::uint64_t> cut;        // the body of the response fails
    std::optional<std::uint64_t> leaves_at;  // the client drops the body of the response
    std::uint64_t seed;

    request_plan(support::dice& random, const traffic& like, layer on, std::uint64_t of)
        : what(shape_of(random, like)),
          is_post(!random.one_in(5)),
          is_streamed(!random.one_in(4)),
          has_size(random.one_in(2)),
          has_trailers(is_streamed && !has_size && random.one_in(2)),
          up(what == shape::down ? 0 : any_size(random, like)),
          down(what == shape::up ? 0 : any_size(random, like)),
          seed(of) {
        // An HTTP/1.1 server closes the connection after such a response if more of the request is left, perhaps during
        // the next request.
        const bool is_1 = on == layer::http1 || on == layer::https1;
        if (what == shape::early && is_1) up = std::min<std::uint64_t>(up, 200'000);
        if (like.drops_one_in == 0) return;
        if (is_streamed && up != 0 && random.one_in(20)) fails_at = random.below(up);
        if (what != shape::echo && down != 0 && random.one_in(20)) cut = random.below(down);
        if (down != 0 && random.one_in(10)) leaves_at = random.below(down);
    }

    [[nodiscard]] std::string target() const {
        constexpr std::array<const char*, 5> paths = {"/up", "/down", "/both", "/echo", "/early"};
        std::string made = paths.at(static_cast<std::size_t>(what));
        made += "?id=" + std::to_string(seed) + "&up=" + std::to_string(up) + "&down=" + std::to_string(down);
        if (cut) made += "&cut=" + std::to_string(*cut);
        if (has_size) made += "&sized=1";
        if (has_trailers) made += "&trailers=1";
        return made;
    }
    /// Whether the request may fail by itself.
    [[nodiscard]] bool is_to_fail() const noexcept { return fails_at || cut; }

private:
    static shape shape_of(support::dice& random, const traffic& like) {
        const auto percent = random.below(100);
        if (percent < like.uploads_percent) return shape::up;
        if (percent < like.uploads_percent + like.both_percent) return random.one_in(3) ? shape::echo : shape::both;
        return random.one_in(6) ? shape::early : shape::down;
    }
};

http::request make_request(const request_plan& plan, unsigned pauses, const std::shared_ptr<operation>& of) {
    http::request made(plan.what == shape::down ? http::method::get
                       : plan.is_post           ? http::method::post
                                                : http::method::put);
    if (plan.what == shape::down) return made;
    if (plan.is_streamed) {
        pattern_source source(plan.seed, plan.up, pace(mix(plan.seed, 5), pauses, of), plan.fails_at);
        made.body = http::body::from_reader(std::move(source), plan.has_size ? std::optional(plan.up) : std::nullopt);
        if (plan.has_trailers)
            made.body = std::move(made.body).with_trailers([id = plan.seed] { return make_trailers(id); });
    } else {
        made.body = eddy::bytes(support::byte_pattern(plan.seed).make(0, static_cast<std::size_t>(plan.up)));
    }
    return made;
}

/// Whether an error has a cause of its own: a body that fails on purpose, a response that came before the request was
/// read, or a server that has refused a stream: before a client knows the limit, it opens too many.
bool is_planned(const request_plan& plan, layer of, const std::error_code& why, const episode& during) {
    if (plan.is_to_fail()) return true;
    constexpr int refused_stream = 7;
    const std::error_code refused(refused_stream, http::http2_category());
    if (why == refused && (plan.is_streamed || during.max_streams < 100)) return true;
    // An HTTP/1.1 server closes the connection if a service leaves more than 256 KiB of its request.
    return plan.what == shape::early && (of == layer::http1 || of == layer::https1);
}

task<outcome> use_http(std::shared_ptr<client_state> state, http::client web, std::string url, request_plan plan,
                       std::shared_ptr<operation> of, excuses having) {
    const auto pauses = state->plan.traffic.pauses_one_in;
    auto request = make_request(plan, pauses, of);
    of->doing("sends the request");
    auto answer = co_await web.send(std::move(url), std::move(request));
    if (!answer)
        co_return judge(*of, having, answer.error().code(),
                        "phase " + std::to_string(static_cast<int>(answer.error().phase())),
                        is_planned(plan, of->of(), answer.error().code(), state->plan));
    of->doing("reads the response");
    if (answer->status != http::status::ok) {
        if (!plan.fails_at && !having.exist())
            watch::get().fail(*of, "status " + std::to_string(http::to_int(answer->status)));
        co_return outcome::excused;
    }
    const auto id = answer->headers.get(id_field).value_or("(none)");
    if (id != std::to_string(plan.seed)) watch::get().fail(*of, "the response to another request: " + std::string(id));
    if (plan.what == shape::up) {
        auto text = co_await answer->body.read_text();
        if (!text)
            co_return judge(*of, having, text.error(), "read", is_planned(plan, of->of(), text.error(), state->plan));
        if (*text != "got " + std::to_string(plan.seed) + " " + std::to_string(plan.up) || plan.fails_at)
            watch::get().fail(*of, "wrong response: " + *text);
        co_return outcome::done;
    }
    const bool is_echo = plan.what == shape::echo;
    comparison with(is_echo ? plan.seed : plan.seed ^ response_key, is_echo ? plan.up : plan.down, of);
    pace how(mix(plan.seed, 6), pauses, of);
    if (plan.leaves_at) {
        std::array<std::byte, 5000> memory;
        while (with.position() < *plan.leaves_at) {
            auto count = co_await eddy::io::read(answer->body, std::span(memory));
            if (!count)
                co_return judge(*of, having, count.error(), "read",
                                is_planned(plan, of->of(), count.error(), state->plan));
            if (*count == 0) break;
            with.take(std::span(memory).first(*count));
        }
        co_return outcome::dropped;
    }
    auto ended = co_await read_and_compare(answer->body, with, std::move(how), 30'000);
    if (!ended)
        co_return judge(*of, having, ended.error(), "read", is_planned(plan, of->of(), ended.error(), state->plan));
    if (plan.cut || (plan.fails_at && plan.what != shape::early))
        watch::get().fail(*of, "success, although a body has failed");
    const bool has_trailers = plan.what == shape::down || plan.what == shape::early;
    if (has_trailers && !plan.has_size) compare_trailers(answer->body, plan.seed, *of);
    co_return outcome::done;
}

}  // namespace

/// The HTTP clients of an episode: one for each layer, which is replaced from time to time.
class shared_clients {
public:
    explicit shared_clients(std::shared_ptr<client_state> state) : state_(std::move(state)) {}

    [[nodiscard]] http::client get(layer of, bool is_new) {
        const std::lock_guard guard(lock_);
        auto& kept = all_.at(static_cast<std::size_t>(of));
        if (!kept || is_new) kept.emplace(options(of));
        return *kept;
    }

private:
    [[nodiscard]] http::client_options options(layer of) const {
        const bool is_2 = of == layer::http2 || of == layer::https2;
        http::client_options made;
        made.proxies(http::proxies::none()).tls(state_->tls).http2(is_2).connect_timeout(busy_limit);
        if (of == layer::http2) made.prior_knowledge(true);
        return made;
    }

    std::shared_ptr<client_state> state_;
    std::mutex lock_;
    std::array<std::optional<http::client>, layer_count> all_;
};

std::shared_ptr<shared_clients> make_shared_clients(const std::shared_ptr<client_state>& state) {
    return std::make_shared<shared_clients>(state);
}

task<served> serve_http(net::tcp_listener from, std::shared_ptr<server_state> state, generation now) {
    auto options = http_options(*state, now);
    const http_service app(std::move(state));
    auto report = co_await http::serve(std::move(from), app, std::move(options));
    co_return report;
}

task<served> serve_https(net::tcp_listener from, std::shared_ptr<server_state> state, generation now) {
    const https_handler handler(std::move(state), now);
    auto options = options_of(now);
    auto report = co_await net::serve(std::move(from), handler, std::move(options));
    co_return report;
}

task<void> run_http_session(std::shared_ptr<client_state> state, std::shared_ptr<shared_clients> with, layer of,
                            unsigned number) {
    const auto session = static_cast<std::uint64_t>(of) * 1000 + number;
    support::dice random(mix(state->plan.seed, 200, session));
    const bool is_secure = of == layer::https1 || of == layer::https2;
    const auto base = (is_secure ? "https://" : "http://") + state->address(of).to_string();
    for (std::uint64_t i = 0; !state->is_over; ++i) {
        const request_plan asked(random, state->plan.traffic, of, mix(state->plan.seed, 2'000'000 + session, i));
        const drop_plan plan(random, state->plan.traffic.drops_one_in);
        auto url = base + asked.target() + (is_secure ? "&tls=1" : "");
        auto mine = std::make_shared<operation>(
            of, "client", asked.seed,
            url + (asked.fails_at ? " (fails)" : "") + (asked.is_streamed ? "" : " (in memory)"));
        const excuses having(*state);
        auto ended = co_await run_or_drop(
            use_http(state, with->get(of, random.one_in(300)), std::move(url), asked, mine, having), plan);
        mine->end(ended.value_or(outcome::dropped));
        if (ended == outcome::excused) co_await eddy::time::sleep(5ms);
    }
}

}  // namespace soak
