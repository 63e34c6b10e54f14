// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <optional>
#include <span>
#include <string_view>

#include <eddy/bytes/bytes.hpp>
#include <eddy/bytes/bytes_mut.hpp>
#include <eddy/detail/export.hpp>
#include <eddy/result.hpp>

namespace eddy::codec {

/// A codec without frames: bytes as they are received, in pieces of any size. The default item type of the sink of
/// framed::split() is `bytes`; use `split<std::string>()` for text.
class EDDY_API bytes_codec {
public:
    /// The default item type of the sink of framed::split().
    using sent_type = bytes;

    /// Takes all bytes of the buffer as one piece. Returns nothing if the buffer is empty.
    result<std::optional<bytes_mut>> decode(bytes_mut& from);
    /// Appends the bytes or the text to `into`. Does not fail.
    result<void> encode(std::span<const std::byte> bytes, bytes_mut& into);
    result<void> encode(std::string_view text, bytes_mut& into);
};

}  // namespace eddy::codec
