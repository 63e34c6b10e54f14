// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <cstdint>
#include <limits>
#include <optional>
#include <string>
#include <string_view>
#include <system_error>

#include <eddy/detail/export.hpp>
#include <eddy/http/detail/h1_body.hpp>
#include <eddy/http/detail/h1_head.hpp>
#include <eddy/http/error.hpp>
#include <eddy/http/headers.hpp>
#include <eddy/http/method.hpp>
#include <eddy/http/request.hpp>
#include <eddy/http/response.hpp>
#include <eddy/http/status.hpp>

// HTTP/1.1 without I/O, for tests, proxies, fuzzers, and transports that eddy does not have: received bytes become
// messages, and messages become bytes to send. serve() and client consist of these engines and a connection.

namespace eddy::http::h1 {

/// The limits of the message that an engine receives.
/// Thread safety: a plain value.
struct limits {
    std::size_t head_bytes = 16 * 1024;  ///< of the first line and all header fields together
    std::size_t headers = 100;           ///< the number of header fields
    std::uint64_t body_bytes = 2 << 20;  ///< of the body, without the trailer fields

    /// The default limits.
    limits() noexcept {}  // NOLINT(modernize-use-equals-default): not an aggregate: GCC 12 bug
};

/// The part that server_engine and client_engine share. An engine is for one request and its response; make another one
/// for the next request on the same connection, if keeps_alive(). Engines have no buffers: the caller owns the received
/// bytes that were not consumed, and the bytes to send.
///
///     receives:  head ──head──> body ──end──> received
///                 │ failed       │ failed
///                 └──────────────┴──> failed
///     sends:     nothing ──write_head()──> body ──write_end()──> sent
///
/// Both directions are independent: a server may answer before it has received the body, and a client may receive the
/// response before it has sent the body.
///
/// Errors: functions that are not noexcept throw std::bad_alloc.
class EDDY_API engine {
public:
    /// The results of receive().
    enum class [[nodiscard]] event : unsigned char {
        incomplete,  ///< call it again with the rest of the input, and with more bytes after it
        head,        ///< the head of the message is complete
        data,        ///< data() is a part of the body
        end,         ///< the message is complete; the following bytes are not part of it
        failed,  ///< failure(): the peer violates the protocol or a limit. Final: keeps_alive() is false from then on
    };

    /// The number of bytes of data() that receive() reports at most by default.
    static constexpr std::size_t unlimited = std::numeric_limits<std::size_t>::max();

    /// Records that the peer has ended its direction. That may be the end of the body of a response.
    event end_of_input() noexcept {
        if (has_failed()) return event::failed;
        return has_head_ ? end_body() : fail(http::errc::bad_message);
    }
    /// Returns the part of the body that receive() has reported.
    /// Lifetime: it is a part of the input.
    [[nodiscard]] std::string_view data() const noexcept { return data_; }
    /// Returns the size of the body that was not received yet, after the event `head`. Returns nullopt if only its end
    /// tells how long it is.
    [[nodiscard]] std::optional<std::uint64_t> body_size() const noexcept { return decoder_.size(); }
    /// If all of the body is in `input`, removes it from there, returns it, and ends the message. Otherwise, and for a
    /// body above the limit, returns nullopt; receive() then returns the body in parts, or fails.
    [[nodiscard]] std::optional<std::string_view> take_body(std::string_view& input) noexcept;
    /// Returns whether the message was received completely.
    [[nodiscard]] bool has_received() const noexcept { return has_head_ && decoder_.is_finished() && !has_failed(); }
    /// Returns the trailer fields that followed the body. Fields that must not be trailer fields were dropped. Empty
    /// before the end of the message.
    [[nodiscard]] http::headers trailers() const;
    /// Returns why receive() has failed: an http::errc.
    [[nodiscard]] std::error_code failure() const noexcept { return make_error_code(failure_); }

    /// Returns whether the connection can be used for another request after this one. Final when the response was sent
    /// or received.
    [[nodiscard]] bool keeps_alive() const noexcept { return keeps_alive_; }

    /// Returns whether the body of the message that is sent was not completed yet: data is sent by write_data().
    [[nodiscard]] bool sends_body() const noexcept { return sent_.is != detail::body_framing::kind::none; }
    /// Returns whether write_end() sends trailer fields: the size of the body is not announced.
    [[nodiscard]] bool sends_trailers() const noexcept { return sent_.is == detail::body_framing::kind::chunked; }
    /// Returns whether only the end of the connection tells the peer that the body is complete.
    [[nodiscard]] bool sends_until_end() const noexcept { return sent_.is == detail::body_framing::kind::until_end; }
    /// Appends data of the body to `out`. Does nothing if the message has no body, for example the response to HEAD.
    /// Preconditions: the head was written. A body of known size has exactly that many bytes in the end.
    void write_data(std::string& out, std::string_view data) {
        if (sends_trailers()) return write_chunk(out, data);
        if (sends_body()) out.append(data);
    }
    /// Ends the message. A body of unknown size has trailer fields, if there are any.
    void write_end(std::string& out, const http::headers& trailers);
    void write_end(std::string& out) {
        if (sends_trailers()) return write_end(out, http::headers());
        sent_ = {};
    }

