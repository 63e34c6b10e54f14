// SPDX-License-Identifier: MIT
#pragma once

// Umbrella header for framing: converts between byte streams and messages.
//
// Unless a docstring says otherwise:
// Thread safety: one thread at a time.

#include <eddy/codec/decoder.hpp>  // the concepts of a codec
#include <eddy/codec/encoder.hpp>

#include <eddy/codec/framed.hpp>        // a connection as a stream and a sink of messages
#include <eddy/codec/framed_parts.hpp>  // the parts of a framed
#include <eddy/codec/framed_read.hpp>   // one direction only
#include <eddy/codec/framed_write.hpp>
#include <eddy/codec/udp_framed.hpp>  // a UDP socket as a stream and a sink of messages with addresses

// Codecs
#include <eddy/codec/any_delimiter_codec.hpp>
#include <eddy/codec/bytes_codec.hpp>
#include <eddy/codec/length_delimited_codec.hpp>
#include <eddy/codec/lines_codec.hpp>
