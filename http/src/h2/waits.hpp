// SPDX-License-Identifier: MIT
#pragma once

#include <eddy/detail/wait_shape.hpp>

// What HTTP/2 streams wait for, in the words of `eddy tree`. Other words are in the classes that wait.

namespace eddy::detail {

struct http2_head_wait {
    EDDY_WAIT_SHAPE(http2_head_wait, named_wait("the head of an HTTP/2 request"));
};
struct http2_end_wait {
    EDDY_WAIT_SHAPE(http2_end_wait, named_wait("the end of an HTTP/2 stream"));
};
/// For a stream, of which the peer permits only some at a time.
struct http2_stream_wait {
    EDDY_WAIT_SHAPE(http2_stream_wait, named_wait("a free stream of an HTTP/2 connection"));
};
/// For a larger flow-control window, or room in the connection.
struct http2_window_wait {
    EDDY_WAIT_SHAPE(http2_window_wait, named_wait("room in the window of an HTTP/2 stream"));
};

}  // namespace eddy::detail
