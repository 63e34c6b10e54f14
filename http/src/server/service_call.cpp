// SPDX-License-Identifier: MIT
#include "server/service_call.hpp"

#include <utility>

#include <eddy/detail/frame_pool.hpp>
#include <eddy/error.hpp>
#include <eddy/http/error.hpp>

#include "message/syntax.hpp"

namespace eddy::detail {

namespace {

/// Allocates from the frame pool.
template <class T>
struct pool_allocator {
    using value_type = T;

    pool_allocator() noexcept = default;
    template <class U>
    pool_allocator(const pool_allocator<U>&) noexcept {}
    [[nodiscard]] T* allocate(std::size_t count) { return static_cast<T*>(allocate_block(count * sizeof(T))); }
    void deallocate(T* memory, std::size_t count) noexcept { free_block_of(memory, count * sizeof(T)); }
    friend bool operator==(const pool_allocator&, const pool_allocator&) noexcept { return true; }
};

}  // namespace

/// Gives the library access to the private members of http::request.
struct request_access {
    /// Makes the presence of the client of `asked`, and returns it.
    static std::shared_ptr<client_presence> add_client(http::request& asked) {
        asked.client_ = std::allocate_shared<client_presence>(pool_allocator<client_presence>());
        return asked.client_;
    }
};

namespace {

using http::status;

/// Returns the status for a client whose body could not be received.
status status_of(const std::error_code& failure) noexcept {
    if (failure == http::errc::body_too_large) return status::content_too_large;
    if (failure == http::errc::bad_message || failure == http::errc::body_too_short) return status::bad_request;
    if (failure == errc::timed_out) return status::request_timeout;
    return status::internal_server_error;
}

/// Returns the response to a request whose service has answered with switch_protocols(), although the client has not
/// asked for this protocol. A server must not send 101 then (RFC 9110, section 7.8). HTTP/2 has no field Upgrade.
http::response upgrade_required(std::string_view protocol, bool over_http2) {
    if (over_http2) return http::response::text("this resource needs HTTP/1.1\n", status::bad_request);
    auto text = "this resource needs the protocol " + std::string(protocol) + ": send it in the field Upgrade\n";
    auto answer = http::response::text(std::move(text), status::upgrade_required);
    answer.headers.add("Upgrade", protocol);
    return answer;
}

/// Returns whether the list `asked` contains all protocols of another list.
bool asks_for(std::string_view asked, std::string_view protocols) noexcept {
    while (!protocols.empty()) {
        const auto wanted = trim(take_part(protocols, ','));
        bool is_found = false;
        for (auto list = asked; !list.empty() && !is_found;)
            is_found = http::equal_names(trim(take_part(list, ',')), wanted);
        if (!is_found) return false;
    }
    return true;
}

/// Reports a request that the server has answered itself to serve_options::on_refused().
void report_refusal(const accepted_connection& on, status why, std::string_view method, std::string_view target,
                    std::string_view note = {}) noexcept {
    if (const auto& handler = on.options().on_refused())
        handler(http::refused_request(why, printable(method, '!'), printable(target, '!'), on.peer(), note));
}

}  // namespace

bool is_of_client(const std::error_code& why, const std::error_code& of_body) noexcept {
    return why == http::errc::bad_form || (why && why == of_body);
}

void note_refusal(const accepted_connection& on, status why, std::string_view method, std::string_view target,
                  std::string_view note) noexcept {
    if (const auto& counters = server_access::counters(on.options())) counters->count(why);
    report_refusal(on, why, method, target, note);
}

std::string request_name::text() const {
    const auto query = target().find('?');
    std::string all(http::to_string(method_));
    all.append(1, ' ').append(target().substr(0, query));
    return is_cut_ && query == std::string_view::npos ? all + "..." : all;
}

void service_call::start(const accepted_connection& on, http::request&& asked) {
    asked.peer = on.peer();
    client = request_access::add_client(asked);
    running_.emplace(server_access::start(on.service(), std::move(asked)));
}

bool service_call::poll(context& cx) {
    if (!running_) return true;
    try {
        if (!running_->poll_into(cx, answer_, error)) return false;
        if (!error) check();
    } catch (...) {
        thrown = std::current_exception();
    }
    running_.reset();
    return true;
}

poll_result<void> service_call::poll_cancel(context& cx) {
    if (!running_) return poll_result<void>::ready();
    try {
        if (!running_->poll_cancel(cx)) return not_ready;
    } catch (...) {
        thrown = std::current_exception();
    }
    running_.reset();
    return poll_result<void>::ready();
}

void service_call::fail() noexcept {
    thrown = std::current_exception();
    running_.reset();
}

void service_call::answer_failure(std::error_code of_body) {
    replace(http::response(of_body ? status_of(of_body) : status_of_service_error(error.value_or(std::error_code()))));
}

void service_call::hold(const accepted_connection& on, memory_holder& by, std::size_t size) {
    auto* const memory = server_access::memory(on.options());
    if (memory == nullptr || memory->take(held, by, on.peer(), size, on.options().response_memory_limit())) return;
    replace(http::response(status::service_unavailable));
    report_refusal(on, status::service_unavailable, http::to_string(name.method()), name.target());
}

void service_call::drop_unread(const accepted_connection& on) {
    drop_body();
    report_refusal(on, status::service_unavailable, http::to_string(name.method()), name.target());
}

/// Replaces a response 101 for which the client has not asked.
/// Errors: throws `misuse` if the response cannot be sent: for an interim status, or one without three digits.
void service_call::check() {
    const auto& made = answer();
    if (!made.upgrade) {
        const int code = to_int(made.status);
        if (code >= 200 && code <= 999) return;
        throw misuse("the service returned a response with an invalid status: use one from 200 to 999");
    }
    const std::string protocol(made.headers.get("Upgrade").value_or(""));
    if (protocol.empty() && !over_http2) throw misuse("switch_protocols() needs the name of a protocol");
    if (over_http2 || !asks_for(upgrade, protocol)) replace(upgrade_required(protocol, over_http2));
}

}  // namespace eddy::detail

namespace eddy::http {

sync::cancellation_token request::client_gone() const {
    return client_ ? client_->token() : sync::cancellation_token();
}

}  // namespace eddy::http
