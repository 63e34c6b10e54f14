// SPDX-License-Identifier: MIT
#include <eddy/inspect.hpp>

#include <chrono>
#include <cstdint>
#include <exception>
#include <future>
#include <memory>
#include <new>
#include <optional>
#include <string>
#include <string_view>
#include <system_error>
#include <thread>
#include <utility>

#include <eddy/http.hpp>
#include <eddy/net.hpp>
#include <eddy/runtime.hpp>
#include <eddy/signal/detail/blocked_signals.hpp>
#include <eddy/sync/oneshot.hpp>
#include <eddy/task.hpp>

#include "page/page.hpp"
#include "page/shared_text.hpp"

EDDY_LIBRARY(inspect)

namespace eddy::inspect {

/// The thread of a server. It ends when `stop` is destroyed.
struct server::running {
    std::optional<sync::oneshot<void>::sender> stop;
    std::thread thread;

    ~running() {
        stop.reset();
        if (thread.joinable()) thread.join();
    }
};

namespace {

using namespace std::chrono_literals;

/// Returns the host of a Host field, without the port and without the brackets of an IPv6 address.
std::string_view host_of(std::string_view field) noexcept {
    if (field.starts_with('[')) return field.substr(1, field.find(']') - 1);
    return field.substr(0, field.find(':'));
}

/// A page of another site reaches this server under a name of that site, which its owner has pointed here. So names are
/// refused, except the one that cannot point elsewhere.
bool is_expected(std::string_view host, const net::ip_addr& own) noexcept {
    if (http::equal_names(host, "localhost")) return true;
    const auto address = net::ip_addr::parse(host);
    return address && (address->is_loopback() || *address == own);
}

http::response guarded(http::response answer) {
    answer.headers.set("Cache-Control", "no-store");
    answer.headers.set("X-Content-Type-Options", "nosniff");
    answer.headers.set("X-Frame-Options", "DENY");
    answer.headers.set("Cross-Origin-Resource-Policy", "same-origin");
    answer.headers.set("Content-Security-Policy",
                       "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; connect-src 'self'; "
                       "img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'");
    return answer;
}

/// Returns the page for the server on the event loop `id`.
std::string page_of(std::uint64_t id) {
    constexpr std::string_view place = "LOOP_ID";
    std::string text(page);
    return text.replace(text.find(place), place.size(), std::to_string(id));
}

std::string statistics_json() {
    std::string text = "[";
    for (const task_statistics& one : all_task_statistics()) {
        if (one.id == 0) continue;
        text += (text.size() == 1 ? "\n" : ",\n") + ("{\"id\":" + std::to_string(one.id)) +
                ",\"polls\":" + std::to_string(one.polls) + ",\"busy_ns\":" + std::to_string(one.busy.count()) +
                ",\"allocations\":" + std::to_string(one.allocations) + "}";
    }
    return text + "]\n";
}

/// What the server sends. It only reads, so other methods than GET and HEAD are refused.
class answers {
public:
    explicit answers(std::string first_page) : page_(bytes(std::move(first_page))) {}

    http::response to(const http::request& asked) {
        if (asked.path() == "/") return http::response::of_type("text/html; charset=utf-8", page_);
        if (asked.path() == "/tasks.json")
            return shared("application/json", tasks_, [] { return dump_tasks(dump_format::json); });
        if (asked.path() == "/statistics.json") return shared("application/json", statistics_, &statistics_json);
        if (asked.path() == "/metrics")
            return shared("text/plain; version=0.0.4; charset=utf-8", metrics_, [] { return metrics_text(); });
        return http::response::text("not found\n", http::status::not_found);
    }

private:
    template <class F>
    static http::response shared(std::string_view type, shared_text<>& text, F make) {
        if (auto found = text.get(make)) return http::response::of_type(type, *std::move(found));
        auto refused = http::response::text("Too many clients read older answers slowly. Try again.\n",
                                            http::status::service_unavailable);
        refused.headers.set("Retry-After", "1");
        return refused;
    }