    /// Returns how many bytes of the body the peer has announced and not sent: of the body, or of the current chunk.
    [[nodiscard]] std::uint64_t announced() const noexcept { return decoder_.left(); }
    /// Returns whether all data of the body was received, but not the end of its trailer fields.
    [[nodiscard]] bool is_in_trailers() const noexcept { return decoder_.is_in_trailers(); }

protected:
    explicit engine(const limits& of) noexcept : limits_(of) {}

    [[nodiscard]] event receive_body(std::string_view& input, std::size_t most);
    event end_body() noexcept;
    void write_chunk(std::string& out, std::string_view data);
    event fail(http::errc why) noexcept;
    [[nodiscard]] bool has_failed() const noexcept { return failure_ != http::errc(); }

    limits limits_;
    detail::head_scanner scanner_;
    detail::body_decoder decoder_;
    std::string_view data_;
    http::errc failure_{};
    detail::body_framing sent_;
    bool has_head_ = false;
    bool keeps_alive_ = true;
};

/// Receives a request, and sends its response.
///     h1::server_engine engine;
///     while (engine.receive(input) != event::head) { ... }  // append received bytes to the input
///     engine.write_head(out, answer);
///     engine.write_data(out, answer.body.in_memory()->text());
///     engine.write_end(out);
class EDDY_API server_engine : public engine {
public:
    /// Makes an engine for one request.
    explicit server_engine(const limits& of = limits()) noexcept : engine(of) {}

    /// Parses bytes, and removes them from the front of `input`, up to the next event. A part of the body has at most
    /// `most` bytes. A head must be in one piece: its bytes remain in the input until it is complete. After `failed`,
    /// send what write_refusal() appends, and close the connection.
    /// Preconditions: `most` is not 0.
    event receive(std::string_view& input, std::size_t most = unlimited);

    /// Returns the request after the event `head`, without its body. You may move from it.
    [[nodiscard]] http::request& request() noexcept { return head_; }
    /// Returns whether the client waits for "100 Continue" before it sends the body.
    [[nodiscard]] bool expects_continue() const noexcept { return head_.expects_continue; }
    /// Returns whether the client asks for another protocol: that in the request's field Upgrade.
    [[nodiscard]] bool asks_for_upgrade() const noexcept { return head_.asks_for_upgrade; }
    /// Returns the status that write_refusal() sends: 400, 413, 414, 417, 431, 501 or 505.
    [[nodiscard]] http::status refusal() const noexcept { return refusal_; }
    /// Ends the connection after the response. Call it before write_head(), so that the head says so.
    void close() noexcept { keeps_alive_ = false; }

    /// Appends "100 Continue" if the client waits for it.
    void write_continue(std::string& out);
    /// Appends the head of the response: its status, its fields, and those that delimit the body. See http::response
    /// for the fields that are ignored. If the body is empty, that is the whole response.
    void write_head(std::string& out, const http::response& answer);
    /// Appends the response "101 Switching Protocols", with the fields of `answer`. The bytes after the request belong
    /// to the protocol in its field Upgrade.
    void write_switch(std::string& out, const http::response& answer);
    /// Appends the whole response to a request for which receive() has failed, or whose head has not arrived in time:
    /// then `why` is 408. The text of the response ends with `note`, if that is not empty.
    void write_refusal(std::string& out, http::status why, std::string_view note = {});
    void write_refusal(std::string& out) { write_refusal(out, refusal_); }

private:
    event receive_head(std::string_view& input);
    event refuse(http::status why) noexcept;

    detail::request_head head_;
    http::method asked_ = http::method::get;
    http::version version_ = http::version::http_1_1;
    http::status refusal_ = http::status::bad_request;
};

/// Sends a request, and receives its response.
///     h1::client_engine engine;
///     engine.write_head(out, http::request(http::method::get, "/"), "example.org");
///     engine.write_end(out);
///     while (engine.receive(input) != event::head) { ... }  // send `out`, and append received bytes to the input
class EDDY_API client_engine : public engine {
public:
    /// The limits of a response. Its body may have any size.
    [[nodiscard]] static limits usual_limits() noexcept;

    /// Makes an engine for one request.
    explicit client_engine(const limits& of = usual_limits()) noexcept : engine(of) {}

    /// Appends the head of a request: its first line, its fields, Host if that is missing, and those that delimit the
    /// body. `authority` is the value of Host. With `asks_for_upgrade`, asks for the protocol in the field Upgrade of
    /// the request: then the status of the response may be 101.
    void write_head(std::string& out, const http::request& asked, std::string_view authority,
                    bool asks_for_upgrade = false);
    /// Appends a request CONNECT for the server `to`, with `fields` in addition to Host. After a response of success,
    /// the connection is that to the server. The body of another response is not received.
    void write_connect(std::string& out, std::string_view to, const http::headers& fields);

    /// Same as server_engine::receive(). Skips interim responses, such as "100 Continue".
    /// Preconditions: the head of the request was written; `most` is not 0.
    event receive(std::string_view& input, std::size_t most = unlimited);

    /// Returns the response after the event `head`, without its body. Call it once.
    [[nodiscard]] http::response take_response();

private:
    event receive_head(std::string_view& input);

    detail::response_head head_;
    http::method asked_ = http::method::get;
    bool may_upgrade_ = false;
    bool is_tunnel_ = false;
    unsigned char interim_ = 0;  // the number of interim responses
};

}  // namespace eddy::http::h1
