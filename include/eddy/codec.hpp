// SPDX-License-Identifier: MIT
#pragma once

// Umbrella header for framing: converts between byte streams and messages.

#include <eddy/codec/decoder.hpp>  // what a codec is
#include <eddy/codec/encoder.hpp>

#include <eddy/codec/framed.hpp>        // a connection as a stream and a sink of frames
#include <eddy/codec/framed_parts.hpp>  // what it is made of
#include <eddy/codec/framed_read.hpp>   // its two sides by themselves
#include <eddy/codec/framed_write.hpp>
#include <eddy/codec/udp_framed.hpp>  // a UDP socket, and frames with addresses

// Codecs
#include <eddy/codec/any_delimiter_codec.hpp>
#include <eddy/codec/bytes_codec.hpp>
#include <eddy/codec/length_delimited_codec.hpp>
#include <eddy/codec/lines_codec.hpp>