    bytes page_;
    shared_text<> tasks_;
    shared_text<> statistics_;
    shared_text<> metrics_;
};

http::service make_service(const net::socket_addr& own, std::string first_page) {
    auto all = std::make_shared<answers>(std::move(first_page));
    return [own = own.ip(), all = std::move(all)](http::request asked) -> task<http::response> {
        const auto host = asked.headers.get("Host");
        if (!host || !is_expected(host_of(*host), own)) {
            co_return guarded(http::response::text(
                "This server answers only if it is addressed as localhost, or by its IP address.\n",
                http::status::forbidden));
        }
        if (asked.method != http::method::get && asked.method != http::method::head) {
            auto refused = http::response::text("This server only answers GET.\n", http::status::method_not_allowed);
            refused.headers.set("Allow", "GET, HEAD");
            co_return guarded(std::move(refused));
        }
        co_return guarded(all->to(asked));
    };
}

result<net::socket_addr> parse(std::string_view address) {
    constexpr std::string_view name = "localhost:";
    if (address.starts_with(name))
        return net::socket_addr::parse("127.0.0.1:" + std::string(address.substr(name.size())));
    return net::socket_addr::parse(address);
}

/// Binds, reports the address, and serves until the loop ends.
task<void> run(net::socket_addr at, std::promise<result<net::socket_addr>> bound) {
    const core_handle here = core_handle::current();
    auto listener = net::tcp_listener::bind(at, here);
    if (!listener) {
        bound.set_value(std::unexpected(listener.error()));
        co_return;
    }
    const auto own = listener->local_addr();
    bound.set_value(own);
    if (!own) co_return;
    auto app = make_service(*own, page_of(here.id()));
    // Errors of connections and clients are not errors of the program.
    auto options = http::serve_options().http2(false).on_error([](const auto&) {});
    // Half a request occupies a connection for a second, and there are many: so a person sees the page nevertheless.
    options.max_connections(256).header_timeout(1s).io_timeout(5s).idle_timeout(10s).max_requests(1000).body_limit(0);
    static_cast<void>(co_await http::serve(std::move(*listener), std::move(app), std::move(options)));
}

/// The work of the thread. What it does is not reported as a fault of the program: the tree of many tasks takes long,
/// also with an EDDY_STALL that sets a limit, and the server has not ended when the thread does.
void run_loop(const net::socket_addr& at, std::promise<result<net::socket_addr>> bound,
              sync::oneshot<void>::receiver stopped) try {
    auto loop = core::builder()
                    .stall_limit(std::chrono::nanoseconds(0))
                    .on_stall([](const stall_report&) {})
                    .report_leaks(false)
                    .build();
    if (!loop) return bound.set_value(std::unexpected(loop.error()));
    loop->handle().spawn(run(at, std::move(bound)));
    static_cast<void>(loop->run(stopped));
} catch (const std::exception&) {  // NOLINT(bugprone-empty-catch): no memory, or the driver fails; the page ends
}

}  // namespace

server::server(std::unique_ptr<running> thread, const net::socket_addr& address) noexcept
    : thread_(std::move(thread)), address_(address) {}
server::server(server&& other) noexcept = default;
server& server::operator=(server&& other) noexcept = default;
server::~server() = default;

result<server> serve(std::string_view address) noexcept try {
    const auto at = parse(address);
    if (!at) return std::unexpected(at.error());
    auto [stop, stopped] = sync::oneshot<void>::channel();
    std::promise<result<net::socket_addr>> promise;
    auto bound = promise.get_future();
    auto started = std::make_unique<server::running>();
    started->stop.emplace(std::move(stop));
    {
        const detail::blocked_signals in_new_thread;
        started->thread = std::thread(&run_loop, *at, std::move(promise), std::move(stopped));
    }
    const auto own = bound.get();
    if (!own) return std::unexpected(own.error());
    return server(std::move(started), *own);
} catch (const std::bad_alloc&) {
    return std::unexpected(std::make_error_code(std::errc::not_enough_memory));
} catch (const std::future_error&) {  // the thread had no memory for its work
    return std::unexpected(std::make_error_code(std::errc::not_enough_memory));
} catch (const std::system_error& error) {
    return std::unexpected(error.code());
}

}  // namespace eddy::inspect
