// SPDX-License-Identifier: MIT
#include <span>

#include "client/http2_client_connection.hpp"

namespace eddy::detail {

/// The callbacks of nghttp2 for a client: they have the types that its C interface needs.
struct http2_client_callbacks {
    static http2_client_connection& connection_of(void* user) noexcept {
        return *static_cast<http2_client_connection*>(user);
    }
    template <class F>
    static int guarded(void* user, F&& function) noexcept {
        auto& on = connection_of(user);
        return on.guarded([&] { return function(on); });
    }

    static int begin_frame(nghttp2_session*, const nghttp2_frame_hd* head, void* user) {
        return guarded(user, [&](http2_client_connection& on) { return on.begin_frame(*head); });
    }
    static int begin_headers(nghttp2_session*, const nghttp2_frame* frame, void* user) {
        return guarded(user, [&](http2_client_connection& on) { return on.begin_head(frame->hd.stream_id); });
    }
    static int header(nghttp2_session*, const nghttp2_frame* frame, const std::uint8_t* name, std::size_t name_size,
                      const std::uint8_t* value, std::size_t value_size, std::uint8_t, void* user) {
        return guarded(user, [&](http2_client_connection& on) {
            return on.add_field(frame->hd.stream_id, text_of(name, name_size), text_of(value, value_size));
        });
    }
    /// Called for a field with a character that is not permitted. Resets the stream.
    static int invalid_header(nghttp2_session*, const nghttp2_frame*, const std::uint8_t*, std::size_t,
                              const std::uint8_t*, std::size_t, std::uint8_t, void*) {
        return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
    }
    static int frame_received(nghttp2_session*, const nghttp2_frame* frame, void* user) {
        return guarded(user, [&](http2_client_connection& on) { return on.frame_received(*frame); });
    }
    static int data_received(nghttp2_session*, std::uint8_t, std::int32_t stream, const std::uint8_t* data,
                             std::size_t size, void* user) {
        return guarded(user,
                       [&](http2_client_connection& on) { return on.data_received(stream, text_of(data, size)); });
    }
    static int frame_sent(nghttp2_session*, const nghttp2_frame* frame, void* user) {
        return guarded(user, [&](http2_client_connection& on) { return on.frame_sent(*frame); });
    }
    static int frame_not_sent(nghttp2_session*, const nghttp2_frame* frame, int why, void* user) {
        return guarded(user, [&](http2_client_connection& on) { return on.frame_not_sent(*frame, why); });
    }
    static int stream_closed(nghttp2_session*, std::int32_t stream, std::uint32_t why, void* user) {
        return guarded(user, [&](http2_client_connection& on) { return on.stream_closed(stream, why); });
    }

    static ssize_t read_part(nghttp2_session*, std::int32_t, std::uint8_t*, std::size_t most, std::uint32_t* flags,
                             nghttp2_data_source* source, void* user) {
        return connection_of(user).size_of_part(*static_cast<http2_call*>(source->ptr), most, *flags);
    }
    static int send_part(nghttp2_session*, nghttp2_frame*, const std::uint8_t* head, std::size_t count,
                         nghttp2_data_source* source, void* user) {
        constexpr std::size_t head_size = 9;
        return guarded(user, [&](http2_client_connection& on) {
            return on.append_part(*static_cast<http2_call*>(source->ptr), std::span(head, head_size), count);
        });
    }
};

ssize_t read_http2_request_part(nghttp2_session* session, std::int32_t stream, std::uint8_t* into, std::size_t most,
                                std::uint32_t* flags, nghttp2_data_source* source, void* user) {
    return http2_client_callbacks::read_part(session, stream, into, most, flags, source, user);
}

namespace {

struct settings_of_client : http2_settings {
    settings_of_client() {
        using all = http2_client_callbacks;
        nghttp2_session_callbacks_set_on_begin_frame_callback(callbacks, &all::begin_frame);
        nghttp2_session_callbacks_set_on_begin_headers_callback(callbacks, &all::begin_headers);
        nghttp2_session_callbacks_set_on_header_callback(callbacks, &all::header);
        nghttp2_session_callbacks_set_on_invalid_header_callback(callbacks, &all::invalid_header);
        nghttp2_session_callbacks_set_on_frame_recv_callback(callbacks, &all::frame_received);
        nghttp2_session_callbacks_set_on_data_chunk_recv_callback(callbacks, &all::data_received);
        nghttp2_session_callbacks_set_on_frame_send_callback(callbacks, &all::frame_sent);
        nghttp2_session_callbacks_set_on_frame_not_send_callback(callbacks, &all::frame_not_sent);
        nghttp2_session_callbacks_set_on_stream_close_callback(callbacks, &all::stream_closed);
        nghttp2_session_callbacks_set_send_data_callback(callbacks, &all::send_part);
    }
};

}  // namespace

const http2_settings& http2_client_settings() {
    static const settings_of_client settings;
    return settings;
}

}  // namespace eddy::detail
