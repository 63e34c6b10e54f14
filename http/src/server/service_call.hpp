// SPDX-License-Identifier: MIT
#pragma once

#include <array>
#include <cstddef>
#include <exception>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>

#include <eddy/detail/atomic.hpp>
#include <eddy/future/detail/virtual_stack.hpp>
#include <eddy/future/future.hpp>
#include <eddy/http/method.hpp>
#include <eddy/http/request.hpp>
#include <eddy/http/response.hpp>
#include <eddy/http/service.hpp>
#include <eddy/http/status.hpp>
#include <eddy/sync/cancellation_token.hpp>

#include "server/connection.hpp"
#include "server/metrics.hpp"
#include "server/server_memory.hpp"

namespace eddy::detail {

/// Counts and reports a request that the server refuses before its service sees it. `note` is the note of the
/// refused_request.
void note_refusal(const accepted_connection& on, http::status why, std::string_view method, std::string_view target,
                  std::string_view note = {}) noexcept;

/// Returns whether an error that a service returns is the client's, and is not reported: the error of the request's
/// body, or of the form in it.
[[nodiscard]] bool is_of_client(const std::error_code& why, const std::error_code& of_body) noexcept;

/// The method and the path of a request, for the report of its error. The service gets the request itself, so this is a
/// copy, which is made for each request. It does not allocate; a path of more than 100 bytes is cut.
class request_name {
public:
    request_name() noexcept {}  // NOLINT: set() fills the array
    void set(http::method method, std::string_view target) noexcept {
        method_ = method;
        is_cut_ = target.size() > path_.size();
        size_ = target.copy(path_.data(), path_.size());
    }
    [[nodiscard]] http::method method() const noexcept { return method_; }
    /// Returns the target with its query, at most 100 bytes.
    [[nodiscard]] std::string_view target() const noexcept { return {path_.data(), size_}; }
    /// Returns for example "GET /path". The query is omitted, because it may contain secrets.
    [[nodiscard]] std::string text() const;

private:
    http::method method_ = http::method::get;
    bool is_cut_ = false;
    std::size_t size_ = 0;
    std::array<char, 100> path_;
};

/// Whether the client of one request is still connected. The connection and the http::request share it.
/// Thread safety: any thread.
class client_presence {
public:
    /// Returns the token that leave() cancels. From the first call on, the service decides itself how it ends.
    [[nodiscard]] sync::cancellation_token token() {
        const std::lock_guard guard(lock_);
        if (!token_) {
            token_.emplace();
            if (has_left_) token_->cancel();  // it has no waiters yet
        }
        return *token_;
    }
    /// Returns whether the service has asked for the token.
    [[nodiscard]] bool is_watched() const noexcept {
        const std::lock_guard guard(lock_);
        return token_.has_value();
    }
    /// Cancels the token: the client will not receive the response.
    void leave() noexcept {
        std::optional<sync::cancellation_token> told;
        {
            const std::lock_guard guard(lock_);
            if (std::exchange(has_left_, true)) return;
            told = token_;
        }
        if (told) told->cancel();  // without the lock, because this wakes tasks
    }

private:
    mutable mutex lock_;
    std::optional<sync::cancellation_token> token_;  // null until token() is called: most services do not need it
    bool has_left_ = false;
};

/// One call of a service, over HTTP/1.1 or HTTP/2: a request, the task of the service, and the response.
///
///     start() ──> running ──poll()─────────> ended: answer(), or has_failed()
///        │           └─────poll_cancel()───> ended, without an answer
///        └──exception, fail()──────────────> ended: has_failed()
///
/// An exception of the service is kept in `thrown`.
/// Thread safety: one thread at a time.
class service_call : immovable {
public:
    service_call() noexcept {}  // NOLINT(modernize-use-equals-default): not an aggregate: GCC 12 bug
    /// Tells the service that the client has gone if that did not get the whole response.
    ~service_call() {
        if (client && !is_answered) client->leave();
    }

    static constexpr auto wait_shape() { return inspect::waits_as(&service_call::running_); }
    /// The body of the response of the call in a member.
    template <class Class>
    static constexpr child_record response_body_in(service_call Class::* member, const char* label = nullptr) noexcept {
        const std::uint32_t response = offset_of(&service_call::answer_) + decltype(answer_)::offset_of_value();
        return child_at<http::body>(offset_of(member) + response + offset_of(&http::response::body), label);
    }

    /// Calls the service with a request, to which it adds what the service knows about the client.
    /// Errors: std::bad_alloc; the exceptions of the service. Call fail() then.
    void start(const accepted_connection& on, http::request&& asked);
    [[nodiscard]] bool is_running() const noexcept { return running_.has_value(); }
    /// Polls the service. Returns whether it has ended.
    [[nodiscard]] bool poll(context& cx);
    /// Cancels the service.
    poll_result<void> poll_cancel(context& cx);
    /// Ends the call as if the service had thrown the exception that is handled now.
    void fail() noexcept;

    [[nodiscard]] bool has_failed() const noexcept { return thrown || error; }
    /// Replaces the failure of the service by the response that the client gets: `of_body` is the error of the
    /// request's body, or no error.
    void answer_failure(std::error_code of_body);
    /// Takes `size` bytes for the response from the memory of the server. If there is not enough memory, replaces the
    /// response, and reports that.
    void hold(const accepted_connection& on, memory_holder& by, std::size_t size);
    /// Destroys the body of a response whose memory was taken for another one, and reports that.
    void drop_unread(const accepted_connection& on);

    /// Returns the response.
    /// Preconditions: the service has ended without a failure, or replace() was called.
    [[nodiscard]] http::response& answer() noexcept { return answer_.value(); }
    void replace(http::response&& by) {
        static_cast<void>(answer_.discard());
        answer_.set_value(std::move(by));
    }

    /// Destroys the body of a response that was sent, or that cannot be, and gives its memory back: a connection may
    /// wait for its client after that.
    void drop_body() {
        answer().body = http::body();
        held.end();
    }

    counted_call counted;  // begins before anything that may fail, since a failure has a response, too
    request_name name;
    std::string upgrade;                      // the protocols for which the client asks; HTTP/2 has no such field
    std::shared_ptr<client_presence> client;  // null before start()
    std::optional<std::error_code> error;     // of the service
    std::exception_ptr thrown;
    response_share held;       // of the response
    bool is_answered = false;  // the whole response was collected or sent
    bool over_http2 = false;

private:
    void check();

    std::optional<service_answer> running_;
    slot<http::response> answer_;
};

}  // namespace eddy::detail
